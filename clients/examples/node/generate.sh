#!/bin/sh
# Generates src/gen/ from the contract, by ts-proto; `npm run generate` runs it.
#   forceLong=bigint   64-bit numbers are exact      oneof=unions   the cases of a oneof as TypeScript has them
#   useDate=false      nanoseconds are kept          unknownFields  what a newer agent says is kept
set -eu
rm -rf src/gen
mkdir -p src/gen
protoc -I ../../../protos --plugin=node_modules/.bin/protoc-gen-ts_proto --ts_proto_out=src/gen \
  --ts_proto_opt=outputServices=grpc-js,esModuleInterop=true,importSuffix=.js,forceLong=bigint,useDate=false \
  --ts_proto_opt=oneof=unions-value,unknownFields=true,useOptionals=none,env=node \
  specula/v1/specula.proto
