/* lineage_take.h: what a site makes of another's lineage, as records (lineage.h), newest first: a version that it does not have yet,
 * forward from the one it serves; or its own lineage completed, back from the one it serves. It needs nobody's word: each
 * certificate verifies against the document of its epoch and is of the version that is wanted, each delta leads to that version
 * from the parent that the certificate names, and the leaves of what is served, taken along, have the full root of each. Any
 * thread; whole zones and Ed25519, so it belongs into worker threads. */
#ifndef CSN_KEPT_LINEAGE_TAKE_H
#define CSN_KEPT_LINEAGE_TAKE_H

#include "kept/lineage.h"
#include "zone/leafset.h"

struct csn_lineage_checker {
    struct csn_store *store;      /* borrows */
    const uint8_t *zone;          /* borrows */
    struct csn_cluster *clusters; /* borrows; the documents of all epochs */
    size_t cluster_count;
    csn_verify_fn *verify;
    void *arg; /* of verify */
};

/* The version `to` from `from`, which is complete here: complete in the store, and the deltas too, which are noted in `found`.
 * CSN_ESIGNATURE, CSN_EFORMAT, CSN_EMISMATCH: the records are not that. */
int csn_lineage_forward(const struct csn_lineage_checker *checker, const struct csn_digest *from, const struct csn_digest *to,
                        struct csn_bytes records, struct csn_lineage *found, size_t *ret_count, uint32_t *ret_serial);

/* On the way back. */
struct csn_past {
    struct csn_digest served;      /* what all of it leads to */
    uint64_t zone_size;
    struct csn_digest at;          /* the delta to this one is wanted */
    uint64_t size;                 /* octets of rows on the way from there to what is served */
    size_t count;                  /* deltas taken */
    struct csn_leafset *leaves;    /* owns; those of `at`; NULL: not made yet */
    struct csn_delta_name *known;  /* owns; on the way from what is served to `at` */
    size_t known_count;
    struct csn_buf record;         /* owns; of what has not come whole yet */
    struct csn_stored_delta *taken; /* owns; of this piece: they borrow from `record` */
    size_t taken_count;
    struct csn_lineage found; /* owns; kept in the store, not yet in the index */
};
/* From where the lineage ends; again after a site that said something wrong: it spoiled the leaves. `served` and `zone_size` are
 * set. */
void csn_past_begin(struct csn_past *past, const struct csn_lineage *lineage);
void csn_past_fini(struct csn_past *past);
/* As far back as it is kept. */
bool csn_past_is_enough(const struct csn_past *past);
/* The next piece of the records from `at` back: what is whole is checked and durable when it returns, also before a bad one.
 * CSN_ESIGNATURE, CSN_EMISMATCH, CSN_ELIMIT; CSN_EIO, CSN_EFULL. */
int csn_past_take(const struct csn_lineage_checker *checker, struct csn_past *past, struct csn_bytes piece);

#endif
