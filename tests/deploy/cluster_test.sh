#!/usr/bin/env bash
# The chart and the plain manifests on a real Kubernetes: API server, kubelet, containerd, cert-manager and DNS on one node
# (cluster/node.sh). What the pages print for a cluster (runs-in=cluster) is run there as printed; then what they promise is
# looked for: both profiles, with cert-manager and without, updates, new certificates, revoked ones.
#   cluster_test.sh DIRECTORY-OF-THE-STATIC-PROGRAMS BUILD
# BUILD keeps the cluster's own programs, which Go makes of modules (cluster/go.mod) in some minutes when nothing is in its cache.
set -euo pipefail
source=$(realpath "$(dirname "$0")/../..")
. "$source/tests/deploy/images.sh"
skip() {
  [ -z "${CLIENTS_ALL:-}" ] || { echo "FAIL: $*, and CLIENTS_ALL wants every test run" >&2; exit 1; }
  echo "SKIPPED: $*"
  exit 77
}
static=$1
for tool in buildah podman etcd containerd ctr runc openssl script python3 unshare setpriv ip iptables ipset; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done
[ -x /usr/lib/cni/bridge ] || skip "there are no CNI plugins"
[ "$(id -u)" = 0 ] || skip "it takes root"
[ -x "$static/specula-agent" ] && [ -x "$static/specula" ] ||
  skip "there are no static programs: cmake --preset release && cmake --build --preset release"
unshare -m -u -i -n -p --fork true 2>/dev/null || skip "no namespaces can be made here"
step() { echo "== $* (after $SECONDS s)"; }
fail() { echo "FAIL: $*" >&2; exit 1; }

work=$(mktemp -d)
cgroup=specula-cluster-$$
cgroups() { findmnt -rno TARGET -t cgroup,cgroup2 | grep '^/sys/fs/cgroup'; }
# remove GROUP: in all hierarchies.
remove() {
  local hierarchy _
  for hierarchy in $(cgroups); do
    # What the kernel has just killed is in it for a moment more.
    for _ in $(seq 50); do
      find "$hierarchy/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -d "$hierarchy/$1" ] || break
      sleep 0.1
    done
  done
}
finish() {
  remove "$cgroup"
  rm -rf "$work"
}
trap finish EXIT

step "The cluster's programs"
code=0
"$source/tests/deploy/cluster/build.sh" "$2" >"$work/build.log" 2>&1 || code=$?
[ "$code" != 77 ] || skip "$(cat "$work/build.log")"
[ "$code" = 0 ] || { cat "$work/build.log" >&2; fail "the cluster's programs are not built"; }
build=$(realpath "$2")

step "The images"
# What a test left that was killed itself.
for left in $(cgroups | sed 's:$:/specula-cluster-*:'); do
  [ ! -d "$left" ] || [ -d "/proc/${left##*-}" ] || remove "$(basename "$left")"
done
for hierarchy in $(cgroups); do mkdir "$hierarchy/$cgroup"; done
if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then
  sed 's/[a-z0-9_]*/+&/g' /sys/fs/cgroup/cgroup.subtree_control >"/sys/fs/cgroup/$cgroup/cgroup.subtree_control"
fi
lay_out_images
mkdir "$work/blocks" "$work/saved" "$work/page"
cp "$build/bin/pause" "$work/context/"
printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$work/pause"
"$source/tests/docs/blocks.py" cluster "$work/blocks"
"$source/tests/docs/blocks.py" container "$work/saved"
# The images are built and saved as printed.
(
  cd "$work/context"
  bash -eu "$work/saved/kubernetes.1.sh" && buildah bud -f "$work/pause" -t specula.test/pause:1 . && bash -eu "$work/saved/kubernetes.2.sh"
) >"$work/image.log" 2>&1 || { cat "$work/image.log" >&2; fail "the images are not made"; }
mv "$work/context/images.tar" "$work/page"
buildah push -q specula.test/pause:1 "docker-archive:$work/pause.tar:specula.test/pause:1"
unset CONTAINERS_STORAGE_CONF BUILDAH_ISOLATION
rm -rf "$work/store" "$work/context"
cp "$static/specula" "$work/specula"

step "The cluster"
# Ends with this script, whichever way that does.
setpriv --pdeathsig KILL bash "$source/tests/deploy/cluster/node.sh" "$build" "$work" "/$cgroup" bash /source/tests/deploy/cluster/inside.sh
