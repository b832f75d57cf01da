# A Debian 12 that systemd has booted, to be sourced: debootstrap, systemd-nspawn, a network of its own. Whoever sources it
# has set `build`, a build of preset release where the root is kept once it is made; `work` is then a folder that
# goes away at the end, as the machine does. Exit code 77: what it takes is not on this machine.
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "it takes root"
for tool in debootstrap systemd-nspawn nsenter; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done

work=$(mktemp -d)
machine=specula-test-$$
nspawn= leader=
finish() {
  [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null || true
  [ -z "$nspawn" ] || wait "$nspawn" 2>/dev/null || true
  rm -rf --one-file-system "$work" "/run/systemd/nspawn/propagate/$machine"
}
trap finish EXIT
step() { echo "== $* (after $SECONDS s)"; }
fail() {
  echo "FAILED: $*" >&2
  [ -z "$leader" ] || inside journalctl --no-pager -n 40 -u specula-agent -u specula-shim >&2 || true
  exit 1
}

# wait_for WHAT COMMAND…: a deadline against hangs, not a measure.
wait_for() {
  local what=$1 _
  shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  fail "$what did not happen within 60 s"
}

inside() { nsenter -t "$leader" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
# The pid, inside, of what has that command line.
runs() { inside sh -c 'for p in /proc/[0-9]*; do [ "$(tr "\0" " " <$p/cmdline 2>/dev/null)" = "'"$1"' " ] && echo ${p#/proc/}; done; true'; }

# Lays a root out in $work/root.
make_root() {
  # What is in it is in the name, so that another list makes another one.
  local parts=systemd-sysv,logrotate,openssh-server mirror
  local base=$build/debian-root-$parts.tar
  if [ ! -s "$base" ]; then
    mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
      awk '$1 == "bookworm" { print $2; exit }')
    debootstrap --variant=minbase --include="$parts" bookworm "$work/base" \
      "${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1 ||
      { tail -n 5 "$work/log"; skip "debootstrap cannot make a root"; }
    rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
    tar -C "$work/base" --one-file-system -cf "$base.$$" . && mv "$base.$$" "$base"
    rm -rf --one-file-system "$work/base"
  fi
  mkdir "$work/root"
  tar -C "$work/root" -xpf "$base"
}

# Boots it; `leader` is its first process.
boot() {
  local _
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe \
    --machine="$machine" -D "$work/root" --boot </dev/null >"$work/boot" 2>&1 &
  nspawn=$!
  for _ in $(seq 100); do
    leader=$(pgrep -P "$nspawn" | head -n 1 || true)
    [ -n "$leader" ] && [ -S "/proc/$leader/root/run/systemd/private" ] && break
    sleep 0.2
  done
  [ -n "$leader" ] && [ -S "/proc/$leader/root/run/systemd/private" ] ||
    { tail -n 5 "$work/boot"; skip "systemd-nspawn cannot boot it here"; }
  # "degraded" is a boot as well: what a container has not is no matter.
  inside systemctl is-system-running --wait >"$work/state" || true
}
# As a machine is switched off.
power_off() {
  kill -s RTMIN+4 "$leader"
  wait "$nspawn" || true
  nspawn= leader=
}
