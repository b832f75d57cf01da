#!/usr/bin/env bash
# `specula bootstrap` over ssh on a fresh Debian 12 that systemd has booted: installed, run again, upgraded under a running
# Start, undone, renewed, and there again after a reboot. What it does to hosts of other kinds, and when
# it is interrupted, is in tests/e2e/bootstrap_test.py.
#   bootstrap_machine_test.sh BUILD      a build of preset release
set -euo pipefail
build=$(realpath -m "$1")
. "$(dirname "$0")/machine.sh"
for tool in ssh ssh-keygen; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done
[ -x "$build/bin/specula-agent" ] && [ -x "$build/bin/specula" ] ||
  skip "there are no static programs: cmake --preset release && cmake --build --preset release"

step "a machine with an sshd and our key"
make_root
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
install -d -m 700 "$work/root/root/.ssh"
install -m 600 "$work/key.pub" "$work/root/root/.ssh/authorized_keys"
boot
wait_for "sshd's listening" inside bash -c ': </dev/tcp/127.0.0.1/22'

mkdir "$work/home"
"$build/bin/specula" pki init "$work/ca" >/dev/null
"$build/bin/specula" pki client "$work/ca" admin --role admin >/dev/null
agent=$build/bin/specula-agent
# At a desk that shares the machine's network and nothing else.
specula() {
  nsenter -t "$leader" -n env HOME="$work/home" XDG_STATE_HOME="$work/home" XDG_CONFIG_HOME="$work/home" "$build/bin/specula" \
    --ca "$work/ca/ca.crt" --cert "$work/ca/admin.crt" --key "$work/ca/admin.key" "$@"
}
# bootstrap WORD OPTIONS…: the row of the host must say WORD.
bootstrap() {
  local word=$1
  shift
  specula bootstrap root@127.0.0.1 --pki "$work/ca" --agent "$agent" --ssh-option "IdentityFile=$work/key" \
    --ssh-option "UserKnownHostsFile=$work/known_hosts" --ssh-option StrictHostKeyChecking=accept-new "$@" >"$work/said" 2>&1 && code=0 || code=$?
  cat "$work/said"
  grep -q "$word" "$work/said" || fail "bootstrap ended with $code and does not say '$word'"
  return $code
}
main_pid() { inside systemctl show -p MainPID --value specula-agent; }
is_up() {
  [ "$(inside systemctl is-active specula-agent)" = active ] || fail "the unit is not active"
  [ "$(specula status --json | grep -c '"version"')" = 1 ] || fail "the agent does not answer"
}

step "installed"
bootstrap installed --days 40 || fail "exit code $code"
is_up
[ "$(inside systemctl is-enabled specula-agent)" = enabled ] || fail "the unit is not enabled"
[ "$(inside systemctl show -p Type --value specula-agent)" = notify ] || fail "the unit does not wait for the agent's word"
front=$(inside pgrep -u specula -x specula-agent) || fail "nothing of the agent runs as the user specula"
[ "$front" != "$(main_pid)" ] || fail "the broker is the front"
[ "$(specula exec 127.0.0.1 -- id -un)" = root ] || fail "Exec does not act on the machine"

step "again: nothing is touched"
before=$(main_pid)
bootstrap unchanged || fail "exit code $code"
[ "$(main_pid)" = "$before" ] || fail "the agent was restarted"

step "upgraded under a running Start"
specula start 127.0.0.1 -- sleep 4444 >/dev/null || fail "start"
started=$(runs "sleep 4444")
[ -n "$started" ] || fail "the Start does not run"
# Another version, for whoever compares bytes.
cp "$build/bin/specula-agent" "$work/next-agent"
echo >>"$work/next-agent"
agent=$work/next-agent
bootstrap upgraded || fail "exit code $code"
is_up
[ "$(main_pid)" != "$before" ] || fail "the old agent still runs"
[ "$(runs "sleep 4444")" = "$started" ] || fail "the Start did not outlive the upgrade"

step "an agent that cannot serve is undone"
inside cat /etc/specula/agent.toml >"$work/agent.toml"
# Good to read, but that port is sshd's.
echo 'health-listen = "127.0.0.1:22"' >"$work/lines"
if bootstrap undone --agent-config "$work/lines" --wait 5s; then fail "exit code 0"; fi
[ "$code" = 1 ] || fail "exit code $code"
grep -q 'cannot listen on 127.0.0.1:22' "$work/said" || fail "it does not say why the agent did not come up"
inside cat /etc/specula/agent.toml | diff "$work/agent.toml" - || fail "the configuration is not as before"
is_up
[ "$(runs "sleep 4444")" = "$started" ] || fail "the Start is gone"

step "renewed without a restart"
before=$(main_pid)
bootstrap renewed --renew --within 60d || fail "exit code $code"
[ "$(main_pid)" = "$before" ] || fail "the agent was restarted"
is_up

step "after a reboot it is there by itself"
power_off
boot
wait_for "an answer after the reboot" specula status
is_up
inside systemctl list-units --failed --plain --no-legend | { ! grep specula; } || fail "a unit of ours failed"
step done
