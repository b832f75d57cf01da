# shellcheck shell=bash
# Sourced by tests/clients/*.sh: what every client in another language is tested with. The programs
# of the build are in $CLIENTS_BIN, the sources in $CLIENTS_SOURCE; $CLIENTS_WORK is a folder of
# this client's own in the build tree, kept from run to run so that only the first build is long.
set -euo pipefail
: "${CLIENTS_BIN:?}" "${CLIENTS_SOURCE:?}" "${CLIENTS_WORK:?}"
unset "${!SPECULA_@}" # a setting of whoever runs the tests is none of the tests'
renice -n 10 -p $$ >/dev/null # the builds are heavy; other tests run beside them

fail() { echo "FAIL: $*" >&2; exit 1; }

# need COMMAND…: without its toolchain a client is skipped (ctest counts 77 as skipped), unless it
# must not be.
need() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || skip "$command is missing"
  done
}

skip() {
  [ -z "${CLIENTS_ALL:-}" ] || fail "$*, and CLIENTS_ALL wants every client tested"
  echo "SKIPPED: $*"
  exit 77
}

# obtain COMMAND…: brings the packages that a client is made of, where an earlier run has not. Without a network, or with a
# toolchain that is too old for them, the client is skipped like without its toolchain.
obtain() {
  timeout 600 "$@" >"$scratch/obtained" 2>&1 || { tail -n 5 "$scratch/obtained"; skip "its packages cannot be had: $*"; }
}

# stage LANGUAGE: copies the example into the build tree, where whatever its build writes stays, with
# the contract and the golden bytes at the same relative places; goes there. Older products stay.
stage() {
  local to=$CLIENTS_WORK/clients/examples/$1
  mkdir -p "$to" "$CLIENTS_WORK/tests/testdata"
  ln -sfn "$CLIENTS_SOURCE/protos" "$CLIENTS_WORK/protos"
  ln -sfn "$CLIENTS_SOURCE/tests/testdata/wire" "$CLIENTS_WORK/tests/testdata/wire"
  # What is no source any more must not be built; what a build by hand left beside the sources is none.
  if [ -f "$CLIENTS_WORK/staged" ]; then (cd "$to" && xargs -r -d '\n' rm -f) <"$CLIENTS_WORK/staged"; fi
  tar -C "$CLIENTS_SOURCE/clients/examples/$1" --exclude-from="$CLIENTS_SOURCE/clients/examples/.gitignore" -c . |
    tar -C "$to" -xv | grep -v '/$' >"$CLIENTS_WORK/staged"
  cd "$to"
}

scratch=$(mktemp -d)
agent=
end() {
  if [ -n "$agent" ]; then
    kill -TERM "$agent" 2>/dev/null || true
    wait "$agent" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap end EXIT

# The pids of all that the agent has started, however deep: its front is not among them.
trees() { ps -e -o pid=,ppid=,comm= | awk -v root="$agent" '
  { parent[$1] = $2; name[$1] = $3 }
  END { for (pid in parent) { if (name[pid] ~ /^specula/) continue
          for (up = parent[pid]; up > 1; up = parent[up]) if (up == root) { print pid; break } } }'; }

# eventually CONDITION…: a deadline against hangs only.
eventually() {
  local _
  for _ in $(seq 300); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}
listening() { grep -q ' msg=listening ' "$scratch/agent.log"; }
no_trees() { [ -z "$(trees)" ]; }
some_trees() { [ -n "$(trees)" ]; }
said() { grep -qx "$1" "$scratch/out"; }
over() { ! kill -0 "$1" 2>/dev/null; }

# Starts the real agent on a free port, its certificate for the name vm1; sets $address.
start_agent() {
  local pki=$scratch/pki
  "$CLIENTS_BIN/specula" pki init "$pki" >/dev/null
  "$CLIENTS_BIN/specula" pki agent "$pki" vm1 --san 127.0.0.1 >/dev/null
  "$CLIENTS_BIN/specula" pki client "$pki" alice --role operator >/dev/null
  "$CLIENTS_BIN/specula" pki client "$pki" bob --role viewer >/dev/null
  "$CLIENTS_BIN/specula-agent" --listen 127.0.0.1:0 --ca "$pki/ca.crt" --cert "$pki/vm1.crt" --key "$pki/vm1.key" \
    --denylist "$pki/denylist" --state-dir "$scratch/state" 2>"$scratch/agent.log" &
  agent=$!
  eventually listening || { cat "$scratch/agent.log" >&2; fail "the agent does not start"; }
  address=$(sed -n 's/.* msg=listening .*address=\([^ ]*\).*/\1/p' "$scratch/agent.log" | head -n 1)
}

# (as NAME COMMAND…): becomes the command, with that client's certificate.
as() {
  local who=$scratch/pki/$1
  shift
  export SPECULA_CA=$scratch/pki/ca.crt SPECULA_CERT=$who.crt SPECULA_KEY=$who.key
  exec "$@"
}

# check_client COMMAND…: the example does what all of them do, against the real agent.
check_client() {
  local pid status=0
  start_agent

  # First that the check for what is left over would see it.
  (as alice "$CLIENTS_BIN/specula" --hosts "$address" exec -- sleep 600) &
  pid=$!
  eventually some_trees || fail "a command that runs is not seen among the agent's trees"
  kill -TERM "$pid"
  wait "$pid" || true
  eventually no_trees || fail "a command that was interrupted still runs: $(trees)"

  printf 'one\ntwo\nthree\n' >"$scratch/followed"
  (as alice "$@" "$address" vm1 "$scratch/followed") >"$scratch/out" 2>"$scratch/err" &
  pid=$!
  tailing() { said "tail: three" || over "$pid"; }
  eventually tailing || true
  echo end >>"$scratch/followed"
  eventually over "$pid" || { kill -KILL "$pid"; status=1; }
  wait "$pid" || status=$?
  cat "$scratch/out"
  [ "$status" = 0 ] || { cat "$scratch/err" "$scratch/agent.log" >&2; fail "the example ended with $status"; }
  grep -q "^status: $(cat /proc/sys/kernel/hostname), [1-9][0-9]* bytes of memory$" "$scratch/out" || fail "no status"
  said "exec: out=hello err=oops exit=3" || fail "no exec"
  said "cancel: CANCELLED" || fail "no cancel"
  eventually no_trees || fail "the cancelled tree still runs: $(trees)"
  [ "$(grep '^tail: ' "$scratch/out" | tr '\n' ' ')" = "tail: two tail: three tail: end " ] || fail "no tail"
  grep -q 'method=Exec' "$scratch/agent.log" || [ -s "$scratch/state/audit/audit.jsonl" ] || fail "the agent saw no Exec"

  # A role that is not enough, a server of another name, no certificate that the agent knows: an error.
  expect_error "PERMISSION_?DENIED" bob "$address" vm1 "$@"
  expect_error "UNAVAILABLE" alice "$address" vm2 "$@"
  "$CLIENTS_BIN/specula" pki init "$scratch/other" >/dev/null
  "$CLIENTS_BIN/specula" pki client "$scratch/other" eve --role admin >/dev/null
  cp "$scratch/other/eve".* "$scratch/pki/"
  # (Ours refuses before it dials; tonic calls a connection that was closed on it UNKNOWN.)
  expect_error "UNAVAILABLE|FAILED_PRECONDITION|transport error" eve "$address" vm1 "$@"
  echo "PASSED: $(wc -l <"$scratch/out") lines as expected, three errors as expected"
}

# expect_error CODE WHO ADDRESS NAME COMMAND…
expect_error() {
  local code=$1 who=$2 address=$3 name=$4 status=0
  shift 4
  (as "$who" timeout -k 5 60 "$@" "$address" "$name" "$scratch/followed") >"$scratch/out2" 2>"$scratch/err" || status=$?
  [ "$status" = 1 ] || { cat "$scratch/out2" "$scratch/err" >&2; fail "as $who towards $name it ended with $status, not 1"; }
  grep -Eiq "$code" "$scratch/err" || { cat "$scratch/err" >&2; fail "as $who towards $name it did not say $code"; }
}
