#!/usr/bin/env bash
# Goal: pure code stays pure. Method: the undefined symbols of every object file that CMake lists as pure hold no clock, file,
# socket, thread, environment, entropy or output.
set -eu
build=$2
# Sanitizers bring symbols of their own; the plain build is the one that is checked.
grep -q '^CONSIGN_SANITIZE:STRING=.' "$build/CMakeCache.txt" && exit 77
banned='^(time|clock|clock_gettime|gettimeofday|localtime.*|gmtime.*|mktime|open|openat|fopen|creat|read|write|pread|pwrite|close|stat|fstat|unlink|rename|mkdir|mmap|socket|connect|bind|listen|accept|send.*|recv.*|poll|select|epoll.*|pthread_create|pthread_mutex.*|uv_.*|nng_.*|mdb_.*|getenv|secure_getenv|setenv|rand|rand_r|random|srandom|drand48|getrandom|getentropy|arc4random.*|RAND_.*|fork|exec.*|system|popen|sleep|usleep|nanosleep|printf|puts|putchar|fwrite|fputs|perror|syslog|csn_log|csn_fs_.*)$'
bad=0
checked=0
while read -r source; do
    [ -n "$source" ] || continue
    object=$(find "$build/lib" -path "*/$(basename "$(dirname "$source")")/*" -name "$(basename "$source").o" | head -n 1)
    if [ -z "$object" ]; then
        echo "no object file for $source"
        bad=1
        continue
    fi
    checked=$((checked + 1))
    found=$(nm -u "$object" | awk '{print $NF}' | sed 's/@.*//' | grep -E "$banned" || true)
    # error.c and bytes.c end the process with a last word when memory is out or an assertion fails.
    case $source in */base/*) found= ;; esac
    if [ -n "$found" ]; then
        echo "$source is listed as pure and uses:" $found
        bad=1
    fi
done < "$build/pure.txt"
echo "$checked pure object files checked"
[ "$checked" -gt 0 ] && [ "$bad" -eq 0 ]
