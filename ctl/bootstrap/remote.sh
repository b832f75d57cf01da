# shellcheck shell=sh
# The part of `specula bootstrap` that runs on the host, as root, by whatever sh is there. It comes over ssh's
# standard input, is never a file, and takes orders from there, a line each:
#
#   begin                        take the lock; undo what an earlier run left half done
#   facts                        say what is here
#   put NAME BYTES SHA256        a file follows, padded to a multiple of 4096 bytes; it is only laid beside the old one
#   switch KIND WHO SECONDS      put all of them in place. KIND restart or reload; WHO systemd or plain starts the
#                                agent. Unless `commit` comes within that time, all is undone, whoever is left to wait
#   alive                        say which process is the agent
#   commit | rollback            keep it; or the old files again, and the old agent
#   bye                          end; the end of the input is the same
#
# and answers in lines that begin with @specula; each order ends with "done ORDER" or "fail WHY". An end before
# `commit` is a rollback: a controller that dies or is cut off leaves the host as it was.
set -u
umask 077
trap '' HUP INT TERM PIPE
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
cd / || exit 1

work=/var/lib/specula/bootstrap # 0700: the old key may lie here for a while
versions=/usr/local/lib/specula
log=/var/log/specula-agent.log
pidfile=/run/specula-agent.pid
unit=specula-agent.service
names='agent config ca cert key denylist unit sysusers tmpfiles'
locked=
watcher=
log_bytes=0

say() { printf '@specula %s\n' "$*" 2>/dev/null; }

path_of() {
  case $1 in
    agent) echo /usr/local/bin/specula-agent ;; # a link to the version in use
    config) echo /etc/specula/agent.toml ;;
    ca) echo /etc/specula/tls/ca.crt ;;
    cert) echo /etc/specula/tls/agent.crt ;;
    key) echo /etc/specula/tls/agent.key ;;
    denylist) echo /etc/specula/tls/denylist ;;
    unit) echo "/etc/systemd/system/$unit" ;;
    sysusers) echo /etc/sysusers.d/specula.conf ;;
    tmpfiles) echo /etc/tmpfiles.d/specula.conf ;;
    *) return 1 ;;
  esac
}

sum() { sha256sum <"$1" 2>/dev/null | cut -d ' ' -f 1; }

has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

# limited SECONDS COMMAND…: ends it when the time is over.
limited() {
  left=$1
  shift
  "$@" </dev/null >/dev/null 2>&1 &
  limited_pid=$!
  while kill -0 "$limited_pid" 2>/dev/null; do
    if [ "$left" -le 0 ]; then kill -KILL "$limited_pid" 2>/dev/null; fi
    left=$((left - 1))
    sleep 0.2 2>/dev/null || sleep 1
  done
  wait "$limited_pid" 2>/dev/null
}

# Sets pid (0: none runs) and who looks after it.
find_agent() {
  pid=0 who=none
  if has_systemd; then
    pid=$(systemctl show -p MainPID "$unit" 2>/dev/null | cut -d = -f 2)
    case $pid in '' | *[!0-9]*) pid=0 ;; esac
    if [ "$pid" -ne 0 ]; then who=systemd; return; fi
  fi
  pid=$(cat "$pidfile" 2>/dev/null)
  case $pid in '' | *[!0-9]*) pid=0; return ;; esac
  # The number may be another program's by now.
  case $(readlink "/proc/$pid/exe" 2>/dev/null) in
    "$versions"/specula-agent-*) who=plain ;;
    *) pid=0 ;;
  esac
}

stop_agent() {
  find_agent
  case $who in
    systemd) limited 200 systemctl stop "$unit" ;;
    plain)
      kill -TERM "$pid" 2>/dev/null
      tries=0
      while [ -d "/proc/$pid" ]; do
        case $(cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null) in '' | Z) break ;; esac
        tries=$((tries + 1))
        if [ "$tries" -eq 125 ]; then kill -KILL "$pid" 2>/dev/null; fi
        sleep 0.2 2>/dev/null || sleep 1
      done
      ;;
  esac
  rm -f "$pidfile"
}

# start_agent systemd|plain
start_agent() {
  case $1 in
    systemd)
      systemctl daemon-reload
      systemctl enable "$unit" >/dev/null 2>&1
      limited 150 systemctl restart "$unit"
      ;;
    plain)
      if has_systemd; then systemctl disable "$unit" >/dev/null 2>&1; fi
      touch "$log"
      log_bytes=$(wc -c <"$log")
      # Signals that are ignored here would be ignored there for ever.
      (
        trap - HUP INT TERM PIPE
        umask 022
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
          setsid "$(path_of agent)" </dev/null >>"$log" 2>&1
      ) &
      echo $! >"$pidfile"
      chmod 644 "$pidfile"
      ;;
  esac
}

# Why the agent that was started last does not serve: its own last error. Without one it is the last line, which may
# be systemd's.
say_log() {
  lines=$(
    if [ "$1" = systemd ]; then
      run=$(systemctl show -p InvocationID --value "$unit" 2>/dev/null)
      journalctl -n 20 -o cat --no-pager "_SYSTEMD_INVOCATION_ID=$run" + "INVOCATION_ID=$run" 2>/dev/null
    else
      tail -c "+$((log_bytes + 1))" "$log" 2>/dev/null | tail -n 20
    fi | cut -c 1-400
  )
  reason=$(printf '%s\n' "$lines" | grep level=error | tail -n 1)
  [ -n "$reason" ] || reason=$(printf '%s\n' "$lines" | tail -n 1)
  [ -z "$reason" ] || say "log $reason"
}

begin() {
  # Logs of started programs lie beside it, for their users to pass through.
  [ -d /var/lib/specula ] || (umask 022 && mkdir -p /var/lib/specula) || return 1
  mkdir -p "$work" || return 1
  if ! mkdir "$work/lock" 2>/dev/null; then
    sleep 1
    holder=$(cat "$work/lock/pid" 2>/dev/null)
    if [ -d "/proc/${holder:-none}" ]; then
      why="another bootstrap is at work on this host (process $holder there)"
      return 1
    fi
  fi
  mkdir -p "$work/lock" && echo $$ >"$work/lock/pid" || return 1
  locked=yes
  if [ -e "$work/undo" ]; then
    undo
    say 'note an earlier bootstrap had been cut off; what it left was undone'
  fi
  clear_staged
}

clear_staged() {
  for name in $names; do rm -f "$(path_of "$name").specula-new"; done
  rm -rf "$work/check" "$work/part" "$versions"/*.specula-new
}

facts() {
  for tool in sha256sum dd head cut readlink; do
    command -v "$tool" >/dev/null || { why="there is no $tool on the host"; return 1; }
  done
  say "arch $(uname -m)"
  if has_systemd; then say 'systemd yes'; else say 'systemd no'; fi
  if [ -e /usr/bin/specula-agent ]; then say 'packaged yes'; else say 'packaged no'; fi
  for name in $names; do
    path=$(path_of "$name")
    if [ -f "$path" ]; then say "file $name $(sum "$path")"; else say "file $name -"; fi
  done
  find_agent
  if [ "$pid" -ne 0 ]; then say "agent $who $pid $(sum "/proc/$pid/exe")"; else say 'agent none 0 -'; fi
}

make_directories() {
  for dir in /etc/specula "$versions" /usr/local/bin /etc/systemd/system /etc/sysusers.d /etc/tmpfiles.d; do
    [ -d "$dir" ] || (umask 022 && mkdir -p "$dir") || return 1
  done
  mkdir -p /etc/specula/tls
}

# put NAME BYTES SHA256. What cannot be stored leaves the rest of the file in the input: the end then.
put() {
  path=$(path_of "$1") || { why="no such file: $1"; return 1; }
  [ -n "$locked" ] || { why='put before begin'; return 1; }
  why="cannot write $path: $(make_directories 2>&1)"
  [ -d "$versions" ] && [ -d /etc/specula/tls ] || return 1
  why=$({ dd bs=4096 count=$((($2 + 4095) / 4096)) iflag=fullblock of="$work/part"; } 2>&1) || {
    why=$(printf '%s\n' "$why" | head -n 1) # behind it dd counts
    return 1
  }
  new=$path.specula-new
  [ "$1" != agent ] || new=$versions/specula-agent-$3.specula-new
  why=$({ head -c "$2" "$work/part" >"$new"; } 2>&1) || return 1
  rm -f "$work/part"
  if [ "$(sum "$new")" != "$3" ]; then why="$1 did not arrive as it was sent"; return 1; fi
  case $1 in
    agent)
      if ! { chmod 755 "$new" && mv -f "$new" "$versions/specula-agent-$3" &&
        ln -sf "$versions/specula-agent-$3" "$path.specula-new"; }; then
        why="cannot lay down $path"
        return 1
      fi
      ;;
    key) ;; # 0600 from its first byte on, by the umask
    *) chmod 644 "$new" ;;
  esac
}

# The new files as they will be, judged by the new program, before anything is touched.
check() {
  rm -rf "$work/check"
  mkdir "$work/check" || return 1
  for name in agent config ca cert key denylist; do
    path=$(path_of "$name")
    [ -e "$path.specula-new" ] && path=$path.specula-new
    case $name in
      agent) if [ -e "$path" ]; then program=$path; else program=/usr/bin/specula-agent; fi ;;
      *) if [ -e "$path" ]; then cp "$path" "$work/check/$name" || return 1; fi ;;
    esac
  done
  # As it will lie there: judged for the user that reads it.
  if has_user && [ -e "$work/check/key" ]; then chown specula: "$work/check/key" || return 1; fi
  set -- --config "$work/check/config" --ca "$work/check/ca" --cert "$work/check/cert" --key "$work/check/key"
  [ ! -e "$work/check/denylist" ] || set -- "$@" --denylist "$work/check/denylist"
  why=$("$program" "$@" --check-config 2>&1 </dev/null)
  good=$?
  rm -rf "$work/check"
  if [ "$good" -eq 0 ]; then return 0; fi
  why="the agent refuses what it would start with: $(printf '%s\n' "$why" | tail -n 1)"
  return 1
}

has_user() { grep -q '^specula:' /etc/passwd || { command -v getent >/dev/null && getent passwd specula >/dev/null; }; }

# As whom the part runs that serves the network.
make_user() {
  has_user && return
  {
    useradd --system --user-group --no-create-home --home-dir /var/lib/specula --shell /usr/sbin/nologin specula ||
      systemd-sysusers --inline 'u specula - "Specula agent, network part" /var/lib/specula' ||
      { addgroup -S specula; adduser -S -D -H -h /var/lib/specula -s /sbin/nologin -G specula specula; }
  } >/dev/null 2>&1
  has_user || say 'note no user specula could be made: the part that serves the network runs as root'
}

# Puts one staged file in place; what was there is kept until the commit.
replace() {
  path=$(path_of "$1")
  [ -e "$path.specula-new" ] || return 0
  if [ -e "$path" ]; then
    cp -P -p "$path" "$work/old/$1" && echo "restore $1" >>"$work/undo" || return 1
  else
    echo "remove $1" >>"$work/undo" || return 1
  fi
  mv -f "$path.specula-new" "$path"
}

# switch KIND WHO SECONDS
switch() {
  [ -n "$locked" ] || { why='switch before begin'; return 1; }
  check || return 1
  make_user
  owner=root
  if has_user; then owner=specula; fi
  # Of an agent that ran before there was the user.
  if [ -d /var/lib/specula/audit ] && [ "$(stat -c %U /var/lib/specula/audit)" != "$owner" ]; then
    chown -hR "$owner:" /var/lib/specula/audit
  fi
  if [ -e "$(path_of key).specula-new" ]; then chown "$owner:" "$(path_of key).specula-new"; fi
  chown "root:$owner" /etc/specula/tls && chmod 750 /etc/specula/tls
  rm -rf "$work/old"
  mkdir "$work/old" || return 1
  find_agent
  echo "was $1 $who" >"$work/undo" || { why='cannot write the journal'; return 1; }
  watch "$3" </dev/null >/dev/null 2>&1 &
  watcher=$!
  # The key before the certificate: an agent that looks in between keeps what it has.
  for name in $names; do
    replace "$name" || { why="cannot replace $(path_of "$name")"; undo; return 1; }
  done
  if [ "$1" = restart ]; then
    stop_agent
    start_agent "$2"
  fi
  started=$2
}

# Nobody may be left to say `rollback`: the link can be cut in a way that ends no input.
watch() {
  left=$1
  while [ "$left" -gt 0 ]; do
    sleep 1
    [ -e "$work/undo" ] || return
    left=$((left - 1))
  done
  kill -KILL $$
  watcher=
  undo
  finish
}

undo() {
  if [ -n "$watcher" ]; then kill -KILL "$watcher" 2>/dev/null; fi
  watcher=
  read -r _ kind before <"$work/undo" || kind=restart before=none
  if [ "$kind" = restart ]; then stop_agent; fi
  while read -r what name _; do
    path=$(path_of "$name") || continue
    case $what in
      restore)
        new=$(readlink "$path")
        cp -P -p "$work/old/$name" "$path.specula-new" && mv -f "$path.specula-new" "$path"
        if [ "$name" = agent ] && [ "$new" != "$(readlink "$path")" ]; then rm -f "$new"; fi
        ;;
      remove)
        if [ "$name" = unit ] && has_systemd; then systemctl disable "$unit" >/dev/null 2>&1; fi
        if [ "$name" = agent ]; then rm -f "$(readlink "$path")"; fi
        rm -f "$path"
        ;;
    esac
  done <"$work/undo"
  if has_systemd; then systemctl daemon-reload; fi
  if [ "$kind" = restart ] && [ "$before" != none ]; then start_agent "$before"; fi
  rm -f "$work/undo"
  rm -rf "$work/old"
}

commit() {
  [ -e "$work/undo" ] || { why='nothing to commit; the time was over and it was undone'; return 1; }
  before=$(readlink "$work/old/agent" 2>/dev/null)
  now=$(readlink "$(path_of agent)")
  rm -f "$work/undo"
  rm -rf "$work/old"
  # The version before is kept, for a hand that wants it back.
  [ -n "$before" ] || return 0
  for version in "$versions"/specula-agent-*; do
    case $version in "$now" | "$before") ;; *) rm -f "$version" ;; esac
  done
}

finish() {
  [ -n "$locked" ] || return 0
  if [ -e "$work/undo" ]; then undo; fi
  clear_staged
  rm -rf "$work/lock"
}

say 'hello 1'
started=plain
while read -r order one two three _; do
  why=
  case $order in
    begin) begin ;;
    facts) facts ;;
    put) put "$one" "$two" "$three" || { say "fail ${why:-put $one}"; break; } ;;
    switch) switch "$one" "$two" "$three" ;;
    alive) find_agent; say "agent $who $pid -" ;;
    log) say_log "$started" ;;
    commit) commit ;;
    rollback) if [ -e "$work/undo" ]; then undo; fi ;;
    bye) break ;;
    *) why='unknown order' && false ;;
  esac
  good=$?
  if [ "$good" -eq 0 ]; then
    say "done $order"
  else
    say "fail $(printf '%s' "${why:-$order failed}" | tr '\n' ' ' | cut -c 1-400)"
  fi
done
finish
