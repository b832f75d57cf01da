#!/usr/bin/env bash
# A cluster of one node that ends without a trace: in namespaces of its own, over a root whose every change is in memory.
#   node.sh CLUSTER WORK CGROUP COMMAND…
# Runs COMMAND on the node when it is ready, as root, with kubectl, helm, ctr and specula in its PATH, and ends with its exit code.
# There /cluster is the folder CLUSTER with the programs, /work is WORK, with pause.tar, an image, and specula; /source is this
# repository and /logs has what the parts of the cluster say. CGROUP has been made in every hierarchy; the pods are below it.
set -euo pipefail

case "${NODE_STAGE:-outside}" in
  outside)
    export NODE_STAGE=namespaces
    # What is left in the PID namespace ends with its first process, and that one with this.
    exec unshare -m -u -i -n -p --fork --kill-child bash "$0" "$@"
    ;;
  namespaces)
    cluster=$(realpath "$1")
    work=$(realpath "$2")
    source=$(realpath "$(dirname "$0")/../../..")
    top=$work/node
    mkdir "$top"
    mount -t tmpfs -o mode=755 node "$top"
    mkdir "$top/new" "$top/work" "$top/root" "$top/containerd" "$top/kubelet" "$top/etcd"
    root=$top/root
    mount -t overlay -o "lowerdir=/,upperdir=$top/new,workdir=$top/work" node "$root"
    # An agent of this machine is none of the node's.
    rm -rf "$root/var/lib/specula" "$root/etc/specula"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
    for folder in run tmp var/log; do mount -t tmpfs tmpfs "$root/$folder"; done
    # Layers of images cannot be upon an overlay.
    for folder in containerd kubelet etcd; do
      mkdir -p "$root/var/lib/$folder"
      mount --bind "$top/$folder" "$root/var/lib/$folder"
    done
    mkdir -p "$root/cluster" "$root/work" "$root/source" "$root/logs" "$root/machine"
    mount --bind "$cluster" "$root/cluster"
    mount --bind "$work" "$root/work"
    mount --bind "$source" "$root/source"
    for folder in cluster work source; do mount -o remount,bind,ro "$root/$folder"; done
    pivot_root "$root" "$root/machine"
    cd /
    umount -l /machine
    rmdir /machine
    # A volume that looks at the node sees what is mounted there later.
    mount --make-rshared /
    export NODE_STAGE=node
    exec bash /source/tests/deploy/cluster/node.sh "$@"
    ;;
esac

# From here on this is the first process of the node, where that folder is not.
unset TMPDIR TEST_TMPDIR
cgroup=$3
shift 3
export PATH=/cluster/bin:/work:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root KUBECONFIG=/etc/kubernetes/admin.conf
fail() {
  echo "FAIL: the cluster does not come up: $*" >&2
  tail -n 5 /logs/* >&2
  exit 1
}
# eventually CONDITION…: a deadline against hangs only.
eventually() {
  local _
  for _ in $(seq 600); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    all_run || return 1
    sleep 0.2
  done
  return 1
}
# start PROGRAM ARGUMENT…
start() {
  "$@" >"/logs/$1.log" 2>&1 &
  parts+=($!)
}
parts=()
all_run() {
  local part
  for part in "${parts[@]}"; do kill -0 "$part" || return 1; done
}

hostname node-1
address=192.0.2.1
ip link set lo up
ip link add node type bridge
ip address add "$address/24" dev node
ip link set node up
ip route add default dev node
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
echo "nameserver $address" >/etc/resolv.conf
printf '127.0.0.1 localhost\n%s node-1\n' "$address" >/etc/hosts

# The kubelet would have these otherwise, for the whole machine.
tunable() {
  echo "$2" >"/run/tunable-${1//\//-}"
  mount --bind "/run/tunable-${1//\//-}" "/proc/sys/$1"
}
tunable vm/overcommit_memory 1
tunable vm/panic_on_oom 0
tunable kernel/panic 10
tunable kernel/panic_on_oops 1
tunable kernel/keys/root_maxkeys 1000000
tunable kernel/keys/root_maxbytes 25000000

mkdir -p /etc/kubernetes/pki /etc/cni/net.d /etc/containerd
cat >/etc/containerd/config.toml <<'CONF'
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true
sandbox_image = "specula.test/pause:1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"
CONF
cat >/etc/cni/net.d/10-bridge.conflist <<'CONF'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isDefaultGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "198.51.100.0/24"}]]}}]}
CONF
cat >/etc/kubernetes/kubelet.yaml <<CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: $cgroup
clusterDNS: [$address]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
enforceNodeAllocatable: [none]
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
# By how long after its change a ConfigMap or a Secret is in the pods.
syncFrequency: 5s
CONF
cat >/etc/kubernetes/Corefile <<CONF
cluster.local {
  errors
  kubernetes {
    kubeconfig /etc/kubernetes/admin.conf
  }
}
CONF
# Who may come: the parts of the cluster, and the admin.
token() { head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
admin=$(token) node=$(token)
cat >/etc/kubernetes/tokens <<CONF
$admin,admin,admin,system:masters
$node,system:node:node-1,node-1,system:nodes
CONF
openssl genrsa -out /etc/kubernetes/pki/accounts.key 2048 2>/dev/null
kubeconfig() {
  cat <<CONF
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$address:6443", certificate-authority: /etc/kubernetes/pki/apiserver.crt}}]
users: [{name: me, user: {token: "$1"}}]
contexts: [{name: test, context: {cluster: test, user: me}}]
current-context: test
CONF
}
kubeconfig "$admin" >/etc/kubernetes/admin.conf
kubeconfig "$node" >/etc/kubernetes/kubelet.conf

start containerd
start etcd --data-dir /var/lib/etcd/data
start kube-apiserver --etcd-servers http://127.0.0.1:2379 --cert-dir /etc/kubernetes/pki --advertise-address "$address" \
  --bind-address "$address" --service-cluster-ip-range 203.0.113.0/24 --token-auth-file /etc/kubernetes/tokens --authorization-mode Node,RBAC \
  --feature-gates SizeBasedListCostEstimate=false --enable-admission-plugins NodeRestriction --allow-privileged --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file /etc/kubernetes/pki/accounts.key --service-account-signing-key-file /etc/kubernetes/pki/accounts.key
eventually kubectl get --raw /readyz || fail "the API server is not ready"
start kube-controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false --cert-dir /run/controller-manager \
  --service-account-private-key-file /etc/kubernetes/pki/accounts.key --root-ca-file /etc/kubernetes/pki/apiserver.crt
start kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false --cert-dir /run/scheduler
start coredns -conf /etc/kubernetes/Corefile
eventually ctr version || fail "containerd does not answer"
ctr -n k8s.io images import /work/pause.tar >/dev/null || fail "there is no image of pause"
start kubelet --config /etc/kubernetes/kubelet.yaml --kubeconfig /etc/kubernetes/kubelet.conf --node-ip "$address" \
  --hostname-override node-1
eventually kubectl wait --for=condition=Ready node/node-1 --timeout=5s || fail "the node is not ready"
start kube-router --kubeconfig "$KUBECONFIG" --service-cluster-ip-range 203.0.113.0/24

"$@"
