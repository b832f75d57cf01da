#!/usr/bin/env bash
# The golden bytes, by Debian's Python and protoc.
. "$(dirname "$0")/harness.sh"
need protoc /usr/bin/python3
/usr/bin/python3 -c 'import google.protobuf' 2>/dev/null || skip "python3-protobuf is missing"

protoc -I"$CLIENTS_SOURCE/protos" --python_out="$scratch" specula/v1/specula.proto
PYTHONPATH=$scratch PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$CLIENTS_SOURCE/tests/clients/wire_check.py" \
  "$CLIENTS_SOURCE/tests/testdata/wire"
