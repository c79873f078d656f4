#!/usr/bin/env bash
# Goal: round.pml holds, and each of its broken variants does not. Method: check.sh holds|refuted -DFLAG…
# has spin search every state under these flags; a refutation is searched breadth first, so that its trail is the shortest.
# --trail as the first argument also tells a trail's steps.
set -euo pipefail
tell=
if [ "$1" = --trail ]; then
    tell=1
    shift
fi
expected=$1
shift
model=$(cd "$(dirname "$0")" && pwd)/round.pml
command -v spin > /dev/null || { echo "spin is not installed (deploy/packages.txt)"; exit 1; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/consign-model.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$model" round.pml

flags=("$@")
search=(-DSAFETY -DNOREDUCE -DMEMLIM=6000)
if [ "$expected" = refuted ]; then
    flags+=(-DBREADTH)
    search+=(-DBFS)
fi
spin -a "${flags[@]}" round.pml
gcc -O1 -w "${search[@]}" -o pan pan.c
./pan -m100000 -w24 > pan.log 2>&1 || true

states=$(awk '/states, stored/ {print $1}' pan.log)
seconds=$(awk '/elapsed time/ {print $4}' pan.log)
claim=$(sed -nE 's/^pan:1: assertion violated ([^(]*[^( ]) *\(at depth ([0-9]+)\).*/\1 by a \2-step trail/p' pan.log)
if [ -n "$claim" ]; then
    result="refuted: $claim"
elif grep -q 'errors: 0' pan.log && ! grep -qE 'Search not completed|max search depth too small|out of memory' pan.log; then
    result=holds
else
    cat pan.log
    result="search not completed"
fi
echo "${*:-all of it}: ${states:-?} states, ${seconds:-?} s, $result"
if [ -n "$claim" ] && { [ -n "$tell" ] || [ "$expected" = holds ]; }; then
    spin -t -T "${flags[@]}" round.pml | grep -E '^ *([A-D] |leader)' || true
fi
[ "${result%%:*}" = "$expected" ]
