#!/usr/bin/env bash
# From a clone to a running agent and its first status, on one machine and only on loopback.
#
#   deploy/quickstart.sh        install what is missing, build, make certificates, start, show
#   deploy/quickstart.sh stop   end the agent that was started here
#
# Everything but the build lies in one private folder (see $state below). Run again, it uses what is
# there: it does not make new certificates and keeps an agent that runs this build.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${SPECULA_QUICKSTART_PORT:-60120}
state=${SPECULA_QUICKSTART_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/specula/quickstart}
bin=$PWD/build/release/bin
pki=$state/pki
config=$state/ctl.toml

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
die() { echo "quickstart.sh: $*" >&2; exit 1; }

# The pid of the agent that was started here; nothing if it does not run. A pid may have been given
# to another program since, so the program is looked at.
running_agent() {
  local pid
  pid=$(cat "$state/agent.pid" 2>/dev/null) || return 0
  case "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" in
    "$bin/specula-agent "*) echo "$pid" ;;
  esac
}

stop_agent() {
  local pid
  pid=$(running_agent)
  [ -n "$pid" ] || return 1
  kill -TERM "$pid"
  for _ in $(seq 100); do
    [ -n "$(running_agent)" ] || { rm -f "$state/agent.pid"; return 0; }
    sleep 0.1
  done
  die "the agent (pid $pid) does not end; see $state/agent.log"
}

case "${1:-}" in
  stop)
    if stop_agent; then echo "The agent was stopped. Certificates and log stay in $state"
    else echo "No agent runs that was started here."; fi
    exit 0 ;;
  "") ;;
  *) echo "usage: deploy/quickstart.sh [stop]" >&2; exit 2 ;;
esac

say "1/4 Installing what is missing (Debian packages)"
deploy/install-deps.sh --build
echo "Nothing else is missing."

say "2/4 Building the release (some minutes the first time)"
cmake --preset release >/dev/null
cmake --build --preset release --target specula-agent specula

say "3/4 Certificates in $pki"
mkdir -p "$state"
chmod 700 "$state"
[ -f "$pki/ca.crt" ] || "$bin/specula" pki init "$pki" --trust-domain quickstart.local
[ -f "$pki/localhost.crt" ] || "$bin/specula" pki agent "$pki" localhost --san 127.0.0.1
[ -f "$pki/admin.crt" ] || "$bin/specula" pki client "$pki" admin --role admin
[ -f "$pki/viewer.crt" ] || "$bin/specula" pki client "$pki" viewer --role viewer
cat >"$config" <<TOML
# Written by deploy/quickstart.sh.
hosts = "localhost:$port"
ca = "$pki/ca.crt"
cert = "$pki/admin.crt"
key = "$pki/admin.key"
TOML

say "4/4 The agent on 127.0.0.1:$port"
pid=$(running_agent)
if [ -n "$pid" ] && [ "$bin/specula-agent" -nt "$state/agent.pid" ]; then
  echo "An agent of an older build runs (pid $pid); it is replaced."
  stop_agent
  pid=
fi
if [ -z "$pid" ]; then
  setsid "$bin/specula-agent" --listen "127.0.0.1:$port" --ca "$pki/ca.crt" --cert "$pki/localhost.crt" \
    --key "$pki/localhost.key" --denylist "$pki/denylist" --state-dir "$state/agent" </dev/null >"$state/agent.log" 2>&1 &
  echo $! >"$state/agent.pid"
  for _ in $(seq 100); do
    grep -q 'msg=listening' "$state/agent.log" && break
    [ -n "$(running_agent)" ] || break
    sleep 0.1
  done
  if ! grep -q 'msg=listening' "$state/agent.log"; then
    cat "$state/agent.log" >&2
    rm -f "$state/agent.pid"
    die "the agent did not start; its log is above. Another port: SPECULA_QUICKSTART_PORT=7000 deploy/quickstart.sh"
  fi
fi
echo "It runs with pid $(cat "$state/agent.pid"); its log is $state/agent.log"

specula="$bin/specula --config $config"
say "\$ specula status"
$specula status

say "What next"
cat <<TEXT
  alias specula='$specula'
  specula cpu --cores            CPU time by state, of each core
  specula ps -n 5                the processes that use most CPU
  specula disk                   file systems
  specula status --watch 2       again and again; Ctrl-C ends it
  specula exec localhost:$port -- uname -a
  specula status --json          for programs
  specula pki show $pki/admin.crt
  deploy/quickstart.sh stop      ends the agent
TEXT
