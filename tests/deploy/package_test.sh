#!/usr/bin/env bash
# The packages on a fresh Debian 12 that systemd has booted (debootstrap, systemd-nspawn): installed without
# certificates, given them, asked over mTLS from outside, rotated, upgraded under a running Exec and a running
# Start, purged. What the pages print for such a machine (runs-in=package) is run in it as printed.
#   package_test.sh BUILD      a build of preset release with its packages (cmake --workflow --preset package)
# The root is made once and kept in BUILD. Exit code 77: what it takes is not on this machine.
set -euo pipefail
build=$(realpath -m "$1")
. "$(dirname "$0")/machine.sh"
for tool in dpkg-deb python3; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done
newest() { ls -t "$build"/packages/"$1"_*.deb 2>/dev/null | head -n 1; }
packages=()
for name in specula-agent specula-shim specula; do
  [ -n "$(newest $name)" ] || skip "there is no package $name; make it by: cmake --workflow --preset package"
  packages+=("$(newest $name)")
done

# run_block NAME FOLDER: a block of a page (tests/docs/blocks.py), typed by root in a folder of the machine.
run_block() {
  [ -s "$work/blocks/$1" ] || fail "no page has a block $1"
  mv "$work/blocks/$1" "$work/root/root/commands.sh"
  inside env --chdir="$2" HOME=/root bash -eu -o pipefail /root/commands.sh >"$work/said" 2>&1 ||
    { cat "$work/root/root/commands.sh" "$work/said"; fail "as printed it does not work"; }
  rm "$work/root/root/commands.sh"
}
# Asked from outside, it has only the wire in common with the root.
specula() {
  nsenter -t "$leader" -n "$build/bin/specula" --hosts 127.0.0.1 --ca "$work/ca/ca.crt" --cert "$work/ca/admin.crt" \
    --key "$work/ca/admin.key" "$@"
}
# What others keep of what they did is not ours.
files() {
  (cd "$work/root" && find etc usr var opt root srv -xdev \( -path var/lib/dpkg -o -path var/lib/logrotate -o -path var/log -o \
    -path var/cache -o -path var/tmp -o -path 'etc/*-' \) -prune -o -print | sort)
}

step "a root of Debian 12"
make_root
mkdir "$work/blocks"
"$(dirname "$0")"/../docs/blocks.py package "$work/blocks"
mkdir "$work/root/packages"
cp "${packages[@]}" "$work/root/packages"

step "a root without systemd: the user is made, all is taken away again"
without() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$work/root" "$@"; }
mkdir "$work/away"
mv "$work"/root/usr/bin/systemd-{sysusers,tmpfiles} "$work/away"
files >"$work/files.before"
without sh -c 'dpkg -i /packages/*.deb' >"$work/log" 2>&1 || { cat "$work/log"; fail "dpkg -i"; }
[ "$(without stat -c '%a %U %G' /etc/specula/tls)" = "750 root specula" ] || fail "/etc/specula/tls is not private"
without specula-agent --version >/dev/null || fail "the agent does not run"
without dpkg --purge specula-agent specula-shim specula >"$work/log" 2>&1 || { cat "$work/log"; fail "purge"; }
files | diff "$work/files.before" - || fail "something is left"
without deluser --quiet specula
mv "$work"/away/* "$work/root/usr/bin"

step "systemd boots in it"
boot
inside systemctl list-units --failed --plain --no-legend >"$work/failed.before"
files >"$work/files.before"

step "installed without certificates: enabled, not started, nothing failed"
inside sh -c 'dpkg -i /packages/*.deb' >"$work/log" 2>&1 || { cat "$work/log"; fail "dpkg -i"; }
for unit in specula-agent specula-shim; do
  [ "$(inside systemctl is-enabled $unit)" = enabled ] || fail "$unit is not enabled"
  [ "$(inside systemctl is-active $unit || true)" = inactive ] || fail "$unit runs without a certificate"
done
inside getent passwd specula >/dev/null || fail "there is no user specula"
[ "$(inside stat -c '%a %U %G' /etc/specula/tls)" = "750 root specula" ] || fail "/etc/specula/tls is not private"

inside dpkg --purge specula-agent specula-shim specula >"$work/log" 2>&1 || { cat "$work/log"; fail "purge"; }

step "as the pages have it: a host with package and certificates, the controller at a desk"
"$build/bin/specula" pki init "$work/ca" >/dev/null
"$build/bin/specula" pki agent "$work/ca" vm1 --san 127.0.0.1 >/dev/null
"$build/bin/specula" pki client "$work/ca" admin --role admin >/dev/null
"$build/bin/specula" pki shim "$work/ca" shim >/dev/null
mkdir -p "$work"/root/root/{host,desk/build/release/packages}
cp "$(newest specula-agent)" "$work/ca/ca.crt" "$work"/ca/vm1.{crt,key} "$work/root/root/host"
cp "$(newest specula)" "$work/root/root/desk/build/release/packages"
run_block packages.1.sh /root/host
[ "$(inside systemctl is-active specula-agent)" = active ] || fail "the agent does not run"
run_block README.1.sh /root/desk
inside specula --version >/dev/null || fail "the controller is not installed"
rm -r "$work"/root/root/{host,desk}

step "asked from outside"
tls=$work/root/etc/specula/tls
inside sh -c 'dpkg -i /packages/specula-shim_*.deb' >"$work/log" 2>&1 || { cat "$work/log"; fail "dpkg -i"; }
install -m 600 "$work/ca/shim.crt" "$work/ca/shim.key" "$tls"
(umask 077 && echo operator:secret >"$work/root/etc/specula/shim.tokens")
echo 'max-execs = 63' >>"$work/root/etc/specula/agent.toml"
inside systemctl restart specula-agent || fail "the agent does not start"
specula status || fail "no status"
version=$("$build/bin/specula" --version)
specula status --json | grep -qF "\"version\":\"$version\"" || fail "the agent does not say that it is $version"

step "the shim asks it"
inside systemctl start specula-shim || fail "the shim does not start"
wait_for "the shim's listening" inside bash -c ': </dev/tcp/127.0.0.1/60119'
inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/60119 && printf "11\nAUTH secret4\nPING" >&3 && timeout 20 head -c 12 <&3' >"$work/shim" ||
  fail "the shim does not answer"
grep -q PONG "$work/shim" || grep -q OK "$work/shim" || { cat "$work/shim"; fail "the shim does not answer PING"; }

step "the audit log is rotated, its chain goes on"
audit=$work/root/var/lib/specula/audit
for rotated in 0 1 2; do
  specula exec 127.0.0.1 -- true
  if [ "$rotated" = 2 ]; then
    run_block packages.2.sh /root
    grep -q ' 0 gaps, chain intact' "$work/said" || { cat "$work/said"; fail "the parts of the page are no whole chain"; }
  fi
  inside logrotate --force /etc/logrotate.d/specula-agent || fail "logrotate"
done
# As well while nobody writes.
specula exec 127.0.0.1 -- true
inside systemctl stop specula-agent
inside logrotate --force /etc/logrotate.d/specula-agent || fail "logrotate"
inside systemctl start specula-agent
specula exec 127.0.0.1 -- true
[ -s "$audit/audit.jsonl.4.gz" ] && [ -s "$audit/audit.jsonl.3.gz" ] && [ -s "$audit/audit.jsonl.2.gz" ] && [ -s "$audit/audit.jsonl.1" ] ||
  { ls -l "$audit"; fail "the audit log was not rotated"; }
"$build/bin/specula" audit verify <(zcat "$audit/audit.jsonl.4.gz") <(zcat "$audit/audit.jsonl.3.gz") <(zcat "$audit/audit.jsonl.2.gz") \
  "$audit/audit.jsonl.1" "$audit/audit.jsonl" >"$work/verdict" ||
  { cat "$work/verdict"; fail "the chain is broken"; }
cat "$work/verdict"
grep -q ' 0 gaps, chain intact' "$work/verdict" || fail "rotation made gaps"

step "upgraded under a running Exec and a running Start"
dpkg-deb -R "$(newest specula-agent)" "$work/next"
old=$(dpkg-deb -f "$(newest specula-agent)" Version)
sed -i "s/^Version: .*/Version: $old.1/" "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -Znone -b "$work/next" "$work/root/packages/next.deb" >/dev/null
(code=0; specula exec 127.0.0.1 -- sleep 3333 >/dev/null 2>"$work/exec.said" || code=$?; echo "$code" >"$work/exec.code") &
specula start 127.0.0.1 -- sleep 4444 >/dev/null || fail "start"
wait_for "the Exec" eval '[ -n "$(runs "sleep 3333")" ]'
started=$(runs "sleep 4444")
[ -n "$started" ] || fail "the Start does not run"
before=$(inside systemctl show -p MainPID --value specula-agent)
inside dpkg -i /packages/next.deb >"$work/log" 2>&1 || { cat "$work/log"; fail "the upgrade"; }
[ "$(inside systemctl is-active specula-agent)" = active ] || fail "the new agent does not run"
[ "$(inside systemctl show -p MainPID --value specula-agent)" != "$before" ] || fail "the old agent still runs"
wait_for "the end of the Exec at its client" test -s "$work/exec.code"
case "$(cat "$work/exec.code")" in
  255|143) ;;
  *) cat "$work/exec.said"; fail "the Exec ended with $(cat "$work/exec.code")" ;;
esac
echo "the Exec ended with $(cat "$work/exec.code"): $(tail -n 1 "$work/exec.said")"
[ -z "$(runs "sleep 3333")" ] || fail "the Exec's program outlived the upgrade"
[ "$(runs "sleep 4444")" = "$started" ] || fail "the Start did not outlive the upgrade"
wait_for "an answer of the new agent" specula status
grep -q '^max-execs = 63' "$work/root/etc/specula/agent.toml" || fail "the upgrade took the operator's settings away"
specula kill 127.0.0.1 "$started" >/dev/null || fail "the new agent cannot end the old one's Start"
wait_for "the end of the Start" eval '[ -z "$(runs "sleep 4444")" ]'

step "stopped by hand it stays so"
inside systemctl stop specula-agent
inside dpkg -i /packages/next.deb >"$work/log" 2>&1 || { cat "$work/log"; fail "installing again"; }
[ "$(inside systemctl is-active specula-agent || true)" = inactive ] || fail "an upgrade started what was stopped"

step "purged: nothing but logs is left"
inside systemctl start specula-agent
inside dpkg --purge specula-agent specula-shim specula >"$work/log" 2>&1 || { cat "$work/log"; fail "purge"; }
if grep -i 'warning' "$work/log"; then fail "purge left something"; fi
[ -z "$(inside sh -c 'grep -l specula /proc/[0-9]*/comm' || true)" ] || fail "something still runs"
files >"$work/files.after"
diff "$work/files.before" "$work/files.after" | grep '^[<>]' | tee "$work/left" || true
if grep -v -e '^> var/lib/specula$' -e '^> var/lib/specula/audit\(/audit\.jsonl.*\)\?$' -e '^> var/lib/specula/log\(/[^/]*\.log\(\.1\)\?\)\?$' "$work/left"; then
  fail "the lines above are not logs"
fi
[ -s "$audit/audit.jsonl" ] || fail "the audit log is gone"
inside systemctl list-units --failed --plain --no-legend | diff "$work/failed.before" - || fail "units failed"
[ -z "$(ls "$work/blocks")" ] || fail "of the pages nobody ran $(ls "$work/blocks")"
step done
