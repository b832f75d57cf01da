#!/usr/bin/env bash
# The Python client in an environment of the newest packages of the index, built there as a user builds it:
# its tests, and mypy over what was installed.
#
#   tests/clients/python/newest.sh BUILD    BUILD: where the programs were built, build/dev
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/../../.."
work=$build/python-newest
rm -rf "$work"
/usr/bin/python3 -m venv "$work/venv"
pip() { "$work/venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
cp -r clients/python "$work/source"
cp -r protos "$work/source/protos"
pip install --upgrade "$work/source"
pip install --upgrade pytest mypy types-grpcio types-protobuf tomli
"$work/venv/bin/python" -c 'import google.protobuf, grpc; print("grpcio", grpc.__version__, "protobuf", google.protobuf.__version__)'
(cd "$work" && venv/bin/python -m mypy --config-file source/pyproject.toml -p specula)
TEST_PROGRAMS=$build/bin "$work/venv/bin/python" -m pytest -q -p no:cacheprovider tests/clients/python
