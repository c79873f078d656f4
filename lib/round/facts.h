/* facts.h: what sites said of a proposal, by H(P): COMPUTED, OFFER, HELD, REFUSED. Bounded for each
 * site, so that a talkative one displaces only its own. Pure, private to lib/round. */
#ifndef CSN_ROUND_FACTS_H
#define CSN_ROUND_FACTS_H

#include "round/statement.h"

#define CSN_FACTS_MAX 4 /* proposals kept for each site and zone; the oldest goes */
#define CSN_FACTS_SITE_MAX 4096 /* of all zones, for each site: more rounds are never at work at a time */

struct csn_fact {
    uint64_t stamp; /* 0: free; else the order of arrival */
    struct csn_digest hash;
    bool has_computed, has_offer, has_held, is_refused;
    struct csn_roots roots; /* of COMPUTED, or HELD */
    struct csn_digest b;    /* of OFFER */
    uint64_t count;
    struct csn_digest full_root; /* of HELD */
    uint8_t rule, test;          /* of REFUSED */
    struct csn_value want;
    uint32_t next; /* in its chain: place + 1; 0: the last */
};

struct csn_facts {
    struct csn_fact *facts; /* owns; member_count x per_site; each site's are a ring */
    uint32_t *chains;       /* owns; member_count x per_site; by digest: place + 1 of the first, 0: none */
    unsigned member_count;
    size_t per_site;
    size_t at[CSN_MEMBERS_MAX]; /* the place in each ring that is claimed next */
    uint64_t stamp;
};

void csn_facts_init(struct csn_facts *facts, unsigned member_count, size_t zone_count);
void csn_facts_fini(struct csn_facts *facts);

/* NULL: this site said nothing of it. */
const struct csn_fact *csn_facts_find(const struct csn_facts *facts, unsigned member,
                                      const struct csn_digest *hash);
/* The entry to fill; the site's oldest is displaced. */
struct csn_fact *csn_facts_claim(struct csn_facts *facts, unsigned member,
                                 const struct csn_digest *hash);

void csn_facts_computed(struct csn_facts *facts, unsigned member,
                        const struct csn_body_computed *body);
void csn_facts_offer(struct csn_facts *facts, unsigned member, const struct csn_body_offer *body);
/* A HELD counts as its site's COMPUTED (R2). */
void csn_facts_held(struct csn_facts *facts, unsigned member, const struct csn_digest *hash,
                    const struct csn_body_held *body);

/* Sites whose roots for this H(P) are these. */
unsigned csn_facts_agree(const struct csn_facts *facts, const struct csn_digest *hash,
                         const struct csn_roots *roots);
/* The roots most sites computed (the first such member's), and how many did; 0: none yet. */
unsigned csn_facts_most(const struct csn_facts *facts, const struct csn_digest *hash,
                        struct csn_roots *ret_roots);

#endif
