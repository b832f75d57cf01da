#!/usr/bin/env bash
# Two builds of what is committed, in two directories of different names, give the same packages, byte by byte.
#   reproducible.sh [TARGET]     a program alone, such as specula, is quicker; its bytes are compared then
# Takes as long as two builds of the release do, because nothing is taken from ccache; not part of the tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CCACHE_DISABLE=1
for tree in "$work/one" "$work/another/place"; do
  git clone -q . "$tree"
  (cd "$tree" && cmake --preset release >/dev/null && cmake --build --preset release ${1:+--target "$1"} >"$work/log") ||
    { tail -n 20 "$work/log" >&2; exit 1; }
  # The second is later.
  if [ -n "${1:-}" ]; then files="build/release/bin/$1"
  else (cd "$tree" && cpack --preset release >"$work/log"); files="build/release/packages/*.*"; fi
  (cd "$tree" && sha256sum $files) | tee "$work/sums.$(basename "$tree")"
done
cmp "$work/sums.one" "$work/sums.place"
echo "the same"
