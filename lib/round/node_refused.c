/* What sites refuse, for operators; leaders act on it. */
#include "round/node_state.h"

#include <string.h>

static bool is_value_equal(const struct csn_value *a, const struct csn_value *b)
{
    return a->size == b->size && memcmp(a->octets, b->octets, a->size) == 0;
}

static bool is_known(const struct csn_refusal *known, const struct csn_body_refused *body)
{
    return known->is_set && csn_digest_equal(&known->hash, &body->hash) &&
           known->rule == body->rule && known->test == body->test &&
           is_value_equal(&known->want, &body->want) && is_value_equal(&known->is, &body->is);
}

static void tell(struct csn_node *node, const struct csn_node_zone *zone, unsigned member,
                 const struct csn_early_refusal *said)
{
    struct csn_bytes copy = csn_effects_copy(node->effects, csn_buf_view(&said->body));
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_REFUSED, zone);
    effect->refused.site = node->cluster.members[member].number;
    effect->refused.incarnation = said->incarnation;
    effect->refused.body = copy;
    effect->refused.round = zone->sending;
    memcpy(effect->refused.signature, said->signature, sizeof(effect->refused.signature));
}

/* Said again and again while the proposal is: told once. */
static void hear(struct csn_node *node, struct csn_node_zone *zone, unsigned member,
                 const struct csn_early_refusal *said)
{
    struct csn_body_refused body;
    if (csn_body_refused_decode(csn_buf_view(&said->body), &body) != CSN_OK) {
        return;
    }
    if (!is_known(&zone->heard[member], &body)) {
        tell(node, zone, member, said);
    }
    zone->heard[member] = (struct csn_refusal){.is_set = true,
                                               .rule = body.rule,
                                               .test = body.test,
                                               .hash = body.hash,
                                               .want = body.want,
                                               .is = body.is,
                                               .at_s = node->now.wall_s,
                                               .round = zone->sending};
}

static bool is_about(const struct csn_node_zone *zone, const struct csn_digest *hash)
{
    return zone->has_sending && csn_digest_equal(&zone->sending_hash, hash);
}

/* The place of what this site said of H(P) before P came; else its oldest. */
static struct csn_early_refusal *early_place(struct csn_node *node, unsigned member,
                                             const struct csn_digest *hash)
{
    for (unsigned i = 0; i < CSN_EARLY_MAX; i++) {
        struct csn_early_refusal *early = &node->early[member][i];
        if (early->body.size > 0 && csn_digest_equal(&early->hash, hash)) {
            return early;
        }
    }
    node->early_next[member] = (node->early_next[member] + 1) % CSN_EARLY_MAX;
    return &node->early[member][node->early_next[member]];
}

void csn_node_heard_refused(struct csn_node *node, unsigned member,
                            const struct csn_body_refused *body, const struct csn_event *event)
{
    struct csn_early_refusal *said = early_place(node, member, &body->hash);
    said->hash = body->hash;
    said->incarnation = event->statement.incarnation;
    memcpy(said->signature, event->statement.signature, sizeof(said->signature));
    csn_buf_clear(&said->body);
    csn_buf_put_bytes(&said->body, event->statement.body);
    struct csn_node_zone *zone = csn_node_of_round(node, &body->hash);
    if (zone != NULL) {
        hear(node, zone, member, said);
    }
}

void csn_zone_proposed(struct csn_node *node, struct csn_node_zone *zone)
{
    for (unsigned i = 0; i < node->cluster.member_count * CSN_EARLY_MAX; i++) {
        const struct csn_early_refusal *early = &node->early[i / CSN_EARLY_MAX][i % CSN_EARLY_MAX];
        if (early->body.size > 0 && is_about(zone, &early->hash)) {
            hear(node, zone, i / CSN_EARLY_MAX, early);
        }
    }
}

void csn_zone_heard_vote(struct csn_node_zone *zone, unsigned member, struct csn_round round)
{
    if (csn_round_compare(round, zone->heard[member].round) >= 0) {
        zone->heard[member].is_set = false;
    }
}

void csn_early_fini(struct csn_node *node)
{
    for (unsigned i = 0; i < CSN_MEMBERS_MAX * CSN_EARLY_MAX; i++) {
        csn_buf_fini(&node->early[i / CSN_EARLY_MAX][i % CSN_EARLY_MAX].body);
    }
}

const struct csn_refusal *csn_node_get_refusal(const struct csn_node *node, size_t zone, uint16_t site)
{
    int member = csn_member_index(&node->cluster, site);
    REQUIRE(zone < node->zone_count);
    bool is_set = member >= 0 && node->zones[zone].heard[member].is_set;
    return is_set ? &node->zones[zone].heard[member] : NULL;
}
