#!/usr/bin/env bash
# clients/examples/java. Maven brings protoc and its plugin, as it does everything else.
. "$(dirname "$0")/harness.sh"
need java javac mvn
stage java
java -version

mvn --batch-mode --no-transfer-progress --quiet package >"$scratch/package" 2>&1 || {
  tail -n 20 "$scratch/package"
  # It brings what it takes while it builds.
  grep -Eq 'Could not (resolve|transfer|find artifact)|Unknown host|Cannot access' "$scratch/package" && skip "its packages cannot be had"
  fail "mvn package"
}
sed -n 's/^Tests run:.*/&/p' target/surefire-reports/*.txt
check_client java -jar target/specula-example.jar
