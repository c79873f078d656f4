#include "ctl_zone.h"

#include <stdio.h>
#include <string.h>

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
    return CSN_CTL_UNKNOWN;
}

static int show_diff(const char *socket, char **words, uint32_t serial)
{
    char zone[ZONE_MAX];
    struct csn_buf text = {0};
    struct csn_reason reason;
    write_zone(words[0], zone);
    struct csn_control_diff diff = {.zone = zone, .first = words[2], .second = words[3], .serial = serial};
    int code = csn_control_ask_diff(socket, DIFF_TIMEOUT_MS, &diff, &text, &reason);
    int result = code != CSN_OK ? give_up(&reason) : text.size == 0 ? CSN_CTL_EQUAL : CSN_CTL_DIFFERENT;
    fwrite(text.data, 1, text.size, stdout);
    csn_buf_fini(&text);
    return result;
}

static int show_reports(const char *socket, const char *name)
{
    char zone[ZONE_MAX];
    struct csn_buf text = {0};
    struct csn_reason reason;
    write_zone(name, zone);
    int code = csn_control_ask_reports(socket, TIMEOUT_MS, zone, &text, &reason);
    fwrite(text.data, 1, text.size, stdout);
    csn_buf_fini(&text);
    return code == CSN_OK ? CSN_CTL_EQUAL : give_up(&reason);
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

int csn_ctl_zone(const char *socket, int count, char **words, const char **ret_wrong)
{
    uint32_t serial;
    bool is_diff = count > 0 && strcmp(words[0], "diff") == 0;
    if (is_diff && count != 5) {
        *ret_wrong = "zone diff: needs ZONE SERIAL SITE SITE";
    } else if (is_diff && !read_serial(words[2], &serial)) {
        *ret_wrong = "zone diff: the serial is a number below 2^32";
    } else if (is_diff) {
        return show_diff(socket, words + 1, serial);
    } else if (count == 0 || strcmp(words[0], "reports") != 0) {
        *ret_wrong = "zone: it has no such command";
    } else if (count != 2) {
        *ret_wrong = "zone reports: needs ZONE";
    } else {
        return show_reports(socket, words[1]);
    }
    return CSN_CTL_MISUSED;
}
