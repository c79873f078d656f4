/* remaining.h: before members leave, whether the newest release of a zone is at enough of those that stay, from the rows of their
 * reports. An epoch begins without asking for bytes: with a member that leaves, and another whose disk fails before the rest caught
 * up, they could be gone. Pure; any thread. */
#ifndef CSN_NODE_REMAINING_H
#define CSN_NODE_REMAINING_H

#include "round/certificate.h"

/* What the present members say of one zone. Borrows. */
struct csn_remaining {
    const struct csn_row *rows[CSN_MEMBERS_MAX]; /* NULL: silent */
    const struct csn_member *members[CSN_MEMBERS_MAX];
    bool stays[CSN_MEMBERS_MAX]; /* is a member of the next document too, with its key */
    uint8_t count;
    const struct csn_certificate *released; /* of what this site serves; NULL: nothing */
};

/* How many of those that stay have voted for or serve the newest release that any of them knows. False: none was released. */
bool csn_remaining_count(const struct csn_remaining *members, uint8_t *ret_count);

#endif
