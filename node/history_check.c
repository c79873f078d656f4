#include "history_check.h"

#include <stdlib.h>

void csn_history_checker_init(const struct csn_zone_shell *zone, struct csn_history_checker *ret_checker)
{
    const struct csn_chain *chain = &zone->daemon->epochs.chain;
    ret_checker->zone = zone->config->zone;
    ret_checker->cluster_count = chain->count;
    ret_checker->clusters = csn_calloc(chain->count, sizeof(ret_checker->clusters[0]));
    for (size_t i = 0; i < chain->count; i++) {
        ret_checker->clusters[i] = chain->epochs[i]->cluster;
    }
}

void csn_history_checker_fini(struct csn_history_checker *checker)
{
    free(checker->clusters);
    *checker = (struct csn_history_checker){.zone = NULL};
}

static bool is_certified(const struct csn_history_checker *checker, const struct csn_certificate *certificate)
{
    struct csn_reason reason;
    for (size_t i = 0; i < checker->cluster_count; i++) {
        if (checker->clusters[i].epoch == certificate->held.proposal.epoch) {
            return csn_certificate_check(certificate, &checker->clusters[i], csn_ed25519_verify, NULL, &reason) == CSN_OK;
        }
    }
    return false;
}

static bool is_end(const struct csn_delta_end *end, const struct csn_body_held *held)
{
    return end->serial == held->proposal.serial && end->time_s == held->proposal.time_s &&
           csn_digest_equal(&end->full_root, &held->full_root);
}

int csn_history_check(const struct csn_history_checker *checker, const struct csn_digest *to, const struct csn_stored_delta *stored,
                      struct csn_delta *ret_delta)
{
    struct csn_certificate certificate;
    const struct csn_body_held *held = &certificate.held;
    struct csn_delta delta;
    if (csn_certificate_decode(stored->certificate, &certificate) != CSN_OK || !is_certified(checker, &certificate)) {
        return CSN_ESIGNATURE;
    }
    if (!csn_name_equal(held->proposal.zone, checker->zone) || !csn_digest_equal(&held->full_root, to) ||
        csn_delta_decode(checker->zone, stored->octets, &delta) != CSN_OK || !is_end(&delta.to, held) ||
        !csn_digest_equal(&delta.from.full_root, &held->proposal.parent.full_root)) {
        return CSN_EMISMATCH;
    }
    *ret_delta = delta;
    return CSN_OK;
}

int csn_history_leaves(const struct csn_zone_shell *zone, const struct csn_digest *root, struct csn_leafset **ret_leaves)
{
    struct csn_table_reader *reader;
    struct csn_entry entry;
    int code = csn_table_open(zone->daemon->store, CSN_TABLE_VERSION, zone->config->zone, root, &reader);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_leafset *leaves = csn_leafset_new(zone->config->zone);
    while (code == CSN_OK && (code = csn_table_next(reader, &entry)) == CSN_OK) {
        code = csn_leafset_add(leaves, &entry);
    }
    csn_table_close(reader);
    if (code != CSN_ENOTFOUND) {
        csn_leafset_free(leaves);
        return code;
    }
    *ret_leaves = leaves;
    return CSN_OK;
}
