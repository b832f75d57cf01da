#!/bin/sh
# link_static.sh LINKER ARGUMENTS…: runs the linker, and leaves out of what it says only that getaddrinfo,
# dlopen and their like take shared libraries at run time. gRPC resolves by c-ares, users are looked up by
# getent, and nothing is loaded (see what static costs in the design). ld has an option for that, too,
# --no-warnings, which hides errors as well and makes programs with undefined symbols.
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
"$@" 2>"$said"
status=$?
# A warning is a line, and the line before it names the function where the call is.
awk '/: in function `/ { place = $0; next }
     /: warning: Using .* in statically linked applications requires at runtime/ { place = ""; next }
     { if (place != "") print place; place = ""; print }
     END { if (place != "") print place }' "$said" >&2
exit "$status"
