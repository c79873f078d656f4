/* name.h: domain names in wire form, uncompressed. Pure; any thread.
 *
 * A name that passed csn_name_check is a `const uint8_t *` from then on: it ends with its root label. Everything Consign
 * stores, hashes, signs and serves is lower case (signing.md 1), so comparisons are octet comparisons. */
#ifndef CSN_DNS_NAME_H
#define CSN_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define CSN_NAME_MAX 255  /* RFC 1035 3.1 */
#define CSN_LABEL_MAX 63
#define CSN_LABELS_MAX 128 /* 127 labels and the root */
#define CSN_NAME_TEXT_MAX 1025 /* every octet as \DDD, dots, NUL */

/* The octets of the well-formed name at the start of `data`, or 0: too long, a compression pointer, cut short. */
size_t csn_name_check(struct csn_bytes data);

/* Octets of a checked name, the root label included. */
size_t csn_name_size(const uint8_t *name);

/* Labels without the root; a leading `*` counts. */
unsigned csn_name_labels(const uint8_t *name);

/* RFC 4034 3.1.3: labels without the root and without a leading `*`. */
uint8_t csn_name_rrsig_labels(const uint8_t *name);

void csn_name_lower(uint8_t *name);
bool csn_name_equal(const uint8_t *a, const uint8_t *b);
/* True when `name` is `ancestor` or below it. */
bool csn_name_is_under(const uint8_t *name, const uint8_t *ancestor);
/* The name without its first label; NULL for the root. */
const uint8_t *csn_name_parent(const uint8_t *name);

/* Canonical order, RFC 4034 6.1. */
int csn_name_compare(const uint8_t *a, const uint8_t *b);

/* Presentation form with a final dot and RFC 1035 5.1 escapes. */
void csn_name_text(const uint8_t *name, char ret_text[CSN_NAME_TEXT_MAX]);
/* Fully qualified text to lower-case wire form; CSN_EFORMAT. */
int csn_name_parse(const char *text, uint8_t ret_name[CSN_NAME_MAX]);

/* The store's key of an RRset: labels from the root, octet 00 as 01 01 and 01 as 01 02, each label closed by 00, the name
 * closed by one more 00 (without it a type above 255 would sort after the names below its owner), then the type. memcmp order
 * of keys is canonical order of (owner, type). */
#define CSN_KEY_MAX 507 /* 250 octets doubled, 4 labels and the name closed, the type */
size_t csn_key_encode(const uint8_t *owner, uint16_t type, uint8_t ret_key[CSN_KEY_MAX]);
/* CSN_EDAMAGED when `key` is not what encode writes. */
int csn_key_decode(struct csn_bytes key, uint8_t ret_owner[CSN_NAME_MAX], uint16_t *ret_type);

#endif
