/* Goal: reports are kept and listed newest first, the oldest go when there are too many, and no zone's name leads out of the
 * folder or to another zone's reports. Method: many reports of zones with awkward names in a private folder. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "dns/name.h"
#include "reports.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NOW UINT64_C(1795290007)

static int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path = csn_alloc(256);
    snprintf(path, 256, "%s/consign-reports-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_folder(void **state)
{
    int result = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

static void keep(const char *store, const char *zone, uint32_t serial, uint64_t time_s, char path[CSN_REPORT_PATH_MAX])
{
    uint8_t name[CSN_NAME_MAX];
    struct csn_reason reason = {0};
    assert_int_equal(csn_name_parse(zone, name), CSN_OK);
    assert_int_equal(csn_reports_keep(store, name, serial, time_s, csn_bytes("text\n", 5), path, &reason), CSN_OK);
}

/* How many reports are listed; the first and the last name. */
static size_t list(const char *store, const char *zone, char first[256], char last[256])
{
    uint8_t name[CSN_NAME_MAX];
    struct csn_buf buf = {0};
    size_t count = 0;
    assert_int_equal(csn_name_parse(zone, name), CSN_OK);
    csn_reports_list(store, name, &buf);
    csn_buf_put_u8(&buf, 0);
    for (char *save = NULL, *line = strtok_r((char *)buf.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        snprintf(count++ == 0 ? first : last, 256, "%s", line);
    }
    csn_buf_fini(&buf);
    return count;
}

static void test_the_newest_are_kept_and_listed_first(void **state)
{
    char path[CSN_REPORT_PATH_MAX], first[256] = "", last[256] = "";
    assert_int_equal(list(*state, "ch.", first, last), 0);
    keep(*state, "li.", 1, NOW, path);
    for (uint32_t i = 0; i < CSN_REPORTS_MAX + 5; i++) {
        keep(*state, "ch.", 7, NOW + i, path);
    }
    assert_int_equal(list(*state, "ch.", first, last), CSN_REPORTS_MAX);
    assert_non_null(strstr(first, "-1795290111-7.txt"));
    assert_non_null(strstr(last, "-1795290012-7.txt"));
    assert_int_equal(list(*state, "li.", first, last), 1);
    struct csn_buf text = {0};
    assert_int_equal(csn_fs_read(path, 100, &text, NULL), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("text\n", 5)));
    csn_buf_fini(&text);
}

static void test_awkward_names_stay_in_the_folder_and_apart(void **state)
{
    static const char *const zones[] = {".", "\\046\\046\\047x.", "a\\047b.", "a_b.", "\\000\\255.", "ch.", "ch.li.",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.a.",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.b."};
    char path[CSN_REPORT_PATH_MAX], folder[300], first[256], last[256];
    snprintf(folder, sizeof(folder), "%s/reports/", (char *)*state);
    for (size_t i = 0; i < COUNT(zones); i++) {
        keep(*state, zones[i], 1, NOW, path);
        assert_memory_equal(path, folder, strlen(folder));
        assert_null(strchr(path + strlen(folder), '/'));
        assert_int_not_equal(path[strlen(folder)], '.');
        assert_int_equal(access(path, R_OK), 0);
    }
    for (size_t i = 0; i < COUNT(zones); i++) {
        assert_int_equal(list(*state, zones[i], first, last), 1);
    }
}

/* By its name among those of its zone, and nothing else. */
static void test_one_is_read_by_its_name(void **state)
{
    static const uint8_t ch[] = "\2ch", li[] = "\2li";
    char path[CSN_REPORT_PATH_MAX], aside[CSN_REPORT_PATH_MAX];
    struct csn_buf text = {0};
    struct csn_reason reason = {0};
    keep(*state, "ch.", 7, NOW, path);
    const char *name = strrchr(path, '/') + 1;
    assert_int_equal(csn_reports_read(*state, ch, name, &text, &reason), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("text\n", 5)));
    assert_int_equal(csn_reports_read(*state, li, name, &text, &reason), CSN_ENOTFOUND);
    snprintf(aside, sizeof(aside), "%.*s/../%s", 12, name, name);
    assert_int_equal(csn_reports_read(*state, ch, aside, &text, &reason), CSN_ENOTFOUND);
    assert_non_null(strstr(reason.text, "consignctl zone reports lists them"));
    snprintf(aside, sizeof(aside), "%.12s", name);
    assert_int_equal(csn_reports_read(*state, ch, aside, &text, &reason), CSN_ENOTFOUND);
    csn_buf_fini(&text);
}

static void test_a_folder_that_takes_nothing_is_a_reason(void **state)
{
    char path[CSN_REPORT_PATH_MAX], missing[300];
    struct csn_reason reason = {0};
    snprintf(missing, sizeof(missing), "%s/missing", (char *)*state);
    assert_true(csn_reports_keep(missing, (const uint8_t *)"", 1, NOW, csn_bytes("text\n", 5), path, &reason) < 0);
    assert_non_null(strstr(reason.text, "missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_newest_are_kept_and_listed_first, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_awkward_names_stay_in_the_folder_and_apart, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_one_is_read_by_its_name, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_folder_that_takes_nothing_is_a_reason, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
