#!/usr/bin/env bash
# The image is built of the static programs and run as it is meant to be: with nothing in it but the agent, a root that
# cannot be written, no root user and no capability; and as root with the host's namespaces. What the pages print for
# these images (runs-in=container) is run as printed.
#   container_test.sh DIRECTORY-OF-THE-PROGRAMS DIRECTORY-OF-THE-STATIC-PROGRAMS
set -euo pipefail
programs=$(realpath "$1")
static=$2
source=$(realpath "$(dirname "$0")/../..")
. "$source/tests/deploy/images.sh"
skip() { echo "skipped: $*"; exit 77; }

if [ -z "${3:-}" ]; then
  for tool in podman nsenter unshare python3; do
    command -v "$tool" >/dev/null || skip "there is no $tool"
  done
  [ "$(id -u)" = 0 ] || skip "it takes root"
  [ -x "$static/specula-agent" ] && [ -x "$static/specula" ] ||
    skip "there are no static programs: cmake --preset release && cmake --build --preset release"
  unshare -m -n true 2>/dev/null || skip "no namespaces can be made here"
  # In a network of its own the port that the pages print is free.
  exec unshare -m -n bash "$0" "$programs" "$static" inside
fi
ip link set lo up

work=$(mktemp -d)
"$source/tests/docs/blocks.py" container "$work"
store=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)
podman() { command podman "${store[@]}" --cgroup-manager cgroupfs "$@"; }
cleanup() {
  podman rm -fa >/dev/null 2>&1 || true
  if [ -d "$work/lib/new" ]; then umount -l /var/lib "$work/lib"; fi
  rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; podman logs agent >&2 2>/dev/null || true; exit 1; }

# crun knows machines with the old control groups and those with the new, and none with both: here it sees the new.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = tmpfs ]; then
  umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || skip "the control groups cannot be shown as one"
fi

# What the image is made of.
lay_out_images
ln -s "$work/tls" "$work/context/tls"
# As printed, in a shell whose podman has its store and its limits from files and not from options.
# page_block NAME: as from a clone.
page_block() {
  mv "$work/$1" "$work/commands"
  (cd "$work/context" && exec bash -eu -o pipefail "$work/commands")
}
printed() { page_block "$1" >"$work/printed.log" 2>&1 || { cat "$work/printed.log" >&2; fail "as printed $1 does not work"; }; }
mkdir "$work/networks" "$work/lib"
cat >"$work/containers.conf" <<CONF
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
[network]
network_config_dir = "$work/networks"
CONF
export CONTAINERS_CONF=$work/containers.conf
printed kubernetes.1.sh
podman tag docker.io/library/specula-agent:0.1.0 agent
podman tag docker.io/library/specula:0.1.0 controller
holds() { podman image inspect agent | grep -q "$1" || fail "the image says nothing of $1"; }
holds '"User": "60120:60120"'
holds '"Healthcheck"'
podman create --name look agent >/dev/null
podman export look | tar -t | grep -v '/$' | LC_ALL=C sort >"$work/files"
podman rm look >/dev/null
for file in specula-agent etc/passwd etc/group etc/specula/agent.toml var/lib/specula/README; do
  grep -qx "$file" "$work/files" || fail "$file is not in the image"
done
# (podman itself adds empty files to mount upon.)
! grep -Ev '^(specula-agent|etc/(passwd|group|specula/agent.toml|hosts|hostname|resolv.conf|mtab)|var/lib/specula/README|run/.containerenv|dev/.*|proc/.*|sys/.*|\.dockerenv)$' "$work/files" ||
  fail "the image holds more than the agent"

run() { podman run --cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network none --no-healthcheck "$@"; }
run --rm agent --version >/dev/null 2>"$work/run.log" || skip "podman runs nothing here: $(tail -n 1 "$work/run.log")"
run --rm controller --version >/dev/null || fail "the controller does not run in its image"

"$programs/specula" pki init "$work/pki" >/dev/null
"$programs/specula" pki agent "$work/pki" vm1 --san 127.0.0.1 >/dev/null
"$programs/specula" pki client "$work/pki" alice --role operator >/dev/null
mkdir "$work/tls" "$work/state"
cp "$work/pki/ca.crt" "$work/tls/ca.crt"
cp "$work/pki/vm1.crt" "$work/tls/tls.crt"
cp "$work/pki/vm1.key" "$work/tls/tls.key"
# As the kubelet has them: root's, readable by the group.
chown -R 0:60120 "$work/tls"
chmod 0440 "$work/tls"/*

# eventually CONDITION…: a deadline against hangs only.
eventually() {
  local _
  for _ in $(seq 300); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}
listens() { podman logs agent 2>&1 | grep -q 'msg=listening'; }
# In the container's network, where alone it can be reached.
specula() {
  nsenter -n -t "$(podman inspect -f '{{.State.Pid}}' agent)" "$programs/specula" --hosts 127.0.0.1 --ca "$work/pki/ca.crt" \
    --cert "$work/pki/alice.crt" --key "$work/pki/alice.key" "$@"
}
probe() { podman exec agent /specula-agent probe; }

# Looks only.
run -d --name agent --read-only --cap-drop all --security-opt no-new-privileges --user 60120:60120 \
  -v "$work/tls:/etc/specula/tls:ro" -v /proc:/host/proc:ro -v /sys:/host/sys:ro -v /etc/os-release:/host/etc/os-release:ro \
  -e SPECULA_HOSTNAME=node-1 agent --proc-root /host >/dev/null
eventually listens || fail "the agent does not start in its image"
[ "$(probe)" = "serving on 127.0.0.1:60120" ] || fail "the probe is not content"
specula status --json >"$work/status" || fail "no status"
grep -q '"hostname": *"node-1"' "$work/status" || fail "the host has not the name that it was given: $(cat "$work/status")"
kernel=$(cat /proc/sys/kernel/osrelease)
grep -qF "$kernel" "$work/status" || fail "the status is not the host's"
processes=$(specula ps -n 5 --json)
grep -q '"pid"' <<<"$processes" || fail "no process of the host is seen"
if specula exec -- /specula-agent --version 2>"$work/refused"; then fail "commands are on"; fi
grep -qi denied "$work/refused" || fail "a command was not refused by the ceiling: $(cat "$work/refused")"
podman stop -t 20 agent >/dev/null
[ "$(podman inspect -f '{{.State.ExitCode}}' agent)" = 0 ] || fail "the agent did not end well"
podman rm agent >/dev/null

# Acts on the host.
echo of-the-host >"$work/marker"
# The host is what this test is in; a container with the host's PIDs has control groups of its own, as podman wants it.
run --cgroups=enabled --pids-limit -1 -d --name agent --privileged --pid host --user 0:0 --group-add 60120 --read-only -v "$work/tls:/etc/specula/tls:ro" \
  -v "$work/state:$work/state" agent --commands true --state-dir "$work/state" --front-user specula \
  --host-namespaces "/proc/$$/ns" >/dev/null
eventually listens || fail "the agent does not start as the host's hand"
[ "$(probe)" = "serving on 127.0.0.1:60120" ] || fail "the probe of the host's hand is not content"
[ "$(specula exec -- cat "$work/marker")" = of-the-host ] || fail "Exec is not on the host"
front=$(podman logs agent 2>&1 | sed -n 's/.* msg=listening .* pid=\([0-9]*\).*/\1/p' | tail -n 1)
[ "$(stat -c %u "/proc/$front")" = 60120 ] || fail "what serves the network is root"
podman stop -t 20 agent >/dev/null
podman rm agent >/dev/null

# The addresses that are given out are noted there.
mount -t tmpfs tmpfs "$work/lib"
mkdir "$work/lib/new" "$work/lib/work"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$work/lib/new,workdir=$work/lib/work" overlay /var/lib
printed kubernetes.2.sh
for image in specula-agent specula; do
  tar -xOf "$work/context/images.tar" manifest.json | grep -q "\"docker.io/library/$image:0.1.0\"" || fail "images.tar has no $image"
done
page_block kubernetes.3.sh >"$work/served.log" 2>&1 &
page=$!
says_listening() { grep -q 'msg=listening' "$work/served.log" || ! kill -0 "$page" 2>/dev/null; }
eventually says_listening || true
"$programs/specula" --hosts 127.0.0.1 --ca "$work/pki/ca.crt" --cert "$work/pki/alice.crt" --key "$work/pki/alice.key" status --json \
  >"$work/status" || { cat "$work/served.log" >&2; fail "as printed nobody answers at the host's port"; }
grep -q "\"hostname\": *\"$(hostname)\"" "$work/status" || fail "the host has not its name: $(cat "$work/status")"
podman stop -t 20 "$(podman ps -q)" >/dev/null
wait "$page" || fail "as printed the agent ended with $?"
! ls "$work"/*.sh 2>/dev/null || fail "these blocks of pages were run by nobody"
echo "PASSED"
