/* consignctl: asks one daemon of the own site and shows what it says.
 * Exit status: 0 done (status: a picture was shown, a red one too), 1 failed, 2 wrong usage, 3 no
 * daemon answers, 4 refused, 5 kept and not in force yet. zone diff: 0 equal, 1 different, 2 wrong usage, 3 cannot tell. health: 0 ok,
 * 1 degraded, 2 critical, 3 cannot tell, wrong usage too. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl_membership.h"
#include "ctl_order.h"
#include "ctl_render.h"
#include "ctl_zone.h"
#include "ops/control.h"

#define SOCKET "/run/consign/control.sock"
#define TIMEOUT_MS 5000
#define ZONE_MAX 1024
#define WATCH_S 2
#define WATCH_MAX_S 86400

struct call {
    const char *socket;
    const char *reason, *cluster, *key; /* of an order */
    const char *site;                   /* of zone refusals */
    bool is_json, is_explained, is_anyway;
    const char *zone; /* of status; NULL: all */
    bool is_not_well, has_exit_code;
    unsigned watch_s; /* 0: once */
    uint64_t now_s;
    FILE *out, *err; /* borrow */
};

static void put_help(void)
{
    puts("usage: consignctl [-s SOCKET] [-o table|json] COMMAND\n"
         "  status [ZONE] [--not-well] [--exit-code]\n"
         "                   sites, zones and the verdict; one zone's row, or of those alone of which something ill is said\n"
         "  health           a line for monitoring; exit 0 ok, 1 degraded, 2 critical, 3 unknown\n"
         "  cert show ZONE   the newest release certificate of a zone\n"
         "  zone status ZONE [--explain]      how it stands at each site; why, what comes next, what may be done\n"
         "  zone refusals ZONE [--site SITE]  what sites refused lately; -o json: as they signed it\n"
         "  zone diff ZONE SERIAL SITE SITE   records that only the first (-) or the second (+) has\n"
         "  zone reports ZONE [NAME]          reports of divergences in this site's store, newest first; the text of one\n"
         "  membership propose FILE           the next cluster document, signed by the officers; --anyway: also\n"
         "                                    where the newest release would be at too few sites\n"
         "  membership show                   the epoch, and what changes with the next document\n"
         "  membership chain                  all documents and how each began, for consign-verify --chain\n"
         "\n"
         "Orders, with --reason TEXT --cluster FILE --key FILE; all sites hear of them:\n"
         "  zone hold|resume ZONE            nothing new is released, what is released stays served\n"
         "  maintenance on|off SITE|ZONE     a site signs nothing for others and raises no alarm\n"
         "  authority move ZONE SITE         this site notifies the secondaries, when it is fit to\n"
         "  authority auto ZONE              the first site that is fit does, as without an order\n"
         "  zone approve|reject ZONE SERIAL  an input parked at this site: take it, or no alarm about it any more\n"
         "  zone generation ZONE N           serials of inputs begin anew, as they do here now\n"
         "  zone approve-serial ZONE SERIAL  the next release has this serial, however far it is (RFC 1982)\n"
         "  zone reject-serial ZONE          what was approved so is not done, if it has not been done yet\n"
         "\n"
         "  -s SOCKET        the daemon's socket (default: " SOCKET ")\n"
         "  -o table|json    how to show it (default: table); of membership: show alone\n"
         "  -w[SECONDS], --watch[=SECONDS]  status and health again and again (default: 2); lines of JSON but on a terminal\n"
         "  --exit-code      status ends as health does\n"
         "  --reason TEXT    why; shown in every status\n"
         "  --cluster FILE   the cluster document\n"
         "  --key FILE       the operator's Ed25519 key, mode 0600\n"
         "  -h, --help       this text\n"
         "  --version        the version of this program\n"
         "\n"
         "Exit status, but of health: 0 done, 1 failed, 2 wrong usage, 3 no daemon answers,\n"
         "4 refused by the cluster, 5 an order is kept and not in force yet.\n"
         "zone diff: 0 equal, 1 different, 2 wrong usage, 3 cannot be compared.\n"
         "NO_COLOR=1 switches colour off.");
}

static bool is_health(int count, char **words)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "health") == 0) {
            return true;
        }
    }
    return false;
}

/* A monitoring plug-in must not read a slip of the pen as critical. */
static int put_usage(int count, char **words)
{
    fputs("usage: consignctl [-s SOCKET] [-o table|json] status | health | cert show ZONE |\n"
          "       zone VERB ZONE ... | maintenance ... | authority ... | membership ...\n"
          "consignctl --help says more\n",
          stderr);
    if (is_health(count, words)) {
        puts("CONSIGN UNKNOWN - wrong usage");
        return CSN_HEALTH_UNKNOWN;
    }
    return CSN_CTL_USAGE;
}

static int misuse(int count, char **words, const char *what, const char *which)
{
    fprintf(stderr, "consignctl: %s%s\n", what, which);
    return put_usage(count, words);
}

static struct csn_ctl_page page_to(FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    bool is_terminal = isatty(STDOUT_FILENO);
    return (struct csn_ctl_page){
        .out = out,
        .columns = is_terminal ? CSN_CTL_COLUMNS : 0,
        .has_colour = is_terminal && (no_colour == NULL || *no_colour == '\0')};
}

/* In JSON there is always a document: without a picture it says so. */
static int ask(const struct call *call, struct csn_status *ret_status, struct csn_reason *reason)
{
    int code = csn_control_ask_status(call->socket, TIMEOUT_MS, ret_status, reason);
    if (code == CSN_OK) {
        csn_ctl_doubt(ret_status, call->now_s);
    } else if (call->is_json) {
        csn_ctl_json_unknown(call->out, reason->text, call->now_s);
    }
    return code;
}

static int show_status(const struct call *call)
{
    struct csn_status status;
    struct csn_reason reason;
    int code = ask(call, &status, &reason);
    if (code != CSN_OK) {
        fprintf(call->err, "consignctl: %s\n", reason.text);
        return call->has_exit_code ? CSN_HEALTH_UNKNOWN : csn_ctl_exit(code, false);
    }
    int result = call->has_exit_code ? (int)status.level : CSN_CTL_DONE;
    if (csn_ctl_select(&status, call->zone, call->is_not_well) == 0 && call->zone != NULL && !call->is_not_well) {
        fprintf(call->err, "consignctl: %s: no zone of %s\n", call->zone, status.observed_from);
        result = CSN_CTL_FAILED;
    } else if (call->is_json) {
        csn_ctl_json_status(call->out, &status);
    } else {
        struct csn_ctl_page page = page_to(call->out);
        csn_ctl_table_status(&page, &status);
    }
    csn_status_fini(&status);
    return result;
}

static int show_health(const struct call *call)
{
    struct csn_status status;
    struct csn_reason reason;
    if (ask(call, &status, &reason) != CSN_OK) {
        if (!call->is_json) {
            fprintf(call->out, "CONSIGN UNKNOWN - %s\n", reason.text);
        }
        return CSN_HEALTH_UNKNOWN;
    }
    if (call->is_json) {
        csn_ctl_json_health(call->out, &status);
    } else {
        csn_ctl_line_health(call->out, &status);
    }
    int level = (int)status.level;
    csn_status_fini(&status);
    return level;
}

/* Until it is ended by a signal, or nobody reads. */
static int watch(const struct call *call, int (*show)(const struct call *call))
{
    bool is_terminal = isatty(STDOUT_FILENO);
    struct call again = *call;
    again.is_json = call->is_json || !is_terminal;
    for (;;) {
        char *text = NULL;
        size_t size;
        again.out = open_memstream(&text, &size);
        if (again.out == NULL) {
            return CSN_CTL_FAILED;
        }
        again.err = again.is_json ? stderr : again.out;
        again.now_s = (uint64_t)time(NULL);
        show(&again);
        fclose(again.out);
        bool is_read = csn_ctl_put_again(stdout, text, !again.is_json);
        free(text);
        if (!is_read) {
            return CSN_CTL_FAILED;
        }
        sleep(call->watch_s);
    }
}

static int look(const struct call *call, int (*show)(const struct call *call))
{
    return call->watch_s > 0 ? watch(call, show) : show(call);
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
        return csn_ctl_exit(code, false);
    }
    if (call->is_json) {
        csn_ctl_json_cert(stdout, &view, call->now_s);
    } else {
        csn_ctl_table_cert(stdout, &view);
    }
    csn_cert_view_fini(&view);
    return CSN_CTL_DONE;
}

static int give_order(const struct call *call, int count, char **words)
{
    struct csn_ctl_order_call order = {.socket = call->socket,
                                       .reason = call->reason,
                                       .cluster = call->cluster,
                                       .key = call->key,
                                       .is_json = call->is_json};
    const char *wrong;
    int status = csn_ctl_order(&order, count, words, &wrong);
    return wrong != NULL ? misuse(count, words, wrong, "") : status;
}

static int run(const struct call *call, int count, char **words)
{
    if (count == 0) {
        return misuse(count, words, "no command", "");
    }
    if (csn_ctl_is_order(count, words)) {
        return give_order(call, count, words);
    }
    bool is_status = strcmp(words[0], "status") == 0, is_cert = strcmp(words[0], "cert") == 0;
    bool is_line = strcmp(words[0], "health") == 0;
    if (strcmp(words[0], "zone") == 0) {
        const char *wrong = NULL;
        struct csn_ctl_zone_call zone = {.socket = call->socket,
                                         .site = call->site,
                                         .is_json = call->is_json,
                                         .is_explained = call->is_explained,
                                         .page = page_to(stdout)};
        int status = csn_ctl_zone(&zone, count - 1, words + 1, &wrong);
        return wrong != NULL ? misuse(count, words, wrong, "") : status;
    }
    if (strcmp(words[0], "membership") == 0) {
        const char *wrong = NULL;
        int code = csn_ctl_membership(call->socket, call->is_json, call->is_anyway, count - 1, words + 1, &wrong);
        return wrong != NULL ? misuse(count, words, wrong, "") : csn_ctl_exit(code, true);
    }
    int count_max = is_cert ? 3 : is_status ? 2 : 1;
    if (!is_status && !is_cert && !is_line) {
        return misuse(count, words, "unknown command: ", words[0]);
    }
    if (is_cert && (count < 2 || strcmp(words[1], "show") != 0)) {
        return misuse(count, words, "cert: show is the one thing to do with it", "");
    }
    if (is_cert && count < 3) {
        return misuse(count, words, "cert show: the zone is missing", "");
    }
    if (count > count_max) {
        return misuse(count, words, "one word too many: ", words[count_max]);
    }
    if (is_cert && call->watch_s > 0) {
        return misuse(count, words, "--watch: of status and health alone", "");
    }
    struct call of_zone = *call;
    of_zone.zone = count > 1 ? words[1] : NULL;
    return is_cert ? show_cert(call, words[2]) : look(&of_zone, is_status ? show_status : show_health);
}

/* 0: not a span that can be waited for. */
static unsigned read_seconds(const char *text)
{
    char *end;
    unsigned long seconds = text == NULL ? WATCH_S : strtoul(text, &end, 10);
    return text == NULL || (*end == '\0' && *text >= '0' && *text <= '9' && seconds <= WATCH_MAX_S) ? (unsigned)seconds : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},          {"version", no_argument, NULL, 'V'},
        {"reason", required_argument, NULL, 'R'},  {"cluster", required_argument, NULL, 'C'},
        {"key", required_argument, NULL, 'K'},     {"site", required_argument, NULL, 'S'},
        {"explain", no_argument, NULL, 'E'},       {"watch", optional_argument, NULL, 'w'},
        {"not-well", no_argument, NULL, 'N'},      {"exit-code", no_argument, NULL, 'X'},
        {"anyway", no_argument, NULL, 'A'},        {NULL, 0, NULL, 0}};
    struct call call = {.socket = SOCKET, .now_s = (uint64_t)time(NULL), .out = stdout, .err = stderr};
    int option;
    while ((option = getopt_long(argc, argv, "hs:o:w::", options, NULL)) != -1) {
        switch (option) {
        case 's':
            call.socket = optarg;
            break;
        case 'o':
            call.is_json = strcmp(optarg, "json") == 0;
            if (!call.is_json && strcmp(optarg, "table") != 0) {
                return misuse(argc, argv, "-o takes table or json, not ", optarg);
            }
            break;
        case 'w':
            call.watch_s = read_seconds(optarg);
            if (call.watch_s == 0) {
                return misuse(argc, argv, "--watch takes seconds, not ", optarg);
            }
            break;
        case 'N':
            call.is_not_well = true;
            break;
        case 'X':
            call.has_exit_code = true;
            break;
        case 'S':
            call.site = optarg;
            break;
        case 'E':
            call.is_explained = true;
            break;
        case 'A':
            call.is_anyway = true;
            break;
        case 'R':
            call.reason = optarg;
            break;
        case 'C':
            call.cluster = optarg;
            break;
        case 'K':
            call.key = optarg;
            break;
        case 'h':
            put_help();
            return CSN_CTL_DONE;
        case 'V':
            puts("consignctl " CONSIGN_VERSION);
            return CSN_CTL_DONE;
        default: /* getopt said what is wrong */
            return put_usage(argc, argv);
        }
    }
    int status = run(&call, argc - optind, argv + optind);
    return fflush(stdout) == 0 || status != CSN_CTL_DONE ? status : CSN_CTL_FAILED;
}
