/* Goal: each of the two verifiers, alone, accepts right zones (dates, algorithms, roles of keys,
 * parts, golden vectors) and refuses keys that cannot have signed them. */
#include "unit/verify_zone.h"

#include <ldns/ldns.h>

#include "base/fs.h"

static void test_dates_are_compared_in_64_bits(void **state)
{
    (void)state;
    static const uint64_t times[] = {T,           2147483647u,      2147483648u,
                                     4294967295u, 4294967296u + 60, 4294967296u + T};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct setup setup;
        struct zone *zone = usual_zone(times[i], NULL);
        make_job(zone, &setup);
        assert_accepted(&setup.job, "good zone");
        setup.job.left_min_s = VALID - 3600;
        assert_accepted(&setup.job, "exactly the margin left");
        setup.job.left_min_s++;
        assert_refused(&setup.job, "margin", "expires too early");
        setup.job.left_min_s = 0;
        setup.job.time_s = times[i] - 9000;
        assert_accepted(&setup.job, "T at the inception");
        setup.job.time_s--;
        assert_refused(&setup.job, "T before the inception", "not yet valid");
        setup.job.time_s = times[i] + VALID - 3599;
        assert_refused(&setup.job, "T after the expiration", "expires too early");
        zone_free(zone);
    }
}

static void test_all_algorithms_verify(void **state)
{
    (void)state;
    static const uint8_t algorithms[] = {8, 13, 14, 15, 16};
    for (size_t i = 0; i < sizeof algorithms; i++) {
        struct setup setup;
        struct zone *zone = zone_new(T);
        add_key(zone, 257, algorithms[i]);
        add_key(zone, 256, algorithms[i]);
        finish(zone, NULL);
        make_job(zone, &setup);
        assert_accepted(&setup.job, "algorithm");
        flip_signature(zone);
        make_entries(zone);
        assert_refused(&setup.job, "algorithm", "does not verify");
        shorten_signature(zone);
        make_entries(zone);
        assert_refused(&setup.job, "algorithm", "MX: RRSIG by key");
        zone_free(zone);
    }
}

/* A key pair of another site under the same label, the fault of .de 2026: same algorithm, other
 * key. */
static void test_signature_by_a_key_that_is_not_published_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    struct key *key = add_key(zone, 256, 13);
    EVP_PKEY *published = key->pair;
    key->pair = new_pair(13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "other key pair", "does not verify");
    EVP_PKEY_free(published);
    zone_free(zone);
}

static void test_two_algorithms_each_sign_everything(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13);
    add_key(zone, 257, 15);
    add_key(zone, 256, 15);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_accepted(&setup.job, "two algorithms");
    drop(zone, find(zone, "dn.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_DNAME));
    make_entries(zone);
    assert_refused(&setup.job, "one of two algorithms",
                   "dn.example. DNAME: no RRSIG of algorithm 13");
    zone_free(zone);
}

static void test_incoming_algorithm_signs_unpublished(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13);
    struct key *incoming = add_key(zone, 256, 15);
    incoming->is_hidden = true;
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_accepted(&setup.job, "incoming algorithm");
    flip_signature(zone);
    make_entries(zone);
    assert_refused(&setup.job, "incoming algorithm", "does not verify");
    setup.job.unpublished_count = 0;
    assert_refused(&setup.job, "incoming algorithm that the job does not name",
                   "no key of the zone");
    zone_free(zone);
}

/* A signature by an unpublished key does not stand in for one that validators can use. */
static void test_unpublished_key_of_a_published_algorithm_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13)->is_idle = true;
    add_key(zone, 256, 13)->is_hidden = true;
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "unpublished ZSK", "by a published key");
    zone_free(zone);
}

static void test_several_ksks_and_a_revoked_one_sign_key_data(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 257, 13);
    add_key(zone, 257 | 0x80, 13);
    add_key(zone, 256, 13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_accepted(&setup.job, "three KSKs");
    zone_free(zone);

    zone = zone_new(T);
    add_key(zone, 257, 13)->is_idle = true;
    add_key(zone, 257 | 0x80, 13);
    add_key(zone, 256, 13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "only the revoked KSK signs", "by a published key");
    zone_free(zone);

    zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256 | 0x80, 13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "a revoked ZSK signs", "revoked key");
    zone_free(zone);
}

/* .ru 2024: two keys of one algorithm and one tag. */
static void test_keys_that_share_a_tag_are_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 8);
    add_key(zone, 256, 8);
    zone->keys[2] = zone->keys[1];
    EVP_PKEY_up_ref(zone->keys[2].pair);
    zone->key_count = 3;
    /* The tag is a sum: two octets that change places leave it as it is. */
    uint8_t *octets = zone->keys[2].rdata + zone->keys[2].size - 8;
    octets[0] = (uint8_t)(octets[2] + 1);
    octets[2] = (uint8_t)(zone->keys[1].rdata[zone->keys[1].size - 8]);
    zone->keys[1].rdata[zone->keys[1].size - 6] = octets[0];
    zone->keys[2].is_idle = true;
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "two keys", "share the tag");
    zone_free(zone);
}

static void test_keys_that_cannot_sign_a_zone_are_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_bytes many[65];
    struct zone *zone = usual_zone(T, NULL);
    make_job(zone, &setup);
    for (size_t i = 0; i < 65; i++) {
        many[i] = setup.dnskeys[0];
    }
    setup.job.dnskeys = many;
    setup.job.dnskey_count = 65;
    assert_refused(&setup.job, "65 keys", "more than");
    setup.job.dnskey_count = 0;
    assert_refused(&setup.job, "no key", "no published key");
    setup.job.dnskeys = setup.dnskeys;
    setup.job.dnskey_count = 3;
    for (size_t size = 0; size < zone->keys[2].size; size++) {
        setup.dnskeys[2].size = size;
        assert_refused(&setup.job, "cut key", "");
    }
    setup.dnskeys[2].size = zone->keys[2].size;
    zone->keys[2].rdata[0] = 0;
    assert_refused(&setup.job, "ZONE flag", "no zone key");
    zone->keys[2].rdata[0] = 1;
    zone->keys[2].rdata[2] = 2;
    assert_refused(&setup.job, "protocol", "no zone key");
    zone->keys[2].rdata[2] = 3;
    zone->keys[2].rdata[3] = 99;
    assert_refused(&setup.job, "algorithm", "of algorithm 99");
    zone_free(zone);
}

/* What the store would have refused already. */
static void test_wrong_packing_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    make_job(zone, &setup);
    for (size_t i = 0; i < zone->entry_count; i++) {
        struct csn_entry saved = zone->entries[i];
        zone->entries[i].rrset.count++;
        assert_refused(&setup.job, "one record too few", "");
        zone->entries[i] = saved;
        zone->entries[i].rrset.rdatas.size--;
        assert_refused(&setup.job, "a record cut", "");
        zone->entries[i] = saved;
        if (saved.rrsigs.count > 0) {
            zone->entries[i].rrsigs.count++;
            assert_refused(&setup.job, "one RRSIG too few", "packed as counted");
            zone->entries[i] = saved;
        }
    }
    zone_free(zone);
}

static size_t make_ds(const struct key *key, uint8_t digest, uint8_t ret_ds[64])
{
    uint8_t octets[700];
    unsigned size = 0;
    parse_name("example.", octets);
    size_t name = knot_dname_size(octets);
    memcpy(octets + name, key->rdata, key->size);
    csn_set_u16(ret_ds, key->tag);
    ret_ds[2] = key->algorithm;
    ret_ds[3] = digest;
    const EVP_MD *md = digest == 4 ? EVP_sha384() : digest == 1 ? EVP_sha1() : EVP_sha256();
    EVP_Digest(octets, name + key->size, ret_ds + 4, &size, md, NULL);
    return 4 + size;
}

static void test_ds_must_name_a_key_that_signs_the_dnskeys(void **state)
{
    (void)state;
    uint8_t ds[4][64];
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    make_job(zone, &setup);
    static const uint8_t digests[] = {1, 4, 2};
    for (size_t i = 0; i < 3; i++) {
        setup.ds[0] = csn_bytes(ds[0], make_ds(&zone->keys[0], digests[i], ds[0]));
        setup.job.ds_count = 1;
        assert_accepted(&setup.job, "DS of the KSK");
    }
    setup.ds[1] = csn_bytes(ds[1], make_ds(&zone->keys[1], 2, ds[1]));
    setup.job.ds_count = 2;
    assert_accepted(&setup.job, "one of two DS");
    ds[0][20] ^= 1;
    assert_refused(&setup.job, "DS of a key that does not sign, and one that fits none",
                   "a DS of algorithm 13 names");
    make_ds(&zone->keys[0], 2, ds[0]);
    ds[1][2] = 8;
    assert_refused(&setup.job, "DS of an algorithm without a key", "a DS of algorithm 8 names");
    setup.ds[1].size = 4;
    assert_refused(&setup.job, "cut DS", "DS is too short");
    zone_free(zone);
}

static void test_parts_together_are_the_whole(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    flip_signature(zone);
    make_entries(zone);
    make_job(zone, &setup);
    setup.job.parts = 3;
    for (size_t i = 0; i < 2; i++) {
        unsigned refused = 0;
        for (setup.job.part = 0; setup.job.part < 3; setup.job.part++) {
            refused += verifiers[i].verify(&setup.job, NULL) == CSN_ESIGNATURE;
        }
        assert_int_equal(refused, 1);
    }
    zone_free(zone);
}

static void test_carried_entries_skip_the_octets_only(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    flip_signature(zone);
    make_entries(zone);
    make_job(zone, &setup);
    memset(setup.is_carried, true, sizeof setup.is_carried);
    setup.job.is_carried = setup.is_carried;
    assert_accepted(&setup.job, "carried");
    drop_rrsig(zone);
    make_entries(zone);
    assert_refused(&setup.job, "carried, one RRSIG dropped", "RRSIG is missing");
    setup.job.count = 0;
    assert_refused(&setup.job, "empty zone", "empty");
    setup.job.count = zone->entry_count;
    setup.job.time_s += VALID;
    assert_refused(&setup.job, "carried, expired", "");
    zone_free(zone);
}

/* --- golden vectors */

static uint64_t plan_number(const char *folder, const char *name)
{
    char path[1024], pattern[32];
    struct csn_buf text = {0};
    struct csn_reason reason = {{0}};
    snprintf(path, sizeof path, "%s/plan.json", folder);
    snprintf(pattern, sizeof pattern, "\"%s\": ", name);
    if (csn_fs_read(path, 1 << 20, &text, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    csn_buf_put_u8(&text, 0);
    const char *at = strstr((const char *)text.data, pattern);
    assert_non_null(at);
    uint64_t number = strtoull(at + strlen(pattern), NULL, 10);
    csn_buf_fini(&text);
    return number;
}

/* By ldns: libzscanner does not know PX. */
static void read_vector_text(struct zone *zone, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        ldns_rr *rr = NULL;
        ldns_buffer *rdata = ldns_buffer_new(100);
        if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK) {
            fail_msg("ldns cannot read %s", line);
        }
        assert_int_equal(ldns_rr_rdata2buffer_wire(rdata, rr), LDNS_STATUS_OK);
        add(zone, ldns_rdf_data(ldns_rr_owner(rr)), (uint16_t)ldns_rr_get_type(rr), ldns_rr_ttl(rr),
            SIGNED, ldns_buffer_begin(rdata), ldns_buffer_position(rdata));
        ldns_buffer_free(rdata);
        ldns_rr_free(rr);
    }
}

static struct zone *read_vector(const char *folder)
{
    char path[1024];
    struct csn_buf text = {0};
    struct csn_reason reason = {{0}};
    struct zone *zone = csn_calloc(1, sizeof *zone);
    snprintf(path, sizeof path, "%s/signed.zone", folder);
    if (csn_fs_read(path, 1 << 20, &text, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    csn_buf_put_u8(&text, 0);
    read_vector_text(zone, (char *)text.data);
    csn_buf_fini(&text);
    sort_records(zone);
    make_entries(zone);
    zone->time_s = plan_number(folder, "T");
    return zone;
}

static void take_dnskeys(const struct zone *zone, struct setup *setup)
{
    for (size_t i = 0; i < zone->count; i++) {
        if (zone->records[i].type == KNOT_RRTYPE_DNSKEY) {
            setup->dnskeys[setup->job.dnskey_count++] =
                csn_bytes(zone->records[i].rdata, zone->records[i].size);
        }
    }
}

static void test_golden_vectors_are_accepted(void **state)
{
    (void)state;
    static const char *const names[] = {
        "01-minimal",        "02-ent-nsec",        "05-delegations-nsec", "09-occluded-dname",
        "12-ttl-duplicates", "14-types",           "15-roll-window",      "16-roll-emergency",
        "17-roll-aborted",   "19-ksk-zsk-revoked", "20-policy-switch",    "21-s-behind-t",
        "22-2038-before",    "23-2038-after",      "24-2106-before",      "25-2106-after"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char folder[512];
        struct setup setup;
        snprintf(folder, sizeof folder, "%s/data/oracle/%s", CONSIGN_TESTS, names[i]);
        struct zone *zone = read_vector(folder);
        make_job(zone, &setup);
        memcpy(setup.apex, zone->entries[0].rrset.owner,
               knot_dname_size(zone->entries[0].rrset.owner));
        setup.job.left_min_s = plan_number(folder, "R") / 2;
        take_dnskeys(zone, &setup);
        assert_accepted(&setup.job, names[i]);
        drop(zone, find(zone, "example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_SOA));
        make_entries(zone);
        setup.job.count = zone->entry_count;
        assert_refused(&setup.job, names[i], "SOA: RRSIG is missing");
        zone_free(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_are_compared_in_64_bits),
        cmocka_unit_test(test_all_algorithms_verify),
        cmocka_unit_test(test_signature_by_a_key_that_is_not_published_is_refused),
        cmocka_unit_test(test_two_algorithms_each_sign_everything),
        cmocka_unit_test(test_incoming_algorithm_signs_unpublished),
        cmocka_unit_test(test_unpublished_key_of_a_published_algorithm_is_refused),
        cmocka_unit_test(test_several_ksks_and_a_revoked_one_sign_key_data),
        cmocka_unit_test(test_keys_that_share_a_tag_are_refused),
        cmocka_unit_test(test_keys_that_cannot_sign_a_zone_are_refused),
        cmocka_unit_test(test_wrong_packing_is_refused),
        cmocka_unit_test(test_ds_must_name_a_key_that_signs_the_dnskeys),
        cmocka_unit_test(test_parts_together_are_the_whole),
        cmocka_unit_test(test_carried_entries_skip_the_octets_only),
        cmocka_unit_test(test_golden_vectors_are_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
