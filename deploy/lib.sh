# Shared by deploy/demo.sh and tests/run.sh: installing what is missing, building. Sourced, not run.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${CONSIGN_BUILD:-$root/build}

# need KIND…: installs the packages of these kinds (deploy/packages.txt) that are not here.
need() {
    local kinds="$*" kind package missing=()
    while read -r kind package; do
        case " $kinds " in *" $kind "*) ;; *) continue ;; esac
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done < <(grep -Ev '^(#|$)' "$root/deploy/packages.txt")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing packages: ${missing[*]}; run once as root: apt-get install ${missing[*]}" >&2
        exit 2
    fi
    echo "installing ${#missing[@]} packages: ${missing[*]}"
    # A server that a package brings must not start by itself: tests and demo start their own.
    local guard=/usr/sbin/policy-rc.d made=
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$guard"
        chmod 755 "$guard"
        made=1
    fi
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > "${TMPDIR:-/tmp}/consign-apt.$$" 2>&1; then
        cat "${TMPDIR:-/tmp}/consign-apt.$$" >&2
        rm -f "${TMPDIR:-/tmp}/consign-apt.$$"
        [ -n "$made" ] && rm -f "$guard"
        echo "apt-get could not install the packages above" >&2
        exit 2
    fi
    rm -f "${TMPDIR:-/tmp}/consign-apt.$$"
    [ -n "$made" ] && rm -f "$guard"
    return 0
}

# make_all FOLDER [cmake options…]: configures and builds there, quietly unless it fails.
make_all() {
    local folder=$1
    shift
    mkdir -p "$folder"
    if ! { cmake -G Ninja -S "$root" -B "$folder" "$@" && ninja -C "$folder"; } > "$folder/build.log" 2>&1; then
        grep -E 'error|warning|FAILED' -A3 "$folder/build.log" | head -n 60 >&2
        echo "the build failed; all of it: $folder/build.log" >&2
        exit 1
    fi
}
