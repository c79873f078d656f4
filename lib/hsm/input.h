/* input.h: what an HSM is given to sign, and what its public keys and signatures are worth: the
 * forms of DNSSEC on one side, those of PKCS#11 on the other. Pure; any thread. Algorithms 8, 10,
 * 13, 14, 15 (RFC 5702, 6605, 8080). */
#ifndef CSN_HSM_INPUT_H
#define CSN_HSM_INPUT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/sha.h"

#define CSN_HSM_RSASHA256 8
#define CSN_HSM_RSASHA512 10
#define CSN_HSM_ECDSA_P256 13
#define CSN_HSM_ECDSA_P384 14
#define CSN_HSM_ED25519 15

#define CSN_HSM_SIGNATURE_MAX 512 /* RSA-4096 */

/* Appends to `buf` what the HSM signs for `data` (the RRSIG RDATA head and the RRset): the digest
 * for ECDSA, the DigestInfo for RSA (RFC 8017 9.2), the data themselves for Ed25519. CSN_EREFUSED:
 * not one of our algorithms. */
int csn_hsm_digest(struct csn_hasher *hasher, uint8_t algorithm, struct csn_bytes data,
                   struct csn_buf *buf);

/* True when a signature of this algorithm can have this size. */
bool csn_hsm_signature_fits(uint8_t algorithm, size_t size);

/* True when `public_key` (as the HSM gave it, in the form of a DNSKEY's public-key field) is the
 * one in the DNSKEY RDATA. For RSA by exponent and modulus, so that leading zeros do not matter
 * (RFC 3110). */
bool csn_hsm_public_matches(struct csn_bytes public_key, struct csn_bytes dnskey);

/* Appends the RSA public-key field of RFC 3110 section 2; leading zeros are dropped. */
void csn_hsm_rsa_public(struct csn_bytes exponent, struct csn_bytes modulus, struct csn_buf *buf);
/* The reverse; views into `public_key`. CSN_EFORMAT. */
int csn_hsm_rsa_parse(struct csn_bytes public_key, struct csn_bytes *ret_exponent,
                      struct csn_bytes *ret_modulus);

/* Verifies a signature in DNSSEC form over `data` with the key of this DNSKEY RDATA.
 * CSN_ESIGNATURE; CSN_EREFUSED for an algorithm that is not ours; CSN_EFORMAT for a key that is
 * none. */
int csn_hsm_verify(struct csn_bytes dnskey, struct csn_bytes data, struct csn_bytes signature);

/* What a canary signs (protocol.md R3): no RRset can have these octets. */
struct csn_bytes csn_hsm_canary_data(void);

#endif
