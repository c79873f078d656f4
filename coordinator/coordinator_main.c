/* consign-coordinator -c FILE.yaml [--check]. Exit status: 0 ended by a signal, or --check found nothing; 1 failed while
 * starting; 2 usage or configuration. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/check.h"
#include "coordinator.h"
#include "credentials.h"

#define USAGE "usage: consign-coordinator -c FILE.yaml [--check]\n"

static int put_help(void)
{
    puts(USAGE "\n"
         "Proposes rounds to the sites; can release nothing by itself.\n"
         "  -c, --config FILE  its configuration\n"
         "  --check            reads the configuration and what it names, says what is wrong, and ends\n"
         "  -h, --help         this text\n"
         "  --version          the version of this program\n"
         "\n"
         "Exit status: 0 ended by a signal, or --check found nothing; 1 failed; 2 usage or configuration.");
    return 0;
}

static int put_usage(void)
{
    fputs(USAGE, stderr);
    return 2;
}

static int misuse(const char *what, const char *which)
{
    fprintf(stderr, "consign-coordinator: %s%s\n", what, which);
    return put_usage();
}

static int run(struct csn_coordinator_config *config, char **argv)
{
    char program[64];
    snprintf(program, sizeof(program), "consign-coordinator %s", config->name);
    struct csn_coordinator coordinator = {.argv = argv, .log = {.program = program, .least = config->log_level}};
    struct csn_reason reason = {0};
    int code = csn_coordinator_epochs_load(&coordinator.epochs, config, &reason);
    if (code == CSN_OK) {
        code = csn_coordinator_start(&coordinator, uv_default_loop(), config, &reason);
    }
    if (code != CSN_OK) {
        csn_log(&coordinator.log, CSN_ERROR, "coordinator.start", "%s", reason.text);
        return 1;
    }
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

/* What reading the configuration does not see. */
static int check(struct csn_coordinator_config *take_config)
{
    struct csn_reason reason = {0};
    uint64_t now_s = (uint64_t)time(NULL);
    struct csn_coordinator_epochs epochs = {0};
    int code = csn_check_coordinator(take_config, now_s, &reason);
    if (code == CSN_OK) {
        code = csn_coordinator_epochs_load(&epochs, take_config, &reason);
    }
    if (code == CSN_OK) {
        code = csn_credentials_check(&take_config->identity, take_config->name, take_config->self->key, false, now_s,
                                     &reason);
    }
    if (code != CSN_OK) {
        fprintf(stderr, "%s\n", reason.text);
    }
    csn_chain_fini(&epochs.chain);
    csn_coordinator_config_free(take_config);
    return code == CSN_OK ? 0 : 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'}, {0}};
    const char *path = NULL;
    bool is_check = false;
    for (int option; (option = getopt_long(argc, argv, "hc:", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            is_check = true;
            break;
        case 'V':
            puts("consign-coordinator " CONSIGN_VERSION);
            return 0;
        case 'h':
            return put_help();
        default:
            return put_usage(); /* getopt said what is wrong */
        }
    }
    if (path == NULL || optind != argc) {
        return optind != argc ? misuse("one word too many: ", argv[optind]) : misuse("-c FILE.yaml is missing", "");
    }
    signal(SIGPIPE, SIG_IGN);
    struct csn_coordinator_config *config;
    struct csn_reason reason = {0};
    if (csn_coordinator_config_load(path, &config, &reason) != CSN_OK) {
        fprintf(stderr, "%s\n", reason.text);
        return 2;
    }
    return is_check ? check(config) : run(config, argv);
}
