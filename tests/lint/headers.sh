#!/usr/bin/env bash
# Goal: every header compiles alone (coordinator/ borrows words from node/).
set -eu
root=$1
bad=0
p11kit=$(pkg-config --cflags p11-kit-1)
while read -r header; do
    printf '#include "%s"\nint csn_lint_empty;\n' "$header" |
        cc -std=c11 -D_GNU_SOURCE -Wall -Wextra $p11kit -I"$root/lib" -I"$root" -I"$root/node" -I"$2/proto" -fsyntax-only -x c - || { echo "$header"; bad=1; }
done < <(cd "$root" && find lib node coordinator -name '*.h' | sed 's|^lib/||')
exit $bad
