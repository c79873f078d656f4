#!/usr/bin/env bash
# Goal: the roots do not depend on compiler or build type. Method: the golden vectors, the root and the .gov zone once more with
# clang and without optimisation, against the same reference.
set -eu
root=$1
folder=$2/other-compiler
grep -q '^CONSIGN_SANITIZE:STRING=.' "$2/CMakeCache.txt" && exit 77
cmake -G Ninja -S "$root" -B "$folder" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DBUILD_TESTING=ON > /dev/null
ninja -C "$folder" test_vectors test_real_zones > "$folder/build.log" 2>&1 || { tail -n 20 "$folder/build.log"; exit 1; }
for test in test_vectors test_real_zones; do
    "$(find "$folder" -type f -name "$test" -perm -u+x | head -n 1)"
done
