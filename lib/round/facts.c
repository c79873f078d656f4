#include "round/facts.h"

#include <stdlib.h>

void csn_facts_init(struct csn_facts *facts, unsigned member_count, size_t zone_count)
{
    size_t per_site = CSN_FACTS_MAX * (zone_count ? zone_count : 1);
    per_site = per_site < CSN_FACTS_SITE_MAX ? per_site : CSN_FACTS_SITE_MAX;
    *facts = (struct csn_facts){.member_count = member_count, .per_site = per_site};
    facts->facts = csn_calloc(member_count * per_site, sizeof(*facts->facts));
    facts->chains = csn_calloc(member_count * per_site, sizeof(*facts->chains));
}

void csn_facts_fini(struct csn_facts *facts)
{
    free(facts->facts);
    free(facts->chains);
}

static uint32_t *chain_of(const struct csn_facts *facts, unsigned member,
                          const struct csn_digest *hash)
{
    return &facts->chains[member * facts->per_site + csn_get_u32(hash->octets) % facts->per_site];
}

static struct csn_fact *find(const struct csn_facts *facts, unsigned member,
                             const struct csn_digest *hash)
{
    struct csn_fact *of_site = facts->facts + member * facts->per_site;
    for (uint32_t at = *chain_of(facts, member, hash); at != 0; at = of_site[at - 1].next) {
        if (csn_digest_equal(&of_site[at - 1].hash, hash)) {
            return &of_site[at - 1];
        }
    }
    return NULL;
}

const struct csn_fact *csn_facts_find(const struct csn_facts *facts, unsigned member,
                                      const struct csn_digest *hash)
{
    return find(facts, member, hash);
}

/* The oldest of a site leaves its chain. */
static void displace(struct csn_facts *facts, unsigned member, const struct csn_fact *oldest)
{
    struct csn_fact *of_site = facts->facts + member * facts->per_site;
    uint32_t *link = chain_of(facts, member, &oldest->hash);
    while (&of_site[*link - 1] != oldest) {
        link = &of_site[*link - 1].next;
    }
    *link = oldest->next;
}

struct csn_fact *csn_facts_claim(struct csn_facts *facts, unsigned member,
                                 const struct csn_digest *hash)
{
    struct csn_fact *known = find(facts, member, hash);
    if (known != NULL) {
        return known;
    }
    struct csn_fact *oldest = facts->facts + member * facts->per_site + facts->at[member];
    if (oldest->stamp != 0) {
        displace(facts, member, oldest);
    }
    uint32_t *chain = chain_of(facts, member, hash);
    *oldest = (struct csn_fact){.stamp = ++facts->stamp, .hash = *hash, .next = *chain};
    *chain = (uint32_t)facts->at[member] + 1;
    facts->at[member] = (facts->at[member] + 1) % facts->per_site;
    return oldest;
}

void csn_facts_computed(struct csn_facts *facts, unsigned member,
                        const struct csn_body_computed *body)
{
    struct csn_fact *fact = csn_facts_claim(facts, member, &body->hash);
    if (!fact->has_held) {
        fact->has_computed = true;
        fact->roots = body->roots;
    }
}

void csn_facts_offer(struct csn_facts *facts, unsigned member, const struct csn_body_offer *body)
{
    struct csn_fact *fact = csn_facts_claim(facts, member, &body->hash);
    fact->has_offer = true;
    fact->b = body->b;
    fact->count = body->count;
}

void csn_facts_held(struct csn_facts *facts, unsigned member, const struct csn_digest *hash,
                    const struct csn_body_held *body)
{
    struct csn_fact *fact = csn_facts_claim(facts, member, hash);
    fact->has_computed = true;
    fact->has_held = true;
    fact->roots = body->roots;
    fact->full_root = body->full_root;
}

unsigned csn_facts_agree(const struct csn_facts *facts, const struct csn_digest *hash,
                         const struct csn_roots *roots)
{
    unsigned count = 0;
    for (unsigned i = 0; i < facts->member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(facts, i, hash);
        count += fact != NULL && fact->has_computed && csn_roots_equal(&fact->roots, roots);
    }
    return count;
}

unsigned csn_facts_most(const struct csn_facts *facts, const struct csn_digest *hash,
                        struct csn_roots *ret_roots)
{
    unsigned most = 0;
    for (unsigned i = 0; i < facts->member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(facts, i, hash);
        unsigned count =
            fact != NULL && fact->has_computed ? csn_facts_agree(facts, hash, &fact->roots) : 0;
        if (count > most) {
            most = count;
            *ret_roots = fact->roots;
        }
    }
    return most;
}
