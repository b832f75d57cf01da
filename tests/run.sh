#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests. Ends with the line
#   N passed, N failed, N skipped
#
#   tests/run.sh [PRESET] [ctest options…]    PRESET: dev (default), asan, tsan, clang
#   tests/run.sh [PRESET] --skipped           only what the last run skipped; the line counts both runs
set -euo pipefail
cd "$(dirname "$0")/.."
preset=dev
if [ $# -gt 0 ] && [[ $1 != -* ]]; then preset=$1; shift; fi

deploy/install-deps.sh
cmake --preset "$preset" >/dev/null
# Under sanitizers the programs themselves take long to build, and unit tests start none.
target=all
case " $* " in *" -L unit "*) target=unit_tests ;; esac
cmake --build --preset "$preset" --target "$target"

report="build/$preset/junit.xml"
before="build/$preset/junit.before.xml"
rm -f "$before"
if [ "${1:-}" = --skipped ]; then
  mv "$report" "$before"
  set -- -R "$(python3 - "$before" <<'PY'
import re
import sys
import xml.etree.ElementTree as ElementTree
cases = ElementTree.parse(sys.argv[1]).getroot().iter("testcase")
print("^(" + "|".join(re.escape(case.get("name")) for case in cases if case.find("skipped") is not None) + ")$")
PY
)"
fi
rm -f "$report"
# What a test that is killed leaves behind goes with all the others' directories. Passable for the other
# users that some tests become.
TMPDIR=$(mktemp -d)
chmod 711 "$TMPDIR"
export TMPDIR TEST_TMPDIR=$TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
status=0
# One more than there are processors: many wait for a deadline or the other side most of the time.
ctest --preset "$preset" --parallel "$(($(nproc) + 1))" --output-junit "$PWD/$report" "$@" || status=$?
[ -s "$report" ] || { echo "tests/run.sh: ctest wrote no report" >&2; exit 1; }

# ctest's own summary counts skipped tests as passed; the report tells them apart.
python3 - "$before" "$report" <<'PY'
import os
import sys
import xml.etree.ElementTree as ElementTree
reports = [ElementTree.parse(path).getroot() for path in sys.argv[1:] if os.path.exists(path)]
cases = list({case.get("name"): case for report in reports for case in report.iter("testcase")}.values())
failed = sum(case.get("status") == "fail" for case in cases)
skipped = sum(case.find("skipped") is not None for case in cases)
clients = [case for case in cases if case.get("name").startswith("clients.")]
if clients:
    away = [case.get("name") for case in clients if case.find("skipped") is not None]
    print(f"clients: {len(clients) - len(away)} of {len(clients)} ran" + "".join(f", not {name}" for name in away))
print(f"{len(cases) - failed - skipped} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or len(cases) == skipped else 0)
PY
exit "$status"
