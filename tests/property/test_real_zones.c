/* Goal: the real root and .gov zones give the roots that the independent reference computes. Method: our signed zone, in the
 * generic form of RFC 3597, goes through the reference beside the unsigned one: D K N R must be what it computes from the
 * input, B and the full root what it computes from our signed zone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "support/zones.h"

static void write_rrset(FILE *file, const struct csn_rrset *rrset)
{
    char owner[CSN_NAME_TEXT_MAX];
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    csn_name_text(rrset->owner, owner);
    while (csn_rdata_next(&reader, &rdata)) {
        fprintf(file, "%s %u IN TYPE%u \\# %zu ", owner, rrset->ttl, rrset->type, rdata.size);
        for (size_t i = 0; i < rdata.size; i++) {
            fprintf(file, "%02x", rdata.data[i]);
        }
        fputc('\n', file);
    }
}

static void write_entry(void *arg, const struct csn_entry *entry)
{
    write_rrset(arg, &entry->rrset);
    write_rrset(arg, &entry->rrsigs);
}

static void write_files(const char *folder, const struct csn_real_zone *zone, const struct csn_content *content)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/zone", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(zone->text.data, 1, zone->text.size, file), zone->text.size);
    assert_int_equal(fclose(file), 0);
    snprintf(path, sizeof(path), "%s/signed", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    csn_test_entries(content, write_entry, file);
    assert_int_equal(fclose(file), 0);
}

static json_t *run_reference(const char *reference, const struct csn_real_zone *zone, const char *folder)
{
    char command[4096];
    struct csn_buf output = {0};
    snprintf(command, sizeof(command),
             "python3 '%s' roots --plan '%s/data/plans/%s.json' --zone '%s/zone' --signed '%s/signed' 2>/dev/null", reference,
             CONSIGN_TESTS, zone->name, folder, folder);
    csn_test_command(command, &output);
    json_t *roots = json_loadb((const char *)output.data, output.size, 0, NULL);
    assert_non_null(roots);
    csn_buf_fini(&output);
    return roots;
}

static void check_digest(const char *what, const struct csn_digest *found, const json_t *object, const char *member)
{
    char text[2 * CSN_DIGEST_SIZE + 1];
    const char *expected = json_string_value(json_object_get(object, member));
    csn_hex_encode(csn_bytes(found->octets, CSN_DIGEST_SIZE), text);
    if (expected == NULL || strcmp(text, expected) != 0) {
        fail_msg("%s %s is %s, not %s", what, member, text, expected);
    }
}

static void compare(const struct csn_real_zone *zone, const struct csn_input *input, const struct csn_content *content,
                    const json_t *roots)
{
    const json_t *classes = json_object_get(roots, "class_roots"), *removed = json_object_get(roots, "removed");
    struct csn_digest b, full;
    csn_content_full_root(content, &b, &full);
    check_digest(zone->name, &content->roots.d, classes, "D");
    check_digest(zone->name, &content->roots.k, classes, "K");
    check_digest(zone->name, &content->roots.n, classes, "N");
    check_digest(zone->name, &content->roots.r, classes, "R");
    check_digest(zone->name, &b, classes, "B");
    check_digest(zone->name, &content->content_root, roots, "content_root");
    check_digest(zone->name, &full, roots, "full_root");
    check_digest(zone->name, &input->received, roots, "received_D");
    check_digest(zone->name, &input->removed_hash, removed, "hash");
    assert_int_equal(input->removed, json_integer_value(json_object_get(removed, "records")));
    assert_int_equal(content->signature_count, json_integer_value(json_object_get(roots, "signatures")));
}

static void test_real_zone_agrees_with_reference(void **state)
{
    struct csn_real_zone zone;
    char reference[1024], folder[] = "/tmp/consign-real-XXXXXX", command[64];
    struct csn_buf nothing = {0};
    unsigned which = (unsigned)(uintptr_t)*state;
    if (!csn_test_data("test_real_zones", "../oracle/consign_ref.py", reference, sizeof(reference)) ||
        !csn_real_zone_load("test_real_zones", which, &zone)) {
        skip();
    }
    struct csn_input *input = csn_test_input(zone.plan, csn_buf_view(&zone.text));
    struct csn_content *content = csn_test_content(zone.plan, input);
    csn_test_sign(zone.plan, content);
    assert_non_null(mkdtemp(folder));
    write_files(folder, &zone, content);
    json_t *roots = run_reference(reference, &zone, folder);
    compare(&zone, input, content, roots);
    json_decref(roots);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    csn_test_command(command, &nothing);
    csn_buf_fini(&nothing);
    csn_content_free(content);
    csn_input_unref(input);
    csn_real_zone_fini(&zone);
}

/* The real root needs R >= 13 d: the default of 10 d is refused, 14 d is not. */
static void test_root_refuses_default_policy(void **state)
{
    (void)state;
    static const struct csn_timed default_refresh = {.value_s = 10 * 86400};
    struct csn_real_zone zone;
    struct csn_reason reason = {""};
    if (!csn_real_zone_load("test_real_zones", CSN_REAL_ROOT, &zone)) {
        skip();
    }
    struct csn_input *input = csn_test_input(zone.plan, csn_buf_view(&zone.text));
    struct csn_policy *policy = &zone.plan->policy;
    policy->refresh_interval_s = policy->propagation_s = 3600;
    policy->hold_budget_s = 12 * 3600;
    policy->postpublication_s = 7 * 86400;
    uint64_t now_s = zone.plan->params.schedule_s;
    assert_int_equal(csn_policy_check_input(policy, now_s, input->soa.expire, input->ttl_max, &reason), CSN_OK);
    policy->refresh = (struct csn_timed_list){&default_refresh, 1};
    assert_int_equal(csn_policy_check_input(policy, now_s, input->soa.expire, input->ttl_max, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "refresh is 10d"));
    csn_input_unref(input);
    csn_real_zone_fini(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {.name = "root", .test_func = test_real_zone_agrees_with_reference, .initial_state = (void *)CSN_REAL_ROOT},
        {.name = "gov", .test_func = test_real_zone_agrees_with_reference, .initial_state = (void *)CSN_REAL_GOV},
        cmocka_unit_test(test_root_refuses_default_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
