#!/usr/bin/env bash
# clients/examples/go.
. "$(dirname "$0")/harness.sh"
need go protoc
# An older Go cannot read go.mod, and its wish for another toolchain would be a download.
export GOTOOLCHAIN=local
stage go
go version
go list -m >/dev/null || skip "go is older than $(sed -n 's/^go //p' go.mod)"
obtain go mod download

go generate ./...
gofmt -l ./*.go | grep . && fail "not as gofmt has them"
go vet ./...
go test ./...
go build -o specula-example .
check_client ./specula-example
