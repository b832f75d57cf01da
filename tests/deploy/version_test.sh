#!/usr/bin/env bash
# What version a build has, by where its sources come from: see cmake/Version.cmake.
set -euo pipefail
script=$(realpath "$(dirname "$0")/../../cmake/Version.cmake")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset GIT_DIR GIT_WORK_TREE
git() { command git -C "$work/tree" -c user.name=t -c user.email=t@localhost -c commit.gpgsign=false -c init.defaultBranch=main "$@"; }

failed=0
# expect NAME PATTERN [FIXED]: of the tree as it is.
expect() {
  local got
  rm -rf "$work/out"
  cmake -DSOURCE_DIR="$work/tree" -DBASE=0.1.0 -DOUTPUT_DIR="$work/out" -DFIXED="${3:-}" -P "$work/tree/cmake/Version.cmake"
  got=$(cat "$work/out/version.txt")
  grep -qF "kVersion[] = \"$got\"" "$work/out/version.cc" || { echo "$1: version.cc has another version"; failed=1; }
  if [[ $got =~ ^$2$ ]]; then echo "$1: $got"; else echo "FAILED: $1: $got, not $2"; failed=1; fi
}

mkdir -p "$work/tree/cmake"
cp "$script" "$(dirname "$script")/git_archive.txt" "$work/tree/cmake"
expect "neither git nor archive" '0\.1\.0'
expect "given" '9\.9\.9' 9.9.9
echo 'cmake/git_archive.txt export-subst' >"$work/tree/.gitattributes"
git init -q
git add .
git commit -qm one
git commit -q --allow-empty -m two
expect "no tag" '0\.1\.0\+2\.g[0-9a-f]+'
git tag v0.2.0
expect "a tag" '0\.2\.0'
touch "$work/tree/untracked"
expect "a file that is not git's" '0\.2\.0'
echo >>"$work/tree/.gitattributes"
expect "a tag and changes" '0\.2\.0\+dirty'
git commit -qam three
expect "after a tag" '0\.2\.0\+1\.g[0-9a-f]+'
echo >>"$work/tree/.gitattributes"
expect "after a tag, with changes" '0\.2\.0\+1\.g[0-9a-f]+\.dirty'
git checkout -q .gitattributes

# It is ordered as dpkg orders.
for pair in "0.2.0 0.2.0+1.gf" "0.2.0+1.gf 0.2.0+10.ga" "0.2.0+10.ga 0.2.1"; do
  dpkg --compare-versions "${pair% *}" lt "${pair#* }" || { echo "FAILED: not in order: $pair"; failed=1; }
done

# The same version is not written again, so that nothing is built again.
touch -d '2000-01-01' "$work/out/version.cc"
cmake -DSOURCE_DIR="$work/tree" -DBASE=0.1.0 -DOUTPUT_DIR="$work/out" -DFIXED="$(cat "$work/out/version.txt")" -P "$script"
[ "$(date -r "$work/out/version.cc" +%Y)" = 2000 ] || { echo "FAILED: version.cc is written each time"; failed=1; }

first=$(git rev-parse --short v0.2.0~1)
for at in v0.2.0 main v0.2.0~1; do
  git archive --prefix="$at/" "$at" | tar -C "$work" -x
done
tree=$work/tree
rm -rf "$tree"; mv "$work/v0.2.0" "$tree"; expect "archive of a tag" '0\.2\.0'
rm -rf "$tree"; mv "$work/main" "$tree"; expect "archive after a tag" '0\.2\.0\+1\.g[0-9a-f]+'
rm -rf "$tree"; mv "$work/v0.2.0~1" "$tree"; expect "archive before any tag" "0\.1\.0\+g$first"
grep -Eq '^[0-9]+$' "$work/out/source_date.txt" || { echo "FAILED: no time of the archive's commit"; failed=1; }
exit $failed
