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
node_exporter=
if (cd "$peers" && chmod 755 . && apt-get download prometheus-node-exporter >/dev/null 2>&1 && dpkg -x ./*.deb .); then
  node_exporter=$peers/usr/bin/prometheus-node-exporter
fi
build/bench/bin/agent_bench ${node_exporter:+--node-exporter "$node_exporter"} "$@"

build/bench/bin/shim_bench
