#!/usr/bin/env bash
# What a release costs on this machine, against the least its cryptography can cost and against other signers:
#   tests/bench/run.sh [--zone FILE] [--origin NAME] [--rounds N] [--keep]
#   tests/bench/run.sh authors [--rate N] [--names N]
#   tests/bench/run.sh away [--versions N,N...]
#   tests/bench/run.sh round|failover|lead
#   tests/bench/run.sh many [--zones N]
#
#   --zone FILE    unsigned zone file (default: the real .gov zone of CONSIGN_DATA/gov-zone.bundle)
#   --origin NAME  its apex, with a final dot (default: the owner of the file's SOA)
#   --rounds N     clusters started from nothing, one after the other; the median counts (default 3)
#   --keep         leaves the folder with all logs
#   authors        only this: signatures a second of 1, 2 and 3 authors whose HSMs are slow (authors.py)
#   round, failover, lead  only this: what the real distances cost, against what is to be reached (distances.py)
#   many           only this: what an idle cluster of 100 zones sends; N zones refreshed in one go (many.py)
#   --zones N      how many (default 10000)
#   --rate N       signatures a second of each HSM (default 200)
#   --names N      new delegations in each round, two signatures each (default 1500)
#   away           only this: what a site fetches that missed versions of the root zone's history (away.py)
#   --versions N   missed versions, one count after the other (default 10,100,1000, which take some 20 minutes to release;
#                  the history has 1222)
#
# crypto floor = (signatures / h + sites x signatures x (1/v1 + 1/v2)) / cores, where h, v1 and v2 are signatures a second, on one
# thread, of raw calls of SoftHSM, OpenSSL and GnuTLS, measured in the same run (floor.c). A round lasts from the first
# `round.compute` of any site to the last site's `round.released`. CPU seconds are those of all daemons and HSM workers in that
# time; other work on the machine moves them less than it moves the clock. No test: a timing never decides one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../deploy/lib.sh"
usage() { sed -n '2,21s/^# \{0,1\}//p' "$0"; }

zone_file='' origin='' rounds=3 keep='' part='' rate=200 names=1500 versions=10,100,1000 zones=10000
while [ $# -gt 0 ]; do
    case $1 in
    --zone | --origin | --rounds | --rate | --names | --versions | --zones)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        case $1 in --zone) zone_file=$2 ;; --origin) origin=$2 ;; --rounds) rounds=$2 ;; --rate) rate=$2 ;; --names) names=$2 ;; --versions) versions=$2 ;; --zones) zones=$2 ;; esac
        shift
        ;;
    --keep) keep=1 ;;
    authors | away | round | failover | lead | many) part=$1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

need build run test
build=${CONSIGN_BUILD:-$root/build-bench}
make_all "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON
bin=$build/bin
if [ "$part" = authors ]; then
    CONSIGN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/authors.py" "$rate" "$names"
elif [ "$part" = away ]; then
    CONSIGN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/away.py" ${versions//,/ }
fi
if [ "$part" = many ]; then
    CONSIGN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 python3 "$here/many.py" 100
    CONSIGN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/many.py" "$zones"
fi
if [ -n "$part" ]; then
    CONSIGN_BIN=$bin PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/distances.py" "$part"
fi
. "$root/deploy/cluster.sh"
coordinators=zrh-lead

work=$(mktemp -d /tmp/consign-bench.XXXXXX)
dir=
clean_up() {
    stop_cluster
    if [ -n "$keep" ] || [ -e "$work/keep" ]; then
        echo "all files: $work"
    else
        rm -rf "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- zone and other signers

make_zone() {
    if [ -z "$zone_file" ]; then
        local bundle=${CONSIGN_DATA:-$root/../shared/data}/gov-zone.bundle
        [ -r "$bundle" ] || { echo "$bundle: cannot be read; set CONSIGN_DATA, or give --zone" >&2; exit 2; }
        git clone -q -b dev "$bundle" "$work/gov"
        zone_file=$work/gov/gov.zone.txt
    fi
    cp "$zone_file" "$work/zone"
    origin=${origin:-$(zone_origin "$work/zone")}
    [ -n "$origin" ] || { echo "$zone_file: no SOA found; give --origin" >&2; exit 2; }
}

# Wall seconds of a command, whose output goes to a file: the median of three.
seconds_of() {
    local start
    for _ in 1 2 3; do
        start=$EPOCHREALTIME
        "$@" > "$work/peer.log" 2>&1 || { tail -n 5 "$work/peer.log" >&2; return 1; }
        awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.2f\n", b - a}'
    done | sort -n | sed -n 2p
}

sign_with_knot() {
    mkdir -p "$work/knot/out"
    cat > "$work/knot/knot.conf" << Y
server:
    rundir: $work/knot
database:
    storage: $work/knot
policy:
  - id: bench
    algorithm: ecdsap256sha256
    signing-threads: $cores
zone:
  - domain: $origin
    file: $work/zone
    dnssec-signing: on
    dnssec-policy: bench
Y
    kzonesign -c "$work/knot/knot.conf" -o "$work/knot/out" "$origin"
}

# The same zone, NSEC, software keys of P-256: what one machine needs that compares with nobody.
run_peers() {
    local keys=()
    mkdir -p "$work/keys"
    dnssec-keygen -q -K "$work/keys" -a 13 -f KSK "$origin" > /dev/null
    dnssec-keygen -q -K "$work/keys" -a 13 "$origin" > /dev/null
    for key in "$work"/keys/K*.private; do keys+=("${key%.private}"); done
    peer bind "dnssec-signzone, verifies" dnssec-signzone -S -x -K "$work/keys" -d "$work" -o "$origin" -f "$work/signed" "$work/zone"
    peer bind-p "dnssec-signzone -P" dnssec-signzone -P -S -x -K "$work/keys" -d "$work" -o "$origin" -f "$work/signed.p" "$work/zone"
    peer ldns "ldns-signzone" ldns-signzone -o "$origin" -f "$work/signed.ldns" "$work/zone" "${keys[@]}"
    peer knot "kzonesign" sign_with_knot
}

peer() { # ID NAME COMMAND…
    local id=$1 name=$2
    shift 2
    echo "$id|$name|$(seconds_of "$@" || echo failed)" >> "$work/peers"
}

# --- the cluster

daemons() { # process ids of nodes, their workers, the coordinator
    local pid
    for pid in "$dir"/*/pid; do
        [ -e "$pid" ] || continue
        cat "$pid"
        pgrep -P "$(cat "$pid")" || true
    done
}

stop_cluster() {
    local pid
    [ -n "$dir" ] || return 0
    for pid in "$dir"/*/pid; do
        [ -e "$pid" ] && kill "$(cat "$pid")" 2> /dev/null || true
    done
    wait 2> /dev/null || true
    dir=
}

cpu_s() { # user and system seconds of all daemons; threads that ended count too
    local pid
    for pid in $(daemons); do
        sed 's/.*) //' "/proc/$pid/stat" 2> /dev/null || true
    done | awk -v tick="$(getconf CLK_TCK)" '{sum += $12 + $13} END {printf "%.2f", sum / tick}'
}

wait_logged() { # FILE PATTERN
    local end=$((SECONDS + 300))
    until grep -qE "$2" "$1"; do
        [ $SECONDS -lt $end ] || { echo "$1: no line with $2 came" >&2; tail -n 5 "$1" >&2; exit 1; }
        sleep 0.1
    done
}

# Facts of the logs as lines `SITE EVENT SECONDS SERIAL NUMBER`, events of rounds only; NUMBER: what stands after the serial.
events() {
    local site
    for site in $sites; do
        sed -E 's/^<[0-7]>//' "$dir/$site/log" | awk -v site="$site" '
            $5 ~ /^round\.(compute|sign|signed|verified|released)$/ {
                split($1, at, /[-T:Z]/)
                serial = number = 0
                for (i = 6; i < NF; i++) {
                    if ($i == "serial") { serial = $(i + 1) + 0; number = $(i + 2) + 0; break }
                }
                day = at[3]; s = at[4] * 3600 + at[5] * 60 + at[6]
                if (first == "") first = day
                printf "%s %s %.3f %s %s\n", site, substr($5, 7), s + (day != first) * 86400, serial, number
            }'
    done
}

# Waits, at little cost, until every site has released N times; prints the last serial.
wait_released_everywhere() { # N
    local end=$((SECONDS + 300)) site
    for site in $sites; do
        until [ "$(grep -c ' round\.released ' "$dir/$site/log")" -ge "$1" ]; do
            [ $SECONDS -lt $end ] || { echo "no release at $site; logs in $dir" >&2; touch "$work/keep"; exit 1; }
            sleep 0.2
        done
    done
    events | awk '$2 == "released" {last = $4} END {print last}'
}

# The round of a serial: `seconds N`, `made N` signatures, and `phases SITE` with seconds after the start.
round_report() { # SERIAL
    events | awk -v serial="$1" -v order="$sites" '
        $4 != serial {next}
        $2 == "compute" && (start == "" || $3 < start) {start = $3}
        $2 == "released" && $3 > end {end = $3}
        $2 == "signed" {made += $5}
        {at[$1, $2] = $3}
        END {
            printf "seconds %.3f\nmade %d\n", end - start, made
            n = split(order, site, " ")
            for (i = 1; i <= n; i++) {
                s = site[i]
                split("compute sign signed verified released", e, " ")
                row = sprintf("phases %s", s)
                for (j = 1; j <= 5; j++) {
                    if ((s, e[j]) in at) { row = row sprintf(" %.3f", at[s, e[j]] - start) } else { row = row " -" }
                }
                print row
            }
        }'
}

start_cluster() { # DIR
    dir=$1
    mkdir -p "$dir"
    chmod 700 "$dir"
    cp "$work/zone" "$dir/unsigned.zone"
    make_cluster "$dir" "$origin" "$dir/unsigned.zone" > "$dir/ceremony.log" 2>&1
    local site
    for site in $sites; do start_one "$dir" "$site"; done
    for site in $sites; do
        wait_logged "$dir/$site/log" ' input\.taken '
        wait_logged "$dir/$site/log" ' hsm\.keys .* signs$'
    done
}

# Another serial and one more delegation, renamed into place.
change_zone() {
    awk -v origin="$origin" '
        !done && toupper($0) ~ /[ \t]SOA[ \t]/ && $0 !~ /^[ \t]*;/ && NF >= 11 {sub($7, $7 + 1); done = 1}
        {print}
        END {print "consign-bench." (origin == "." ? "" : origin) " 3600 IN NS ns.consign-bench.example."; exit !done}
    ' "$dir/unsigned.zone" > "$dir/unsigned.zone.new" || return 1
    mv "$dir/unsigned.zone.new" "$dir/unsigned.zone"
}

measure() { # NUMBER: one cluster from nothing, one full round, one incremental round
    local before after serial again
    start_cluster "$work/run$1"
    before=$(cpu_s)
    start_one "$dir" "$coordinators"
    serial=$(wait_released_everywhere 1)
    after=$(cpu_s)
    { round_report "$serial"; echo "cpu $(awk -v a="$before" -v b="$after" 'BEGIN {printf "%.2f", b - a}')"; } > "$work/full$1"
    if change_zone; then
        before=$after
        again=$(wait_released_everywhere 2)
        after=$(cpu_s)
        { round_report "$again"; echo "cpu $(awk -v a="$before" -v b="$after" 'BEGIN {printf "%.2f", b - a}')"; } > "$work/more$1"
    fi
    stop_cluster
}

# --- what came out

field() { awk -v name="$1" '$1 == name {print $2}' "$2"; }

median_of() { # NAME FILES…
    local name=$1
    shift
    for file in "$@"; do field "$name" "$file"; done | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

# The file whose round took the median time.
median_file() {
    local file
    for file in "$@"; do echo "$(field seconds "$file") $file"; done | sort -n | awk '{v[NR] = $2} END {print v[int((NR + 1) / 2)]}'
}

print_phases() { # FILE
    echo "  seconds after the start       compute     sign   signed verified released"
    awk '$1 == "phases" {printf "  %-28s", $2; for (i = 3; i <= 7; i++) printf " %8s", $i; print ""}' "$1"
}

# The time of a round over the floor that was measured just before it.
own_ratio() { # NUMBER
    awk -v n="$(field made "$work/full$1")" -v cores="$cores" -v t="$(field seconds "$work/full$1")" '
        {rate[$1] = $2}
        END {printf "%.2f\n", t * cores / (n / rate["h"] + 3 * n * (1 / rate["v1"] + 1 / rate["v2"]))}' "$work/rates.$1"
}

print_run() { # NUMBER
    echo "  run $1: $(field seconds "$work/full$1") s, $(field cpu "$work/full$1") CPU s, ratio to its own floor $(own_ratio "$1")"
}

report() {
    local full more id name s
    full=$(median_file "$work"/full*)
    awk -v n="$(field made "$full")" -v cores="$cores" -v t="$(field seconds "$full")" -v cpu="$(median_of cpu "$work"/full*)" '
        {rate[$1] = $2}
        END {
            sign = n / rate["h"]; v1 = 3 * n / rate["v1"]; v2 = 3 * n / rate["v2"]; all = sign + v1 + v2
            printf "signatures           %8d\ncores                %8d\n", n, cores
            printf "h  SoftHSM           %8.0f /s  %6.2f CPU s\n", rate["h"], sign
            printf "v1 OpenSSL           %8.0f /s  %6.2f CPU s at 3 sites\n", rate["v1"], v1
            printf "v2 GnuTLS            %8.0f /s  %6.2f CPU s at 3 sites\n", rate["v2"], v2
            printf "   our ldns path     %8.0f /s  %6.2f CPU s at 3 sites\n", rate["ldns"], 3 * n / rate["ldns"]
            printf "   our knot path     %8.0f /s  %6.2f CPU s at 3 sites\n", rate["knot"], 3 * n / rate["knot"]
            printf "crypto floor         %8.2f s\n", all / cores
            printf "measured             %8.2f s   ratio %.2f\n", t, t * cores / all
            printf "CPU of all daemons   %8.2f s   of the floor %.2f s   ratio %.2f\n", cpu, all, cpu / all
        }' "$work/rates"
    print_phases "$full"
    for file in "$work"/full*; do print_run "$(basename "$file" | tr -dc 0-9)"; done
    echo "median of the rounds' own ratios: $(for file in "$work"/full*; do own_ratio "$(basename "$file" | tr -dc 0-9)"; done |
        sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}')"
    if compgen -G "$work/more*" > /dev/null; then
        more=$(median_file "$work"/more*)
        echo
        echo "incremental round: one delegation more, $(field made "$more") signatures made"
        echo "measured             $(field seconds "$more") s, $(field cpu "$more") CPU s with intake"
        print_phases "$more"
    fi
    echo
    echo "other signers, the same zone, one machine, software keys, nothing compared:"
    while IFS='|' read -r id name s; do
        [ "$s" = failed ] && { echo "  $name: failed"; continue; }
        awk -v name="$name" -v s="$s" -v t="$(field seconds "$full")" \
            'BEGIN {printf "  %-28s %6.2f s   our release takes %.1f x\n", name, s, t / s}'
    done < "$work/peers"
}

cores=$(nproc)
make_zone
echo "zone $origin, $(wc -l < "$work/zone") lines, $cores cores, load $(cut -d' ' -f1 /proc/loadavg)"
run_peers
# The machine's speed drifts: each round has a floor of its own, measured just before it.
for run in $(seq "$rounds"); do
    "$build/tests/bench/floor" "$softhsm_module" "$work/signed" "$origin" > "$work/rates.$run"
    measure "$run"
done
for name in h v1 v2 ldns knot; do echo "$name $(median_of "$name" "$work"/rates.*)"; done > "$work/rates"
report
