/* Linked into a consign-node of the tests in place of the real functions (ld --wrap): a site that lies. It computes, verifies and
 * stores what the others do, but votes each time, under its own key, for other signature bytes, with a full root that goes with
 * them: as soon as it has computed, and again when it has verified; what it hears of its own votes does not halt it. */
#include "round/node_state.h"
#include "zone/digest.h"

void __real_csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body);
void __wrap_csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body);
void __wrap_csn_node_forgot(struct csn_node *node);

/* `held` with other signature bytes, and a full root that goes with them. */
static void put_lie(struct csn_body_held *held, struct csn_buf *octets)
{
    struct csn_digest content;
    held->b.octets[0] ^= 1;
    csn_content_root(held->proposal.zone, held->proposal.serial, held->proposal.time_s, &held->roots, &content);
    csn_full_root(&content, &held->b, &held->full_root);
    csn_body_held_encode(held, octets);
}

/* A vote before there are bytes, with the roots that all compute. */
static void vote_early(struct csn_node *node, const struct csn_body_computed *computed)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        const struct csn_work *work = &node->zones[i].work;
        struct csn_body_held held = {.proposal = work->proposal, .roots = computed->roots, .records = 5, .signatures = 5,
                                     .earliest_expiry_s = work->proposal.time_s + 15 * 86400};
        struct csn_buf octets = {0};
        if (csn_digest_equal(&work->hash, &computed->hash)) {
            put_lie(&held, &octets);
            __real_csn_node_send(node, CSN_STATEMENT_HELD, csn_buf_view(&octets));
        }
        csn_buf_fini(&octets);
    }
}

void __wrap_csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body)
{
    struct csn_body_held held;
    struct csn_body_computed computed;
    struct csn_buf octets = {0};
    if (kind == CSN_STATEMENT_HELD && csn_body_held_decode(body, &held) == CSN_OK) {
        put_lie(&held, &octets);
        body = csn_buf_view(&octets);
    }
    __real_csn_node_send(node, kind, body);
    if (kind == CSN_STATEMENT_COMPUTED && csn_body_computed_decode(body, &computed) == CSN_OK) {
        vote_early(node, &computed);
    }
    csn_buf_fini(&octets);
}

void __wrap_csn_node_forgot(struct csn_node *node)
{
    (void)node;
}
