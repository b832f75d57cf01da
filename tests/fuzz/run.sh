#!/usr/bin/env bash
# Runs every fuzzer of a build for some seconds from its corpus, as many at once as there are processors,
# without keeping what it finds on the way; an input that breaks a parser is left in the build folder and
# its name is printed.
#
#   tests/fuzz/run.sh BUILD_DIR SECONDS
set -euo pipefail
build=$(cd "$1" && pwd)
export build seconds=$2
cd "$(dirname "$0")/corpus"
mkdir -p "$build/fuzz"

run_one() {
  local corpus=$1 work log=$build/fuzz/$1.log status=0
  work=$(mktemp -d)
  "$build/bin/$corpus" -max_total_time="$seconds" -artifact_prefix="$build/fuzz/$corpus-" \
    -rss_limit_mb=2048 -timeout=10 "$work" "$corpus" >"$log" 2>&1 || status=$?
  rm -rf "$work"
  if [ "$status" -eq 0 ]; then
    echo "$corpus: $(grep -o 'Done [0-9]* runs.*' "$log")"
    return
  fi
  tail -n 40 "$log"
  echo "tests/fuzz/run.sh: $corpus found an input that breaks it" >&2
  return 255  # xargs begins no further one
}
export -f run_one
printf '%s\0' * | xargs -0 -P "$(nproc)" -I {} bash -c 'run_one {}'
