/* checker_state.h: what the judge of a run remembers, and the words of the page in code of its own. For checker*.c alone. */
#ifndef SIM_CHECKER_STATE_H
#define SIM_CHECKER_STATE_H

#include <string.h>

#include "sim/checker.h"
#include "sim/checker_floors.h"
#include "sim/checker_serials.h"
#include "sim/layout.h"

/* A vote of a site, from the moment its PERSIST is emitted. */
struct vote {
    struct layout_held held;
    struct csn_digest body;
    uint32_t incarnation;
    bool is_spent;     /* the second copy is durable: no other vote in this round */
    bool is_committed; /* so is the hold, or was until a release: its bytes stay until then */
    bool is_sent;
    bool is_excused; /* its bytes rotted */
};

struct votes {
    struct vote *items; /* owns; ascending rounds of each incarnation */
    size_t count;
    size_t first; /* of the machine that is the site now */
};

/* What a site must not vote below. */
struct floor {
    bool is_set;
    struct layout_held held; /* of the vote or certificate that set it */
    uint32_t serial;         /* the latest of all since: */
    bool has_certified;
    struct layout_held certified; /* the latest certificate taken */
    /* Certified serials had gone round when this round was taken: nothing of before it is compared. Kept for ever. */
    uint8_t turned[LAYOUT_ROUND];
};

struct certified {
    struct layout_held held;
    struct csn_digest body;
};
struct chain {
    struct certified *items; /* owns; ascending rounds */
    size_t count;
};

struct sim_checker {
    struct sim_world *world; /* borrows */
    struct votes votes[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct floor floors[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct sim_served served[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct chain chains[SIM_ZONES_MAX];
    bool shown[SIM_SITES_MAX]; /* a vote that it forgot */
    bool sealed[SIM_EPOCHS_MAX + 2][SIM_SITES_MAX];  /* by epoch: who said that it votes no more */
    bool entered[SIM_EPOCHS_MAX + 2][SIM_SITES_MAX]; /* who entered it */
    struct sim_sealed *seals;                        /* owns */
    struct sim_serials serials;
};

/* --- words of the page */

static inline int order(const uint8_t a[LAYOUT_ROUND], const uint8_t b[LAYOUT_ROUND])
{
    return memcmp(a, b, LAYOUT_ROUND);
}

static inline bool is_after(uint32_t a, uint32_t b)
{
    uint32_t step = a - b;
    return step != 0 && step < UINT32_C(0x80000000);
}

static inline bool is_same(const uint8_t a[LAYOUT_DIGEST], const uint8_t b[LAYOUT_DIGEST])
{
    return memcmp(a, b, LAYOUT_DIGEST) == 0;
}

static inline unsigned long long counter_of(const uint8_t round[LAYOUT_ROUND])
{
    return csn_get_u64(round);
}

static inline unsigned seq_of(const uint8_t round[LAYOUT_ROUND])
{
    return csn_get_u32(round + 10);
}

/* Of a body of held: two votes for one version have the same. */
struct csn_digest checker_hash(struct csn_bytes body);
/* I2, and R4's tests of fields: NULL when `held` may come after `old`, else what goes back. */
const char *checker_goes_back(const struct layout_held *held, const struct layout_held *old);
/* False: a zone that no site has. */
bool checker_zone(const struct sim_checker *checker, const struct layout_held *held,
                  unsigned *ret_zone);

/* --- what one family asks of another */

void checker_raise_floor(struct floor *floor, const struct layout_held *held);
/* By a certificate (R5). */
void checker_adopt_floor(struct floor *floor, const struct layout_held *held);
/* NULL: no such vote. */
struct vote *checker_find_vote(struct votes *votes, const struct layout_held *held,
                               const struct csn_digest *body);
/* A record begins with this body. */
bool checker_is_recorded(const struct sim_records *records, struct csn_bytes body);
/* R8: nobody votes in an epoch that it sealed, nor in one that has not begun, nor where it is no member. */
void checker_check_epoch(struct sim_checker *checker, const struct sim_actor *actor,
                         const struct layout_held *held);
/* A vote has left: with it there may be q equal ones. */
void checker_tally(struct sim_checker *checker, unsigned zone, const struct vote *vote);
/* Decoded, and of q votes that verify and have left their sites; else a violation. */
bool checker_take_certificate(struct sim_checker *checker, const struct sim_actor *actor,
                              struct csn_bytes octets, struct layout_certificate *ret_certificate,
                              unsigned *ret_zone);
/* What lies above what a site serves it must keep (I3). */
bool checker_is_above_served(const struct sim_checker *checker, unsigned site, unsigned zone,
                             const struct layout_held *held);
/* The bytes that a site's disk has for a held body; NULL: none. */
const struct sim_version *checker_version(const struct sim_checker *checker, unsigned site,
                                          unsigned zone, const struct layout_held *held);

#endif
