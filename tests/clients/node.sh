#!/usr/bin/env bash
# clients/examples/node.
. "$(dirname "$0")/harness.sh"
need node npm protoc
stage node
node --version

# The packages of the lock file, again only when it has changed. None needs its install script.
if ! cmp -s package-lock.json node_modules/.installed; then
  obtain npm ci --no-audit --no-fund --ignore-scripts
  cp package-lock.json node_modules/.installed
fi
npm run --silent build
npm test --silent >"$scratch/tests" || { cat "$scratch/tests"; fail "npm test"; }
tail -n 8 "$scratch/tests"
check_client node dist/main.js
