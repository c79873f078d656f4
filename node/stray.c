#include "stray.h"

static uint8_t count_followers(const struct csn_stray_other *others, uint8_t count, struct csn_term term)
{
    uint8_t followers = 0;
    for (uint8_t i = 0; i < count; i++) {
        followers = (uint8_t)(followers + (others[i].is_heard && csn_term_compare(others[i].promised, term) == 0));
    }
    return followers;
}

bool csn_stray_find(const struct csn_stray_other *others, uint8_t count, uint8_t quorum, struct csn_term own, struct csn_term *ret_term)
{
    for (uint8_t i = 0; i < count; i++) {
        if (csn_term_compare(others[i].promised, own) != 0 && count_followers(others, count, others[i].promised) >= quorum) {
            *ret_term = others[i].promised;
            return true;
        }
    }
    return false;
}
