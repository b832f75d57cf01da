#!/usr/bin/env bash
# The programs of a release need nothing of a machine but its kernel: they run in a root that holds nothing
# else, and with /proc in it an agent there answers a controller there.
#   static_test.sh BUILD      a build of preset release
# Exit code 77: what it takes is not on this machine.
set -euo pipefail
build=$(realpath -m "$1")
skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || skip "it takes root"
command -v readelf >/dev/null || skip "there is no readelf"
programs=(specula-agent specula-shim specula)
for program in "${programs[@]}"; do
  [ -x "$build/bin/$program" ] || skip "there is no $build/bin/$program; make it by: cmake --build --preset release"
done

root=$(mktemp -d)
agent=
finish() {
  [ -z "$agent" ] || { kill -TERM "$agent" 2>/dev/null || true; wait "$agent" 2>/dev/null || true; }
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root" "$root.log"
}
trap finish EXIT

chroot=$(command -v chroot)
in_root() { env -i "$chroot" "$root" "$@"; }

for program in "${programs[@]}"; do
  cp "$build/bin/$program" "$root"
  size=$(stat -c %s "$root/$program")
  echo "$program: $size bytes"
  [ "$size" -le 20000000 ] || fail "$program is larger than 20 MB"
  if readelf -lW "$root/$program" | grep INTERP; then fail "$program wants a loader"; fi
  if readelf -dW "$root/$program" 2>/dev/null | grep NEEDED; then fail "$program wants libraries"; fi
  readelf -SW "$root/$program" | grep -q '\.symtab' && fail "$program is not stripped"
  in_root "/$program" --version || fail "$program --version"
done

# What the kernel itself shows is all that an agent tells of.
mkdir "$root/proc"
mount -t proc proc "$root/proc" || skip "/proc cannot be mounted"
in_root /specula pki init /ca >/dev/null
in_root /specula pki agent /ca vm1 --san 127.0.0.1 >/dev/null
in_root /specula pki client /ca viewer --role viewer >/dev/null
env -i "$chroot" "$root" /specula-agent --listen 127.0.0.1:0 --ca /ca/ca.crt --cert /ca/vm1.crt --key /ca/vm1.key \
  --state-dir /state </dev/null >"$root.log" 2>&1 &
agent=$!
address=
for _ in $(seq 300); do
  address=$(sed -n 's/.*msg=listening address="\?\([0-9.:]*\).*/\1/p' "$root.log")
  [ -z "$address" ] || break
  kill -0 "$agent" 2>/dev/null || { cat "$root.log"; fail "the agent does not run in an empty root"; }
  sleep 0.1
done
[ -n "$address" ] || { cat "$root.log"; fail "the agent does not listen"; }
in_root /specula --hosts "$address" --ca /ca/ca.crt --cert /ca/viewer.crt --key /ca/viewer.key status ||
  fail "the agent does not answer"
