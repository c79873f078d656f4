#!/usr/bin/env bash
# Goal: every page is well formed, and says each command and option that its program's --help names. Method: mandoc's own check;
# the words of --help, looked for in the page's source.
set -eu
root=$1
bin=$2/bin
bad=0

miss() {
    echo "$1 does not say: $2"
    bad=1
}

# The verbs of a line such as "zone hold|resume ZONE": each beside its noun.
check_command() { # PAGE NOUN VERBS
    local verb
    for verb in ${3//|/ }; do
        grep -qE "^\.(It )?Ic $2( .*)? ${verb}( [^:].*)?\$" "$1" || miss "$1" "$2 $verb"
    done
    [ -n "$3" ] || grep -qE "^\.(It )?Ic $2( [^:].*)?\$" "$1" || miss "$1" "$2"
}

for page in "$root"/docs/man/*.[0-9]; do
    program=$(basename "${page%.*}")
    help=$("$bin/$program" --help)
    for option in $(grep -oE -- '--[a-z][a-z-]+' <<< "$help" | sort -u); do
        grep -qE "Fl (.* )?-${option#--}( |\$)" "$page" || miss "$page" "$option"
    done
    while read -r noun verbs _; do
        [[ $verbs =~ ^[a-z][a-z|-]*$ ]] || verbs=
        check_command "$page" "$noun" "$verbs"
    done < <(sed -nE 's/^  ([a-z]+( .*)?)$/\1/p' <<< "$help" | sed 's/   *.*//')
done

for program in consignctl consign-verify consign-node consign-coordinator consign-ceremony; do
    ls "$root/docs/man/$program".[0-9] > /dev/null || bad=1
done
if command -v mandoc > /dev/null; then
    mandoc -Tlint -W warning "$root"/docs/man/*.[0-9] || bad=1
fi
exit $bad
