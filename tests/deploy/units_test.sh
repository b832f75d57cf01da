#!/usr/bin/env bash
# systemd reads our units, users and directories without a word.
#   units_test.sh DIRECTORY-OF-THE-PROGRAMS
set -euo pipefail
programs=$1
cd "$(dirname "$0")/../../deploy/systemd"
for tool in systemd-analyze systemd-sysusers systemd-tmpfiles; do
  command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# The units as they are, but for where the programs lie.
for unit in *.service; do
  sed "s|/usr/bin/specula|$programs/specula|" "$unit" >"$root/$unit"
done
SYSTEMD_UNIT_PATH="$root:" systemd-analyze verify --man=no "$root"/*.service 2>&1 | tee "$root/said"
[ ! -s "$root/said" ] || { echo "systemd-analyze verify is not content" >&2; exit 1; }

# What the shim may do; 0 is nothing. The agent runs what operators ask for, so its figure says little.
exposure=$(SYSTEMD_UNIT_PATH="$root:" systemd-analyze security --offline=true "$root/specula-shim.service" --no-pager |
  sed -n 's/.*Overall exposure level for specula-shim.service: \([0-9.]*\).*/\1/p')
echo "exposure of specula-shim.service: $exposure"
awk -v level="$exposure" 'BEGIN { exit !(level != "" && level <= 2) }' ||
  { echo "the shim's unit allows more than it did" >&2; exit 1; }

mkdir -p "$root/etc"
systemd-sysusers --root="$root" "$PWD/specula.sysusers"
grep -q '^specula:' "$root/etc/passwd" || { echo "no user specula was made" >&2; exit 1; }
systemd-tmpfiles --root="$root" --create "$PWD/specula.tmpfiles"
[ "$(stat -c %a "$root/etc/specula/tls")" = 750 ] || { echo "/etc/specula/tls is not private" >&2; exit 1; }
