#!/usr/bin/env bash
# A cluster on loopback, for the demo and the system tests. Sourced for its functions, or run:
#   deploy/cluster.sh start DIR NAME     starts a site or a coordinator that was stopped; `coordinators`: all of those
#   deploy/cluster.sh start DIR          starts all that do not run
# What it makes in DIR: ca/, one folder a site (tokens, identity, node.yaml, store), one a coordinator (identity,
# coordinator.yaml), cluster.yaml, policy.yaml, keyset.yaml, tsig.key, ports.
# shellcheck shell=bash

sites='zrh sjc sin'
# One at every site: one leads, the others stand by.
coordinators='zrh-lead sjc-lead sin-lead'
officers='anna bela cleo'
# Members without an HSM, which compute and vote but never sign; none unless the caller names some.
verifiers=${verifiers-}

# The owner of the first SOA record; `@` and relative names are not resolved (give --origin then).
zone_origin() {
    awk 'toupper($0) ~ /[ \t]SOA[ \t]/ && $0 !~ /^[ \t]*;/ {print $1; exit}' "$1" | grep -E '\.$' || true
}

# A port nobody listens on, and that this run has not given out yet.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        grep -qsw "$port" "$1/ports" && continue
        (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && continue
        break
    done
    echo "$port"
}

site_port() { awk -v site="$2" -v what="$3" '$1 == site && $2 == what {print $3}' "$1/ports"; }

# Keeps those that are there.
make_ports() {
    local site what
    [ ! -s "$1/ports" ] || return 0
    : > "$1/ports"
    for site in $sites $verifiers; do
        for what in mesh bulk xfr; do
            echo "$site $what $(free_port "$1")" >> "$1/ports"
        done
    done
}

# A certificate with an EC P-256 key for the mesh's TLS: identity comes from signed statements, this keeps strangers out.
make_tls() { # DIR FOLDER NAME
    local ext=$1/ca/$3.ext
    printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" > "$ext"
    openssl ecparam -name prime256v1 -genkey -noout -out "$2/tls.key" 2> /dev/null
    openssl req -new -key "$2/tls.key" -subj "/CN=$3" -out "$2/tls.csr" 2> /dev/null
    openssl x509 -req -in "$2/tls.csr" -CA "$1/ca/ca.pem" -CAkey "$1/ca/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
        -extfile "$ext" -out "$2/tls.crt" 2> /dev/null
    openssl pkcs8 -topk8 -nocrypt -in "$2/tls.key" > "$2/tls.key8"
    cat "$2/tls.crt" "$2/tls.key8" > "$2/tls.pem"
    rm -f "$2/tls.key" "$2/tls.key8" "$2/tls.csr" "$2/tls.crt" "$ext"
    cp "$1/ca/ca.pem" "$2/ca.pem"
}

make_identity() { # DIR FOLDER NAME
    make_tls "$1" "$2" "$3"
    openssl genpkey -algorithm ed25519 -out "$2/site.key" 2> /dev/null
    chmod 600 "$2/tls.pem" "$2/site.key"
}

public_hex() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \n'; }

make_ca() {
    mkdir -p "$1/ca"
    openssl ecparam -name prime256v1 -genkey -noout -out "$1/ca/ca.key" 2> /dev/null
    openssl req -x509 -new -key "$1/ca/ca.key" -subj "/CN=consign demo CA" -days 3650 -out "$1/ca/ca.pem" 2> /dev/null
}

make_token() { # DIR SITE
    local folder=$1/$2 pin
    mkdir -p "$folder/tokens"
    pin=$(openssl rand -hex 8)
    printf '%s\n' "$pin" > "$folder/pin"
    chmod 600 "$folder/pin"
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n' "$folder" \
        > "$folder/softhsm2.conf"
    SOFTHSM2_CONF=$folder/softhsm2.conf softhsm2-util --init-token --free --label "$2" --so-pin "$(openssl rand -hex 8)" \
        --pin "$pin" > /dev/null
}

softhsm_module=$(ls /usr/lib/*/softhsm/libsofthsm2.so /usr/lib/softhsm/libsofthsm2.so 2> /dev/null | head -n 1)

ceremony() { # DIR SITE arguments…
    local folder=$1/$2 site=$2
    shift 2
    SOFTHSM2_CONF=$folder/softhsm2.conf "$bin/consign-ceremony" "$@" --module "$softhsm_module" --token "pkcs11:token=$site" \
        --pin-file "$folder/pin" 2>> "${folder%/*}/ceremony.log" || { tail -n 5 "${folder%/*}/ceremony.log" >&2; return 1; }
}

# One KSK and one ZSK, made once in the first site's token and moved to the others as a ceremony does.
make_keys() { # DIR
    local site
    ceremony "$1" zrh key generate --label ksk --algorithm 13 --role ksk > "$1/ksk.dnskey"
    ceremony "$1" zrh key generate --label zsk --algorithm 13 --role zsk > "$1/zsk.dnskey"
    for site in ${sites#zrh }; do
        ceremony "$1" "$site" transport request "$1/$site/request" > /dev/null
        ceremony "$1" zrh transport export "$1/$site/transport" --request "$1/$site/request" --label ksk --label zsk > /dev/null
        ceremony "$1" "$site" transport import "$1/$site/transport" > /dev/null
        rm -f "$1/$site/request" "$1/$site/transport"
    done
    ceremony "$1" zrh transport seal --label ksk --label zsk > /dev/null
}

make_members() { # DIR ROLE FIRST-NUMBER SITES…
    local dir=$1 role=$2 number=$3 site
    shift 3
    for site in "$@"; do
        echo "  - number: $number"
        echo "    name: $site"
        echo "    role: $role"
        echo "    incarnation: 1"
        echo "    key: $(public_hex "$dir/$site/site.key")"
        echo "    mesh: tls+tcp://127.0.0.1:$(site_port "$dir" "$site" mesh)"
        echo "    bulk: tls+tcp://127.0.0.1:$(site_port "$dir" "$site" bulk)"
        number=$((number + 1))
    done
}

# shellcheck disable=SC2086
make_documents() { # DIR ORIGIN
    local name number now signer_count member_count
    now=$(date +%s)
    signer_count=$(wc -w <<< "$sites")
    member_count=$(wc -w <<< "$sites $verifiers")
    {
        echo "id: $(openssl rand -hex 16)"
        echo "environment: test"
        echo "epoch: 1"
        echo "quorum: $((member_count / 2 + 1))"
        echo "faults: 0"
        echo "members:"
        make_members "$1" signer 1 $sites
        make_members "$1" verifier $((signer_count + 1)) $verifiers
        echo "coordinators:"
        number=0
        for name in $coordinators; do
            number=$((number + 1))
            echo "  - number: $number"
            echo "    name: $name"
            echo "    key: $(public_hex "$1/$name/site.key")"
        done
        echo "operators:"
        echo "  - {name: duty, key: $(public_hex "$1/operator/duty.key")}"
        echo "officers:"
        echo "  needed: 2"
        echo "  keys:"
        for name in $officers; do
            echo "    - {name: $name, key: $(public_hex "$1/officers/$name.key")}"
        done
    } > "$1/cluster.yaml"
    {
        echo "name: demo"
        echo "version: 1"
        # The root's SOA EXPIRE and DS TTLs need a longer refresh than the defaults (docs/SIGNING.md).
        if [ "$2" = . ]; then
            echo "validity: 28d"
            echo "refresh: 14d"
        else
            echo "validity: 21d"
            echo "refresh: 10d"
        fi
        echo "inception-offset: 90m"
        echo "denial: nsec"
        echo "serial: unixtime"
    } > "$1/policy.yaml"
    {
        echo "zone: $2"
        echo "version: 1"
        echo "dnskey-ttl: 3600"
        echo "keys:"
        echo "  - {name: ksk, dnskey: \"$(cat "$1/ksk.dnskey")\"}"
        echo "  - {name: zsk, dnskey: \"$(cat "$1/zsk.dnskey")\"}"
        echo "events:"
        echo "  - role: ksk"
        echo "    algorithm: 13"
        echo "    list: [{key: ksk, at: $((now - 86400)), window: 0, reason: initial}]"
        echo "  - role: zsk"
        echo "    algorithm: 13"
        echo "    list: [{key: zsk, at: $((now - 86400)), window: 0, reason: initial}]"
    } > "$1/keyset.yaml"
}

# What only a signer has, nothing at a verifier.
hsm_yaml() { # FOLDER SITE
    [ -e "$1/pin" ] || return 0
    cat << Y
hsm:
  worker: $bin/consign-hsm
  module: ${CONSIGN_MODULE:-$softhsm_module}
  token: pkcs11:token=$2
  pin-file: pin
  sessions: 2
  deadline: 10s
  environment:
    SOFTHSM2_CONF: $1/softhsm2.conf
Y
}

token_keys_yaml() { # FOLDER
    [ ! -e "$1/pin" ] || echo '    token-keys: [{key: ksk, label: ksk}, {key: zsk, label: zsk}]'
}

make_node_yaml() { # DIR SITE ORIGIN INPUT
    local folder=$1/$2
    {
        cat << Y
site: $2
cluster: ../cluster.yaml
store: store
second-copy: second/last-hold
identity: {tls: tls.pem, ca: ca.pem, site-key: site.key}
control: control.sock
Y
        hsm_yaml "$folder" "$2"
        cat << Y
zones:
  - zone: $3
    input: $4
    policy: ../policy.yaml
    keys: ../keyset.yaml
Y
        token_keys_yaml "$folder"
        cat << Y
transfer:
  listen: [127.0.0.1@$(site_port "$1" "$2" xfr)]
  tsig: [{name: demo-key, algorithm: hmac-sha256, secret-file: tsig.secret}]
  allow: [{address: 127.0.0.0/8, key: demo-key}]
Y
    } > "$folder/node.yaml"
    mkdir -p "$folder/second"
    cp "$1/tsig.secret" "$folder/tsig.secret"
    chmod 600 "$folder/tsig.secret"
}

make_coordinator_yaml() { # DIR NAME ORIGIN
    cat > "$1/$2/coordinator.yaml" << Y
name: $2
cluster: ../cluster.yaml
identity: {tls: tls.pem, ca: ca.pem, site-key: site.key}
control: control.sock
zones:
  - zone: $3
    policy: ../policy.yaml
    keys: ../keyset.yaml
Y
}

# Whose orders the nodes obey (consignctl --key).
make_operator() { # DIR NAME
    mkdir -p "$1/operator"
    openssl genpkey -algorithm ed25519 -out "$1/operator/$2.key" 2> /dev/null
    chmod 600 "$1/operator/$2.key"
}

# Who sign the next cluster document; any two of them (consign-ceremony officer).
make_officers() { # DIR
    local name
    mkdir -p "$1/officers"
    for name in $officers; do
        "$bin/consign-ceremony" officer new --name "$name" --out "$1/officers/$name.key" > /dev/null
    done
}

# Another site, that no document names yet.
make_site() { # DIR SITE
    local what
    mkdir -p "$1/$2"
    make_identity "$1" "$1/$2" "$2"
    for what in mesh bulk xfr; do
        [ -n "$(site_port "$1" "$2" "$what")" ] || echo "$2 $what $(free_port "$1")" >> "$1/ports"
    done
}

make_tsig() {
    openssl rand -base64 32 > "$1/tsig.secret"
    printf 'key "demo-key" { algorithm hmac-sha256; secret "%s"; };\n' "$(cat "$1/tsig.secret")" > "$1/tsig.key"
    chmod 600 "$1/tsig.secret" "$1/tsig.key"
}

make_cluster() { # DIR ORIGIN INPUT
    local site name
    make_ca "$1"
    make_ports "$1"
    make_tsig "$1"
    make_operator "$1" duty
    make_officers "$1"
    for name in $coordinators; do
        mkdir -p "$1/$name"
        make_identity "$1" "$1/$name" "$name"
    done
    for site in $sites $verifiers; do
        mkdir -p "$1/$site"
        make_identity "$1" "$1/$site" "$site"
    done
    for site in $sites; do
        make_token "$1" "$site"
    done
    make_keys "$1"
    make_documents "$1" "$2"
    for site in $sites $verifiers; do
        make_node_yaml "$1" "$site" "$2" "$3"
    done
    for name in $coordinators; do
        make_coordinator_yaml "$1" "$name" "$2"
    done
}

start_one() { # DIR NAME
    local program=node
    [ ! -e "$1/$2/coordinator.yaml" ] || program=coordinator
    (cd "$1/$2" && exec setsid "$bin/consign-$program" -c "$program.yaml" >> log 2>&1 < /dev/null) &
    echo $! > "$1/$2/pid"
}

# A pid may have gone to another program since.
is_running() { # DIR NAME
    local pid
    pid=$(cat "$1/$2/pid" 2> /dev/null) && grep -qs '^consign-' "/proc/$pid/comm" &&
        [ "$(readlink "/proc/$pid/cwd")" = "$(realpath "$1/$2")" ]
}

# The serial a site serves, by asking it; empty when it does not answer with one.
served_serial() { # DIR SITE ORIGIN
    dig @127.0.0.1 -p "$(site_port "$1" "$2" xfr)" -k "$1/tsig.key" +tcp +short +time=2 +tries=1 "$3" SOA 2> /dev/null |
        awk 'NF == 7 {print $3}'
}

wait_released() { # DIR ORIGIN SITES SECONDS [AFTER-SERIAL]
    local end=$((SECONDS + $4)) site serials
    while [ $SECONDS -lt "$end" ]; do
        serials=$(for site in $sites; do served_serial "$1" "$site" "$2"; done | sort | uniq -c | sort -rn | head -n 1)
        # shellcheck disable=SC2086
        set -- "$1" "$2" "$3" "$4" "${5:-}" $serials
        if [ "${6:-0}" -ge "$3" ] && [ "${7:-}" != "$5" ]; then
            return 0
        fi
        set -- "$1" "$2" "$3" "$4" "$5"
        sleep 0.3
    done
    return 1
}

# The picture at one site: how many sites it knows to have released this serial.
wait_status() { # DIR ORIGIN SITES SECONDS
    local end=$((SECONDS + $4)) serial
    serial=$(served_serial "$1" zrh "$2")
    while [ $SECONDS -lt "$end" ]; do
        [ "$("$bin/consignctl" -s "$1/zrh/control.sock" -o json status | grep -c "\"$2\": $serial")" -ge "$3" ] && return 0
        sleep 0.2
    done
    return 1
}

# Wire form: owners as presented, types, TTLs, and RDATA octet for octet (RFC 3597 form), in the order of the transfer.
pull() { # DIR SITE ORIGIN FILE
    dig @127.0.0.1 -p "$(site_port "$1" "$2" xfr)" -k "$1/tsig.key" +noall +answer +noidnout +nosplit "${@:5}" "$3" AXFR |
        grep -vE '^;|[[:space:]]TSIG[[:space:]]|TYPE250' > "$4"
    [ -s "$4" ]
}

pull_and_compare() { # DIR ORIGIN
    local site
    for site in $sites; do
        pull "$1" "$site" "$2" "$1/$site.wire" +unknownformat || { echo "$site: no zone by AXFR" >&2; return 1; }
    done
    cmp "$1/zrh.wire" "$1/sjc.wire" && cmp "$1/zrh.wire" "$1/sin.wire" || { echo "the sites differ" >&2; return 1; }
    echo "AXFR: $(wc -l < "$1/zrh.wire") records, the same octets in the same order from zrh, sjc, sin"
    pull "$1" zrh "$2" "$1/signed.axfr" +onesoa
    ldns-verify-zone "$1/signed.axfr" || { echo "ldns-verify-zone refuses the zone" >&2; return 1; }
    dnssec-verify -q -o "$2" "$1/signed.axfr" || { echo "dnssec-verify refuses the zone" >&2; return 1; }
    echo "dnssec-verify: the zone is valid"
}

print_ds() { # DIR ORIGIN
    printf '%s 3600 IN DNSKEY %s\n' "$2" "$(cat "$1/ksk.dnskey")" | dnssec-dsfromkey -2 -f - "$2"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    . "$(dirname "$0")/lib.sh"
    bin=${CONSIGN_BIN:-$build/bin}
    [ -x "$bin/consign-node" ] || { echo "$bin/consign-node is not there; name its folder in CONSIGN_BIN" >&2; exit 2; }
    [ "${1:-}" = start ] && [ -e "${2:-}/cluster.yaml" ] && [ $# -le 3 ] ||
        { echo "usage: $0 start DIR [$(echo $sites $coordinators coordinators | tr ' ' '|')]; DIR: a cluster's folder" >&2; exit 2; }
    verifiers=$(awk '$1 == "name:" {name = $2} $1 == "role:" && $2 == "verifier" {print name}' "$2/cluster.yaml")
    names="$sites $verifiers $coordinators"
    [ "${3:-}" != coordinators ] || names=$coordinators
    if [ -n "${3:-}" ] && [ "$3" != coordinators ]; then
        case " $names " in *" $3 "*) names=$3 ;; *) echo "$3: is none of $names" >&2; exit 2 ;; esac
    fi
    started=
    for name in $names; do
        is_running "$2" "$name" && continue
        start_one "$2" "$name"
        started="$started $name"
    done
    [ -n "$started" ] || { echo "$2: running already: $names" >&2; exit 1; }
    # A configuration that is refused shows within a second.
    sleep 1
    failed=
    for name in $started; do
        kill -0 "$(cat "$2/$name/pid")" 2> /dev/null || { failed=1; echo "$name has ended: $(tail -n 1 "$2/$name/log")" >&2; }
    done
    [ -z "$failed" ] || exit 1
fi
