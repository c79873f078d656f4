/* lineage.h: the differences between the versions of a zone that a node keeps (zone/delta.h), as an index over those in the store:
 * one from each version's parent, as its certificate names it, and one from what this site served before, where that was
 * another. They are kept as long as the way from the oldest to the newest is no larger than the zone: beyond that a whole
 * transfer is less. The index belongs to one thread; making reads whole versions and belongs into worker threads. */
#ifndef CSN_KEPT_LINEAGE_H
#define CSN_KEPT_LINEAGE_H

#include "round/certificate.h"
#include "zone/store.h"

#define CSN_LINEAGE_COUNT_MAX 4096 /* versions back; older ones are forgotten */

struct csn_lineage_delta {
    struct csn_delta_name name;
    uint32_t from_serial;
    uint64_t size;  /* octets of its rows */
    bool is_parent; /* from the parent, not from what was served */
};

/* Zeros at first. */
struct csn_lineage {
    struct csn_lineage_delta *deltas; /* owns; ascending by name: to, from */
    size_t count, count_max;
};
void csn_lineage_fini(struct csn_lineage *lineage);

/* A delta that is in the store now. CSN_EDAMAGED: its certificate or its ends are not its name's. */
int csn_lineage_note(struct csn_lineage *lineage, const struct csn_stored_delta *stored);
void csn_lineage_join(struct csn_lineage *lineage, const struct csn_lineage *more);
bool csn_lineage_has(const struct csn_lineage *lineage, const struct csn_delta_name *name);

/* The one to `to` from its parent, or NULL. */
const struct csn_lineage_delta *csn_lineage_to(const struct csn_lineage *lineage, const struct csn_digest *to);
/* Those from there back over the parents, newest first, to be freed; how many. */
size_t csn_lineage_back(const struct csn_lineage *lineage, const struct csn_digest *to, struct csn_delta_name **ret_names);

/* The deltas from a serial to the version served, in order, to be freed. CSN_ENOTFOUND: not that far back, or they are larger
 * than the zone. */
int csn_lineage_find(const struct csn_lineage *lineage, const struct csn_digest *served, uint64_t zone_size, uint32_t serial,
                     struct csn_delta_name **ret_names, size_t *ret_count);

/* Forgets what does not lead to the version served, or is too far back (zone_size 0: not known yet); the names, to be freed and
 * to be deleted in the store; how many. */
size_t csn_lineage_prune(struct csn_lineage *lineage, const struct csn_digest *served, uint64_t zone_size,
                         struct csn_delta_name **ret_names);

/* Makes the delta of this name from the two versions, durable beside the certificate of the newer one, and notes it, unless it
 * is larger than the zone. Both are read; `from` is hashed on the way, for what rotted here must not go into a delta
 * (CSN_EDAMAGED). CSN_ENOTFOUND: one of them is not here. `ret_zone_size`: octets of the rows of the newer one. */
int csn_lineage_make(struct csn_store *store, const uint8_t *apex, const struct csn_delta_name *name, struct csn_bytes certificate,
                     struct csn_lineage *lineage, uint64_t *ret_zone_size);
/* The same of a version that is here; 0: it is not, or is damaged. */
uint64_t csn_lineage_zone_size(struct csn_store *store, const uint8_t *apex, const struct csn_digest *root);

/* As deltas travel: size u16 | certificate | size u32 | delta. */
#define CSN_LINEAGE_RECORD_EXTRA (CSN_CERTIFICATE_MAX + 1024u) /* octets of a record beside its rows, at most */
void csn_lineage_record_put(const struct csn_stored_delta *delta, struct csn_buf *buf);

#endif
