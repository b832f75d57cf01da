#!/usr/bin/env bash
# The chart and the plain manifests against the types of the Kubernetes API and of cert-manager, in Go.
#   kubernetes_test.sh
set -euo pipefail
cd "$(dirname "$0")/kubernetes"
skip() {
  [ -z "${CLIENTS_ALL:-}" ] || { echo "FAIL: $*, and CLIENTS_ALL wants every test run" >&2; exit 1; }
  echo "SKIPPED: $*"
  exit 77
}
command -v go >/dev/null || skip "go is missing"
# An older Go cannot read go.mod, and its wish for another toolchain would be a download.
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
timeout 600 go mod download >/dev/null 2>&1 || skip "go is too old, or its modules cannot be had"
gofmt -l . | { ! grep .; } || { echo "FAIL: not as gofmt has them" >&2; exit 1; }
go vet ./...
go test ./...
