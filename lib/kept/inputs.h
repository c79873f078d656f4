/* inputs.h: inputs in the store: a prepared zone as a table named by D(prepared), with what preparation said of it as meta.
 * Any thread; these calls write to disk or read whole zones, so they belong into worker threads. */
#ifndef CSN_KEPT_INPUTS_H
#define CSN_KEPT_INPUTS_H

#include "zone/prepare.h"
#include "zone/store.h"

/* What the table of an input says of itself: serial u32 | D(received) | removed u32 | removed hash. */
struct csn_input_meta {
    uint32_t serial;
    struct csn_digest received;
    uint32_t removed;
    struct csn_digest removed_hash;
};
int csn_input_meta_decode(struct csn_bytes octets, struct csn_input_meta *ret_meta);

/* Durable when it returns CSN_OK; one that is there already is left alone. */
int csn_input_store(struct csn_store *store, const struct csn_input *input);
/* CSN_ENOTFOUND; CSN_EDAMAGED when what is stored does not have its digest. */
int csn_input_load(struct csn_store *store, const uint8_t *apex, const struct csn_digest *prepared, struct csn_input **ret_input);
/* From rows that a peer sent, and its meta: nothing is believed but what has the digest. CSN_EFORMAT, CSN_EMISMATCH. */
int csn_input_from_rows(const uint8_t *apex, const struct csn_digest *prepared, struct csn_bytes meta, struct csn_bytes rows,
                        struct csn_input **ret_input);

#endif
