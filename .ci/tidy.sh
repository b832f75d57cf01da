#!/usr/bin/env bash
# clang-tidy, and with it clang's own warnings and thread-safety analysis, over all of our .cc files but the
# tests'. Nothing of ours is compiled for it: only the generated headers have to be there.
#
#   .ci/tidy.sh [FILE.cc…]
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'agent/*.cc' 'clients/*.cc' 'ctl/*.cc' 'lib/*.cc' 'shim/*.cc')
[ $# -eq 0 ] || files=("$@")
cmake --preset tidy >/dev/null
ninja -C build/tidy -t targets all | sed -n 's/^\([^/].*\.pb\.h\): CUSTOM_COMMAND$/\1/p' |
  xargs ninja -C build/tidy >build/tidy/generated.log || { cat build/tidy/generated.log; exit 1; }
# It says how many warnings it kept to itself for each file.
printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 4 clang-tidy-14 -p build/tidy --quiet 2> \
  >(grep -v '^[0-9]* warnings generated\.$' >&2)
