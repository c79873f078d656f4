/* layout.h: held bodies and certificates read by the layouts of the protocol's page, for the
 * checker: no code of lib/round. */
#ifndef SIM_LAYOUT_H
#define SIM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define LAYOUT_DIGEST 48
#define LAYOUT_ROUND 14
#define LAYOUT_SIGNATURE 64
#define LAYOUT_VOTES_MAX 16

struct layout_version {
    uint32_t number;
    uint8_t digest[LAYOUT_DIGEST];
};

/* All of the body that the checker looks at. */
struct layout_held {
    size_t size; /* octets of the body */
    uint8_t cluster[16];
    uint8_t environment;
    uint32_t epoch;
    uint8_t zone[255];
    uint8_t round[LAYOUT_ROUND];
    uint32_t serial;
    uint32_t input_generation, input_serial;
    uint8_t received[LAYOUT_DIGEST];
    uint64_t time_s, schedule_s;
    struct layout_version policy, keyset;
    uint8_t parent_round[LAYOUT_ROUND], parent_root[LAYOUT_DIGEST];
    uint8_t full_root[LAYOUT_DIGEST];
    uint64_t earliest_expiry_s;
};

struct layout_floor {
    uint8_t zone[255]; /* zeros: not read */
    uint8_t round[LAYOUT_ROUND];
    bool has_serial;
    uint32_t serial;
    uint32_t input_generation, input_serial;
    uint64_t time_s, schedule_s;
    struct layout_version policy, keyset;
};

struct layout_vote {
    uint16_t site;
    uint32_t incarnation;
    const uint8_t *signature; /* borrows from the octets */
};
struct layout_certificate {
    struct layout_held held;
    struct csn_bytes body; /* borrows from the octets */
    unsigned vote_count;
    struct layout_vote votes[LAYOUT_VOTES_MAX];
};

/* A body at the start of `octets`; what follows it is not looked at. */
bool layout_held(struct csn_bytes octets, struct layout_held *ret_held);
bool layout_certificate(struct csn_bytes octets, struct layout_certificate *ret_certificate);

/* A floor at the start of `octets`, after its zone's name or without one: its size; 0: there is none. */
size_t layout_floor(struct csn_bytes octets, bool has_zone, struct layout_floor *ret_floor);

#endif
