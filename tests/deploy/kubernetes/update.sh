#!/usr/bin/env bash
# Writes deploy/kubernetes/observe.yaml and control.yaml anew, after a change of the chart.
set -euo pipefail
cd "$(dirname "$0")"
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
gofmt -l . | { ! grep .; } || { echo "not as gofmt has them" >&2; exit 1; }
exec go test ./... -run TestPlainManifestsAreThoseOfTheChart -update
