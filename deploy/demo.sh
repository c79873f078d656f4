#!/usr/bin/env bash
# A whole Consign cluster on this machine: three sites with their own HSM tokens and coordinators, one zone.
set -euo pipefail
usage() {
    cat << 'U'
usage: deploy/demo.sh [--zone FILE] [--origin NAME] [--once] [--dir DIR]

  --zone FILE    unsigned zone file, also .zst (default: a made-up ccTLD, deploy/zones/demo.zone)
  --origin NAME  its apex, with a final dot (default: the owner of the file's SOA)
  --once         release, pull the zone from all three sites, compare and verify it, stop; exit 0 only if all held
  --dir DIR      where everything is kept (default: a new folder under /tmp). An empty or absent one is made a demo's; the
                 folder of an earlier demo that was stopped is started again as it is, without --zone and --origin

Without --once the cluster keeps running and this says how to look at it, change the zone, stop a site and stop all. With
--once a folder under /tmp that nobody named is removed when all held, and kept otherwise.
U
}

zone_file='' origin='' once='' dir=''
while [ $# -gt 0 ]; do
    case $1 in
    --zone | --origin | --dir)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        case $1 in --zone) zone_file=$2 ;; --origin) origin=$2 ;; --dir) dir=$2 ;; esac
        shift
        ;;
    --once) once=1 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

. "$(dirname "$0")/lib.sh"
is_again=''
[ -n "$dir" ] && [ -e "$dir/unsigned.zone" ] && [ -e "$dir/zrh-lead/coordinator.yaml" ] && is_again=1
if [ -n "$is_again" ] && [ -n "$zone_file$origin" ]; then
    echo "$dir: an earlier demo keeps its zone; change $dir/unsigned.zone, or name another folder" >&2
    exit 2
fi
zone_file=${zone_file:-$root/deploy/zones/demo.zone}
[ -r "$zone_file" ] || { echo "$zone_file: cannot be read" >&2; exit 2; }
zone_file=$(realpath "$zone_file")
# Tests name a folder of programs that are built already.
bin=${CONSIGN_BIN:-$build/bin}
if [ -z "${CONSIGN_BIN:-}" ]; then
    need build run
    # A folder that the tests have configured stays as it is: it has the same programs.
    [ -e "$build/CMakeCache.txt" ] || no_tests=-DBUILD_TESTING=OFF
    [ -x "$bin/consign-node" ] || echo "building in $build (a minute or two)"
    make_all "$build" ${no_tests:+"$no_tests"}
fi
. "$root/deploy/cluster.sh"

is_ours=''
if [ -z "$dir" ]; then
    dir=$(mktemp -d /tmp/consign-demo.XXXXXX)
    is_ours=1
elif [ -z "$is_again" ] && [ -e "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
    echo "$dir: is neither empty nor an earlier demo's; name another folder" >&2
    exit 2
fi
mkdir -p "$dir"
chmod 700 "$dir"
dir=$(realpath "$dir")

stop_all() {
    local name end=$((SECONDS + 10))
    for name in $sites $coordinators; do
        if is_running "$dir" "$name"; then kill "$(cat "$dir/$name/pid")" 2> /dev/null || true; fi
    done
    wait 2> /dev/null || true
    # One that was started again in another terminal is no child of this shell.
    for name in $sites $coordinators; do
        while is_running "$dir" "$name" && [ $SECONDS -lt $end ]; do sleep 0.1; done
        rm -f "$dir/$name/pid"
    done
}
if [ -n "$is_again" ]; then
    for name in $sites $coordinators; do
        is_running "$dir" "$name" || continue
        echo "$dir: $name runs already, process $(cat "$dir/$name/pid"); stop that demo first" >&2
        exit 2
    done
fi
trap 'stop_all; [ -z "$once" ] || echo "kept for a look: $dir" >&2' EXIT
trap 'exit 130' INT TERM

if [ -n "$is_again" ]; then
    origin=$(awk '$1 == "zone:" {print $2; exit}' "$dir/keyset.yaml")
    echo "zone $origin again, as $dir has it"
else
    case $zone_file in
    *.zst) zstd -qdc "$zone_file" > "$dir/unsigned.zone" ;;
    *) cp "$zone_file" "$dir/unsigned.zone" ;;
    esac
    chmod 600 "$dir/unsigned.zone"
    origin=${origin:-$(zone_origin "$dir/unsigned.zone")}
    origin=${origin%.}${origin:+.}
    if [ -z "$origin" ]; then
        trap - EXIT
        what='no SOA in it: not a zone'
        ! grep -qiE '[[:space:]]SOA[[:space:]]' "$dir/unsigned.zone" || what='its SOA has no absolute owner; give --origin'
        rm -f "$dir/unsigned.zone"
        [ -z "$is_ours" ] || rmdir "$dir"
        echo "$zone_file: $what" >&2
        exit 2
    fi
    origin=${origin%.}.
    echo "zone $origin from $zone_file"
    echo "folder $dir"
    make_cluster "$dir" "$origin" "$dir/unsigned.zone"
fi
for site in $sites; do
    "$bin/consign-node" --check -c "$dir/$site/node.yaml"
    start_one "$dir" "$site"
done
for name in $coordinators; do
    "$bin/consign-coordinator" --check -c "$dir/$name/coordinator.yaml"
    start_one "$dir" "$name"
done

echo "waiting for the release at all three sites"
# A zone that every site keeps back will not be released however long this waits.
is_kept_back() {
    local site
    for site in $sites; do grep -q ' input.parked ' "$dir/$site/log" || return 1; done
}
waited=0
until wait_released "$dir" "$origin" 3 5; do
    waited=$((waited + 5))
    [ $waited -lt "${CONSIGN_DEMO_WAIT_S:-600}" ] && ! is_kept_back && continue
    "$bin/consignctl" -s "$dir/zrh/control.sock" status || true
    for site in $sites; do echo "--- $dir/$site/log"; tail -n 15 "$dir/$site/log"; done
    echo "no release at all three sites" >&2
    exit 1
done
wait_status "$dir" "$origin" 3 10 || true
"$bin/consignctl" -s "$dir/zrh/control.sock" status
print_ds "$dir" "$origin" | sed 's/^/DS for the parent: /'

if [ -n "$once" ]; then
    pull_and_compare "$dir" "$origin"
    stop_all
    trap - EXIT
    # An HSM worker may write while it leaves.
    [ -z "$is_ours" ] || rm -rf "$dir" 2> /dev/null || { sleep 2; rm -rf "$dir"; }
    echo "ok: three sites served $origin byte for byte alike, and both verifiers accept it"
    exit 0
fi

cat << M

The cluster runs. In another terminal:
  look           $bin/consignctl -s $dir/zrh/control.sock status
  the gate       $bin/consignctl -s $dir/zrh/control.sock cert show $origin
  pull the zone  dig @127.0.0.1 -p $(site_port "$dir" zrh xfr) -k $dir/tsig.key +noall +answer $origin AXFR > FILE
  check it       $bin/consign-verify --cluster $dir/cluster.yaml --cert CERT --zone FILE   (CERT: -o json cert show, | jq -r .certificate)
  change it      edit a copy of $dir/unsigned.zone, raise its SOA serial, mv it into place; every site takes it at once
  stop a site    kill \$(cat $dir/sin/pid)        two of three go on
  start it again CONSIGN_BIN=$bin $root/deploy/cluster.sh start $dir sin
  coordinators   one leads (status names it), the others stand by: kill -9 \$(cat $dir/zrh-lead/pid)
                 and within seconds status names another; what waits is released; start it again as a site
  who votes      $bin/consignctl -s $dir/zrh/control.sock membership show
                 two of the three officers of $dir/officers sign the next document (docs/OPERATING.md, Changing the members)
  logs           tail -f $dir/*/log
  stop all       Ctrl-C here
  all again      $root/deploy/demo.sh --dir $dir
M
while :; do wait -n || true; sleep 1; done
