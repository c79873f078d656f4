/* Goal: a node whose durable records are damaged answers with the version that it released last where that is sure, with nothing
 * else, and votes for nothing. Method: a cluster in one process releases two versions; one site's records, second copies and the
 * certificate beside its version are put together again as a table says, and a node is started with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "round/fields.h"
#include "round/node_state.h"
#include "round_world.h"

#define PAIRS_MAX 64
#define ALL "BCDEFHORT"

enum beside { NONE, OLDER, NEWEST };

struct site {
    struct world world;
    struct csn_record_pair records[PAIRS_MAX], seconds[PAIRS_MAX];
    struct csn_version_name versions[PAIRS_MAX];
    struct csn_digest roots[PAIRS_MAX];
    size_t record_count, second_count, version_count;
    struct csn_bytes older, newest; /* certificates; borrow from the records */
    uint32_t serial;                /* of the newest */
};

static size_t pairs_of(const struct world_map *map, struct csn_record_pair ret_pairs[PAIRS_MAX])
{
    assert_true(map->count <= PAIRS_MAX);
    for (size_t i = 0; i < map->count; i++) {
        ret_pairs[i].key = csn_buf_view(&map->items[i].key);
        ret_pairs[i].value = csn_buf_view(&map->items[i].value);
    }
    return map->count;
}

/* The certificates of the two versions, by round. */
static void find_certificates(struct site *site)
{
    struct csn_certificate certificate;
    for (size_t i = 0; i < site->record_count; i++) {
        struct csn_bytes value;
        if (site->records[i].key.data[1] == CSN_RECORD_CERTIFICATE) {
            assert_true(csn_record_open(site->records[i].key, site->records[i].value, &value));
            assert_int_equal(csn_certificate_decode(value, &certificate), CSN_OK);
            bool is_newest = site->newest.size == 0 || certificate.held.proposal.serial > site->serial;
            site->older = is_newest ? site->newest : value;
            site->newest = is_newest ? value : site->newest;
            site->serial = is_newest ? certificate.held.proposal.serial : site->serial;
        }
    }
    assert_true(site->older.size > 0);
}

static void make_site(struct site *site)
{
    *site = (struct site){0};
    world_init(&site->world);
    world_start_all(&site->world);
    world_give_all(&site->world, 7);
    assert_true(world_run_until(&site->world, 1, 60000));
    world_give_all(&site->world, 8);
    assert_true(world_run_until(&site->world, 2, 60000));
    world_run(&site->world, 5000);
    world_stop_site(&site->world, 0);
    const struct world_disk *disk = &site->world.sites[0].disk;
    site->record_count = pairs_of(&disk->records, site->records);
    site->second_count = pairs_of(&disk->seconds, site->seconds);
    for (size_t i = 0; i < disk->versions.count; i++) {
        memcpy(site->roots[i].octets, disk->versions.items[i].key.data, CSN_DIGEST_SIZE);
        site->versions[i] = (struct csn_version_name){site->world.zone.zone, site->roots[i]};
    }
    site->version_count = disk->versions.count;
    find_certificates(site);
}

/* Those whose letters are not left out. */
static size_t without(const struct csn_record_pair *pairs, size_t count, const char *left_out, struct csn_record_pair *ret_pairs)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (strchr(left_out, pairs[i].key.data[1]) == NULL) {
            ret_pairs[kept++] = pairs[i];
        }
    }
    return kept;
}

struct outcome {
    uint32_t served; /* serial; 0: none */
    unsigned sent, persists;
    enum csn_halt halt;
};

static struct outcome start_with(struct site *site, const struct csn_round_zone *zones, size_t zone_count, struct csn_event *event)
{
    struct outcome outcome = {0};
    struct csn_effects effects = {0};
    struct csn_node_status status;
    struct csn_node *node = csn_node_new(&site->world.cluster, 1, zones, zone_count);
    event->kind = CSN_EVENT_START;
    event->now = world_now(&site->world, 0);
    csn_node_step(node, event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct csn_effect *effect = effects.items[i];
        outcome.sent += effect->kind == CSN_EFFECT_SEND;
        outcome.persists += effect->kind == CSN_EFFECT_PERSIST;
        if (effect->kind == CSN_EFFECT_SERVE) {
            outcome.served = effect->release.certificate->held.proposal.serial;
        }
    }
    csn_node_get_status(node, event->now, &status);
    outcome.halt = status.halt;
    csn_effects_fini(&effects);
    csn_node_free(node);
    return outcome;
}

static struct outcome start(struct site *site, struct csn_event *event)
{
    return start_with(site, &site->world.zone, 1, event);
}

static void test_damaged_records_serve_what_is_sure_and_nothing_older(void **state)
{
    (void)state;
    static const struct {
        const char *damaged, *seconds_left_out;
        enum beside beside;
        bool is_here, is_served;
    } rows[] = {
        {"", "", NONE, true, true},    {"F", "", NONE, true, true},       {"H", "", NONE, true, true},
        {"B", "", NONE, true, true},   {"R", "", NONE, true, true}, /* the second copy knows it */
        {"R", "R", NONE, true, false}, /* nobody does */
        {"R", "R", NEWEST, true, true}, {"C", "", NONE, true, false},     {"C", "", NEWEST, true, true},
        {"RC", "", NEWEST, true, true}, {"RC", "", OLDER, true, false}, /* the second copy knows of a later one */
        {"C", "R", OLDER, true, false}, {ALL, "", NEWEST, true, true},    {ALL, "HR", NEWEST, true, true},
        {ALL, "", OLDER, true, false},  {ALL, "", NONE, true, false},     {"F", "", NONE, false, false},
        {ALL, "", NEWEST, false, false},
    };
    struct site site;
    make_site(&site);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_record_pair records[PAIRS_MAX], seconds[PAIRS_MAX];
        struct csn_bytes beside = rows[i].beside == OLDER ? site.older : site.newest;
        struct csn_event event = {.start = {.records = records,
                                            .record_count = without(site.records, site.record_count, rows[i].damaged, records),
                                            .seconds = seconds,
                                            .second_count =
                                                without(site.seconds, site.second_count, rows[i].seconds_left_out, seconds),
                                            .versions = site.versions,
                                            .version_count = rows[i].is_here ? site.version_count : 0,
                                            .is_damaged = true,
                                            .certificates = &beside,
                                            .certificate_count = rows[i].beside != NONE}};
        struct outcome outcome = start(&site, &event);
        if (outcome.served != (rows[i].is_served ? site.serial : 0)) {
            fail_msg("row %zu: serves %u", i, (unsigned)outcome.served);
        }
        assert_int_equal(outcome.halt, CSN_HALT_DAMAGED);
        assert_int_equal(outcome.sent + outcome.persists, 0);
    }
    world_fini(&site.world);
}

static void test_a_second_copy_that_cannot_be_read_ends_the_votes_alone(void **state)
{
    (void)state;
    struct site site;
    make_site(&site);
    struct csn_event event = {.start = {.records = site.records,
                                        .record_count = site.record_count,
                                        .versions = site.versions,
                                        .version_count = site.version_count,
                                        .is_second_damaged = true}};
    struct outcome outcome = start(&site, &event);
    assert_int_equal(outcome.served, site.serial);
    assert_int_equal(outcome.halt, CSN_HALT_AMNESIA);
    world_fini(&site.world);
}

/* The store is older than a part of the second copy that is lost: what it released last need not be what was answered last. */
static void test_a_store_older_than_what_the_second_copy_lost_serves_nothing(void **state)
{
    (void)state;
    struct site site;
    make_site(&site);
    struct csn_event event = {.start = {.records = site.records,
                                        .record_count = site.record_count,
                                        .seconds = site.seconds,
                                        .second_count = site.second_count,
                                        .versions = site.versions,
                                        .version_count = site.version_count,
                                        .is_second_damaged = true,
                                        .is_second_ahead = true}};
    struct outcome outcome = start(&site, &event);
    assert_int_equal(outcome.served, 0);
    assert_int_equal(outcome.halt, CSN_HALT_AMNESIA);
    world_fini(&site.world);
}

/* The records as they were before the newest release. */
static size_t older_records(struct site *site, struct csn_buf *released, struct csn_record_pair *ret_records)
{
    struct csn_certificate certificate;
    struct csn_bytes value;
    size_t count = 0;
    assert_int_equal(csn_certificate_decode(site->older, &certificate), CSN_OK);
    for (size_t i = 0; i < site->record_count; i++) {
        struct csn_record_pair record = site->records[i];
        assert_true(csn_record_open(record.key, record.value, &value));
        if (record.key.data[1] == CSN_RECORD_RELEASED) {
            csn_put_round(released, certificate.held.proposal.round);
            csn_record_close(record.key, released);
            record.value = csn_buf_view(released);
        }
        if (record.key.data[1] != CSN_RECORD_CERTIFICATE || !csn_bytes_equal(value, site->newest)) {
            ret_records[count++] = record;
        }
    }
    return count;
}

/* The floor as the older certificate left it. */
static void older_floor(const struct site *site, struct csn_record_pair *records, size_t count, struct csn_buf *value)
{
    struct csn_certificate certificate;
    assert_int_equal(csn_certificate_decode(site->older, &certificate), CSN_OK);
    struct csn_floor floor = csn_floor_of(&certificate.held.proposal);
    for (size_t i = 0; i < count; i++) {
        if (records[i].key.data[1] == CSN_RECORD_FLOOR) {
            csn_put_floor(value, &floor);
            csn_record_close(records[i].key, value);
            records[i].value = csn_buf_view(value);
        }
    }
}

/* The second copy knows a later release of each zone than the store: it is not enough to find it of the first. */
static void test_an_older_store_answers_for_no_zone_that_it_has_forgotten(void **state)
{
    (void)state;
    struct site site;
    struct csn_record_pair records[PAIRS_MAX], seconds[PAIRS_MAX];
    struct csn_buf released = {0}, copied = {0};
    make_site(&site);
    struct csn_round_zone zones[2] = {site.world.zone, site.world.zone};
    memcpy(zones[0].zone, "\2aa", 4);
    struct csn_record_key key = csn_record_key(CSN_RECORD_RELEASED, zones[0].zone, NULL);
    csn_put_round(&copied, (struct csn_round){.term = {9, 1}, .seq = 9});
    csn_record_close(csn_record_key_view(&key), &copied);
    memcpy(seconds, site.seconds, sizeof(seconds));
    seconds[site.second_count] = (struct csn_record_pair){csn_record_key_view(&key), csn_buf_view(&copied)};
    for (size_t first = 0; first < 2; first++) { /* of the other zone alone, and of both */
        struct csn_event event = {.start = {.records = first == 0 ? site.records : records,
                                            .record_count = first == 0 ? site.record_count : older_records(&site, &released, records),
                                            .seconds = seconds,
                                            .second_count = site.second_count + 1,
                                            .versions = site.versions,
                                            .version_count = site.version_count}};
        struct outcome outcome = start_with(&site, zones, 2, &event);
        assert_int_equal(outcome.served, first == 0 ? site.serial : 0);
        assert_int_equal(outcome.halt, CSN_HALT_AMNESIA);
    }
    csn_buf_fini(&released);
    csn_buf_fini(&copied);
    world_fini(&site.world);
}

/* Votes and second copy were put back together: the certificate beside the version tells what was answered last, and with this
 * site's vote in it that a vote was forgotten. Where it came to the disk alone, nothing was. */
static void test_a_certificate_beside_the_version_is_taken_as_if_heard(void **state)
{
    (void)state;
    static const struct {
        enum beside beside;
        const char *forgotten, *seconds_left_out; /* letters */
        enum csn_halt halt;
    } rows[] = {{NEWEST, "H", "RH", CSN_HALT_AMNESIA}, {NEWEST, "", "R", CSN_HALT_NONE}, {OLDER, "", "R", CSN_HALT_NONE}};
    struct site site;
    struct csn_record_pair older[PAIRS_MAX], records[PAIRS_MAX], seconds[PAIRS_MAX];
    struct csn_buf released = {0}, floor = {0};
    make_site(&site);
    size_t count = older_records(&site, &released, older);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_bytes beside = rows[i].beside == OLDER ? site.older : site.newest;
        size_t kept = without(older, count, rows[i].forgotten, records);
        struct csn_event event = {.start = {.records = records,
                                            .record_count = kept,
                                            .seconds = seconds,
                                            .second_count =
                                                without(site.seconds, site.second_count, rows[i].seconds_left_out, seconds),
                                            .versions = site.versions,
                                            .version_count = site.version_count,
                                            .certificates = &beside,
                                            .certificate_count = 1}};
        if (rows[i].forgotten[0] != '\0') { /* the floor too */
            older_floor(&site, records, kept, &floor);
        }
        struct outcome outcome = start(&site, &event);
        assert_int_equal(outcome.served != 0, rows[i].beside == OLDER);
        assert_int_equal(outcome.halt, rows[i].halt);
    }
    csn_buf_fini(&released);
    csn_buf_fini(&floor);
    world_fini(&site.world);
}

/* The folder of the votes is gone, zones and second copy are not. */
static void test_a_store_that_is_gone_serves_only_what_it_released_last(void **state)
{
    (void)state;
    struct site site;
    make_site(&site);
    for (unsigned i = 0; i < 2; i++) {
        struct csn_event event = {.start = {.seconds = site.seconds,
                                            .second_count = site.second_count,
                                            .versions = site.versions,
                                            .version_count = site.version_count,
                                            .certificates = i == 0 ? &site.newest : &site.older,
                                            .certificate_count = 1}};
        struct outcome outcome = start(&site, &event);
        assert_int_equal(outcome.served, i == 0 ? site.serial : 0);
        assert_int_equal(outcome.halt, CSN_HALT_AMNESIA);
    }
    world_fini(&site.world);
}

static void test_a_site_whose_store_is_gone_adopts_what_others_certified(void **state)
{
    (void)state;
    struct site site;
    struct csn_certificate certificate;
    struct csn_effects effects = {0};
    unsigned releases = 0;
    make_site(&site);
    struct csn_node *node = csn_node_new(&site.world.cluster, 1, &site.world.zone, 1);
    struct csn_event event = {.kind = CSN_EVENT_START,
                              .now = world_now(&site.world, 0),
                              .start = {.seconds = site.seconds,
                                        .second_count = site.second_count,
                                        .versions = site.versions,
                                        .version_count = site.version_count}};
    csn_node_step(node, &event, &effects);
    assert_int_equal(csn_certificate_decode(site.newest, &certificate), CSN_OK);
    struct csn_event heard = {.kind = CSN_EVENT_CERTIFICATE,
                              .now = event.now,
                              .certificate = {.certificate = &certificate, .octets = site.newest}};
    csn_effects_clear(&effects);
    csn_node_step(node, &heard, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        releases += effects.items[i]->kind == CSN_EFFECT_RELEASE;
    }
    assert_int_equal(releases, 1);
    csn_effects_fini(&effects);
    csn_node_free(node);
    world_fini(&site.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_records_serve_what_is_sure_and_nothing_older),
        cmocka_unit_test(test_a_second_copy_that_cannot_be_read_ends_the_votes_alone),
        cmocka_unit_test(test_a_store_older_than_what_the_second_copy_lost_serves_nothing),
        cmocka_unit_test(test_an_older_store_answers_for_no_zone_that_it_has_forgotten),
        cmocka_unit_test(test_a_certificate_beside_the_version_is_taken_as_if_heard),
        cmocka_unit_test(test_a_store_that_is_gone_serves_only_what_it_released_last),
        cmocka_unit_test(test_a_site_whose_store_is_gone_adopts_what_others_certified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
