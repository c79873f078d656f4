#!/usr/bin/env bash
# Goal: the two verifiers share nothing but the entries. Method: no undefined symbol of either names our own modules beyond
# lib/base, nor the other's library.
set -eu
build=$2
check() { # SOURCE BANNED
    object=$(find "$build/lib/sign" -name "$(basename "$1").o" | head -n 1)
    [ -n "$object" ] || { echo "no object file for $1"; exit 1; }
    found=$(nm -u "$object" | awk '{print $NF}' | grep -E "$2" || true)
    [ -z "$found" ] || { echo "$1 uses:" $found; exit 1; }
}
ours='^csn_(name|key|rrset|rdata|soa|type|zone|placer|prepare|input|nsec|bitmap|leaf|leaves|class|content|full|schedule|slot|rrsig|signature|share|rooter|policy|keyset|serial|time|store|table|round)_?'
for source in "$1"/lib/sign/verify_ldns*.c; do
    check "$source" "$ours|^(csn_verify_knot|csn_knot_|knot_|dnssec_|gnutls_)"
done
for source in "$1"/lib/sign/verify_knot*.c; do
    check "$source" "$ours|^(csn_verify_ldns|csn_ldns_|ldns_|EVP_|ECDSA_|RSA_)"
done
