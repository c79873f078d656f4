/* kv_root.h: the full root of a zone by the words of docs/SIGNING.md, 4, and the stub signatures of the simulated HSMs: the
 * checker's own code, which shares only SHA-384 with what it judges. */
#ifndef SIM_KV_ROOT_H
#define SIM_KV_ROOT_H

#include "base/sha.h"
#include "dns/rrset.h"

/* Entries in any order; the SOA's serial and T are those that the root is said to cover. False: it has no single SOA with this
 * serial, or an RRSIG that cannot be read. */
bool kv_root(const uint8_t *apex, const struct csn_entry *entries, size_t count, uint32_t serial, uint64_t time_s,
             struct csn_digest *ret_root);

/* 64 octets: two signatures of the same data with other nonces differ, as those of a token may. */
#define KV_SIGNATURE_SIZE 64
void kv_sign(struct csn_bytes dnskey, struct csn_bytes data, uint64_t nonce, uint8_t ret_octets[KV_SIGNATURE_SIZE]);
bool kv_verify(struct csn_bytes dnskey, struct csn_bytes data, struct csn_bytes octets);
/* Every RRSIG of the entry is by one of these keys, over the entry's records. */
bool kv_entry_verifies(const struct csn_entry *entry, const struct csn_rrset *dnskeys);

#endif
