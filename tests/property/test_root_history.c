/* Goal: the NSEC chain of every fiftieth published version of the root zone, rebuilt from its unsigned records, is the published
 * one, record by record. Method: prepare strips the version; what was stripped of the chain is what ours is compared with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/zonefile.h"
#include "support/zones.h"
#include "zone/denial.h"

#define STEP 50
#define VERSIONS_MIN 24 /* 1,222 in the history */

static const uint8_t root_name[] = {0};

struct version {
    struct csn_prepare *prepare; /* owns */
    struct csn_zone *published;  /* owns; its NSEC records */
    bool has_dnskey, has_zonemd;
};

static int add_record(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    struct version *version = arg;
    uint8_t packed[2 + CSN_NAME_MAX + 8192];
    version->has_dnskey = version->has_dnskey || record->type == CSN_TYPE_DNSKEY;
    version->has_zonemd = version->has_zonemd || record->type == CSN_TYPE_ZONEMD;
    if (record->type == CSN_TYPE_NSEC) {
        assert_true(record->rdata.size <= sizeof(packed) - 2);
        csn_set_u16(packed, (uint16_t)record->rdata.size);
        memcpy(packed + 2, record->rdata.data, record->rdata.size);
        csn_zone_add(version->published, &(struct csn_rrset){.owner = record->owner.data,
                                                             .rdatas = csn_bytes(packed, record->rdata.size + 2),
                                                             .ttl = record->ttl,
                                                             .type = record->type,
                                                             .count = 1});
    }
    return csn_prepare_add(version->prepare, record, reason);
}

/* The chain over the prepared zone and the types that a signer adds at the apex. */
static struct csn_zone *rebuild(const struct version *version, const struct csn_zone *prepared)
{
    const uint16_t zonemd = CSN_TYPE_ZONEMD;
    const struct csn_rrset dnskey = {.owner = root_name, .type = CSN_TYPE_DNSKEY};
    struct csn_zone *base = csn_zone_new(root_name), *chain = csn_zone_new(root_name);
    if (version->has_dnskey) {
        csn_zone_add_borrowed(base, &dnskey);
    }
    for (size_t i = 0; i < prepared->count; i++) {
        csn_zone_add_borrowed(base, &prepared->rrsets[i]);
    }
    csn_zone_seal(base);
    csn_nsec_chain(base, &zonemd, version->has_zonemd ? 1 : 0, chain);
    csn_zone_seal(chain);
    csn_zone_unref(base);
    return chain;
}

static void compare(const struct csn_zone *published, const struct csn_zone *chain, unsigned age)
{
    if (published->count != chain->count) {
        fail_msg("dev~%u: %zu NSEC records rebuilt, %zu published", age, chain->count, published->count);
    }
    for (size_t i = 0; i < published->count; i++) {
        char owner[CSN_NAME_TEXT_MAX];
        csn_name_text(published->rrsets[i].owner, owner);
        if (!csn_rrset_equal(&published->rrsets[i], &chain->rrsets[i])) {
            fail_msg("dev~%u: NSEC of %s differs", age, owner);
        }
    }
}

static size_t check_version(const char *folder, unsigned age)
{
    char command[256];
    struct csn_buf text = {0};
    struct csn_reason reason = {""};
    struct csn_input *input = NULL;
    struct version version = {.prepare = csn_prepare_new(root_name, NULL, 0), .published = csn_zone_new(root_name)};
    snprintf(command, sizeof(command), "git -C '%s/r' show dev~%u:root.zone", folder, age);
    csn_test_command(command, &text);
    if (csn_zonefile_read(csn_buf_view(&text), "root.zone", root_name, add_record, &version, &reason) != CSN_OK ||
        csn_prepare_finish(version.prepare, &input, &reason) != CSN_OK) {
        fail_msg("dev~%u: %s", age, reason.text);
    }
    csn_zone_seal(version.published);
    struct csn_zone *chain = rebuild(&version, input->zone);
    compare(version.published, chain, age);
    size_t count = chain->count;
    csn_zone_unref(chain);
    csn_input_unref(input);
    csn_zone_unref(version.published);
    csn_prepare_free(version.prepare);
    csn_buf_fini(&text);
    return count;
}

static unsigned count_versions(const char *folder)
{
    char command[128];
    struct csn_buf text = {0};
    snprintf(command, sizeof(command), "git -C '%s/r' rev-list --count dev", folder);
    csn_test_command(command, &text);
    csn_buf_put_u8(&text, 0);
    unsigned long count = strtoul((const char *)text.data, NULL, 10);
    csn_buf_fini(&text);
    return (unsigned)count;
}

static void test_chain_of_root_history_is_rebuilt(void **state)
{
    (void)state;
    char bundle[1024], folder[] = "/tmp/consign-history-XXXXXX", command[2048];
    struct csn_buf nothing = {0};
    size_t records = 0;
    unsigned versions = 0;
    if (!csn_test_data("test_root_history", "root-history.bundle", bundle, sizeof(bundle))) {
        skip();
    }
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command), "git clone -q --bare -b dev '%s' '%s/r'", bundle, folder);
    csn_test_command(command, &nothing);
    for (unsigned age = 0, count = count_versions(folder); age < count; age += STEP) {
        records += check_version(folder, age);
        versions++;
    }
    printf("%u versions, %zu NSEC records\n", versions, records);
    assert_true(versions >= VERSIONS_MIN && records > versions * 1000);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    csn_test_command(command, &nothing);
    csn_buf_fini(&nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chain_of_root_history_is_rebuilt)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
