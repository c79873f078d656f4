#include "kept/staging.h"

/* A site may have offered another root than that of the share it gave; without an offer what is held decides (R2). */
static int check_offer(const struct csn_share_offer *offer, const struct csn_content *content, uint16_t author)
{
    struct csn_digest root;
    uint64_t count;
    csn_share_root(content, author, &root, &count);
    bool is_offered = !offer->has_root || (csn_digest_equal(&root, &offer->b) && count == offer->count);
    return is_offered ? CSN_OK : CSN_EMISMATCH;
}

static int gather(struct csn_store *store, const struct csn_staging *staging, struct csn_content *content,
                  struct csn_staged *staged, struct csn_reason *reason)
{
    for (uint16_t i = 0; i < staging->proposal->author_count; i++) {
        const struct csn_share_offer *offer = &staging->offers[i];
        struct csn_share_name name = {
            .proposal = staging->proposal, .hash = staging->hash, .site = offer->site, .author = i};
        int code = csn_share_load(store, &name, content);
        if (code == CSN_OK) {
            code = check_offer(offer, content, i);
        }
        if (code != CSN_OK) {
            staged->bad_site = code == CSN_EIO || code == CSN_EFULL ? 0 : offer->site;
            return csn_reason_set(reason, code, "the share of site %u is not what it offered: %s", offer->site,
                                  csn_error_text(code));
        }
    }
    return CSN_OK;
}

static int write(struct csn_store *store, const struct csn_staging *staging, const struct csn_content *content,
                 struct csn_staged *staged, struct csn_reason *reason)
{
    struct csn_zone_roots *roots = &staged->roots;
    csn_content_full_root(content, &roots->b, &roots->full);
    if (!csn_digest_is_zero(&staging->expected) && !csn_digest_equal(&staging->expected, &roots->full)) {
        return csn_reason_set(reason, CSN_EMISMATCH, "full root is not the one that others hold: %s",
                              csn_error_text(CSN_EMISMATCH));
    }
    int code = csn_version_write(store, content, &roots->full);
    return code == CSN_OK ? CSN_OK
                          : csn_reason_set(reason, code, "the version cannot be staged: %s", csn_error_text(code));
}

/* What the verifiers see is what was read back, and its roots are those that were computed. */
static int read_back(struct csn_store *store, const struct csn_staging *staging, struct csn_staged *staged,
                     struct csn_reason *reason)
{
    const struct csn_proposal *p = staging->proposal;
    struct csn_digest full_root = staged->roots.full;
    int code = csn_version_open(store, p->zone, &full_root, &staged->view);
    if (code != CSN_OK) {
        return csn_reason_set(reason, code, "the staged version cannot be read back");
    }
    code = csn_version_check(&staged->view, p->zone, &full_root, &staged->roots, reason);
    if (code == CSN_OK && !csn_round_is_none(p->parent.round) && !staging->is_whole) {
        code = csn_version_mark_carried(&staged->view, store, p->zone, &p->parent.full_root);
        code = code == CSN_OK ? CSN_OK : csn_reason_set(reason, code, "the parent version cannot be read");
    }
    if (code != CSN_OK) {
        csn_version_close(&staged->view);
    }
    return code;
}

int csn_staging_make(struct csn_store *store, const struct csn_staging *staging, struct csn_content *content,
                     struct csn_staged *ret_staged, struct csn_reason *reason)
{
    *ret_staged = (struct csn_staged){0};
    int code = gather(store, staging, content, ret_staged, reason);
    if (code == CSN_OK) {
        code = write(store, staging, content, ret_staged, reason);
    }
    return code == CSN_OK ? read_back(store, staging, ret_staged, reason) : code;
}
