#!/usr/bin/env bash
# Certificates as cert-manager issues them by the chart's requests, mounted as the kubelet mounts a secret: the agent serves
# with them, is found by the name of the service, takes over the next one, and its probe goes along.
#   mounted_secret_test.sh DIRECTORY-OF-THE-PROGRAMS
set -euo pipefail
programs=$1
work=$(mktemp -d)
agent=
end() {
  [ -z "$agent" ] || { kill -TERM "$agent" 2>/dev/null; wait "$agent" 2>/dev/null; } || true
  rm -rf "$work"
}
trap end EXIT
fail() { echo "FAIL: $*" >&2; cat "$work/agent.log" >&2; exit 1; }

# An authority without a URI, leaves with a common name, one URI and the names of the service.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -subj "/CN=Specula CA" -days 3650 \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,digitalSignature,keyCertSign,cRLSign" \
  -out "$work/ca.crt" 2>/dev/null
# issue DIRECTORY NAME USAGES NAMES
issue() {
  mkdir -p "$1"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1/tls.key" -subj "/CN=$2" -out "$work/request" 2>/dev/null
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' \
    "$3" "$4" >"$work/extensions"
  openssl x509 -req -in "$work/request" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 90 \
    -extfile "$work/extensions" -out "$1/tls.crt" 2>/dev/null
  cp "$work/ca.crt" "$1/ca.crt"
  chmod 0440 "$1"/*
}
# The names of a pod's Service are not to be had here; localhost is one that resolves.
issue_agent() {
  issue "$1" specula-agent serverAuth,clientAuth \
    "URI:spiffe://specula.local/specula/agent/specula-agent,DNS:specula-agent.specula.svc.cluster.local,DNS:localhost"
}
issue "$work/alice" alice clientAuth "URI:spiffe://specula.local/specula/viewer/alice"
chmod 0400 "$work/alice/tls.key"

# As the kubelet: files are links into ..data, which is a link to the directory of one version and is replaced by a rename.
tls=$work/tls
swap() { ln -s "$1" "$tls/..data_tmp" && mv -T "$tls/..data_tmp" "$tls/..data"; }
issue_agent "$tls/..first"
swap ..first
for file in ca.crt tls.crt tls.key; do ln -s "..data/$file" "$tls/$file"; done

eventually() {
  local _
  for _ in $(seq 300); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}
files=(--config /dev/null --ca "$tls/ca.crt" --cert "$tls/tls.crt" --key "$tls/tls.key")
"$programs/specula-agent" "${files[@]}" --listen 127.0.0.1:0 --state-dir "$work/state" 2>"$work/agent.log" &
agent=$!
listens() { grep -q 'msg=listening' "$work/agent.log"; }
eventually listens || fail "the agent does not start with such certificates"
address=$(sed -n 's/.* msg=listening .*address=\([^ ]*\).*/\1/p' "$work/agent.log")
ask() {
  "$programs/specula" --inventory "dns:///localhost:${address##*:}" --ca "$work/ca.crt" --cert "$work/alice/tls.crt" \
    --key "$work/alice/tls.key" status --json
}
# localhost may have two addresses; the agent has one.
ask >"$work/status" || grep -q '"hostname"' "$work/status" || fail "it is not found by the service's name: $(cat "$work/status")"
probe() { "$programs/specula-agent" probe "${files[@]}" --listen "$address" >/dev/null; }
probe || fail "the probe is not content"

took_over() {
  ask >"$work/status" || true
  grep -q '"certificate_generation":"2"' "$work/status"
}
issue_agent "$tls/..second"
swap ..second
rm -rf "$tls/..first"
eventually took_over || fail "the next certificate was not taken over: $(ask)"
probe || fail "the probe does not go along"
# All of them have dialled an address that is not in the certificate, and nobody is bothered with that.
if grep -v '^time=' "$work/agent.log"; then fail "there are lines in the log that are none of ours"; fi
if grep -q 'msg=gRPC' "$work/agent.log"; then fail "a good call makes gRPC complain"; fi
echo "PASSED"
