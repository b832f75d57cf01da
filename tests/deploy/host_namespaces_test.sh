#!/usr/bin/env bash
# An agent in a container acts on the host: one set of namespaces plays the host, one inside of it the pod.
#   host_namespaces_test.sh DIRECTORY-OF-THE-PROGRAMS
set -euo pipefail
programs=$(realpath "$1")
fail() { echo "FAIL: $*" >&2; cat "$work"/*.log >&2 || true; exit 1; }

if [ -z "${2:-}" ]; then
  for tool in unshare nsenter hostname pgrep; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
  done
  [ "$(id -u)" = 0 ] || { echo "skipped: namespaces take root"; exit 77; }
  unshare -m -u -i -p --fork --mount-proc true 2>/dev/null || { echo "skipped: no namespaces can be made here"; exit 77; }
  # Whatever is left in the host's PID namespace ends with its first process.
  exec unshare -m -u -i -p --fork --kill-child --mount-proc bash "$0" "$programs" host
fi

work=$(mktemp -d)
trap 'umount "$work/on-the-node" 2>/dev/null; rm -rf "$work"' EXIT
hostname the-node
mkdir "$work/pki" "$work/state" "$work/on-the-node"
mount -t tmpfs node "$work/on-the-node"
printf 'one\ntwo\n' >"$work/on-the-node/file"
"$programs/specula" pki init "$work/made" >/dev/null
"$programs/specula" pki agent "$work/made" vm1 --san 127.0.0.1 >/dev/null
"$programs/specula" pki client "$work/made" alice --role operator >/dev/null

cat >"$work/pod.sh" <<'POD'
hostname the-pod
umount "$work/on-the-node"
# The certificates are mounted into the pod and nowhere else.
mount -t tmpfs secret "$work/pki"
cp "$work/made"/* "$work/pki"
exec "$programs/specula-agent" --config /dev/null --listen 127.0.0.1:0 --state-dir "$work/state" --ca "$work/pki/ca.crt" \
  --cert "$work/pki/vm1.crt" --key "$work/pki/vm1.key" --host-namespaces /proc/1/ns "$@"
POD
export work programs
unshare -m -u -i bash "$work/pod.sh" 2>"$work/agent.log" &
agent=$!

# eventually CONDITION…: a deadline against hangs only.
eventually() {
  local _
  for _ in $(seq 300); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}
fronts() { [ "$(grep -c 'msg=listening' "$work/agent.log")" = "$1" ]; }
address() { sed -n 's/.* msg=listening .*address=\([^ ]*\).*/\1/p' "$work/agent.log" | tail -n 1; }
front() { sed -n 's/.* msg=listening .* pid=\([0-9]*\).*/\1/p' "$work/agent.log" | tail -n 1; }
specula() {
  "$programs/specula" --hosts "$(address)" --ca "$work/made/ca.crt" --cert "$work/made/alice.crt" --key "$work/made/alice.key" "$@"
}

eventually fronts 1 || fail "the agent does not start"
[ "$(ls "$work/pki")" = "" ] || fail "the test's secret is seen by the host"

said=$(specula exec -- sh -c "hostname; cat $work/on-the-node/file")
[ "$said" = "$(printf 'the-node\none\ntwo')" ] || fail "Exec is not on the host: $said"
said=$(specula tail "$(address)" "$work/on-the-node/file")
[ "$said" = "$(printf 'one\ntwo')" ] || fail "Tail is not on the host: $said"

# In the numbers of the host.
sleep 600 &
sleeper=$!
specula kill "$(address)" "$sleeper" >/dev/null
if wait "$sleeper"; then fail "Kill has not met pid $sleeper"; fi

# What was started lies in the host's mounts, its log as well.
specula start "$(address)" -- sh -c "hostname >$work/on-the-node/started" >/dev/null
started() { [ "$(cat "$work/on-the-node/started" 2>/dev/null)" = the-node ]; }
eventually started || fail "Start is not on the host"

# The front stays in the pod: it finds its certificates there again, and holds the pod's namespaces.
[ "$(readlink "/proc/$(front)/ns/uts")" != "$(readlink /proc/1/ns/uts)" ] || fail "the front has the host's name"
[ "$(readlink "/proc/$(front)/ns/mnt")" != "$(readlink /proc/1/ns/mnt)" ] || fail "the front has the host's mounts"
broker=$(pgrep -P "$agent")
[ "$(readlink "/proc/$broker/ns/mnt")" = "$(readlink /proc/1/ns/mnt)" ] || fail "the broker has not the host's mounts"
# Who joins the pod, as an exec probe does, joins its first process, and must find the pod there.
[ "$(nsenter -t "$agent" -m -u hostname)" = the-pod ] || fail "the pod's first process has left it"
nsenter -t "$agent" -m "$programs/specula-agent" probe --config /dev/null --listen "$(address)" --ca "$work/pki/ca.crt" \
  --cert "$work/pki/vm1.crt" --key "$work/pki/vm1.key" >/dev/null || fail "no probe within the pod"
if specula kill "$(address)" "$agent" 2>/dev/null; then fail "the pod's first process was signalled"; fi
kill -KILL "$(front)"
eventually fronts 2 || fail "no second front in the pod"
[ "$(specula exec -- hostname)" = the-node ] || fail "the second front's Exec is not on the host"
kill -TERM "$agent"
wait "$agent" || fail "the agent did not end well"
[ ! -e "/proc/$broker" ] || fail "the broker has not ended"

# A pod with PIDs of its own cannot act on the host, and says what it takes.
if unshare -m -u -i -p --fork bash "$work/pod.sh" 2>"$work/other.log"; then fail "an agent with PIDs of its own started"; fi
grep -q hostPID "$work/other.log" || fail "it is not said that hostPID is missing"
echo "PASSED"
