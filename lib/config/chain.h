/* chain.h: the cluster's documents from the first one on, each made the one in force by its link: signed by officers of the one
 * before, and entered by enough members. A chain that holds a document which this site trusts can be trusted whole: what is
 * before it by the digests, what is after it by the links. Any thread; values borrowed live until the chain grows or ends.
 *
 * As a file or on the wire: `CSNK` | u8 1 | u32 length | first document | n x (u32 length | link). */
#ifndef CSN_CONFIG_CHAIN_H
#define CSN_CONFIG_CHAIN_H

#include "base/bytes.h"
#include "round/epoch.h"

#define CSN_CHAIN_EPOCHS_MAX 1024 /* one more is refused */
#define CSN_CHAIN_MAX ((size_t)64 * 1024 * 1024)

struct csn_chain_epoch {
    struct csn_cluster cluster;
    struct csn_buf document;                  /* owns; octets of the document */
    struct csn_buf link;                      /* owns; empty of the first */
    struct csn_epoch_certificate certificate; /* of the link */
};

struct csn_chain {
    struct csn_chain_epoch **epochs; /* owns; ascending, without a gap */
    size_t count;
};

/* `chain` is zeros; the document is believed. `file` is for messages. Errors as csn_cluster_parse. */
int csn_chain_begin(struct csn_chain *chain, struct csn_bytes document, const char *file, struct csn_reason *reason);
/* One more epoch, checked whole. CSN_EFORMAT, CSN_EREFUSED, CSN_ESIGNATURE, CSN_ELIMIT; then nothing changed. */
int csn_chain_append(struct csn_chain *chain, struct csn_bytes link, struct csn_reason *reason);
void csn_chain_fini(struct csn_chain *chain);

/* Of an epoch, or NULL. */
const struct csn_chain_epoch *csn_chain_find(const struct csn_chain *chain, uint32_t epoch);
/* NULL: the chain is empty. */
const struct csn_chain_epoch *csn_chain_last(const struct csn_chain *chain);
/* This very document, by number and digest, is in it. */
bool csn_chain_holds(const struct csn_chain *chain, const struct csn_cluster *cluster);

/* A certificate against the document of its own epoch: as csn_certificate_check, and CSN_EREFUSED where the chain has no such
 * epoch. */
int csn_chain_check_certificate(const struct csn_chain *chain, const struct csn_certificate *certificate,
                                struct csn_reason *reason);

/* A signed document against the last one: its form, its officers, and csn_epoch_check_next; CSN_ELIMIT where no
 * link would have room. `file` is for messages. */
int csn_chain_check_next(const struct csn_chain *chain, struct csn_bytes signed_document, const char *file,
                         struct csn_cluster *ret_next, struct csn_reason *reason);

void csn_chain_encode(const struct csn_chain *chain, struct csn_buf *buf);
/* The octets of a file, or the same in hex with line ends. Every link is checked; the first document is not, the caller asks
 * csn_chain_holds. */
int csn_chain_decode(struct csn_bytes octets, const char *file, struct csn_chain *ret_chain, struct csn_reason *reason);

/* The chain that is kept in this file, or the configured document alone where there is none. The configured document is in
 * what is kept, or later than all of it: then the links to it have yet to come. CSN_EMISMATCH with a reason: it is of another
 * cluster. CSN_OK with a reason, which is empty before: what is kept has another document of its epoch, and stands; or it is
 * damaged, and the configured document stands alone until peers give the links. */
int csn_chain_open(const char *path, const struct csn_cluster *configured, struct csn_bytes document, const char *document_path,
                   struct csn_chain *ret_chain, struct csn_reason *reason);
/* Durable when it returns CSN_OK (mode 0600). Errors as csn_fs_write. */
int csn_chain_keep(const struct csn_chain *chain, const char *path, struct csn_reason *reason);

#endif
