/* ceremony.h: what consign-ceremony does with a token, step by step and waiting for each answer.
 * Results go to `out` for a file or a script; what people read or compare goes to `notes`. No
 * network: the only peer is the worker on its socket pair. */
#ifndef CSN_HSM_CEREMONY_H
#define CSN_HSM_CEREMONY_H

#include <stdio.h>

#include "hsm/client.h"

#define CSN_CEREMONY_KSK 257 /* DNSKEY flags: zone key, secure entry point (RFC 4034 2.1.1) */
#define CSN_CEREMONY_ZSK 256

struct csn_ceremony;

/* One token at one table. `out` and `notes` are borrowed. */
struct csn_ceremony *csn_ceremony_new(const struct csn_hsm_settings *settings, FILE *out,
                                      FILE *notes);
void csn_ceremony_free(struct csn_ceremony *take_ceremony);

/* Makes a key and prints its DNSKEY RDATA as text. `bits` counts for RSA alone: 2048 or 3072. An
 * empty id: one at random. */
int csn_ceremony_generate(struct csn_ceremony *ceremony, const struct csn_hsm_key *key,
                          uint16_t flags, uint8_t algorithm, unsigned bits, bool is_exportable,
                          struct csn_reason *reason);
/* Prints the DNSKEY RDATA of a key that is there, after a canary. */
int csn_ceremony_show(struct csn_ceremony *ceremony, const struct csn_hsm_key *key, uint16_t flags,
                      uint8_t algorithm, struct csn_reason *reason);

/* Receiver, first: makes a transport pair under this label and writes the request. */
int csn_ceremony_request(struct csn_ceremony *ceremony, const char *path, const char *label,
                         struct csn_reason *reason);
/* Sender: wraps the keys for the request. */
int csn_ceremony_export(struct csn_ceremony *ceremony, const char *path, const char *request_path,
                        const struct csn_hsm_key *keys, size_t count, struct csn_reason *reason);
/* Receiver: takes the keys in; ok only after a signature of each verified with its public key. The
 * transport pair is destroyed then. */
int csn_ceremony_import(struct csn_ceremony *ceremony, const char *path, struct csn_reason *reason);
/* Sender, when every site has the keys. */
int csn_ceremony_seal(struct csn_ceremony *ceremony, const struct csn_hsm_key *keys, size_t count,
                      struct csn_reason *reason);

#endif
