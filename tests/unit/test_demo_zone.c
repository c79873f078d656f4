/* Goal: the demo's zone is what its head says, and the sample policy takes it. Method: read,
 * prepared and checked as a node does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/fs.h"
#include "config/policy.h"
#include "dns/zonefile.h"
#include "zone/prepare.h"

static int add(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_prepare_add(arg, record, reason);
}

static void read_file(const char *name, struct csn_buf *buf)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/../deploy/%s", CONSIGN_TESTS, name);
    assert_int_equal(csn_fs_read(path, SIZE_MAX, buf, NULL), CSN_OK);
}

static void test_demo_zone_is_taken_by_the_sample_policy(void **state)
{
    (void)state;
    struct csn_buf zone = {0}, text = {0};
    struct csn_reason reason = {.text = ""};
    struct csn_policy policy;
    struct csn_input *input = NULL;
    uint8_t apex[CSN_NAME_MAX];
    assert_int_equal(csn_name_parse("xc.", apex), CSN_OK);
    read_file("zones/demo.zone", &zone);
    read_file("samples/policy.yaml", &text);
    assert_int_equal(csn_policy_parse(csn_buf_view(&text), "policy.yaml", &policy, &reason),
                     CSN_OK);
    struct csn_prepare *prepare = csn_prepare_new(apex, NULL, 0);
    if (csn_zonefile_read(csn_buf_view(&zone), "demo.zone", apex, add, prepare, &reason) !=
            CSN_OK ||
        csn_prepare_finish(prepare, &input, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    assert_in_range(input->delegations, 280, 320);
    assert_int_equal(input->ttl_warnings, 0);
    assert_int_equal(input->removed, 0);
    assert_int_equal(
        csn_policy_check_input(&policy, 1795262400, input->soa.expire, input->ttl_max, &reason),
        CSN_OK);
    csn_input_unref(input);
    csn_prepare_free(prepare);
    csn_policy_fini(&policy);
    csn_buf_fini(&text);
    csn_buf_fini(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demo_zone_is_taken_by_the_sample_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
