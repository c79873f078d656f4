#include "trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "round/leader.h"

#define DIGEST_SHOWN 8 /* octets */

/* What the fields of a record mean, by its kind; NULL: nothing. */
static const struct meaning {
    bool has_no_zone, has_round, has_term;
    const char *digest;
    const char *number;
} meanings[] = {
    [CSN_TRACE_WORK] = {.has_round = true, .digest = "proposal"},
    [CSN_TRACE_ADOPT] = {.has_round = true},
    [CSN_TRACE_REFUSED] = {.digest = "proposal"},
    [CSN_TRACE_ACCEPTED] = {.has_round = true, .digest = "proposal", .number = "serial"},
    [CSN_TRACE_AGREED] = {.has_round = true, .number = "sites"},
    [CSN_TRACE_DIVERGED] = {.digest = "proposal"},
    [CSN_TRACE_REJOINED] = {.digest = "proposal"},
    [CSN_TRACE_VOTED] = {.has_round = true, .digest = "root", .number = "serial"},
    [CSN_TRACE_HELD] = {.has_round = true, .digest = "root"},
    [CSN_TRACE_CERTIFIED] = {.has_round = true, .digest = "root", .number = "serial"},
    [CSN_TRACE_ORPHAN] = {.has_round = true, .digest = "root", .number = "serial"},
    [CSN_TRACE_ORDERED] = {.number = "order"},
    [CSN_TRACE_RELEASED] = {.has_round = true, .digest = "root", .number = "serial"},
    [CSN_TRACE_PROMISED] = {.has_no_zone = true, .has_term = true},
    [CSN_TRACE_HALTED] = {.has_no_zone = true},
    [CSN_TRACE_SEALED] = {.has_no_zone = true, .number = "next"},
    [CSN_TRACE_ENTERED] = {.has_no_zone = true, .number = "seals"},
    [CSN_TRACE_EPOCH] = {.has_no_zone = true, .number = "number"},
    [CSN_TRACE_HOLDS_MANY] = {.number = "holds"},
    [CSN_TRACE_LEADER] = {.has_no_zone = true, .has_term = true},
    [CSN_TRACE_PROPOSED] = {.has_round = true, .digest = "proposal", .number = "serial"},
    [CSN_TRACE_REPROPOSED] = {.has_round = true, .digest = "proposal", .number = "serial"},
    [CSN_TRACE_ABANDONED] = {.has_round = true, .digest = "proposal"},
    [CSN_TRACE_AUTHOR_OUT] = {0},
    [CSN_TRACE_SERIAL_JUMP] = {.number = "policy-serial"},
    [CSN_TRACE_NO_AUTHORS] = {0},
    [CSN_TRACE_NO_AGREEABLE_SET] = {0},
};

struct line {
    char *text; /* borrows CSN_TRACE_TEXT_SIZE */
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line->text + line->used, CSN_TRACE_TEXT_SIZE - line->used, format, args);
    va_end(args);
    line->used += size > 0 ? (size_t)size : 0;
    line->used = line->used < CSN_TRACE_TEXT_SIZE ? line->used : CSN_TRACE_TEXT_SIZE - 1;
}

static const char *work_name(uint8_t state)
{
    return state <= CSN_WORK_HELD ? csn_work_text((enum csn_work_state)state) : "?";
}

static const char *adopt_name(uint8_t state)
{
    return state <= CSN_ADOPT_SWITCHING ? csn_adopt_text((enum csn_adopt_state)state) : "?";
}

static const char *leader_name(uint8_t state)
{
    return state <= CSN_LEADER_RESTING ? csn_leader_text((enum csn_leader_state)state) : "?";
}

static void put_states(struct line *line, const struct csn_trace *trace,
                       const char *(*name)(uint8_t state))
{
    put(line, " from %s to %s", name(trace->from), name(trace->to));
}

/* What only one kind has. */
static void put_own(struct line *line, const struct csn_trace *trace)
{
    char classes[5];
    const char *text;
    switch ((enum csn_trace_kind)trace->what) {
    case CSN_TRACE_WORK:
        put_states(line, trace, work_name);
        break;
    case CSN_TRACE_ADOPT:
        put_states(line, trace, adopt_name);
        break;
    case CSN_TRACE_LEADER:
        put_states(line, trace, leader_name);
        break;
    case CSN_TRACE_DIVERGED:
        csn_classes_text((uint8_t)trace->number, classes);
        put(line, " classes %s", classes);
        break;
    case CSN_TRACE_AUTHOR_OUT:
        put(line, " site %u", trace->site);
        break;
    case CSN_TRACE_REFUSED:
        text = csn_test_text(trace->test);
        put(line, " rule R%u test %u: %s?", trace->rule, trace->test, text != NULL ? text : "?");
        break;
    case CSN_TRACE_HALTED:
        text = csn_halt_text((enum csn_halt)trace->number);
        put(line, ": %s", text != NULL ? text : "?");
        break;
    case CSN_TRACE_ABANDONED:
        put(line, ": %s",
            trace->number <= CSN_ROUND_END_RESIGNED
                ? csn_round_end_text((enum csn_round_end)trace->number)
                : "?");
        break;
    default:
        break;
    }
}

void csn_trace_write(const struct csn_trace *trace, const char *zone,
                     char ret_text[CSN_TRACE_TEXT_SIZE])
{
    const struct meaning *meaning = &meanings[trace->what];
    struct line line = {.text = ret_text};
    char digest[2 * DIGEST_SHOWN + 1];
    put(&line, "%s", csn_trace_text((enum csn_trace_kind)trace->what));
    if (zone != NULL && !meaning->has_no_zone) {
        put(&line, " zone %s", zone);
    }
    if (meaning->has_round || meaning->has_term) {
        put(&line, " %s %" PRIu64 ".%u", meaning->has_term ? "term" : "round",
            trace->round.term.counter, trace->round.term.coordinator);
    }
    if (meaning->has_round) {
        put(&line, ".%" PRIu32, trace->round.seq);
    }
    if (meaning->number != NULL) {
        put(&line, " %s %" PRIu64, meaning->number, trace->number);
    }
    if (meaning->digest != NULL) {
        csn_hex_encode(csn_bytes(trace->digest.octets, DIGEST_SHOWN), digest);
        put(&line, " %s %s", meaning->digest, digest);
    }
    put_own(&line, trace);
}

const char *csn_halt_text(enum csn_halt halt)
{
    switch (halt) {
    case CSN_HALT_DAMAGED:
        return "a durable record is damaged; return as a new member with a new key";
    case CSN_HALT_EPOCH:
        return "the store is of another epoch than the cluster document";
    case CSN_HALT_AMNESIA:
        return "a vote of this site exists that its store does not know; return as a new member "
               "with a new key";
    case CSN_HALT_PERSIST:
        return "a vote could not be made durable";
    case CSN_HALT_REMOVED:
        return "a later epoch has begun in which this site is no member";
    case CSN_HALT_CLOCK:
        return "its wall clock went forward by more than an hour while it ran; see that the clocks of all sites are right, then "
               "restart this node";
    default:
        return NULL;
    }
}

/* NULL: lost messages, repeats and races do this in a healthy cluster too. */
static const char *next_step(enum csn_count_reason reason)
{
    switch (reason) {
    case CSN_COUNT_MALFORMED:
        return "a statement that does not decode: install one version at all sites and coordinators";
    case CSN_COUNT_STRANGER:
        return "a signer, or an incarnation, that is not in the cluster document";
    case CSN_COUNT_OTHER_CLUSTER:
        return "a site or coordinator has another cluster document";
    case CSN_COUNT_UNKNOWN_ZONE:
        return "a zone that is not configured here";
    case CSN_COUNT_OLD_BOOT:
        return "of an earlier life of its site: if it comes again, two of it run or its clock and store went back";
    case CSN_COUNT_OLD:
    case CSN_COUNT_STALE_COMPLETION:
    case CSN_COUNT_NOT_PROMISED:
        break;
    }
    return NULL;
}

void csn_dropped_count(struct csn_dropped *dropped, enum csn_count_reason reason,
                       const char *cluster_path, const struct csn_log *log)
{
    const char *next = next_step(reason);
    bool is_first = dropped->counts[reason]++ == 0;
    if (next != NULL && is_first) {
        csn_log(log, CSN_WARNING, "round.dropped", "%s; %s (here: %s); from now on only counted",
                csn_count_text(reason), next, cluster_path);
    } else {
        csn_log(log, CSN_DEBUG, "round.dropped", "%s, %" PRIu64 " so far", csn_count_text(reason),
                dropped->counts[reason]);
    }
}

const char *csn_state_text(enum csn_node_state state, bool is_diverged)
{
    switch (state) {
    case CSN_NODE_STARTING:
        return "starting";
    case CSN_NODE_SEALED:
        return "sealed";
    case CSN_NODE_HALTED:
        return "halted";
    default:
        return is_diverged ? "diverged" : "ok";
    }
}
