#!/usr/bin/env bash
# Builds the release with the benchmarks and runs them, beside the peers they are measured against.
# Peers are unpacked from Debian's packages into a temporary folder: nothing is installed or started
# as a service. What cannot be had is said and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/install-deps.sh
cmake --preset bench >/dev/null
cmake --build --preset bench

peers=$(mktemp -d)
trap 'rm -rf "$peers"' EXIT
# peer PACKAGE…: unpacks them into one folder and prints that.
peer() {
  mkdir "$peers/$1" && cd "$peers/$1" && apt-get download "$@" >/dev/null 2>&1 || return
  for package in ./*.deb; do dpkg -x "$package" . || return; done
  pwd
}
chmod 755 "$peers"
node_exporter=$(peer prometheus-node-exporter) || node_exporter=
openssh=$(peer openssh-server libwrap0) || openssh=
fleet=$(peer clustershell python3-clustershell pdsh openssh-server libwrap0) || fleet=
build/bench/bin/agent_bench ${node_exporter:+--node-exporter "$node_exporter/usr/bin/prometheus-node-exporter"} "$@"
build/bench/bin/hand_bench ${openssh:+--openssh "$openssh"}
build/bench/bin/shim_bench
status=0
tests/bench/fleet_bench --programs build/bench/bin --simulated 1000 || status=$?
peers_status=0
tests/bench/fleet_bench --programs build/bench/bin --peers "${fleet:-$peers}" || peers_status=$?
# 77: it says itself why it was not measured.
[ "$peers_status" -eq 77 ] || [ "$peers_status" -eq 0 ] || status=$peers_status
exit "$status"
