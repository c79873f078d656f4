#!/usr/bin/env bash
# Goal: the tree keeps its shape. Method: the top level is the agreed one, files stay short, calls to avoid are absent, no two
# decisions have one number, and what the pages link to is there.
set -eu
cd "$1"
git rev-parse --git-dir > /dev/null 2>&1 || { echo "SKIP lint_tree: not a git checkout"; exit 77; }
bad=0
extra=$(git ls-files | cut -d/ -f1 | sort -u |
    grep -vxE 'CMakeLists\.txt|README\.md|CHANGELOG\.md|LICENSE|CMakePresets\.json|proto|node|coordinator|lib|deploy|tests|docs|\..*' || true)
[ -z "$extra" ] || { echo "beyond the agreed top level:" $extra; bad=1; }
long=$(git ls-files 'lib/*.[ch]' 'node/*.[ch]' 'coordinator/*.[ch]' | xargs wc -l | awk '$2 != "total" && $1 > 900 {print $2 " has " $1 " lines"}')
[ -z "$long" ] || { echo "$long"; bad=1; }
calls=$(git grep -nIE '\b(strcpy|strcat|sprintf|gets|atoi|alloca|system)\(' -- '*.c' || true)
[ -z "$calls" ] || { echo "calls to avoid:"; echo "$calls"; bad=1; }
notes=$(git grep -nIE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.c' '*.h' || true)
[ -z "$notes" ] || { echo "left in the code:"; echo "$notes"; bad=1; }
twice=$(git ls-files docs/adr | sed 's|.*/||' | cut -c1-4 | sort | uniq -d)
[ -z "$twice" ] || { echo "numbers of two decisions:" $twice; bad=1; }
for page in $(git ls-files '*.md'); do
    for target in $(grep -oE '\]\([^)#: ]+' "$page" | cut -c3-); do
        [ -e "$(dirname "$page")/$target" ] || { echo "$page links to $target, which is not there"; bad=1; }
    done
done
exit $bad
