#!/usr/bin/env bash
# Runs every fuzzer of a build for some seconds from its corpus, without keeping what it finds on the
# way; an input that breaks a parser is left in the build folder and its name is printed.
#
#   tests/fuzz/run.sh BUILD_DIR SECONDS
set -euo pipefail
build=$(cd "$1" && pwd)
seconds=$2
cd "$(dirname "$0")/corpus"
mkdir -p "$build/fuzz"
for corpus in *; do
  work=$(mktemp -d)
  log=$build/fuzz/$corpus.log
  if "$build/bin/$corpus" -max_total_time="$seconds" -artifact_prefix="$build/fuzz/$corpus-" \
      -rss_limit_mb=2048 -timeout=10 "$work" "$corpus" >"$log" 2>&1; then
    echo "$corpus: $(grep -o 'Done [0-9]* runs.*' "$log")"
    rm -rf "$work"
  else
    rm -rf "$work"
    tail -n 40 "$log"
    echo "tests/fuzz/run.sh: $corpus found an input that breaks it" >&2
    exit 1
  fi
done
