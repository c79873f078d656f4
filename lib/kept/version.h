/* version.h: versions of a zone in the store: written from a round's content, read back whole for the roots and the verifiers,
 * fetched from peers. Any thread; these calls read and write whole zones, so they belong into worker threads. */
#ifndef CSN_KEPT_VERSION_H
#define CSN_KEPT_VERSION_H

#include "round/certificate.h"
#include "sign/content.h"
#include "zone/store.h"
#include "zone/walk.h"

/* What the table of a version says of itself; its name, the full root, binds both. */
struct csn_version_meta {
    uint64_t time_s; /* T */
    uint32_t serial;
};
void csn_version_meta_encode(const struct csn_version_meta *meta, struct csn_buf *buf);
int csn_version_meta_decode(struct csn_bytes octets, struct csn_version_meta *ret_meta);

/* Writes the signed zone as a complete table named by its full root, unless it is there. Durable when it returns CSN_OK. */
int csn_version_write(struct csn_store *store, const struct csn_content *content, const struct csn_digest *full_root);

/* Writes a version from an older one and the RRsets in which they differ (zone/patch.h), complete only with the full root `to`;
 * unless it is there. CSN_EMISMATCH, CSN_EFORMAT: what comes out is not that version. */
int csn_version_patch(struct csn_store *store, const uint8_t *apex, const struct csn_digest *from, const struct csn_digest *to,
                      const struct csn_version_meta *meta, const struct csn_walk_difference *differences, size_t count);

/* A version read back: entries borrow from the store's map until close. */
struct csn_version_view {
    struct csn_table_reader *reader; /* owns */
    struct csn_version_meta meta;
    struct csn_entry *entries; /* owns */
    bool *is_carried;          /* owns; see csn_version_mark_carried */
    size_t count;
};
/* CSN_ENOTFOUND, CSN_EDAMAGED. */
int csn_version_open(struct csn_store *store, const uint8_t *apex, const struct csn_digest *full_root,
                     struct csn_version_view *ret_view);
void csn_version_close(struct csn_version_view *view);

/* Roots of what was read back. CSN_EMISMATCH when they are not the version's name. */
int csn_version_check(const struct csn_version_view *view, const uint8_t *apex, const struct csn_digest *full_root,
                      struct csn_zone_roots *ret_roots, struct csn_reason *reason);

/* It can be read and has its root. */
bool csn_version_is_whole(struct csn_store *store, const uint8_t *apex, const struct csn_digest *full_root);
/* Open, and it is what this body says: every root, serial and T. CSN_EMISMATCH. */
int csn_version_open_held(struct csn_store *store, const struct csn_body_held *held, struct csn_version_view *ret_view,
                          struct csn_reason *reason);

/* Marks the entries that stand octet for octet in the parent; none when the two have different DNSKEY RRsets, because then
 * every signature is verified again (signing.md 5). */
int csn_version_mark_carried(struct csn_version_view *view, struct csn_store *store, const uint8_t *apex,
                             const struct csn_digest *parent);

/* Hands the parent's entries to the content, which takes over what is unchanged; only when they have the parent's root, for what
 * rotted here must not go into a new version (CSN_EDAMAGED). */
int csn_version_carry(struct csn_content *content, struct csn_store *store, const uint8_t *apex, const struct csn_digest *parent);

#endif
