/* Linked into a consign-node of the tests in place of the real functions (ld --wrap): a site that lies. It computes, verifies and
 * stores what the others do, and then votes each time, under its own key, for other signature bytes, with a full root that goes
 * with them; what it hears of its own votes does not halt it. */
#include "round/node_state.h"
#include "zone/digest.h"

void __real_csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body);
void __wrap_csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body);
void __wrap_csn_node_halt(struct csn_node *node, enum csn_halt why);

void __wrap_csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body)
{
    struct csn_body_held held;
    struct csn_buf octets = {0};
    if (kind == CSN_STATEMENT_HELD && csn_body_held_decode(body, &held) == CSN_OK) {
        struct csn_digest content;
        held.b.octets[0] ^= 1;
        csn_content_root(held.proposal.zone, held.proposal.serial, held.proposal.time_s, &held.roots, &content);
        csn_full_root(&content, &held.b, &held.full_root);
        csn_body_held_encode(&held, &octets);
        body = csn_buf_view(&octets);
    }
    __real_csn_node_send(node, kind, body);
    csn_buf_fini(&octets);
}

void __wrap_csn_node_halt(struct csn_node *node, enum csn_halt why)
{
    (void)node;
    (void)why;
}
