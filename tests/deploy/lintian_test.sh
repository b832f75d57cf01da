#!/usr/bin/env bash
# Debian's own checker has nothing against the packages but what deploy/package/*/lintian-overrides says.
#   lintian_test.sh BUILD      a build of preset release with its packages
# Exit code 77: what it takes is not on this machine.
set -euo pipefail
build=$1
command -v lintian >/dev/null || { echo "skipped: there is no lintian"; exit 77; }
packages=()
for name in specula-agent specula-shim specula; do
  newest=$(ls -t "$build"/packages/"$name"_*.deb 2>/dev/null | head -n 1 || true)
  [ -n "$newest" ] || { echo "skipped: there is no package $name; make it by: cmake --workflow --preset package"; exit 77; }
  packages+=("$newest")
done
as_root=()
[ "$(id -u)" != 0 ] || as_root=(--allow-root)
lintian "${as_root[@]}" --fail-on error,warning "${packages[@]}"
