#!/usr/bin/env bash
# A static link is silent of getaddrinfo and dlopen, and of nothing else: an undefined symbol is an error, and
# is told.
set -euo pipefail
link=$(realpath "$(dirname "$0")/../../cmake/link_static.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; cat said >&2; exit 1; }

cat >names.cc <<'CC'
#include <dlfcn.h>
#include <netdb.h>
int main() {
  addrinfo* found;
  return getaddrinfo("localhost", "1", nullptr, &found) == 0 && dlopen("x", 0) != nullptr;
}
CC
echo 'void Nowhere(); int main() { Nowhere(); }' >undefined.cc
echo 'extern "C" char* gets(char*); int main() { char a[9]; gets(a); }' >dangerous.cc

g++ -static names.cc -o names 2>said || fail "g++"
grep -q 'statically linked' said || fail "ld has no such warning any more: link_static.sh is not needed"
"$link" g++ -static names.cc -o names >said 2>&1 || fail "it does not link"
[ ! -s said ] || fail "it is not silent"
if "$link" g++ -static undefined.cc -o undefined >said 2>&1; then fail "it links an undefined symbol"; fi
grep -q 'undefined reference' said || fail "it does not tell of an undefined symbol"
grep -q 'in function' said || fail "it does not tell where"
"$link" g++ -static dangerous.cc -o dangerous >said 2>&1 || fail "it does not link"
grep -q 'dangerous' said || fail "it keeps another warning back"
