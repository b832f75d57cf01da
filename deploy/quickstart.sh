#!/usr/bin/env bash
# From a clone to a running agent, its first status and an nc session, on one machine and only on
# loopback.
#
#   deploy/quickstart.sh        install what is missing, build, make certificates, start, show
#   deploy/quickstart.sh stop   end the agent and the shim that were started here
#
# Everything but the build lies in one private folder (see $state below). Run again, it uses what is
# there: it does not make new certificates and keeps programs that run this build.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${SPECULA_QUICKSTART_PORT:-60120}
shim_port=${SPECULA_QUICKSTART_SHIM_PORT:-60119}
state=${SPECULA_QUICKSTART_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/specula/quickstart}
bin=$PWD/build/release/bin
pki=$state/pki
config=$state/ctl.toml
# How long a program may take to start, and to end; in seconds.
patience=${SPECULA_QUICKSTART_PATIENCE:-60}

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
die() { echo "quickstart.sh: $*" >&2; exit 1; }

# Two at once would take each other's half-started programs for dead. Not passed on to what is started.
lock() {
  mkdir -p "$state"
  chmod 700 "$state"
  exec 9>"$state/lock"
  flock -n 9 || { echo "Another quickstart works in $state; waiting for it."; flock 9; }
}

# The pid of the agent or shim that was started here, by this tree or another; nothing if it does not run. A pid may have
# been given to another program since, so the program is looked at.
running() {
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) || return 0
  case "$(command_line "$pid")" in
    */"specula-$1 "*" $state/"*) echo "$pid" ;;
  esac
}

command_line() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline"; }

stop_one() {
  local pid
  pid=$(running "$1")
  [ -n "$pid" ] || return 1
  kill -TERM "$pid"
  for _ in $(seq $((patience * 10))); do
    [ -n "$(running "$1")" ] || { rm -f "$state/$1.pid"; return 0; }
    sleep 0.1
  done
  die "the $1 (pid $pid) does not end; see $state/$1.log"
}

# start_one NAME VARIABLE ARGUMENTS…: starts what does not run, runs an older build or runs with other arguments. VARIABLE
# sets its port.
start_one() {
  local name=$1 variable=$2 pid log=$state/$1.log listens=
  shift 2
  pid=$(running "$name")
  if [ -n "$pid" ] && { [ "$bin/specula-$name" -nt "$state/$name.pid" ] ||
      [ "$(command_line "$pid")" != "$bin/specula-$name $* " ]; }; then
    echo "The $name of an older build or another configuration runs (pid $pid); it is replaced."
    stop_one "$name"
    pid=
  fi
  if [ -z "$pid" ]; then
    # Emptied here: what an earlier one said is not this one's.
    : >"$log"
    setsid "$bin/specula-$name" "$@" </dev/null >>"$log" 2>&1 9>&- &
    pid=$!
    echo "$pid" >"$state/$name.pid"
  fi
  # Until it listens or has ended. Before its exec it is no specula-$name yet, but its pid is the one that it will have.
  for _ in $(seq $((patience * 10))); do
    if grep -q 'msg=listening' "$log"; then listens=yes; break; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  if [ -z "$listens" ]; then
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$state/$name.pid"
    cat "$log" >&2
    if grep -q 'Address already in use' "$log"; then
      die "the $name did not start: its port is taken by another program; choose one: $variable=7000 deploy/quickstart.sh"
    fi
    die "the $name did not start; its log is above"
  fi
  echo "It runs with pid $pid; its log is $log"
}

case "${1:-}" in
  stop)
    lock
    stopped=
    for name in shim agent; do
      if stop_one "$name"; then stopped="$stopped $name"; fi
    done
    if [ -n "$stopped" ]; then echo "Stopped:$stopped. Certificates and logs stay in $state"
    else echo "Nothing runs that was started here."; fi
    exit 0 ;;
  "") ;;
  *) echo "usage: deploy/quickstart.sh [stop]" >&2; exit 2 ;;
esac

say "1/5 Installing what is missing (Debian packages)"
deploy/install-deps.sh --build
echo "Nothing else is missing."

say "2/5 Building the release (some minutes the first time)"
mkdir -p build
{
  flock 9
  cmake --preset release >/dev/null
  cmake --build --preset release --target specula-agent specula-shim specula
} 9>build/quickstart.lock

say "3/5 Certificates in $pki"
lock
[ -f "$pki/ca.crt" ] || "$bin/specula" pki init "$pki" --trust-domain quickstart.local
[ -f "$pki/localhost.crt" ] || "$bin/specula" pki agent "$pki" localhost --san 127.0.0.1
[ -f "$pki/admin.crt" ] || "$bin/specula" pki client "$pki" admin --role admin
[ -f "$pki/viewer.crt" ] || "$bin/specula" pki client "$pki" viewer --role viewer
[ -f "$pki/shim.crt" ] || "$bin/specula" pki shim "$pki" shim
# The token of the older protocol; nobody else may read it.
tokens=$state/tokens
[ -s "$tokens" ] || (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$tokens")
cat >"$config" <<TOML
# Written by deploy/quickstart.sh.
hosts = "localhost:$port"
ca = "$pki/ca.crt"
cert = "$pki/admin.crt"
key = "$pki/admin.key"
TOML

say "4/5 The agent on 127.0.0.1:$port"
start_one agent SPECULA_QUICKSTART_PORT --listen "127.0.0.1:$port" --ca "$pki/ca.crt" --cert "$pki/localhost.crt" \
  --key "$pki/localhost.key" --denylist "$pki/denylist" --state-dir "$state/agent"

say "5/5 The shim, for older controllers and nc, on 127.0.0.1:$shim_port"
start_one shim SPECULA_QUICKSTART_SHIM_PORT --listen "127.0.0.1:$shim_port" --agent "localhost:$port" --ca "$pki/ca.crt" \
  --cert "$pki/shim.crt" --key "$pki/shim.key" --token-file "$tokens"

specula="$bin/specula --config $config"
say "\$ specula status"
$specula status

frame() { printf '%s\n%s' "$(printf %s "$1" | wc -c)" "$1"; }
say "\$ { frame \"AUTH …\"; frame PING; frame STATUS; frame 'EXEC uname -sr'; } | nc -N 127.0.0.1 $shim_port"
{ frame "AUTH $(cat "$tokens")"; frame PING; frame STATUS; frame 'EXEC uname -sr'; } | nc -N 127.0.0.1 "$shim_port"
echo
echo "(each reply is a frame: its length, a newline, its bytes; shim/PROTOCOL.md has the rest)"

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
  nc 127.0.0.1 $shim_port             by hand; the token is in $tokens
  deploy/quickstart.sh stop      ends the agent and the shim
TEXT
