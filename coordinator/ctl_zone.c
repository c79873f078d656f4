#include "ctl_zone.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ops/control.h"

#define TIMEOUT_MS 5000
#define DIFF_TIMEOUT_MS 120000 /* other sites are asked, and look their zones through */
#define ZONE_MAX 1024

/* A final dot may be left out. */
static void write_zone(const char *name, char ret_zone[ZONE_MAX])
{
    size_t size = strlen(name);
    snprintf(ret_zone, ZONE_MAX, "%s%s", name, size > 0 && name[size - 1] == '.' ? "" : ".");
}

static int give_up(const struct csn_reason *reason)
{
    fprintf(stderr, "consignctl: %s\n", reason->text);
    return CSN_CTL_UNREACHABLE;
}

static int show_diff(const struct csn_ctl_zone_call *call, char **words, uint32_t serial)
{
    char zone[ZONE_MAX];
    struct csn_buf text = {0};
    struct csn_reason reason;
    write_zone(words[0], zone);
    struct csn_control_diff diff = {.zone = zone, .first = words[2], .second = words[3], .serial = serial};
    int code = csn_control_ask_diff(call->socket, DIFF_TIMEOUT_MS, &diff, &text, &reason);
    int result = code != CSN_OK ? give_up(&reason) : text.size == 0 ? CSN_CTL_DONE : CSN_CTL_FAILED;
    if (code == CSN_OK && call->is_json) {
        csn_ctl_json_diff(stdout, &diff, csn_buf_view(&text), (uint64_t)time(NULL));
    } else {
        fwrite(text.data, 1, text.size, stdout);
    }
    csn_buf_fini(&text);
    return result;
}

/* `name`: NULL: all names. */
static int show_reports(const struct csn_ctl_zone_call *call, const char *zone_name, const char *name)
{
    char zone[ZONE_MAX];
    struct csn_buf text = {0};
    struct csn_reason reason;
    write_zone(zone_name, zone);
    int code = csn_control_ask_reports(call->socket, TIMEOUT_MS, zone, name, &text, &reason);
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", reason.text);
    } else if (text.size == 0) {
        fputs("consignctl: this site has none; one that diverged keeps its own: ask there\n", stderr);
    }
    if (code == CSN_OK && call->is_json) {
        csn_ctl_json_reports(stdout, zone, name, csn_buf_view(&text), (uint64_t)time(NULL));
    } else {
        fwrite(text.data, 1, text.size, stdout);
    }
    csn_buf_fini(&text);
    return csn_ctl_exit(code, false);
}

static int show_explained(const struct csn_ctl_zone_call *call, const char *name, bool is_refusals)
{
    char zone[ZONE_MAX];
    struct csn_explanation explanation = {0};
    struct csn_reason reason;
    write_zone(name, zone);
    struct csn_control_explain explain = {.zone = zone, .site = call->site, .is_all = is_refusals};
    int code = csn_control_ask_explain(call->socket, TIMEOUT_MS, &explain, &explanation, &reason);
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", reason.text);
        return csn_ctl_exit(code, false);
    }
    if (is_refusals && call->is_json) {
        csn_ctl_json_refusals(stdout, &explanation);
    } else if (is_refusals) {
        csn_ctl_table_refusals(&call->page, &explanation);
    } else if (call->is_json) {
        csn_ctl_json_explanation(stdout, &explanation);
    } else {
        csn_ctl_table_explanation(&call->page, &explanation, call->is_explained);
    }
    csn_explanation_fini(&explanation);
    return CSN_CTL_DONE;
}

/* A serial is 32 bits, written in digits. */
static bool read_serial(const char *text, uint32_t *ret_serial)
{
    uint64_t serial = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9' && serial <= UINT32_MAX; i++) {
        serial = 10 * serial + (uint64_t)(text[i] - '0');
    }
    *ret_serial = (uint32_t)serial;
    return i > 0 && text[i] == '\0' && serial <= UINT32_MAX;
}

int csn_ctl_zone(const struct csn_ctl_zone_call *call, int count, char **words, const char **ret_wrong)
{
    uint32_t serial;
    bool is_status = count > 0 && strcmp(words[0], "status") == 0;
    bool is_refusals = count > 0 && strcmp(words[0], "refusals") == 0;
    bool is_diff = count > 0 && strcmp(words[0], "diff") == 0;
    if ((is_status || is_refusals) && count != 2) {
        *ret_wrong = is_status ? "zone status: needs ZONE" : "zone refusals: needs ZONE";
    } else if (is_status || is_refusals) {
        return show_explained(call, words[1], is_refusals);
    } else if (is_diff && count != 5) {
        *ret_wrong = "zone diff: needs ZONE SERIAL SITE SITE";
    } else if (is_diff && !read_serial(words[2], &serial)) {
        *ret_wrong = "zone diff: the serial is a number below 2^32";
    } else if (is_diff) {
        return show_diff(call, words + 1, serial);
    } else if (count == 0 || strcmp(words[0], "reports") != 0) {
        *ret_wrong = "zone: it has no such command; status, refusals, diff, reports, hold, resume, approve, reject, generation";
    } else if (count != 2 && count != 3) {
        *ret_wrong = "zone reports: needs ZONE, and may have NAME";
    } else {
        return show_reports(call, words[1], count == 3 ? words[2] : NULL);
    }
    return CSN_CTL_USAGE;
}
