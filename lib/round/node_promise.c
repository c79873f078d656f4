#include "round/node_state.h"

/* R6: a promise whose holder resigned needs no timer. One that asks anew waits like any other: were
 * it let through, two that ask could outbid each other for ever. */
static bool may_promise(const struct csn_node *node, struct csn_term asked)
{
    bool has_resigned = node->has_heartbeat && node->heartbeat.state == CSN_LEAD_RESIGNED;
    uint64_t wait_ms = CSN_ELECTION_MS + (uint64_t)CSN_ELECTION_STEP_MS * asked.coordinator;
    return has_resigned || node->now.mono_ms - node->election_ms >= wait_ms;
}

static void promise(struct csn_node *node, struct csn_term term)
{
    struct csn_record_key key = csn_record_key(CSN_RECORD_TERM, NULL, NULL);
    struct csn_buf value = {0};
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_PROMISE, NULL);
    csn_node_last_persist(node)->round.term = term;
    node->promised = term;
    node->has_heartbeat = false;
    node->election_ms = node->now.mono_ms; /* granting begins the timer afresh */
    csn_buf_put_u64(&value, term.counter);
    csn_buf_put_u16(&value, term.coordinator);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_pending_drop(node, &node->zones[i]); /* R2: only from the leader of the promised term */
    }
}

void csn_node_promised(struct csn_node *node, struct csn_term term)
{
    node->promised_durable = term;
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_PROMISED, NULL);
    trace->round.term = term;
    trace->site = term.coordinator;
    csn_node_report(node, CSN_STATEMENT_PROMISE);
    csn_node_tell_all(node); /* L2: a new leader may know nothing */
    node->newest_cursor = 0;
    csn_node_tell_newest(node);
}

/* Without a leader the last named remain. */
static void hear_leads(struct csn_node *node, const struct csn_body_lead *lead)
{
    struct csn_reader zones = csn_reader(lead->zones);
    uint8_t zone[CSN_NAME_MAX];
    uint16_t site;
    if (lead->site == 0) {
        return; /* it has just begun to lead */
    }
    node->lead_site = lead->site;
    for (size_t i = 0; lead->is_whole && i < node->zone_count; i++) {
        node->zones[i].lead_site = 0;
    }
    while (csn_lead_next(&zones, zone, &site)) {
        int index = csn_zone_index(&node->peers, zone);
        if (index >= 0) {
            node->zones[index].lead_site = site;
        }
    }
}

static void hear(struct csn_node *node, const struct csn_body_lead *lead)
{
    node->heartbeat = *lead;
    node->heartbeat.zones = csn_bytes(NULL, 0); /* borrowed for the step */
    node->has_heartbeat = true;
    if (lead->state == CSN_LEAD_LEADS) {
        node->election_ms = node->heartbeat_ms = node->now.mono_ms;
        hear_leads(node, lead);
    }
    if (lead->state == CSN_LEAD_ASKS &&
        node->now.mono_ms - node->report_ms >= CSN_REPORT_PENDING_MS) {
        csn_node_report(node, CSN_STATEMENT_PROMISE); /* the first answer was lost */
    }
}

void csn_node_lead(struct csn_node *node, const struct csn_body_lead *lead)
{
    int order = csn_term_compare(lead->term, node->promised);
    if (order > 0 && lead->term.counter - node->promised.counter > CSN_TERM_STEP_MAX) {
        csn_node_count(node, CSN_COUNT_MALFORMED);
    } else if (order < 0 || (order == 0 && node->has_heartbeat && lead->seq <= node->heartbeat.seq)) {
        csn_node_count(node, CSN_COUNT_OLD);
    } else if (order == 0) {
        hear(node, lead);
    } else if (lead->state != CSN_LEAD_RESIGNED && may_promise(node, lead->term)) {
        promise(node, lead->term);
    }
}
