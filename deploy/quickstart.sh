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

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
die() { echo "quickstart.sh: $*" >&2; exit 1; }

# The pid of the agent or shim that was started here; nothing if it does not run. A pid may have been
# given to another program since, so the program is looked at.
running() {
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) || return 0
  case "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" in
    "$bin/specula-$1 "*) echo "$pid" ;;
  esac
}

stop_one() {
  local pid
  pid=$(running "$1")
  [ -n "$pid" ] || return 1
  kill -TERM "$pid"
  for _ in $(seq 100); do
    [ -n "$(running "$1")" ] || { rm -f "$state/$1.pid"; return 0; }
    sleep 0.1
  done
  die "the $1 (pid $pid) does not end; see $state/$1.log"
}

# start_one NAME VARIABLE ARGUMENTS…: starts what does not run, or runs an older build. VARIABLE sets
# its port.
start_one() {
  local name=$1 variable=$2 pid
  shift 2
  pid=$(running "$name")
  if [ -n "$pid" ] && [ "$bin/specula-$name" -nt "$state/$name.pid" ]; then
    echo "The $name of an older build runs (pid $pid); it is replaced."
    stop_one "$name"
    pid=
  fi
  if [ -z "$pid" ]; then
    setsid "$bin/specula-$name" "$@" </dev/null >"$state/$name.log" 2>&1 &
    echo $! >"$state/$name.pid"
    for _ in $(seq 100); do
      grep -q 'msg=listening' "$state/$name.log" && break
      [ -n "$(running "$name")" ] || break
      sleep 0.1
    done
    if ! grep -q 'msg=listening' "$state/$name.log"; then
      cat "$state/$name.log" >&2
      rm -f "$state/$name.pid"
      die "the $name did not start; its log is above. Another port: $variable=7000 deploy/quickstart.sh"
    fi
  fi
  echo "It runs with pid $(cat "$state/$name.pid"); its log is $state/$name.log"
}

case "${1:-}" in
  stop)
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
cmake --preset release >/dev/null
cmake --build --preset release --target specula-agent specula-shim specula

say "3/5 Certificates in $pki"
mkdir -p "$state"
chmod 700 "$state"
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
