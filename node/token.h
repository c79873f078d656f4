/* token.h: what is known of each key in this site's HSM. Thousands of zones may share a key: it is looked at once for all that ask
 * while it is looked at, not once for each. Loop thread. */
#ifndef CSN_NODE_TOKEN_H
#define CSN_NODE_TOKEN_H

#include "hsm/client.h"

struct csn_tokens;

/* Borrows. */
struct csn_tokens *csn_tokens_new(struct csn_hsm *hsm);
void csn_tokens_free(struct csn_tokens *take_tokens); /* nobody waits for an answer */

/* CSN_OK: its public half is the published one, and a canary that it signed verifies with that. CSN_ESIGNATURE: it is another
 * key. Else `why` it is not known. */
typedef void csn_token_fn(void *arg, int code, const char *why, const struct csn_reason *reason);
/* Looks at a key, or waits for the look under way. `object` and `dnskey` (RDATA) are borrowed for ever. `fn` is
 * called once, never from inside this call. */
void csn_tokens_check(struct csn_tokens *tokens, const struct csn_hsm_key *object, struct csn_bytes dnskey, csn_token_fn *fn,
                      void *arg);

#endif
