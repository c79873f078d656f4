#!/usr/bin/env bash
# Goal: no warning with clang either. Method: the whole tree once more with clang and -Werror, objects only thrown away.
set -eu
root=$1
folder=$2/clang
command -v clang > /dev/null || { echo "SKIP lint_clang: no clang"; exit 77; }
# The sanitizer build has been compiled with the same sources.
grep -q '^CONSIGN_SANITIZE:STRING=.' "$2/CMakeCache.txt" && exit 77
cmake -G Ninja -S "$root" -B "$folder" -DCMAKE_C_COMPILER=clang -DCONSIGN_WERROR=ON > /dev/null
if ! ninja -C "$folder" > "$folder/build.log" 2>&1; then
    grep -E '(error|warning):|FAILED' "$folder/build.log"
    exit 1
fi
echo "clang: no warning"
