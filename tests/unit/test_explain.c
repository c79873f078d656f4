/* Goal: whatever state a zone is in, an operator reads what it waits for, who is missing and why, what comes next and what he may
 * do. Method: made-up facts: every state, every step of work and adoption, every test of a refusal; what is said of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "explain.h"
#include "round/tests.h"

#define NOW UINT64_C(1795290007)
#define DAY UINT64_C(86400)

/* Three sites, all well, serial 7 released. */
static struct csn_explain_facts well(void)
{
    struct csn_explain_facts facts = {.zone = "ch.", .self = "zrh", .now_s = NOW, .quorum = 2, .site_count = 3, .leader = "c1",
                                      .may_lead = "c1, c2", .has_released = true, .released = 7, .first_expiry_s = NOW + 10 * DAY,
                                      .refresh_s = 8 * DAY, .due_s = NOW + DAY};
    static const char *const names[] = {"zrh", "sjc", "sin"};
    for (unsigned i = 0; i < 3; i++) {
        facts.sites[i] = (struct csn_explain_site){.name = names[i], .is_self = i == 0, .is_heard = true, .has_row = true,
                                                   .serves_newest = true, .has_released = true, .released = 7,
                                                   .first_expiry_s = NOW + 10 * DAY};
    }
    return facts;
}

static struct csn_explain_facts in_round(void)
{
    struct csn_explain_facts facts = well();
    facts.has_round = true;
    facts.serial = 8;
    facts.work = CSN_WORK_COMPARING;
    facts.round = (struct csn_round){.term = {.counter = 7, .coordinator = 1}, .seq = 42};
    facts.deadline_s = NOW + 90;
    for (unsigned i = 0; i < 3; i++) {
        facts.sites[i].has_share = true;
    }
    return facts;
}

static bool says(const struct csn_explained_step *steps, uint32_t count, const char *words)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strstr(steps[i].text, words) != NULL || (steps[i].command != NULL && strstr(steps[i].command, words) != NULL)) {
            return true;
        }
    }
    return false;
}

static const struct csn_explained_step *step_with(const struct csn_explanation *explanation, const char *words)
{
    for (uint32_t i = 0; i < explanation->next_count; i++) {
        if (strstr(explanation->next[i].text, words) != NULL) {
            return &explanation->next[i];
        }
    }
    fail_msg("no step says %s", words);
    return NULL;
}

/* How each state comes about, and what is said of it. */
struct row {
    enum csn_explain_state state;
    void (*change)(struct csn_explain_facts *facts);
    const char *text, *next, *may; /* NULL: not looked at */
};

static void is_idle(struct csn_explain_facts *facts)
{
    (void)facts;
}
static void input_waits_everywhere(struct csn_explain_facts *facts)
{
    facts->has_input = true;
    for (unsigned i = 0; i < 3; i++) {
        facts->sites[i].has_input = true;
    }
}
static void is_readonly(struct csn_explain_facts *facts)
{
    facts->readonly = "/var/lib/consign: No space left on device";
}
static void is_halted(struct csn_explain_facts *facts)
{
    facts->halt = "a durable record is damaged";
}
static void no_quorum(struct csn_explain_facts *facts)
{
    facts->sites[1].is_heard = facts->sites[2].is_heard = false;
    facts->sites[1].silent_s = 47;
    facts->sites[2].silent_s = UINT64_MAX;
}
static void is_held(struct csn_explain_facts *facts)
{
    facts->sites[0].is_held = facts->sites[2].is_held = true;
}
static void is_ahead(struct csn_explain_facts *facts)
{
    input_waits_everywhere(facts);
    facts->signed_s = NOW + 365 * DAY;
    facts->sites[2].clock_off_s = 365 * (int64_t)DAY; /* not mended there */
}
static void a_quorum_says_so_too(struct csn_explain_facts *facts)
{
    facts->signed_s = NOW + 365 * DAY;
    facts->sites[1].clock_off_s = facts->sites[2].clock_off_s = 365 * (int64_t)DAY;
}
static void is_little_ahead(struct csn_explain_facts *facts)
{
    facts->signed_s = NOW + 60;
}
static void no_leader(struct csn_explain_facts *facts)
{
    facts->leader = NULL;
}
static void refused(struct csn_explain_facts *facts)
{
    facts->sites[0].has_share = true;
    facts->sites[0].share.is_refused = true;
}
static void is_resting(struct csn_explain_facts *facts)
{
    facts->is_resting = true;
    facts->rest_until_s = NOW + 4;
}
static void is_fetching(struct csn_explain_facts *facts)
{
    facts->adopt = CSN_ADOPT_FETCHING;
}
static void is_disagreed(struct csn_explain_facts *facts)
{
    facts->is_disagreed = facts->has_failed = true;
    facts->disagreed_until_s = NOW + 64;
}
static void has_failed(struct csn_explain_facts *facts)
{
    facts->has_failed = true;
    facts->last_end = CSN_ROUND_END_DEADLINE;
    facts->retry_s = NOW + 8;
}
static void input_waits(struct csn_explain_facts *facts)
{
    facts->has_input = true;
    facts->input = 78;
    facts->sites[0].has_input = true;
}
static void all_confirm(struct csn_explain_facts *facts)
{
    input_waits(facts);
    facts->sites[1].has_input = true;
}
static void in_an_emergency(struct csn_explain_facts *facts)
{
    input_waits(facts);
    facts->emergency_until_s = NOW + 60;
}
static void in_an_emergency_at_all(struct csn_explain_facts *facts)
{
    all_confirm(facts);
    facts->emergency_until_s = NOW + 60;
}
static void asked_at_the_coordinator(struct csn_explain_facts *facts)
{
    all_confirm(facts);
    facts->is_coordinator = true;
}
static void nothing_yet(struct csn_explain_facts *facts)
{
    facts->has_released = false;
}
static void at_work(struct csn_explain_facts *facts)
{
    *facts = in_round();
}

static void test_every_state_is_told_with_what_comes_next_and_what_may_be_done(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {CSN_EXPLAIN_READ_ONLY, is_readonly, "No space left on device", "tried every 10 s", "mend the disk"},
        {CSN_EXPLAIN_HALTED, is_halted, "votes no more: a durable record is damaged", NULL, "do what the reason says"},
        {CSN_EXPLAIN_NO_QUORUM, no_quorum, "1 of 3 sites are heard, 2 needed", "elected within seconds", "bring sjc back"},
        {CSN_EXPLAIN_HELD, is_held, "an operator holds the zone", "waits for the hold", "consignctl zone resume ch. --reason"},
        {CSN_EXPLAIN_AHEAD, is_ahead, "serial 7 was signed 365d 0h ahead of the clocks", "releases go on", "found the cluster anew"},
        {CSN_EXPLAIN_IDLE, a_quorum_says_so_too, "nothing is to be done", NULL, NULL},
        {CSN_EXPLAIN_IDLE, is_little_ahead, "nothing is to be done", NULL, NULL},
        {CSN_EXPLAIN_NO_LEADER, no_leader, "no coordinator leads", "within 3 s", "one of c1, c2"},
        {CSN_EXPLAIN_ROUND, at_work, "serial 8 is proposed (round 7.1.42)", "2 more votes make it certain", NULL},
        {CSN_EXPLAIN_REFUSED, refused, "this site refuses", "fetches, checks and serves it", NULL},
        {CSN_EXPLAIN_RESTING, is_resting, "rests", "asks to lead again", NULL},
        {CSN_EXPLAIN_FETCHING, is_fetching, "fetched from another site", "as soon as it is whole", NULL},
        {CSN_EXPLAIN_DISAGREED, is_disagreed, "different contents", "the same is proposed again", NULL},
        {CSN_EXPLAIN_RETRYING, has_failed, "abandoned: deadline passed", "another round is proposed", NULL},
        {CSN_EXPLAIN_NO_QUORUM, no_quorum, "1 of 3 sites are heard", NULL, "declare an emergency"},
        {CSN_EXPLAIN_INPUT_WAITS, all_confirm, "it is proposed next", "if it has this zone", "look at c1, which leads"},
        {CSN_EXPLAIN_INPUT_WAITS, input_waits, "input serial 78 is confirmed by 1 sites, 2 needed", "enough sites have the same",
         "put the same file at sjc too"},
        {CSN_EXPLAIN_NOTHING, nothing_yet, "nothing is released yet", NULL, "at enough sites"},
        {CSN_EXPLAIN_IDLE, is_idle, "serial 7 is released, nothing is to be done", "the refresh is due", NULL},
    };
    unsigned seen = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        rows[i].change(&facts);
        assert_int_equal(csn_explain(&facts, &explanation), rows[i].state);
        assert_string_equal(explanation.state, csn_explain_state_text(rows[i].state));
        if (strstr(explanation.text, rows[i].text) == NULL) {
            fail_msg("%s: %s", explanation.state, explanation.text);
        }
        if ((rows[i].next != NULL && !says(explanation.next, explanation.next_count, rows[i].next)) ||
            (rows[i].may != NULL && !says(explanation.may, explanation.may_count, rows[i].may))) {
            fail_msg("%s: not said what is next, or what may be done", explanation.state);
        }
        assert_int_equal(explanation.vote_count, 3);
        seen |= 1u << rows[i].state;
        csn_explanation_fini(&explanation);
    }
    static const enum csn_explain_state all[] = {
#define STATE(name, word) CSN_EXPLAIN_##name,
        CSN_EXPLAIN_STATES(STATE)
#undef STATE
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_true((seen >> all[i] & 1u) != 0);
    }
}

/* While nothing would come of it. */
static void test_nothing_is_to_be_done_where_it_would_not_help(void **state)
{
    (void)state;
    static void (*const changes[])(struct csn_explain_facts *) = {is_idle, in_an_emergency, in_an_emergency_at_all, asked_at_the_coordinator};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        changes[i](&facts);
        csn_explain(&facts, &explanation);
        assert_int_equal(explanation.may_count, 0);
        csn_explanation_fini(&explanation);
    }
}

/* Its last word may be old. */
static void test_of_a_site_that_cannot_sign_and_is_not_heard_only_its_silence_is_told(void **state)
{
    (void)state;
    for (uint8_t hsm = CSN_HSM_ABSENT; hsm <= CSN_HSM_BAD; hsm++) {
        for (int is_heard = 0; is_heard < 2; is_heard++) {
            struct csn_explain_facts facts = well();
            struct csn_explanation explanation = {0};
            struct csn_row row = {.hsm = hsm};
            csn_explain_see_row(&row, (struct csn_round){.seq = 0}, NULL, &facts.sites[1]);
            facts.sites[1].is_heard = is_heard;
            csn_explain(&facts, &explanation);
            assert_int_equal(says(explanation.may, explanation.may_count, "mend the HSM or the keys of sjc"),
                             is_heard && hsm == CSN_HSM_BAD);
            csn_explanation_fini(&explanation);
        }
    }
}

static void test_every_step_of_work_and_adoption_has_its_words(void **state)
{
    (void)state;
    const char *before = "";
    for (unsigned work = CSN_WORK_IDLE; work <= CSN_WORK_HELD; work++) {
        struct csn_explain_facts facts = in_round();
        struct csn_explanation explanation = {0};
        facts.work = (enum csn_work_state)work;
        assert_int_equal(csn_explain(&facts, &explanation), CSN_EXPLAIN_ROUND);
        assert_null(strstr(explanation.text, "(null)"));
        csn_explanation_fini(&explanation);
    }
    for (unsigned adopt = CSN_ADOPT_WAITING; adopt <= CSN_ADOPT_SWITCHING; adopt++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        facts.adopt = (enum csn_adopt_state)adopt;
        assert_int_equal(csn_explain(&facts, &explanation), CSN_EXPLAIN_FETCHING);
        assert_string_not_equal(explanation.text, before);
        before = explanation.text; /* a constant */
        csn_explanation_fini(&explanation);
    }
}

static void test_each_vote_that_is_missing_has_its_reason(void **state)
{
    (void)state;
    struct csn_explain_facts facts = in_round();
    struct csn_explanation explanation = {0};
    struct csn_refusal refusal = {.is_set = true, .rule = CSN_RULE_R2, .test = CSN_TEST_POLICY_HERE, .want = csn_value_u64(1),
                                  .is = csn_value_u64(2)};
    facts.sites[0].share = (struct csn_round_share){.has_voted = true};
    facts.sites[1].share = (struct csn_round_share){.is_refused = true};
    facts.sites[1].refusal = &refusal;
    facts.sites[2].is_heard = false;
    facts.sites[2].silent_s = 130;
    facts.sites[1].cannot_sign = true;
    assert_int_equal(csn_explain(&facts, &explanation), CSN_EXPLAIN_ROUND);
    assert_non_null(strstr(explanation.text, "voted: 1, needed: 2"));
    assert_string_equal(explanation.votes[0].vote, "voted");
    assert_null(explanation.votes[0].why);
    assert_string_equal(explanation.votes[1].vote, "refused");
    assert_non_null(strstr(explanation.votes[1].why, "refused (R2, 22): policy approved here? here version 1, in the round version 2"));
    assert_string_equal(explanation.votes[2].vote, "missing");
    assert_string_equal(explanation.votes[2].why, "not heard for 2m 10s");
    assert_int_equal(step_with(&explanation, "given up")->at_s, NOW + 90);
    assert_true(says(explanation.may, explanation.may_count, "mend the HSM or the keys of sjc"));
    assert_true(says(explanation.may, explanation.may_count, "of sjc, which refused: put the same policy file"));
    csn_explanation_fini(&explanation);
}

static void test_times_to_refresh_fence_and_expiry_are_told(void **state)
{
    (void)state;
    struct csn_explain_facts facts = well();
    struct csn_explanation explanation = {0};
    facts.sites[2].first_expiry_s = 0;
    csn_explain(&facts, &explanation);
    assert_int_equal(step_with(&explanation, "refresh")->at_s, NOW + DAY);
    assert_int_equal(step_with(&explanation, "the fence")->at_s, NOW + 8 * DAY);
    assert_int_equal(step_with(&explanation, "first signature")->at_s, NOW + 10 * DAY);
    assert_int_equal(explanation.votes[0].fence_s, NOW + 8 * DAY);
    assert_int_equal(explanation.votes[2].fence_s, 0);
    assert_int_equal(explanation.may_count, 0);
    csn_explanation_fini(&explanation);
}

/* As the leader does it: one site more than may lie, of those that are heard and have the release, must say so. */
static void test_the_refresh_is_due_when_the_leader_thinks_so(void **state)
{
    (void)state;
    static const struct {
        uint8_t faults;
        bool is_heard, has_due;
        uint64_t due_s;
    } rows[] = {{0, true, true, NOW + 60}, {1, true, true, NOW + 3 * DAY}, {0, false, true, NOW + 3 * DAY},
                {0, true, false, NOW + 3 * DAY}, {2, false, true, NOW + DAY}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        facts.faults = rows[i].faults;
        for (unsigned k = 0; k < 3; k++) {
            facts.sites[k].has_due = true;
            facts.sites[k].due_s = NOW + (3 + k) * DAY;
        }
        facts.sites[2].due_s = NOW + 60;
        facts.sites[2].is_heard = rows[i].is_heard;
        facts.sites[2].has_due = rows[i].has_due;
        csn_explain(&facts, &explanation);
        assert_int_equal(step_with(&explanation, "refresh")->at_s, rows[i].due_s);
        csn_explanation_fini(&explanation);
    }
}

static void test_what_may_be_done_has_its_command(void **state)
{
    (void)state;
    struct csn_explain_facts facts = well();
    struct csn_explanation explanation = {0};
    facts.parked = "apex-ns: another NS set";
    facts.parked_gate = CSN_GATE_APEX_NS;
    facts.parked_has_serial = true;
    facts.parked_serial = 78;
    facts.ordered_lead = "sin";
    facts.sites[1].is_diverged = true;
    facts.sites[2].is_heard = false;
    csn_explain(&facts, &explanation);
    assert_true(says(explanation.may, explanation.may_count, "consignctl zone approve ch. 78 --reason TEXT --cluster FILE --key FILE"));
    assert_true(says(explanation.may, explanation.may_count, "consignctl zone reject ch. 78 --reason"));
    assert_true(says(explanation.may, explanation.may_count, "consignctl zone reports ch."));
    assert_true(says(explanation.may, explanation.may_count, "consignctl zone diff ch. 7 zrh sjc"));
    assert_true(says(explanation.may, explanation.may_count, "consignctl maintenance on sin --reason"));
    assert_true(says(explanation.may, explanation.may_count, "consignctl authority auto ch. --reason"));
    csn_explanation_fini(&explanation);
    facts = well();
    facts.is_far_off = true;
    facts.policy_serial = 2026112100;
    csn_explain(&facts, &explanation);
    assert_true(says(explanation.may, explanation.may_count,
                     "consignctl zone approve-serial ch. 2026112100 --reason TEXT --cluster FILE --key FILE"));
    csn_explanation_fini(&explanation);
    facts.approved = (struct csn_approved_serial){true, 2026112100};
    csn_explain(&facts, &explanation);
    assert_true(says(explanation.next, explanation.next_count, "serial 2026112100, which an operator approved"));
    assert_true(says(explanation.may, explanation.may_count, "consignctl zone reject-serial ch. --reason"));
    assert_false(says(explanation.may, explanation.may_count, "approve-serial ch."));
    csn_explanation_fini(&explanation);
}

/* It is fetched again and again; who is not heard, or has it no more, is of no help. Where one has it, it comes. */
static void test_a_version_that_nobody_has_is_said(void **state)
{
    (void)state;
    static const struct {
        enum csn_adopt_state adopt;
        bool has_newest, is_heard, says;
    } rows[] = {{CSN_ADOPT_WAITING, false, true, true},
                {CSN_ADOPT_WAITING, true, false, true},
                {CSN_ADOPT_WAITING, true, true, false},
                {CSN_ADOPT_CURRENT, false, true, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        facts.adopt = rows[i].adopt;
        facts.sites[2].has_newest = rows[i].has_newest;
        facts.sites[2].is_heard = rows[i].is_heard;
        csn_explain(&facts, &explanation);
        assert_int_equal(says(explanation.may, explanation.may_count, "found the cluster anew"), rows[i].says);
        csn_explanation_fini(&explanation);
    }
}

/* It voted for the version, so it has it. */
static void test_who_voted_for_the_newest_has_it(void **state)
{
    (void)state;
    struct csn_round newest = {.term = {.counter = 3, .coordinator = 1}, .seq = 9};
    struct csn_row row = {.released.round = {.term = {.counter = 3, .coordinator = 1}, .seq = 8}};
    struct csn_explain_site site = {.is_heard = true};
    csn_explain_see_row(&row, newest, NULL, &site);
    assert_false(site.has_newest);
    row.holds[row.hold_count++].version.round = newest;
    csn_explain_see_row(&row, newest, NULL, &site);
    assert_true(site.has_newest);
    assert_false(site.serves_newest);
}

/* Maintenance and the end of a hold need others; and one that hears nobody cannot tell who is away. */
static void test_what_cannot_come_into_force_is_not_offered(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct csn_explain_facts *facts);
        bool says_bring_back, says_emergency;
    } rows[] = {{no_quorum, true, true}, {is_readonly, false, false}, {is_halted, false, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        no_quorum(&facts);
        facts.sites[0].is_held = true;
        rows[i].change(&facts);
        csn_explain(&facts, &explanation);
        assert_int_equal(says(explanation.may, explanation.may_count, "bring sin back"), rows[i].says_bring_back);
        assert_int_equal(says(explanation.may, explanation.may_count, "declare an emergency"), rows[i].says_emergency);
        assert_false(says(explanation.may, explanation.may_count, "maintenance on"));
        assert_false(says(explanation.may, explanation.may_count, "zone resume"));
        csn_explanation_fini(&explanation);
    }
    struct csn_explain_facts facts = well();
    struct csn_explanation explanation = {0};
    is_halted(&facts);
    facts.sites[0].is_halted = true;
    facts.sites[2].is_heard = false;
    facts.quorum = 1;
    csn_explain(&facts, &explanation);
    assert_true(says(explanation.may, explanation.may_count, "bring sin back"));
    csn_explanation_fini(&explanation);
}

/* Approving does not help where the serial goes back, and what is no zone cannot be approved. */
static void test_what_cannot_be_approved_is_not_offered_to_be(void **state)
{
    (void)state;
    static const struct {
        enum csn_gate gate;
        bool has_serial;
        const char *says;
    } rows[] = {{CSN_GATE_SERIAL_BACK, true, "put the file that the other sites have here too"},
                {CSN_GATE_UNREAD, false, "put the file in place again; it is taken by itself (why)"},
                {CSN_GATE_SERIAL_SAME, true, "put a good file in place with a higher serial"},
                {CSN_GATE_REFUSED, false, "put a good file in place with a higher serial"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        facts.parked = "why";
        facts.parked_gate = rows[i].gate;
        facts.parked_has_serial = rows[i].has_serial;
        facts.parked_serial = 5;
        facts.generation = 2;
        facts.sites[0].has_gate = true;
        csn_explain(&facts, &explanation);
        assert_string_equal(explanation.text, "serial 7 is released; the newest file is kept back at 1 of 3 sites");
        assert_true(says(explanation.may, explanation.may_count, rows[i].says));
        assert_false(says(explanation.may, explanation.may_count, "zone approve"));
        assert_false(says(explanation.may, explanation.may_count, "zone generation"));
        csn_explanation_fini(&explanation);
    }
}

/* Where one site alone is back its feed has stopped; a generation is ordered when a quorum has the file. */
static void test_a_generation_is_offered_where_a_quorum_has_gone_back(void **state)
{
    (void)state;
    struct csn_explain_facts facts = well();
    struct csn_explanation explanation = {0};
    facts.parked = "why";
    facts.parked_gate = CSN_GATE_SERIAL_BACK;
    facts.parked_has_serial = true;
    facts.generation = 2;
    facts.sites[0].has_gate = facts.sites[1].has_gate = true;
    csn_explain(&facts, &explanation);
    assert_true(says(explanation.may, explanation.may_count, "consignctl zone generation ch. 3 --reason"));
    csn_explanation_fini(&explanation);
}

static void test_a_clock_that_is_off_is_not_left_alone(void **state)
{
    (void)state;
    static const struct {
        int64_t off_s;
        const char *says;
    } rows[] = {{60, NULL}, {61, "mend the clock (NTP) of sjc or of zrh: they are 61 s apart"},
                {-3600, "mend the clock (NTP) of sjc or of zrh: they are 3600 s apart"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explain_facts facts = well();
        struct csn_explanation explanation = {0};
        struct csn_peer_status peer = {.heard_s = NOW, .clock_s = NOW + (uint64_t)rows[i].off_s, .heard_ms = 1000};
        csn_explain_see_peer(&peer, 1000, &facts.sites[1]);
        csn_explain(&facts, &explanation);
        assert_int_equal(explanation.may_count, rows[i].says != NULL);
        assert_true(rows[i].says == NULL || says(explanation.may, explanation.may_count, rows[i].says));
        csn_explanation_fini(&explanation);
    }
}

static void test_an_emergency_is_told(void **state)
{
    (void)state;
    struct csn_explain_facts facts = well();
    struct csn_explanation explanation = {0};
    facts.emergency_until_s = NOW + 3600;
    input_waits(&facts);
    csn_explain(&facts, &explanation);
    assert_non_null(strstr(explanation.text, "EMERGENCY, refreshes only: input serial 78 waits"));
    assert_int_equal(step_with(&explanation, "the emergency ends")->at_s, NOW + 3600);
    csn_explanation_fini(&explanation);
}

/* Two files under one serial are mended by neither. */
static void test_zones_that_are_not_the_same_are_named(void **state)
{
    (void)state;
    static const struct {
        struct csn_odd_zone odd;
        const char *words;
    } rows[] = {{{2, false, true, NULL}, "sjc has zones that are not configured here; configure the same"},
                {{2, false, false, (const uint8_t *)"\3org"}, "zone org. is configured here, and sjc does not report it"},
                {{2, true, true, (const uint8_t *)"\3org"}, "sjc sealed zone org., which is not configured here; configure it"},
                {{2, true, false, (const uint8_t *)"\3org"}, "sjc sealed without zone org., which is configured here; bring back"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_explanation explanation = {0};
        struct csn_explain_facts facts = well();
        struct csn_reason text;
        csn_explain_odd(&rows[i].odd, "sjc", &text);
        assert_non_null(strstr(text.text, rows[i].words));
        facts.odd = text.text;
        csn_explain(&facts, &explanation);
        assert_true(says(explanation.may, explanation.may_count, rows[i].words));
        csn_explanation_fini(&explanation);
    }
}

static void test_another_file_under_the_serial_is_said(void **state)
{
    (void)state;
    struct csn_explain_facts facts = well();
    struct csn_explanation explanation = {0};
    input_waits(&facts);
    facts.sites[1].has_other_input = true;
    csn_explain(&facts, &explanation);
    assert_true(says(explanation.may, explanation.may_count, "sjc has another file under this serial"));
    csn_explanation_fini(&explanation);
}

/* Of every test: the question, both values where it has them, a next step; also of sizes that no site of ours writes. */
static void test_every_refusal_is_told_in_words(void **state)
{
    (void)state;
    static const uint8_t tests[] = {
#define TEST(name, number, text) number,
        CSN_TESTS(TEST)
#undef TEST
    };
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        struct csn_explanation explanation = {0};
        struct csn_explained_refusal row;
        struct csn_refusal refusal = {.rule = CSN_RULE_R4, .test = tests[i], .want = csn_value_u64(NOW), .is = csn_value_u64(3),
                                      .round = {.term = {.counter = 7, .coordinator = 2}, .seq = 9}};
        csn_explain_refusal(&refusal, &explanation, &row);
        assert_string_equal(row.question, csn_test_text(tests[i]));
        assert_string_equal(row.round, "7.2.9");
        assert_true(row.want == NULL || strlen(row.want) > 0);
        assert_null(strstr(row.next, "PROTOCOL.md"));
        struct csn_explain_facts facts = well();
        facts.sites[1].refusal = &refusal;
        csn_explain(&facts, &explanation);
        assert_non_null(strstr(explanation.votes[1].why, row.question));
        csn_explanation_fini(&explanation);
    }
    struct csn_explanation explanation = {0};
    struct csn_explained_refusal row;
    struct csn_refusal serial = {.rule = 4, .test = CSN_TEST_SERIAL, .want = csn_value_u64(2026112104), .is = csn_value_u64(5)};
    csn_explain_refusal(&serial, &explanation, &row);
    assert_string_equal(row.want, "here 2026112104");
    assert_string_equal(row.is, "in the round 5");
    csn_explanation_fini(&explanation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state_is_told_with_what_comes_next_and_what_may_be_done),
        cmocka_unit_test(test_every_step_of_work_and_adoption_has_its_words),
        cmocka_unit_test(test_nothing_is_to_be_done_where_it_would_not_help),
        cmocka_unit_test(test_of_a_site_that_cannot_sign_and_is_not_heard_only_its_silence_is_told),
        cmocka_unit_test(test_each_vote_that_is_missing_has_its_reason),
        cmocka_unit_test(test_times_to_refresh_fence_and_expiry_are_told),
        cmocka_unit_test(test_the_refresh_is_due_when_the_leader_thinks_so),
        cmocka_unit_test(test_what_may_be_done_has_its_command),
        cmocka_unit_test(test_a_version_that_nobody_has_is_said),
        cmocka_unit_test(test_who_voted_for_the_newest_has_it),
        cmocka_unit_test(test_what_cannot_come_into_force_is_not_offered),
        cmocka_unit_test(test_what_cannot_be_approved_is_not_offered_to_be),
        cmocka_unit_test(test_a_generation_is_offered_where_a_quorum_has_gone_back),
        cmocka_unit_test(test_a_clock_that_is_off_is_not_left_alone),
        cmocka_unit_test(test_an_emergency_is_told),
        cmocka_unit_test(test_zones_that_are_not_the_same_are_named),
        cmocka_unit_test(test_another_file_under_the_serial_is_said),
        cmocka_unit_test(test_every_refusal_is_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
