#!/bin/sh
# mutate.sh FROM PATCH TO: copies the sources of FROM to TO and applies PATCH. One that no longer applies leaves them as they are:
# the swarm then finds nothing, and the mutant's test fails.
set -eu
rm -rf "$3"
mkdir -p "$3"
cp "$1"/*.c "$3"/
if ! patch --batch --fuzz=0 --strip=1 --directory="$3" --input="$2" >"$3/patch.log" 2>&1; then
    echo "mutant: $2 no longer applies; see $3/patch.log" >&2
    cp "$1"/*.c "$3"/
fi
