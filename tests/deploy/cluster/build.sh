#!/usr/bin/env bash
# The programs of the cluster, of Go modules: some minutes when nothing of them is in Go's cache.
#   build.sh BUILD       puts them into BUILD/bin and cert-manager's types into BUILD/crds
# Exit code 77: what it takes is not on this machine.
set -euo pipefail
mkdir -p "$1"
build=$(realpath "$1")
cd "$(dirname "$0")"
skip() { echo "$*"; exit 77; }
command -v go >/dev/null || skip "go is missing"
# An older Go cannot read go.mod, and its wish for another toolchain would be a download.
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0
renice -n 10 -p $$ >/dev/null # other tests may run beside it
helm=helm.sh/helm/v3/cmd/helm
go list -deps . ./pause "$helm" >/dev/null 2>&1 || skip "go is too old, or its modules cannot be had"
gofmt -l . | { ! grep .; } || { echo "FAIL: not as gofmt has them" >&2; exit 1; }
mkdir -p "$build/bin" "$build/crds"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
# Nobody debugs them, and the compiler has memory enough: two thirds of the time.
GOGC=400 go build -gcflags 'all=-l -dwarf=false' -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$build/bin/" . ./pause "$helm"
for name in kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl kube-router coredns cert-manager; do
  ln -sf cluster "$build/bin/$name"
done
cp -f "$(go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)"/deploy/crds/*.yaml "$build/crds/"
