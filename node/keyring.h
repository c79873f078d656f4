/* keyring.h: a zone's keys in this site's HSM. Before a key signs anything its public half is read from the token and compared
 * with the key set, and a canary is signed and verified with the published key; both again in every round (token.h: once for all
 * zones that ask meanwhile). A key that is not the published one stops this site from authoring (the .de fault of 2026); it
 * goes on verifying and voting. Loop thread. */
#ifndef CSN_NODE_KEYRING_H
#define CSN_NODE_KEYRING_H

#include <uv.h>

#include "base/log.h"
#include "config/node.h"
#include "hsm/client.h"
#include "job.h"
#include "round/statement.h"
#include "sign/content.h"
#include "token.h"

struct csn_keyring;

/* After each check. */
typedef void csn_keyring_fn(void *arg, bool is_good);

/* Starts to check at once, and repeats: every minute while good, every few seconds while not. Borrows its arguments. */
struct csn_keyring *csn_keyring_new(uv_loop_t *loop, const struct csn_log *log, const struct csn_zone_config *zone,
                                    struct csn_hsm *hsm, struct csn_tokens *tokens, csn_keyring_fn *fn, void *arg);
/* Checks now, unless a check is running; never tells from inside this call. */
void csn_keyring_check(struct csn_keyring *keyring);
/* Why the last check failed; empty while good. "checking" before the first has ended. */
const char *csn_keyring_reason(const struct csn_keyring *keyring);
/* The key set and the token disagree about a key: not a passing fault. */
bool csn_keyring_is_wrong_key(const struct csn_keyring *keyring);

/* Signs for a round: for each of `count` signatures (indices in the content) its octets go to csn_signature_set, from the
 * loop. All, or a code. The content must live until `fn`. What is signed is hashed in so many parts in this lane (job.h). */
typedef void csn_keyring_signed_fn(void *arg, int code, const struct csn_reason *reason);
void csn_keyring_sign(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                      struct csn_lane *lane, unsigned parts, csn_keyring_signed_fn *fn, void *arg);

/* Signs these RRsets and throws the signatures away, once they verified with the published keys: proofs of a site that authors
 * nothing (R3). */
void csn_keyring_prove(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                       csn_keyring_signed_fn *fn, void *arg);

#endif
