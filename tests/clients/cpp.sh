#!/usr/bin/env bash
# clients/cpp from outside: installed, found, linked and run by another project.
. "$(dirname "$0")/harness.sh"
need cmake

rm -rf "$CLIENTS_WORK/prefix"
cmake --install "$CLIENTS_BUILD" --component client --prefix "$CLIENTS_WORK/prefix" >/dev/null
# Nothing of it may need the tree it came from.
grep -rlF -e "$CLIENTS_SOURCE" "$CLIENTS_WORK/prefix" --include='*.cmake' --include='*.h' && fail "these name the source tree"
cmake -G Ninja -S "$CLIENTS_SOURCE/tests/clients/cpp/consumer" -B "$CLIENTS_WORK/consumer" \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH="$CLIENTS_WORK/prefix" >/dev/null
cmake --build "$CLIENTS_WORK/consumer"
check_client "$CLIENTS_WORK/consumer/consumer"
