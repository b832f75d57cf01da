#!/usr/bin/env bash
# What cluster_test.sh asks of a cluster, on its node.
set -euo pipefail
step() { echo "== $* (after $SECONDS s)"; }
fail() {
  trap - ERR
  {
    echo "FAIL: $*"
    kubectl get pods -A -o wide
    kubectl -n specula get events --sort-by=.lastTimestamp | tail -n 15
    kubectl -n specula logs --tail=20 -l app.kubernetes.io/name=specula-agent
    tail -n 5 /logs/*
  } >&2 || true
  exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
# eventually CONDITION…: a deadline against hangs only.
eventually() {
  local _
  for _ in $(seq 240); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  return 1
}

# As the reader has it: a clone, the images.
mkdir /root/clone
cd /root/clone
ln -s /source/deploy deploy
cp /work/page/images.tar .
cp -r /work/blocks /root/blocks
# run_block NAME: a block of a page, typed at a terminal.
run_block() {
  [ -s "/root/blocks/$1" ] || fail "no page has a block $1"
  mv "/root/blocks/$1" /root/commands.sh
  script -qec "bash -eu -o pipefail /root/commands.sh" /dev/null </dev/null | tr -d '\r' >/root/said ||
    { cat /root/commands.sh /root/said >&2; fail "as printed it does not work"; }
}
served() { kubectl -n specula rollout status daemonset/specula-agent --timeout=120s >/dev/null || fail "the agent is not ready: $*"; }
# What the agent's pod is: its id, and how often it was started again.
pod() { kubectl -n specula get pods -l app.kubernetes.io/name=specula-agent -o jsonpath='{.items[*].metadata.uid} {.items[*].status.containerStatuses[0].restartCount}'; }
address() { kubectl -n specula get pods -l app.kubernetes.io/name=specula-agent -o jsonpath='{.items[0].status.podIP}'; }
# fetch NAME: a caller's secret, as a pod would have it mounted.
fetch() {
  local file
  mkdir -p "/root/callers/$1"
  for file in ca.crt tls.crt tls.key; do
    kubectl -n specula get secret "specula-client-$1" -o go-template="{{index .data \"$file\"}}" >/root/encoded || return 1
    base64 -d /root/encoded >"/root/callers/$1/$file"
  done
  chmod 0400 "/root/callers/$1/tls.key"
}
# as NAME ARGUMENT…: from the node, which is in the pods' network and asks the cluster's DNS.
as() {
  local tls=/root/callers/$1
  shift
  specula --inventory dns:///specula-agent.specula.svc.cluster.local --ca "$tls/ca.crt" --cert "$tls/tls.crt" --key "$tls/tls.key" "$@"
}
is_refused() { ! as "$@" >/root/refused 2>&1 && grep -qi "$refusal" /root/refused; }
# What PodSecurity would say of the pods in a namespace of that level.
judged() {
  kubectl label --dry-run=server --overwrite namespace specula "pod-security.kubernetes.io/enforce=$1" 2>&1 >/dev/null |
    sed -n 's/^Warning: specula-agent-[^:]*: //p'
}
helm() { command helm "$@" >/root/helm.log 2>&1 || { cat /root/helm.log >&2; fail "helm $*"; }; }
upgrade() { helm upgrade specula-agent deploy/kubernetes/chart --namespace specula --reuse-values "$@"; }
leave() {
  helm uninstall specula-agent --namespace specula
  kubectl delete namespace specula --timeout=120s >/dev/null
}

step "Images, as printed"
run_block kubernetes.1.sh

step "Without cert-manager, as printed"
! kubectl get crd certificates.cert-manager.io >/dev/null 2>&1 || fail "there is a cert-manager"
cp /root/blocks/kubernetes.2.sh /root/namespace.sh
run_block kubernetes.2.sh
run_block kubernetes.6.sh
served "with certificates of specula pki"
cp /root/blocks/kubernetes.4.sh /root/ask.sh
run_block kubernetes.4.sh
grep -Eq "^$(address) +node-1 +[0-9.]+ .*GiB" /root/said || fail "no row of the node: $(cat /root/said)"
leave

step "With cert-manager, as printed"
kubectl apply --server-side -f /cluster/crds >/dev/null
cert-manager --kubeconfig "$KUBECONFIG" >/logs/cert-manager.log 2>&1 &
bash -eu /root/namespace.sh >/dev/null
run_block kubernetes.3.sh
served "with certificates of cert-manager"
cp /root/ask.sh /root/blocks/kubernetes.4.sh
run_block kubernetes.4.sh
grep -Eq "^$(address) +node-1 +[0-9.]+ .*GiB" /root/said || fail "no row of the node: $(cat /root/said)"
fetch alice
[ "$(as alice status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"]["host"]["hostname"])')" = node-1 ] ||
  fail "the row does not say which node it is"
[ "$(kubectl -n specula exec daemonset/specula-agent -- /specula-agent probe)" = "serving on 127.0.0.1:60120" ] || fail "the probe"
[ "$(judged restricted)" = "restricted volume types" ] || fail "more than volumes is not restricted: $(judged restricted)"
[ "$(judged baseline)" = "hostPath volumes" ] || fail "more than volumes is not baseline: $(judged baseline)"
refusal="takes the role operator"
is_refused alice exec -- hostname || fail "a viewer may exec: $(cat /root/refused)"

step "The NetworkPolicy"
# The same pod without the label, which asks again and again.
sed -e 's/--labels=[^ ]*//' -e '/^kubectl .* wait/,$d' /root/ask.sh >/root/stranger.sh
stranger_sees() {
  kubectl -n specula logs ask >/root/said 2>&1 && grep -q "$1" /root/said
}
agent_calls() { nsenter -t "$(pgrep -o specula-agent)" -n timeout 5 bash -c ': </dev/tcp/192.0.2.1/6443' 2>/dev/null; }
is_kept_in() { ! agent_calls; }
eventually is_kept_in || fail "the agent may call the API server"
bash -eu /root/stranger.sh >/dev/null
eventually stranger_sees refused || fail "a pod without the label is not kept away: $(cat /root/said)"
upgrade --set networkPolicy.enabled=false
eventually agent_calls || fail "without a policy the agent is still kept in"
eventually stranger_sees "^$(address) .*GiB" || fail "without a policy the label is still wanted: $(cat /root/said)"
kubectl -n specula delete pod ask >/dev/null
upgrade --set networkPolicy.enabled=true
eventually is_kept_in || fail "the policy does not come back"

step "Certificates: a new one, and a revoked one, without a restart"
before=$(pod)
shown() { openssl s_client -connect "$(address):60120" </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName; }
! shown | grep -q nodes.example.net || fail "the certificate has a name that nobody asked for"
upgrade --set 'dnsNames={nodes.example.net}'
shows_new() { shown | grep -q DNS:nodes.example.net; }
eventually shows_new || fail "the certificate that cert-manager made anew is not served"
as alice status >/dev/null || fail "with its new certificate the agent does not answer"
serial=$(openssl x509 -noout -serial -in /root/callers/alice/tls.crt)
upgrade --set "denylist={${serial#*=}}"
refusal=revoked
eventually is_refused alice status || fail "a revoked certificate is taken: $(cat /root/refused)"
upgrade --set-json 'denylist=[]'
eventually as alice status || fail "what is not revoked any more is refused"
[ "$(pod)" = "$before" ] || fail "the agent was started anew: $before, then $(pod)"

step "A rolling update"
upgrade --set ceiling.max-timeout=600
served "after an update"
[ "$(pod)" != "$before" ] || fail "a new configuration made no new pod"
as alice status >/dev/null || fail "after an update the agent does not answer"

step "Profile control, as printed"
run_block kubernetes.5.sh
served "in control"
eventually fetch bob
echo of-the-node >/root/marker
[ "$(as bob exec -- cat /root/marker)" = of-the-node ] || fail "Exec is not on the node"
[ "$(as bob exec -- sh -c 'hostname; id -u; readlink /proc/self/ns/net')" = "$(hostname; id -u; readlink /proc/self/ns/net)" ] ||
  fail "Exec is not what root has on the node"
[ "$(as bob tail /root/marker -n 1)" = of-the-node ] || fail "Tail is not on the node"
sleep 1000 &
sleeper=$!
as bob kill "$sleeper" >/dev/null || fail "Kill is not on the node"
wait "$sleeper" && fail "Kill has killed something else" || true
as bob start -- sh -c 'echo started-$(hostname); exec sleep 54321' >/dev/null
has_log() { grep -rqx started-node-1 /var/lib/specula; }
runs() { pgrep -fx 'sleep 54321' >/dev/null; }
eventually has_log && eventually runs || fail "a Start is not on the node"
[ "$(kubectl -n specula exec daemonset/specula-agent -- /specula-agent probe)" = "serving on 127.0.0.1:60120" ] || fail "the probe in control"
front=$(kubectl -n specula logs daemonset/specula-agent | sed -n 's/.* msg=listening .* pid=\([0-9]*\).*/\1/p' | tail -n 1)
[ "$(stat -c %u "/proc/$front")" = 60120 ] || fail "what serves the network is root"
refusal="takes the role operator"
is_refused alice exec -- hostname || fail "a viewer may exec: $(cat /root/refused)"

step "At the nodes' own addresses"
upgrade --set hostNetwork=true
served "at the node's address"
! runs || fail "a Start has outlived its container"
has_log || fail "the log of a Start went with its container"
cat >/root/nodes.toml <<'TOML'
[[host]]
name = "node-1"
address = "192.0.2.1"
certificate_name = "specula-agent.specula.svc.cluster.local"
TOML
said=$(specula --inventory /root/nodes.toml --ca /root/callers/bob/ca.crt --cert /root/callers/bob/tls.crt --key /root/callers/bob/tls.key \
  exec -- cat /root/marker) && [ "$said" = of-the-node ] || fail "at the node's address nothing is to be had: $said"
leave

step "The plain manifests"
run_block README.1.sh
served "of observe.yaml"
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: carol, namespace: specula}
spec:
  commonName: carol
  secretName: specula-client-carol
  usages: [digital signature, client auth]
  uris: ["spiffe://specula.local/specula/operator/carol"]
  issuerRef: {name: specula-ca}
YAML
eventually fetch carol
as carol status >/dev/null || fail "observe.yaml does not answer"
kubectl apply -f deploy/kubernetes/control.yaml >/dev/null
served "of control.yaml"
[ "$(as carol exec -- cat /root/marker)" = of-the-node ] || fail "control.yaml does not act on the node"

! ls /root/blocks/* 2>/dev/null || fail "these blocks of pages were run by nobody"
step "PASSED"
