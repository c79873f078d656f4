#include "refusal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define VALUE_TEXT_SIZE 64

/* How the octets of a value are to be read. */
enum form { NONE, NUMBER, TIME, INPUT, DIGEST, ROUND, ERROR, CLASSES };

struct value_words {
    const char *label;
    enum form form;
};

#define MEND_CLOCK "check the clock (NTP) at the site that refused, then at the others"
#define SAME_INPUT "put one and the same file with a higher serial at all sites"
#define SAME_POLICY "put the same policy file at the site that refused and restart it"
#define SAME_KEYSET "put the same key set file at the site that refused and restart it"
#define BY_ITSELF "nothing to do: the coordinator hears of it and proposes another round"

/* What `want` and `is` of each test are, and the operator's next step. */
static const struct words {
    struct value_words want, is;
    const char *next;
} words[UINT8_MAX + 1] = {
    [CSN_TEST_EPOCH] = {{"here epoch", NUMBER},
                        {"in the round epoch", NUMBER},
                        "put the same cluster document at all sites and coordinators and restart "
                        "them"},
    [CSN_TEST_SEALED] = {.next = "nothing to do: this epoch is over"},
    [CSN_TEST_HALTED] = {.next = "consignctl status at the site that refused says why it votes no more"},
    [CSN_TEST_OPERATOR_HOLD] = {.next = "while an operator holds the zone nothing is voted for; consignctl zone resume ends that"},
    [CSN_TEST_ROUND] = {{"here", ROUND}, {"proposed", ROUND}, BY_ITSELF},
    [CSN_TEST_SERIAL] = {{"here", NUMBER}, {"in the round", NUMBER}, BY_ITSELF},
    [CSN_TEST_SERIAL_STEP] = {{"limit", NUMBER},
                              {"step", NUMBER},
                              "look at the policy's serial rule; where it is meant so, let an operator "
                              "approve it (consignctl zone approve-serial)"},
    [CSN_TEST_INPUT] = {{"here", INPUT}, {"in the round", INPUT}, SAME_INPUT},
    [CSN_TEST_INPUT_SAME] = {{"here D", DIGEST}, {"in the round D", DIGEST}, SAME_INPUT},
    [CSN_TEST_TIME] = {{"here", TIME}, {"in the round", TIME}, MEND_CLOCK},
    [CSN_TEST_SCHEDULE] = {{"here", TIME}, {"in the round", TIME}, MEND_CLOCK},
    [CSN_TEST_POLICY] = {{"here version", NUMBER},
                         {"in the round version", NUMBER},
                         "put the newest policy file at the other sites and restart them"},
    [CSN_TEST_POLICY_SAME] = {{"here", DIGEST},
                              {"in the round", DIGEST},
                              "one version has two contents: raise it, put one policy file at all "
                              "sites and restart them"},
    [CSN_TEST_KEYSET] = {{"here version", NUMBER},
                         {"in the round version", NUMBER},
                         "put the newest key set file at the other sites and restart them"},
    [CSN_TEST_KEYSET_SAME] = {{"here", DIGEST},
                              {"in the round", DIGEST},
                              "one version has two contents: raise it, put one key set file at all "
                              "sites and restart them"},
    [CSN_TEST_STAGED] = {.next = "nothing to do: the site that refused takes over what the others certify"},
    [CSN_TEST_CLOCK] = {{"at most", TIME}, {"in the round", TIME}, MEND_CLOCK},
    [CSN_TEST_EXPIRY] = {{"at least", TIME}, {"first expiry", TIME}, MEND_CLOCK},
    [CSN_TEST_OTHER_HOLD] = {.next = BY_ITSELF},
    [CSN_TEST_FORM] = {{"semantics here", NUMBER},
                       {"in the round", NUMBER},
                       "install the same version of the software at all sites and coordinators"},
    [CSN_TEST_AGE] = {{"at least", TIME},
                      {"in the round", TIME},
                      MEND_CLOCK "; a zone that takes longer needs a larger max-round-age"},
    [CSN_TEST_POLICY_HERE] = {{"here version", NUMBER},
                              {"in the round version", NUMBER},
                              SAME_POLICY},
    [CSN_TEST_KEYSET_HERE] = {{"here version", NUMBER},
                              {"in the round version", NUMBER},
                              SAME_KEYSET},
    [CSN_TEST_INPUT_HERE] = {{"wanted D", DIGEST},
                             {"serial", NUMBER},
                             "no other site could give it: put the same file at the site that refused"},
    [CSN_TEST_INPUT_VOUCHED] = {{"in the round D", DIGEST},
                                {"serial", NUMBER},
                                "one site alone has this file: put it at all sites"},
    [CSN_TEST_REFRESH_ONLY] = {{"the floor's D", DIGEST},
                               {"in the round D", DIGEST},
                               "nothing new is released in an emergency: officers end it by their next document"},
    [CSN_TEST_EMERGENCY_OVER] = {{"the end", TIME},
                                 {"in the round", TIME},
                                 "the emergency is over: officers have to issue the next document"},
    [CSN_TEST_INPUT_CONFLICT] = {{"here D", DIGEST},
                                 {"in the round D", DIGEST},
                                 "compare the files at the sites; " SAME_INPUT},
    [CSN_TEST_PARENT] = {{"newest here", ROUND}, {"the parent's", ROUND}, BY_ITSELF},
    [CSN_TEST_PARENT_HERE] = {{"newest here", ROUND},
                              {"the parent's", ROUND},
                              "check that the site that refused reaches the others' bulk addresses"},
    [CSN_TEST_HOLDS] = {{"limit", NUMBER},
                        {"kept", NUMBER},
                        "votes do not become releases: see the coordinator's log"},
    [CSN_TEST_COMPUTE] = {{NULL, NONE}, {"error", ERROR}, "see round.failed in the log of the site that refused"},
    [CSN_TEST_DIVERGED] = {{NULL, NONE},
                           {"differs in", CLASSES},
                           "consignctl status shows the site as diverged; compare the files"},
    [CSN_TEST_SIGN] = {{NULL, NONE},
                       {"error", ERROR},
                       "see hsm.* and round.failed in the log of the site that refused"},
    [CSN_TEST_SHARE] = {{"author site", NUMBER},
                        {NULL, NONE},
                        "check that the site that refused reaches that site's bulk address"},
    [CSN_TEST_STAGE] = {{"signatures of site", NUMBER},
                        {"error", ERROR},
                        "see round.failed in the log of the site that refused, and the HSM of the one it names (0: none)"},
};

static void put_octets(const struct csn_value *value, char ret_text[VALUE_TEXT_SIZE])
{
    csn_hex_encode(csn_bytes(value->octets, value->size < 8 ? value->size : 8), ret_text);
}

static void put_number(uint64_t number, enum form form, char ret_text[VALUE_TEXT_SIZE])
{
    char classes[5];
    switch (form) {
    case TIME:
        csn_time_text(number, ret_text);
        break;
    case INPUT:
        snprintf(ret_text, VALUE_TEXT_SIZE, "generation %" PRIu64 " serial %" PRIu32, number >> 32,
                 (uint32_t)number);
        break;
    case ERROR:
        snprintf(ret_text, VALUE_TEXT_SIZE, "%s", csn_error_text((int)(int64_t)number));
        break;
    case CLASSES:
        csn_classes_text((uint8_t)number, classes);
        snprintf(ret_text, VALUE_TEXT_SIZE, "%s", classes);
        break;
    default:
        snprintf(ret_text, VALUE_TEXT_SIZE, "%" PRIu64, number);
    }
}

/* A value of another size than its form's is shown as octets. */
static void put_value(const struct csn_value *value, enum form form, char ret_text[VALUE_TEXT_SIZE])
{
    if (form == ROUND && value->size == CSN_ROUND_SIZE) {
        struct csn_round round = csn_round_decode(value->octets);
        snprintf(ret_text, VALUE_TEXT_SIZE, "round %" PRIu64 ".%u.%" PRIu32, round.term.counter,
                 round.term.coordinator, round.seq);
    } else if (value->size == 8) {
        put_number(csn_get_u64(value->octets), form, ret_text);
    } else {
        put_octets(value, ret_text);
    }
}

static void put_labelled(const struct csn_value *value, const struct value_words *row, bool is_other,
                         char ret_text[128])
{
    char text[VALUE_TEXT_SIZE];
    ret_text[0] = '\0';
    if (row->form != NONE) {
        put_value(value, row->form, text);
        snprintf(ret_text, 128, "%s %s%s", row->label, text, is_other ? " with other content" : "");
    }
}

/* Documents are compared by digest, and only their numbers travel. */
static bool is_other_content(const struct csn_refusal *refusal, const struct words *row)
{
    return row->want.form == NUMBER && row->is.form == NUMBER &&
           refusal->want.size == refusal->is.size &&
           memcmp(refusal->want.octets, refusal->is.octets, refusal->is.size) == 0;
}

void csn_refusal_words(const struct csn_refusal *refusal, struct csn_refusal_words *ret_words)
{
    const struct words *row = &words[refusal->test];
    const char *question = csn_test_text(refusal->test);
    put_labelled(&refusal->want, &row->want, false, ret_words->want);
    put_labelled(&refusal->is, &row->is, is_other_content(refusal, row), ret_words->is);
    ret_words->question = question != NULL ? question : "";
    ret_words->next = row->next != NULL ? row->next : "see docs/PROTOCOL.md, 6";
}

void csn_refusal_write(const struct csn_refusal *refusal, char ret_text[CSN_REFUSAL_TEXT_SIZE])
{
    struct csn_refusal_words parts;
    csn_refusal_words(refusal, &parts);
    bool has_both = parts.want[0] != '\0' && parts.is[0] != '\0';
    bool has_any = parts.want[0] != '\0' || parts.is[0] != '\0';
    snprintf(ret_text, CSN_REFUSAL_TEXT_SIZE, "refused (R%u, %u): %s?%s%s%s%s; %s", refusal->rule,
             refusal->test, parts.question, has_any ? " " : "", parts.want, has_both ? ", " : "",
             parts.is, parts.next);
}

static bool is_version(const struct csn_value *value, uint64_t number)
{
    return value->size == sizeof(number) && csn_get_u64(value->octets) == number;
}

bool csn_refusal_is_mended(const struct csn_refusal *refusal, const struct csn_row *row, const struct csn_proposal *released)
{
    bool is_policy = refusal->test == CSN_TEST_POLICY_HERE;
    if (row == NULL || !(is_policy || refusal->test == CSN_TEST_KEYSET_HERE)) {
        return false;
    }
    const struct csn_version_id *here = is_policy ? &row->policy : &row->keyset;
    if (!is_version(&refusal->want, here->number)) {
        return is_version(&refusal->is, here->number);
    }
    /* Another file of the same number, which only its digest tells. */
    return released != NULL && is_version(&refusal->is, here->number) &&
           csn_version_equal(here, is_policy ? &released->policy : &released->keyset);
}
