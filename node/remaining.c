#include "remaining.h"

static bool has_voted(const struct csn_certificate *certificate, const struct csn_release *newest, const struct csn_member *member)
{
    return certificate != NULL && csn_digest_equal(&certificate->held.full_root, &newest->full_root) &&
           csn_certificate_has_vote(certificate, member);
}

/* Who voted for a version keeps it until it has released a newer one (I3). */
static bool has_bytes(const struct csn_row *row, const struct csn_release *newest)
{
    bool has = csn_digest_equal(&row->released.full_root, &newest->full_root);
    for (uint8_t i = 0; i < row->hold_count; i++) {
        has = has || csn_digest_equal(&row->holds[i].version.full_root, &newest->full_root);
    }
    return has;
}

bool csn_remaining_count(const struct csn_remaining *members, uint8_t *ret_count)
{
    struct csn_release newest = {.round = {.seq = 0}};
    bool is_released = false;
    uint8_t count = 0;
    for (uint8_t i = 0; i < members->count; i++) {
        const struct csn_row *row = members->rows[i];
        if (row != NULL && csn_round_compare(row->newest.round, newest.round) > 0) {
            newest = row->newest;
            is_released = true;
        }
    }
    for (uint8_t i = 0; is_released && i < members->count; i++) {
        const struct csn_row *row = members->rows[i];
        bool has = row != NULL && (has_bytes(row, &newest) || has_voted(members->released, &newest, members->members[i]));
        count = (uint8_t)(count + (has && members->stays[i]));
    }
    if (is_released) {
        *ret_count = count;
    }
    return is_released;
}
