#!/usr/bin/env bash
# clients/examples/java. Maven brings protoc and its plugin, as it does everything else.
. "$(dirname "$0")/harness.sh"
need java javac mvn
stage java
java -version

mvn --batch-mode --no-transfer-progress --quiet package || fail "mvn package"
sed -n 's/^Tests run:.*/&/p' target/surefire-reports/*.txt
check_client java -jar target/specula-example.jar
