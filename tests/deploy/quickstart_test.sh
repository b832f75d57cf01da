#!/usr/bin/env bash
# What deploy/quickstart.sh starts it also ends, on a machine that has better things to do, beside another quickstart, and
# when the programs do not start. Nothing is built: the tree has the programs of this build.
#   quickstart_test.sh PROGRAMS [ROUNDS]
# Exit code 77: what it takes is not on this machine.
set -euo pipefail
programs=$(realpath "$1")
rounds=${2:-3}
source=$(realpath "$(dirname "$0")/../..")
command -v nc >/dev/null || { echo "skipped: there is no nc"; exit 77; }

work=$(mktemp -d)
mkdir -p "$work/tree/deploy" "$work/tree/build/release/bin" "$work/tools"
cp "$source/deploy/quickstart.sh" "$work/tree/deploy"
ln -s "$programs"/specula{,-agent,-shim} "$work/tree/build/release/bin"
printf '#!/bin/sh\n' | tee "$work/tree/deploy/install-deps.sh" >"$work/tools/cmake"
# On a busy machine it takes long until a program is the one that was started; here it always does.
cat >"$work/tools/setsid" <<TEXT
#!/bin/sh
sleep 0.3
exec $(command -v setsid) "\$@"
TEXT
chmod +x "$work"/tools/* "$work/tree/deploy/install-deps.sh"
export PATH=$work/tools:$PATH SPECULA_QUICKSTART_DIR=$work/state
take_ports() {
  read -r SPECULA_QUICKSTART_PORT SPECULA_QUICKSTART_SHIM_PORT < <(python3 -c '
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(server.getsockname()[1] for server in taken))')
  export SPECULA_QUICKSTART_PORT SPECULA_QUICKSTART_SHIM_PORT
}
take_ports

helpers=()
cleanup() {
  for helper in "${helpers[@]}"; do kill "$helper" 2>/dev/null || true; done
  quickstart stop >/dev/null 2>&1 || true
  for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
quickstart() { "$work/tree/deploy/quickstart.sh" "$@"; }
fail() { echo "FAIL: $*" >&2; cat "$work/out" >&2; exit 1; }
# Every process of the programs of this tree, known to a file or not.
ours() {
  local directory
  for directory in /proc/[0-9]*; do
    case "$(tr '\0' ' ' 2>/dev/null <"$directory/cmdline")" in
      "$work/tree/build/release/bin/specula-"*) echo "${directory#/proc/}" ;;
    esac
  done
}
none_left() {
  for _ in $(seq 200); do [ -n "$(ours)" ] || return 0; sleep 0.1; done
  fail "$1: left behind: $(ours | tr '\n' ' ')"
}

for _ in $(seq $((2 * $(nproc)))); do
  (while :; do :; done) &
  helpers+=($!)
done
for round in $(seq "$rounds"); do
  quickstart >"$work/out" 2>&1 || fail "start $round"
  grep -q '^PONG' "$work/out" || fail "start $round shows no PONG"
  quickstart stop >"$work/out" 2>&1 || fail "stop $round"
  grep -q 'Stopped: shim agent' "$work/out" || fail "stop $round did not stop both"
  none_left "stop $round"
done
for helper in "${helpers[@]}"; do kill "$helper"; done
helpers=()
echo "$rounds of $rounds rounds"

# Two at once: one starts, both show, nothing is started twice.
quickstart >"$work/other" 2>&1 &
quickstart >"$work/out" 2>&1 || fail "one of two"
wait $! || { mv "$work/other" "$work/out"; fail "the other of two"; }
[ "$(grep -h 'It runs with pid' "$work/out" "$work/other" | sort -u | wc -l)" = 2 ] || fail "two at once started more than one"

# Another port is another configuration.
take_ports
quickstart >"$work/out" 2>&1 || fail "another port"
grep -q 'it is replaced' "$work/out" || fail "the agent on the other port was kept"
quickstart stop >"$work/out" 2>&1
none_left "another port"

# The number in the file is another program's by now.
sleep 1000 &
helpers+=($!)
echo $! | tee "$work/state/agent.pid" >"$work/state/shim.pid"
quickstart stop >"$work/out" 2>&1 || fail "stop with old numbers"
grep -q 'Nothing runs' "$work/out" || fail "another program was taken for ours"
kill -0 "${helpers[0]}" || fail "another program was ended"
quickstart >"$work/out" 2>&1 || fail "start with old numbers"
quickstart stop >"$work/out" 2>&1 || fail "stop after old numbers"

# The port is taken.
python3 -c 'import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(flush=True)
time.sleep(1000)' "$SPECULA_QUICKSTART_SHIM_PORT" >"$work/taken" &
helpers+=($!)
for _ in $(seq 600); do [ ! -s "$work/taken" ] || break; sleep 0.1; done
if quickstart >"$work/out" 2>&1; then fail "a shim on a port that is taken"; fi
grep -q 'port is taken.*SPECULA_QUICKSTART_SHIM_PORT=' "$work/out" || fail "it is not said that the port is taken"
[ ! -e "$work/state/shim.pid" ] || fail "a shim that did not start has a number"
kill "${helpers[1]}"
quickstart stop >"$work/out" 2>&1 || fail "stop after a port that was taken"
none_left "a port that was taken"

# A program that never listens.
rm "$work/tree/build/release/bin/specula-shim"
cp "$(command -v sleep)" "$work/tree/build/release/bin/specula-shim"
sed -i 's/start_one shim .*/start_one shim SPECULA_QUICKSTART_SHIM_PORT 1000/; /^  --cert "$pki\/shim/d' "$work/tree/deploy/quickstart.sh"
if SPECULA_QUICKSTART_PATIENCE=1 quickstart >"$work/out" 2>&1; then fail "a shim that never listens"; fi
grep -q 'the shim did not start' "$work/out" || fail "it is not said that the shim did not start"
quickstart stop >"$work/out" 2>&1 || fail "stop after a shim that never listens"
none_left "a shim that never listens"
echo "PASSED"
