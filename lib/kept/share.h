/* share.h: authors' shares in the store: the signatures that one site made for one proposal, once and for ever, its own or a
 * peer's. Any thread; these calls read or write the disk, so they belong into worker threads. */
#ifndef CSN_KEPT_SHARE_H
#define CSN_KEPT_SHARE_H

#include "round/step.h"
#include "sign/content.h"
#include "zone/store.h"

/* Key of a share's blob: "s" | zone | H(P) | site u16. Its value: P.round (14 octets) | share. */
void csn_share_key(const uint8_t *zone, const struct csn_digest *hash, uint16_t site, struct csn_buf *buf);

/* Of the round whose content it is: `author` is the site's index among P's authors. */
struct csn_share_name {
    const struct csn_proposal *proposal; /* borrows */
    const struct csn_digest *hash;       /* borrows; H(P) */
    uint16_t site, author;
};
/* The content's signatures of this author, all set. Durable when it returns CSN_OK. */
int csn_share_store(struct csn_store *store, const struct csn_share_name *name, const struct csn_content *content);
/* Into the content. CSN_ENOTFOUND: there is none; CSN_EFORMAT, CSN_EMISMATCH: not this author's set; then none is set. */
int csn_share_load(struct csn_store *store, const struct csn_share_name *name, struct csn_content *content);

/* Deletes the shares of rounds before this one, the newest release's: no proposal of theirs is accepted any more. A peer may still
 * want those of the release itself. */
int csn_share_prune(struct csn_store *store, const uint8_t *zone, struct csn_round round);

#endif
