#!/usr/bin/env bash
# protos/REFERENCE.md is what the comments of the contract say today.
set -euo pipefail
cd "$(dirname "$0")/../.."
/usr/bin/python3 protos/reference.py | diff -u protos/REFERENCE.md - ||
  { echo "FAIL: protos/REFERENCE.md is older than the contract; protos/reference.py >protos/REFERENCE.md" >&2; exit 1; }
