#!/usr/bin/env bash
# The configuration files of the packages name every option of their program, what is commented out in them is
# right, and the program takes them as they are.
#   config_files_test.sh DIRECTORY-OF-THE-PROGRAMS
set -euo pipefail
programs=$1
deploy=$(realpath "$(dirname "$0")/../../deploy")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() { echo "FAILED: $*" >&2; failed=1; }

"$programs/specula" pki init "$work/ca" >/dev/null
"$programs/specula" pki agent "$work/ca" vm1 >/dev/null
"$programs/specula" pki shim "$work/ca" shim >/dev/null

check() { # NAME FILE
  local program=specula-$1 file=$2 key
  "$programs/$program" --help | sed -n 's/^ *\(-h,\)\?--\([a-z-]*\).*/\2/p' |
    grep -vx -e help -e version -e config -e check-config | sort >"$work/options"
  # The unit hands these over.
  if [ "$1" = shim ]; then grep -vx -e ca -e cert -e key -e token-file "$work/options" >"$work/some"; mv "$work/some" "$work/options"; fi
  sed -n 's/^#\?\([a-z-]*\) = .*/\1/p' "$file" | sort >"$work/keys"
  diff "$work/options" "$work/keys" || complain "$file and $program --help name other options"
  # As they are, but for where the certificates lie; then with every value that is shown.
  sed "s|/etc/specula/tls/agent|$work/ca/vm1|; s|/etc/specula/tls|$work/ca|; s|/var/lib/specula|$work/state|; s|/run/credentials/specula-shim.service/server|$work/ca/shim|" \
    "$file" >"$work/$1.toml"
  sed 's/^#\([a-z-]* = \)/\1/' "$work/$1.toml" >"$work/$1-all.toml"
  : >"$work/ca/denylist"
  (umask 077 && echo operator:secret >"$work/tokens")
  for key in "$1" "$1-all"; do
    set -- --config "$work/$key.toml" --check-config
    if [ "$program" = specula-shim ]; then
      set -- "$@" --ca "$work/ca/ca.crt" --cert "$work/ca/shim.crt" --key "$work/ca/shim.key" --token-file "$work/tokens"
    else
      # There may be no such user here.
      set -- "$@" --front-user "$(id -un)"
    fi
    "$programs/$program" "$@" || complain "$program does not take $key.toml"
  done
}

check agent "$deploy/package/agent/agent.toml"
check shim "$deploy/package/shim/shim.toml"

# Values that --help tells are those that are commented out.
"$programs/specula-agent" --help | sed -n 's/^ *--\([a-z-]*\) .*=\([^ ]*\).*/\1 \2/p' >"$work/told"
[ "$(wc -l <"$work/told")" -ge 15 ] || complain "--help tells too few values to compare with; does it look another way now?"
while read -r key value; do
  case $key in config | state-dir) continue ;; esac
  shown=$(sed -n "s/^#$key = //p" "$deploy/package/agent/agent.toml" | tr -d '"')
  case $value in 1 | 0) [ "$shown" != true ] || shown=1; [ "$shown" != false ] || shown=0 ;; esac
  [ "$shown" = "$value" ] || complain "agent.toml shows $key = $shown; without it it is $value"
done <"$work/told"
exit $failed
