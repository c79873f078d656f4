#include "explain.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "refusal.h"

#define SIGNED "--reason TEXT --cluster FILE --key FILE"

const char *csn_explain_state_text(enum csn_explain_state state)
{
    static const char *const texts[] = {
#define STATE_TEXT(name, word) word,
        CSN_EXPLAIN_STATES(STATE_TEXT)
#undef STATE_TEXT
    };
    return texts[state];
}

/* --- which state */

typedef bool is_site_fn(const struct csn_explain_site *site);

static bool is_heard(const struct csn_explain_site *site)
{
    return site->is_heard && !site->is_halted;
}

static bool is_other_heard(const struct csn_explain_site *site)
{
    return site->is_heard && !site->is_self;
}

static bool is_held(const struct csn_explain_site *site)
{
    return site->is_held;
}

static bool has_voted(const struct csn_explain_site *site)
{
    return site->has_share && site->share.has_voted;
}

static bool agrees(const struct csn_explain_site *site)
{
    return site->has_share && (site->share.agrees || site->share.has_voted);
}

static bool has_input(const struct csn_explain_site *site)
{
    return site->has_input;
}

static bool has_gate(const struct csn_explain_site *site)
{
    return site->is_heard && site->has_gate;
}

static bool is_diverged(const struct csn_explain_site *site)
{
    return site->is_heard && site->is_diverged;
}

static bool has_newest(const struct csn_explain_site *site)
{
    return site->is_heard && site->has_newest;
}

static unsigned count(const struct csn_explain_facts *facts, is_site_fn *is)
{
    unsigned found = 0;
    for (uint8_t i = 0; i < facts->site_count; i++) {
        found += is(&facts->sites[i]);
    }
    return found;
}

/* An order that forbids is in force at n-q+1 sites. */
static bool is_hold_in_force(const struct csn_explain_facts *facts)
{
    return count(facts, is_held) > (unsigned)(facts->site_count - facts->quorum);
}

static bool refuses_here(const struct csn_explain_facts *facts)
{
    for (uint8_t i = 0; i < facts->site_count; i++) {
        const struct csn_explain_site *site = &facts->sites[i];
        if (site->is_self && site->has_share && site->share.is_refused) {
            return true;
        }
    }
    return false;
}

/* Test 17: no quorum of clocks lets a T pass that is not before the release's. */
static bool is_ahead(const struct csn_explain_facts *facts)
{
    unsigned clocks = 0;
    for (uint8_t i = 0; i < facts->site_count; i++) {
        const struct csn_explain_site *site = &facts->sites[i];
        clocks += site->is_heard && (int64_t)facts->now_s + site->clock_off_s + CSN_CLOCK_AHEAD_S >= (int64_t)facts->signed_s;
    }
    return facts->has_released && facts->signed_s > facts->now_s + CSN_CLOCK_AHEAD_S && clocks < facts->quorum;
}

static enum csn_explain_state state_of(const struct csn_explain_facts *facts)
{
    bool is_fetching = facts->adopt != CSN_ADOPT_CURRENT && facts->work != CSN_WORK_HELD;
    return facts->readonly != NULL                        ? CSN_EXPLAIN_READ_ONLY
           : facts->halt != NULL                          ? CSN_EXPLAIN_HALTED
           : count(facts, is_heard) < facts->quorum       ? CSN_EXPLAIN_NO_QUORUM
           : is_ahead(facts)                              ? CSN_EXPLAIN_AHEAD
           : is_hold_in_force(facts)                      ? CSN_EXPLAIN_HELD
           : facts->is_resting                            ? CSN_EXPLAIN_RESTING
           : facts->leader == NULL                        ? CSN_EXPLAIN_NO_LEADER
           : facts->has_round                             ? CSN_EXPLAIN_ROUND
           : refuses_here(facts)                          ? CSN_EXPLAIN_REFUSED
           : is_fetching                                  ? CSN_EXPLAIN_FETCHING
           : facts->is_disagreed && facts->disagreed_until_s > facts->now_s ? CSN_EXPLAIN_DISAGREED
           : facts->has_failed && facts->retry_s > facts->now_s             ? CSN_EXPLAIN_RETRYING
           : facts->has_input                             ? CSN_EXPLAIN_INPUT_WAITS
           : !facts->has_released                         ? CSN_EXPLAIN_NOTHING
                                                          : CSN_EXPLAIN_IDLE;
}

/* --- the state in a sentence */

/* What a node waits for in each state of its work. */
static const char *work_words(enum csn_work_state work)
{
    static const char *const texts[] = {
        [CSN_WORK_IDLE] = "its input, parent or documents are waited for here",
        [CSN_WORK_COMPUTING] = "its content is being computed here",
        [CSN_WORK_COMPARING] = "waits until enough sites have computed the same content",
        [CSN_WORK_GATHERING] = "signatures are being made, or fetched from the authors",
        [CSN_WORK_STAGING] = "the signed version is being written and verified here",
        [CSN_WORK_VOTING] = "this site's vote is being made durable",
        [CSN_WORK_HELD] = "this site has voted and waits for the other votes"};
    return texts[work];
}

static const char *adopt_words(enum csn_adopt_state adopt)
{
    static const char *const texts[] = {
        [CSN_ADOPT_CURRENT] = "nothing newer is certified",
        [CSN_ADOPT_WAITING] = "a newer version is certified; its octets are waited for, or a fetch is tried again",
        [CSN_ADOPT_FETCHING] = "a newer version is certified, and is fetched from another site",
        [CSN_ADOPT_RELEASING] = "a newer version is certified, and is checked against its certificate",
        [CSN_ADOPT_SWITCHING] = "a newer version is certified, and takes the place of the old one"};
    return texts[adopt];
}

static const char *round_words(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    return csn_explanation_text(
        to, "serial %" PRIu32 " is proposed (round %" PRIu64 ".%u.%" PRIu32 "): %s; agreed on its content: %u, voted: %u, needed: %u",
        facts->serial, facts->round.term.counter, facts->round.term.coordinator, facts->round.seq,
        facts->is_coordinator ? "the sites are at work" : work_words(facts->work), count(facts, agrees),
        count(facts, has_voted), facts->quorum);
}

static const char *input_words(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    unsigned confirmed = count(facts, has_input);
    if (facts->emergency_until_s != 0) {
        return csn_explanation_text(to, "EMERGENCY, refreshes only: input serial %" PRIu32 " waits for the officers' next document",
                                    facts->input);
    }
    return csn_explanation_text(to, "input serial %" PRIu32 " is confirmed by %u sites, %u needed%s", facts->input, confirmed,
                                facts->quorum, confirmed >= facts->quorum ? "; it is proposed next" : "");
}

/* Released, and no round; but perhaps not all is well. */
static const char *idle_words(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    unsigned gates = count(facts, has_gate), diverged = count(facts, is_diverged);
    if (gates > 0) {
        return csn_explanation_text(to, "serial %" PRIu32 " is released; the newest file is kept back at %u of %u sites",
                                    facts->released, gates, facts->site_count);
    }
    return diverged > 0
               ? csn_explanation_text(to, "serial %" PRIu32 " is released; %u of %u sites diverged", facts->released, diverged,
                                      facts->site_count)
               : csn_explanation_text(to, "serial %" PRIu32 " is released, nothing is to be done", facts->released);
}

static const char *ahead_words(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    char span[CSN_SPAN_TEXT_SIZE];
    csn_span_text(facts->signed_s - facts->now_s, span);
    return csn_explanation_text(to, "serial %" PRIu32 " was signed %s ahead of the clocks: those of enough sites were wrong together; "
                                    "no T goes back, so nothing newer is released until they have come so far",
                                facts->released, span);
}

static const char *sentence(const struct csn_explain_facts *facts, enum csn_explain_state state, struct csn_explanation *to)
{
    switch (state) {
    case CSN_EXPLAIN_READ_ONLY:
        return csn_explanation_text(to, "this site's store cannot be written: %s; it votes no more and hears nobody", facts->readonly);
    case CSN_EXPLAIN_HALTED:
        return csn_explanation_text(to, "this site votes no more: %s", facts->halt);
    case CSN_EXPLAIN_NO_QUORUM:
        return csn_explanation_text(to, "%u of %u sites are heard, %u needed: nothing new is released, what is released stays served",
                                    count(facts, is_heard), facts->site_count, facts->quorum);
    case CSN_EXPLAIN_AHEAD:
        return ahead_words(facts, to);
    case CSN_EXPLAIN_HELD:
        return "an operator holds the zone: it stays served, nothing new is released, the refresh neither";
    case CSN_EXPLAIN_NO_LEADER:
        return "no coordinator leads: nothing new is proposed, what is released stays served";
    case CSN_EXPLAIN_ROUND:
        return round_words(facts, to);
    case CSN_EXPLAIN_REFUSED:
        return "this site refuses what is proposed; the others may release it without its vote, and it takes that over";
    case CSN_EXPLAIN_RESTING:
        return "this coordinator's rounds failed, or it heard too few sites: it rests, others may lead";
    case CSN_EXPLAIN_FETCHING:
        return adopt_words(facts->adopt);
    case CSN_EXPLAIN_DISAGREED:
        return "the sites computed different contents in the last round";
    case CSN_EXPLAIN_RETRYING:
        return csn_explanation_text(to, "the last round was abandoned: %s", csn_round_end_text(facts->last_end));
    case CSN_EXPLAIN_INPUT_WAITS:
        return input_words(facts, to);
    case CSN_EXPLAIN_NOTHING:
        return "nothing is released yet: the first release needs the same zone file at enough sites";
    case CSN_EXPLAIN_IDLE:
        return idle_words(facts, to);
    }
    INSIST(state <= CSN_EXPLAIN_IDLE);
    return "";
}

/* --- votes */

static const char *refusal_words(const struct csn_refusal *refusal, struct csn_explanation *to)
{
    char text[CSN_REFUSAL_TEXT_SIZE];
    csn_refusal_write(refusal, text);
    return csn_explanation_text(to, "%s", text);
}

static const char *silence_words(const struct csn_explain_site *site, struct csn_explanation *to)
{
    char ago[CSN_SPAN_TEXT_SIZE];
    if (site->silent_s == UINT64_MAX) {
        return "not heard since this process started";
    }
    csn_span_text(site->silent_s, ago);
    return csn_explanation_text(to, "not heard for %s", ago);
}

/* Why a site cannot vote now, whatever is proposed; NULL: it can. */
static const char *incapable_words(const struct csn_explain_site *site, struct csn_explanation *to)
{
    return !site->is_heard    ? silence_words(site, to)
           : site->is_halted  ? "halted: it votes no more; consignctl status there says why"
           : site->is_held    ? "knows an operator's hold of the zone"
                              : NULL;
}

static struct csn_explained_vote vote_of(const struct csn_explain_site *site, struct csn_explanation *to)
{
    const struct csn_round_share *share = &site->share;
    const char *incapable = incapable_words(site, to);
    struct csn_explained_vote vote = {.vote = "missing"};
    if (share->has_voted) {
        vote.vote = "voted";
    } else if (share->is_refused) {
        vote.vote = "refused";
        vote.why = site->refusal != NULL ? refusal_words(site->refusal, to)
                                         : "consignctl zone refusals at a node says why";
    } else if (incapable != NULL) {
        vote.why = incapable;
    } else if (share->has_computed) {
        vote.why = share->agrees ? "has computed the same content; signatures and checks go on"
                                 : "has computed its content, which is not compared yet or differs";
    } else {
        vote.why = "has not said yet what it computed";
    }
    return vote;
}

/* Between rounds. */
static struct csn_explained_vote standing_of(const struct csn_explain_site *site, struct csn_explanation *to)
{
    const char *incapable = incapable_words(site, to);
    return (struct csn_explained_vote){
        .vote = !site->is_heard      ? "silent"
                : site->serves_newest  ? "serves the newest"
                : site->has_released ? "serves older"
                : site->has_row      ? "serves nothing yet"
                                     : "not known",
        .why = incapable != NULL       ? incapable
               : site->refusal != NULL ? refusal_words(site->refusal, to)
               : site->is_diverged     ? "diverged: its own content is not the quorum's; it serves what is certified"
               : site->is_behind       ? "behind: it answers nobody until it has caught up"
               : site->has_gate        ? "its newest file is kept back"
                                       : NULL};
}

static void add_votes(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    uint64_t fence_s = facts->refresh_s / 4;
    for (uint8_t i = 0; i < facts->site_count; i++) {
        const struct csn_explain_site *site = &facts->sites[i];
        struct csn_explained_vote vote = site->has_share ? vote_of(site, to) : standing_of(site, to);
        vote.site = site->name;
        vote.has_released = site->has_released;
        vote.released = site->released;
        vote.first_expiry_s = site->first_expiry_s;
        vote.fence_s = site->first_expiry_s > fence_s ? site->first_expiry_s - fence_s : 0;
        csn_explanation_vote(to, &vote);
    }
}

/* --- what happens by itself */

static void add_next_of_round(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    unsigned votes = count(facts, has_voted);
    csn_explanation_next(to,
                         votes >= facts->quorum
                             ? "the votes are a certificate: it is released"
                             : csn_explanation_text(to, "%u more votes make it certain: it is released then", facts->quorum - votes),
                         0);
    csn_explanation_next(to, "at its deadline the round is given up, and another is proposed after a pause of 1, 2, 4 .. 60 s",
                         facts->deadline_s);
}

static void add_next_of_state(const struct csn_explain_facts *facts, enum csn_explain_state state, struct csn_explanation *to)
{
    switch (state) {
    case CSN_EXPLAIN_READ_ONLY:
        csn_explanation_next(to, "the folders are tried every 10 s; the node begins again when they take a file", 0);
        break;
    case CSN_EXPLAIN_NO_QUORUM:
        csn_explanation_next(to, "when enough sites are heard, a coordinator is elected within seconds and proposes what waits", 0);
        break;
    case CSN_EXPLAIN_AHEAD:
        csn_explanation_next(to, "releases go on", facts->signed_s - CSN_CLOCK_AHEAD_S);
        break;
    case CSN_EXPLAIN_NO_LEADER:
        csn_explanation_next(to, "a coordinator that runs and hears enough sites asks to lead, within 3 s", 0);
        break;
    case CSN_EXPLAIN_ROUND:
        add_next_of_round(facts, to);
        break;
    case CSN_EXPLAIN_REFUSED:
        csn_explanation_next(to, "when the others certify it, this site fetches, checks and serves it; else another round is proposed", 0);
        break;
    case CSN_EXPLAIN_RESTING:
        csn_explanation_next(to, "it asks to lead again", facts->rest_until_s);
        break;
    case CSN_EXPLAIN_FETCHING:
        csn_explanation_next(to, "the certified version is served here as soon as it is whole and checked; fetches are tried again", 0);
        break;
    case CSN_EXPLAIN_DISAGREED:
        csn_explanation_next(to, "the same is proposed again, or at once a newer input or key set", facts->disagreed_until_s);
        break;
    case CSN_EXPLAIN_RETRYING:
        csn_explanation_next(to, "another round is proposed", facts->retry_s);
        break;
    case CSN_EXPLAIN_INPUT_WAITS:
        csn_explanation_next(to,
                             facts->emergency_until_s != 0            ? "it waits until the emergency is over"
                             : count(facts, has_input) >= facts->quorum ? "the leader proposes it, within seconds if it has this zone"
                                                                      : "it is proposed when enough sites have the same file",
                             0);
        break;
    case CSN_EXPLAIN_HALTED:
    case CSN_EXPLAIN_HELD:
    case CSN_EXPLAIN_NOTHING:
    case CSN_EXPLAIN_IDLE:
        break;
    }
}

/* As the leader decides (L3): when more sites than may lie, of those that have the release, say so. */
static uint64_t refresh_due_s(const struct csn_explain_facts *facts)
{
    uint64_t dues[CSN_MEMBERS_MAX];
    unsigned count = 0;
    for (uint8_t i = 0; i < facts->site_count; i++) {
        const struct csn_explain_site *site = &facts->sites[i];
        if (is_heard(site) && site->has_due) {
            unsigned at = count++;
            for (; at > 0 && dues[at - 1] > site->due_s; at--) {
                dues[at] = dues[at - 1];
            }
            dues[at] = site->due_s;
        }
    }
    return count > facts->faults ? dues[facts->faults] : facts->due_s;
}

static void add_next(const struct csn_explain_facts *facts, enum csn_explain_state state, struct csn_explanation *to)
{
    uint64_t due_s = refresh_due_s(facts);
    add_next_of_state(facts, state, to);
    if (facts->emergency_until_s != 0) {
        csn_explanation_next(to, "the emergency ends: nothing is signed after it until officers say more", facts->emergency_until_s);
    }
    if (facts->approved.is_set) {
        csn_explanation_next(to, csn_explanation_text(to, "the next release has serial %" PRIu32 ", which an operator approved",
                                                      facts->approved.serial), 0);
    }
    if (facts->has_released && due_s != UINT64_MAX && due_s != 0) {
        csn_explanation_next(to, state == CSN_EXPLAIN_HELD ? "the refresh is due, and waits for the hold to end" : "the refresh is due",
                             due_s);
    }
    if (facts->has_released && facts->first_expiry_s > facts->refresh_s / 4) {
        csn_explanation_next(to, "the fence: from then on this site answers SERVFAIL where another site has a later release",
                             facts->first_expiry_s - facts->refresh_s / 4);
        csn_explanation_next(to, "the first signature expires", facts->first_expiry_s);
    }
}

/* --- what an operator may do */

/* One to compare a diverged site with; NULL: none is heard. */
static const char *agreeing_site(const struct csn_explain_facts *facts)
{
    for (uint8_t i = 0; i < facts->site_count; i++) {
        const struct csn_explain_site *site = &facts->sites[i];
        if (site->is_heard && !site->is_diverged && site->has_released) {
            return site->name;
        }
    }
    return NULL;
}

/* Maintenance needs other sites to come into force (n-q+1), and cannot make a quorum. */
static void may_about_silent(const struct csn_explain_facts *facts, enum csn_explain_state state, const struct csn_explain_site *site,
                             struct csn_explanation *to)
{
    bool is_deaf = state == CSN_EXPLAIN_READ_ONLY || (state == CSN_EXPLAIN_HALTED && count(facts, is_other_heard) == 0);
    if (site->is_heard || site->is_in_maintenance || is_deaf) {
        return; /* one that hears nobody cannot tell who is away */
    }
    if (count(facts, is_heard) < facts->quorum) {
        csn_explanation_may(to, csn_explanation_text(to, "bring %s back", site->name), NULL);
        return;
    }
    csn_explanation_may(to, csn_explanation_text(to, "bring %s back; while it is meant to be away, take it out", site->name),
                        csn_explanation_text(to, "consignctl maintenance on %s " SIGNED, site->name));
}

static void may_about_site(const struct csn_explain_facts *facts, const struct csn_explain_site *site, struct csn_explanation *to)
{
    if (site->is_diverged) {
        const char *other = agreeing_site(facts);
        csn_explanation_may(to, csn_explanation_text(to, "see what differs at %s, and mend the cause; its own report: there, consignctl zone reports %s",
                                                     site->name, facts->zone),
                            other == NULL ? NULL
                                          : csn_explanation_text(to, "consignctl zone diff %s %" PRIu32 " %s %s", facts->zone,
                                                                 facts->released, other, site->name));
    }
    if (has_gate(site) && !site->is_self && facts->parked == NULL) {
        csn_explanation_may(to, csn_explanation_text(to, "see at %s why its newest file is kept back, and what may be done there", site->name),
                            csn_explanation_text(to, "consignctl zone status %s --explain", facts->zone));
    }
    if (site->is_heard && site->cannot_sign) {
        csn_explanation_may(to, csn_explanation_text(to, "mend the HSM or the keys of %s, which cannot sign: its status says what is wrong", site->name),
                            NULL);
    }
    if (site->is_heard && (site->clock_s > CSN_CLOCK_AHEAD_S || site->clock_s < -CSN_CLOCK_AHEAD_S)) {
        csn_explanation_may(to, csn_explanation_text(to, "mend the clock (NTP) of %s or of %s: they are %" PRId64 " s apart", site->name,
                                                     facts->self, site->clock_s > 0 ? site->clock_s : -site->clock_s),
                            NULL);
    }
    if (site->refusal != NULL) {
        struct csn_refusal_words words;
        csn_refusal_words(site->refusal, &words);
        csn_explanation_may(to, csn_explanation_text(to, "of %s, which refused: %s", site->name, words.next), NULL);
    }
}

/* A generation is for a registry that begins anew, at all sites. One site alone has an old file: its feed has stopped. */
static void may_about_serial_back(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    if (count(facts, has_gate) < facts->quorum) {
        csn_explanation_may(to, csn_explanation_text(to, "put the file that the other sites have here too, or a later one; does this "
                                                         "site's feed still come? (%s)",
                                                     facts->parked),
                            NULL);
        return;
    }
    csn_explanation_may(to, csn_explanation_text(to, "put a corrected file in place with a higher serial (%s)", facts->parked), NULL);
    csn_explanation_may(to, "or, where serials begin anew, order a new generation",
                        csn_explanation_text(to, "consignctl zone generation %s %" PRIu32 " " SIGNED, facts->zone, facts->generation + 1));
}

static void may_about_content(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    csn_explanation_may(to, csn_explanation_text(to, "put a corrected file in place with a higher serial (%s)", facts->parked), NULL);
    csn_explanation_may(to, "or, if it is meant so, let it pass",
                        csn_explanation_text(to, "consignctl zone approve %s %" PRIu32 " " SIGNED, facts->zone, facts->parked_serial));
    csn_explanation_may(to, "or, if it is not, say so: it is an alarm no more",
                        csn_explanation_text(to, "consignctl zone reject %s %" PRIu32 " " SIGNED, facts->zone, facts->parked_serial));
}

/* What this site's own newest file needs. */
static void may_about_parked(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    enum csn_gate gate = facts->parked_gate;
    bool is_of_content = gate == CSN_GATE_APEX_NS || gate == CSN_GATE_SHRINK_RECORDS || gate == CSN_GATE_SHRINK_DELEGATIONS;
    if (gate == CSN_GATE_UNREAD) {
        csn_explanation_may(to, csn_explanation_text(to, "put the file in place again; it is taken by itself (%s)", facts->parked), NULL);
    } else if (facts->parked_has_serial && is_of_content) {
        may_about_content(facts, to);
    } else if (facts->parked_has_serial && gate == CSN_GATE_SERIAL_BACK) {
        may_about_serial_back(facts, to);
    } else {
        csn_explanation_may(to, csn_explanation_text(to, "put a good file in place with a higher serial: %s", facts->parked), NULL);
    }
}

static void may_about_input(const struct csn_explain_facts *facts, enum csn_explain_state state, struct csn_explanation *to)
{
    if (facts->parked != NULL) {
        may_about_parked(facts, to);
    }
    if (state != CSN_EXPLAIN_INPUT_WAITS || facts->emergency_until_s != 0) {
        return;
    }
    if (count(facts, has_input) >= facts->quorum) {
        if (!facts->is_coordinator) {
            csn_explanation_may(to,
                                csn_explanation_text(to, "if it is not proposed within a minute, look at %s, which leads: does its "
                                                         "configuration have this zone? at its own socket:",
                                                     facts->leader),
                                csn_explanation_text(to, "consignctl -s SOCKET zone status %s --explain", facts->zone));
        }
        return;
    }
    for (uint8_t i = 0; i < facts->site_count; i++) {
        const struct csn_explain_site *site = &facts->sites[i];
        if (site->has_other_input) {
            csn_explanation_may(to,
                                csn_explanation_text(to, "%s has another file under this serial: put one and the same with a higher "
                                                         "serial at all sites", site->name),
                                NULL);
        } else if (!site->has_input) {
            csn_explanation_may(to, csn_explanation_text(to, "put the same file at %s too", site->name), NULL);
        }
    }
}

void csn_explain_odd(const struct csn_odd_zone *odd, const char *site, struct csn_reason *ret_text)
{
    char zone[CSN_NAME_TEXT_MAX] = "";
    if (odd->zone != NULL) {
        csn_name_text(odd->zone, zone);
    }
    if (!odd->is_sealed && odd->is_there) {
        csn_reason_set(ret_text, CSN_OK,
                       "the next cluster document waits: %s has zones that are not configured here; configure the same "
                       "zones at both and restart",
                       site);
    } else if (!odd->is_sealed) {
        csn_reason_set(ret_text, CSN_OK,
                       "the next cluster document waits: zone %s is configured here, and %s does not report it; configure "
                       "the same zones at both and restart",
                       zone, site);
    } else if (odd->is_there) {
        csn_reason_set(ret_text, CSN_OK,
                       "a change of members waits: %s sealed zone %s, which is not configured here; configure it and "
                       "restart",
                       site, zone);
    } else {
        csn_reason_set(ret_text, CSN_OK,
                       "a change of members waits: %s sealed without zone %s, which is configured here; bring back more "
                       "sites that have it, or, only if it was never released, take it out here until the change is over",
                       site, zone);
    }
}

static void may_about_serial(const struct csn_explain_facts *facts, struct csn_explanation *to)
{
    if (facts->approved.is_set) {
        csn_explanation_may(to, "end the approval of that serial, while it is not released",
                            csn_explanation_text(to, "consignctl zone reject-serial %s " SIGNED, facts->zone));
    } else if (facts->is_far_off && facts->emergency_until_s == 0) {
        csn_explanation_may(to, csn_explanation_text(to, "the policy's serial %" PRIu32 " is 1010000 or more after the released %" PRIu32
                                                         ": serials go on by one; let the next release have it, if it is meant so",
                                                     facts->policy_serial, facts->released),
                            csn_explanation_text(to, "consignctl zone approve-serial %s %" PRIu32 " " SIGNED, facts->zone,
                                                 facts->policy_serial));
    }
}

static void add_may(const struct csn_explain_facts *facts, enum csn_explain_state state, struct csn_explanation *to)
{
    if (state == CSN_EXPLAIN_READ_ONLY) {
        csn_explanation_may(to, "make room or mend the disk; ask another site meanwhile", NULL);
    } else if (state == CSN_EXPLAIN_HALTED) {
        csn_explanation_may(to, "do what the reason says; the cluster goes on without this site", NULL);
    } else if (state == CSN_EXPLAIN_AHEAD) {
        csn_explanation_may(to, "if the clocks are right now and that is too far to wait for: found the cluster anew, with the same keys "
                                "(OPERATING.md, Signed ahead of the clocks)", NULL);
    } else if (state == CSN_EXPLAIN_NO_LEADER) {
        csn_explanation_may(to, csn_explanation_text(to, "start a coordinator: one of %s", facts->may_lead), NULL);
    } else if (state == CSN_EXPLAIN_NO_QUORUM) { /* no order that allows comes into force */
        csn_explanation_may(to, "if they cannot come back before signatures end: officers declare an emergency (OPERATING.md, An emergency)",
                            NULL);
    } else if (count(facts, is_held) > 0) {
        csn_explanation_may(to, "end the hold", csn_explanation_text(to, "consignctl zone resume %s " SIGNED, facts->zone));
    } else if (state == CSN_EXPLAIN_NOTHING) {
        csn_explanation_may(to, "put the same zone file at enough sites", NULL);
    }
    if (facts->adopt == CSN_ADOPT_WAITING && count(facts, has_newest) == 0) {
        csn_explanation_may(to, "no site that is heard has the newest certified version, and nothing follows without it: bring back one that "
                                "has; if none is left, found the cluster anew, with the same keys (OPERATING.md, A version that is gone)",
                            NULL);
    }
    if (facts->odd != NULL) {
        csn_explanation_may(to, facts->odd, NULL);
    }
    may_about_input(facts, state, to);
    may_about_serial(facts, to);
    for (uint8_t i = 0; i < facts->site_count; i++) {
        may_about_silent(facts, state, &facts->sites[i], to);
        may_about_site(facts, &facts->sites[i], to);
    }
    if (facts->ordered_lead != NULL) {
        csn_explanation_may(to, csn_explanation_text(to, "%s is ordered to notify; let it be whoever is fit", facts->ordered_lead),
                            csn_explanation_text(to, "consignctl authority auto %s " SIGNED, facts->zone));
    }
}

/* --- a site's row */

static bool confirms(const struct csn_row *row, const struct csn_input_id *input)
{
    for (uint8_t i = 0; input != NULL && i < row->input_count; i++) {
        if (csn_input_equal(&row->inputs[i], input)) {
            return true;
        }
    }
    return false;
}

/* Another file under the number of this one. */
static bool has_another(const struct csn_row *row, const struct csn_input_id *input)
{
    for (uint8_t i = 0; input != NULL && i < row->input_count; i++) {
        const struct csn_input_id *own = &row->inputs[i];
        if (own->generation == input->generation && own->serial == input->serial && !csn_input_equal(own, input)) {
            return true;
        }
    }
    return false;
}

void csn_explain_see_cluster(const struct csn_cluster *cluster, uint16_t leader, struct csn_explain_facts *facts,
                             struct csn_explanation *explanation)
{
    const struct csn_coordinator_id *leading = csn_cluster_coordinator(cluster, leader);
    facts->quorum = cluster->quorum;
    facts->faults = cluster->faults;
    facts->site_count = cluster->member_count;
    facts->emergency_until_s = cluster->is_emergency ? cluster->emergency.not_after_s : 0;
    facts->leader = leading != NULL ? leading->name : NULL;
    facts->may_lead = cluster->coordinators[0].name;
    for (uint8_t i = 1; i < cluster->coordinator_count; i++) {
        facts->may_lead = csn_explanation_text(explanation, "%s, %s", facts->may_lead, cluster->coordinators[i].name);
    }
}

void csn_explain_see_peer(const struct csn_peer_status *peer, uint64_t now_ms, struct csn_explain_site *site)
{
    uint64_t silent_ms = now_ms - peer->heard_ms;
    site->is_heard = silent_ms <= CSN_SILENT_MS;
    site->silent_s = silent_ms / 1000;
    site->is_halted = peer->state == CSN_NODE_HALTED;
    site->clock_s = (int64_t)peer->clock_s - (int64_t)peer->heard_s;
    site->clock_off_s = (int64_t)peer->clock_s - (int64_t)peer->heard_s;
}

void csn_explain_see_row(const struct csn_row *row, struct csn_round newest, const struct csn_input_id *input,
                         struct csn_explain_site *site)
{
    site->has_row = true;
    site->is_held = row->is_held;
    site->is_diverged = row->diverged != 0;
    site->is_behind = row->is_behind;
    site->is_in_maintenance = (row->maintenance & CSN_MAINTENANCE_SITE) != 0;
    site->has_gate = row->gate != 0;
    site->cannot_sign = row->hsm == CSN_HSM_BAD;
    site->has_released = !csn_round_is_none(row->released.round);
    site->released = row->released_serial;
    site->serves_newest = !csn_round_is_none(newest) && csn_round_compare(row->released.round, newest) >= 0;
    site->has_newest = site->serves_newest;
    for (uint8_t i = 0; i < row->hold_count; i++) {
        site->has_newest = site->has_newest || csn_round_compare(row->holds[i].version.round, newest) == 0;
    }
    site->has_due = !csn_round_is_none(newest) && csn_round_compare(row->newest.round, newest) == 0;
    site->due_s = row->due_s;
    site->has_input = confirms(row, input);
    site->has_other_input = has_another(row, input);
}

enum csn_explain_state csn_explain(const struct csn_explain_facts *facts, struct csn_explanation *ret_explanation)
{
    struct csn_explanation *to = ret_explanation;
    enum csn_explain_state state = state_of(facts);
    to->zone = csn_explanation_text(to, "%s", facts->zone);
    to->observed_from = csn_explanation_text(to, "%s", facts->self);
    to->observed_at_s = facts->now_s;
    to->state = csn_explain_state_text(state);
    to->text = sentence(facts, state, to);
    add_votes(facts, to);
    add_next(facts, state, to);
    add_may(facts, state, to);
    return state;
}

/* --- refusals that are kept */

static const char *keep(struct csn_explanation *to, const char *text)
{
    return text[0] != '\0' ? csn_explanation_text(to, "%s", text) : NULL;
}

void csn_explain_refusal(const struct csn_refusal *refusal, struct csn_explanation *explanation,
                         struct csn_explained_refusal *ret_row)
{
    struct csn_refusal_words words;
    const struct csn_round *round = &refusal->round;
    csn_refusal_words(refusal, &words);
    *ret_row = (struct csn_explained_refusal){
        .rule = refusal->rule,
        .test = refusal->test,
        .question = words.question,
        .want = keep(explanation, words.want),
        .is = keep(explanation, words.is),
        .next = words.next,
        .round = csn_explanation_text(explanation, "%" PRIu64 ".%u.%" PRIu32, round->term.counter, round->term.coordinator, round->seq),
        .hash = refusal->hash};
}
