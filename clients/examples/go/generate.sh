#!/bin/sh
# Generates speculav1/ from the contract; `go generate` runs it. The plugins are those of go.mod.
set -eu
protoc -I ../../../protos \
  --plugin="$(go tool -n protoc-gen-go)" --plugin="$(go tool -n protoc-gen-go-grpc)" \
  --go_out=. --go_opt=module=specula-example,Mspecula/v1/specula.proto=specula-example/speculav1 \
  --go-grpc_out=. --go-grpc_opt=module=specula-example,Mspecula/v1/specula.proto=specula-example/speculav1 \
  specula/v1/specula.proto
