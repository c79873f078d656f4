/* consignctl: asks one daemon of the own site and shows what it says.
 * Exit status: 0 done (status: a picture was shown, a red one too), 1 failed, 2 wrong usage, 3 no
 * daemon answers. health: 0 ok, 1 degraded, 2 critical, 3 cannot tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl_render.h"
#include "ops/control.h"

#define SOCKET "/run/consign/control.sock"
#define TIMEOUT_MS 5000
#define ZONE_MAX 1024

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE };

struct call {
    const char *socket;
    bool is_json;
    uint64_t now_s;
};

static int usage(FILE *out, int status)
{
    fputs("usage: consignctl [-s SOCKET] [-o table|json] COMMAND\n"
          "  status           sites, zones and the verdict\n"
          "  health           a line for monitoring; exit 0 ok, 1 degraded, 2 critical, 3 unknown\n"
          "  cert show ZONE   the newest release certificate of a zone\n"
          "The socket is " SOCKET " unless -s names another. NO_COLOR=1 switches colour off.\n",
          out);
    return status;
}

static bool has_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return (no_colour == NULL || *no_colour == '\0') && isatty(STDOUT_FILENO);
}

/* Nobody there, or nobody who answers: that is not a failure of what was asked. */
static int status_of(int code)
{
    bool is_there = code != CSN_ECLOSED && code != CSN_ETIMEOUT && code != CSN_EPERMISSION;
    return is_there ? EXIT_FAILED : EXIT_UNREACHABLE;
}

/* In JSON there is always a document: without a picture it says so. */
static int ask(const struct call *call, struct csn_status *ret_status, struct csn_reason *reason)
{
    int code = csn_control_ask_status(call->socket, TIMEOUT_MS, ret_status, reason);
    if (code == CSN_OK) {
        csn_ctl_doubt(ret_status, call->now_s);
    } else if (call->is_json) {
        csn_ctl_json_unknown(stdout, reason->text, call->now_s);
    }
    return code;
}

static int show_status(const struct call *call)
{
    struct csn_status status;
    struct csn_reason reason;
    int code = ask(call, &status, &reason);
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", reason.text);
        return status_of(code);
    }
    if (call->is_json) {
        csn_ctl_json_status(stdout, &status);
    } else {
        csn_ctl_table_status(stdout, &status, has_colour());
    }
    csn_status_fini(&status);
    return EXIT_DONE;
}

static int show_health(const struct call *call)
{
    struct csn_status status;
    struct csn_reason reason;
    if (ask(call, &status, &reason) != CSN_OK) {
        if (!call->is_json) {
            printf("CONSIGN UNKNOWN - %s\n", reason.text);
        }
        return CSN_HEALTH_UNKNOWN;
    }
    if (call->is_json) {
        csn_ctl_json_health(stdout, &status);
    } else {
        csn_ctl_line_health(stdout, &status);
    }
    int level = (int)status.level;
    csn_status_fini(&status);
    return level;
}

static int show_cert(const struct call *call, const char *name)
{
    char zone[ZONE_MAX];
    struct csn_cert_view view;
    struct csn_reason reason;
    size_t size = strlen(name);
    snprintf(zone, sizeof(zone), "%s%s", name, size > 0 && name[size - 1] == '.' ? "" : ".");
    int code = csn_control_ask_cert(call->socket, TIMEOUT_MS, zone, &view, &reason);
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", reason.text);
        return status_of(code);
    }
    if (call->is_json) {
        csn_ctl_json_cert(stdout, &view, call->now_s);
    } else {
        csn_ctl_table_cert(stdout, &view);
    }
    csn_cert_view_fini(&view);
    return EXIT_DONE;
}

static int run(const struct call *call, int count, char **words)
{
    if (count == 1 && strcmp(words[0], "status") == 0) {
        return show_status(call);
    }
    if (count == 1 && strcmp(words[0], "health") == 0) {
        return show_health(call);
    }
    if (count == 3 && strcmp(words[0], "cert") == 0 && strcmp(words[1], "show") == 0) {
        return show_cert(call, words[2]);
    }
    /* A monitoring plug-in must not read a slip of the pen as critical. */
    bool is_health = count > 0 && strcmp(words[0], "health") == 0;
    return usage(stderr, is_health ? CSN_HEALTH_UNKNOWN : EXIT_USAGE);
}

int main(int argc, char **argv)
{
    struct call call = {.socket = SOCKET, .now_s = (uint64_t)time(NULL)};
    int option;
    while ((option = getopt(argc, argv, "hs:o:")) != -1) {
        if (option == 's') {
            call.socket = optarg;
        } else if (option == 'o' && strcmp(optarg, "json") == 0) {
            call.is_json = true;
        } else if (option != 'o' || strcmp(optarg, "table") != 0) {
            return option == 'h' ? usage(stdout, EXIT_DONE) : usage(stderr, EXIT_USAGE);
        }
    }
    int status = run(&call, argc - optind, argv + optind);
    return fflush(stdout) == 0 || status != EXIT_DONE ? status : EXIT_FAILED;
}
