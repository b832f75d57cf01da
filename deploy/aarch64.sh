#!/usr/bin/env bash
# Builds Specula for aarch64 on another machine, and runs what of the unit tests an emulator can.
#
#   deploy/aarch64.sh           builds the static programs and the unit tests, runs these, makes packages
#   deploy/aarch64.sh root      only fetches Debian's arm64 libraries into build/aarch64-root
#
# Takes g++-aarch64-linux-gnu, qemu-user-static and debootstrap besides what a build takes; no root but for
# installing them, and no other architecture in this machine's package lists.
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=(libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev libprotoc-dev libabsl-dev libssl-dev libc-ares-dev
  libre2-dev zlib1g-dev libboost-dev libcli11-dev libtomlplusplus-dev libyaml-cpp-dev libncurses-dev libedit-dev
  libgtest-dev libgmock-dev libbenchmark-dev libc6-dev libstdc++-12-dev)
root=build/aarch64-root

# Nothing of it is run, so it is enough to lay the packages out.
fetch_root() {
  [ ! -e "$root/.complete" ] || return 0
  local work mirror package
  work=$(mktemp -d)
  mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "bookworm" { print $2; exit }')
  echo "Debian's arm64 libraries, into $root"
  debootstrap --variant=minbase --arch=arm64 --foreign --include="$(IFS=,; echo "${libraries[*]}")" bookworm "$work/debian" \
    "${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; exit 1; }
  rm -rf "$root"
  mkdir -p "$root"
  for package in "$work"/debian/var/cache/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -C "$root" -x --exclude='./usr/share/doc' --exclude='./usr/share/man' \
      --exclude='./usr/share/locale'
  done
  rm -rf --one-file-system "$work"
  touch "$root/.complete"
}

case "${1:-}" in
  root) fetch_root; exit 0 ;;
  "") ;;
  *) echo "usage: deploy/aarch64.sh [root]" >&2; exit 2 ;;
esac
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static debootstrap; do
  command -v "$tool" >/dev/null ||
    { echo "aarch64.sh: there is no $tool; apt-get install g++-aarch64-linux-gnu qemu-user-static debootstrap" >&2; exit 1; }
done
fetch_root
cmake --preset aarch64 >/dev/null
cmake --build --preset aarch64 --target specula-agent specula-shim specula manual unit_tests
ctest --preset aarch64 --parallel "$(nproc)"
for program in specula-agent specula-shim specula; do qemu-aarch64-static build/aarch64/bin/$program --version; done
cpack --preset aarch64
