/* consign-node -c FILE.yaml [--check]. Exit status: 0 ended by a signal, or --check found nothing; 1 failed while starting or
 * because its store did; 2 usage or configuration. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/check.h"
#include "base/fs.h"
#include "credentials.h"
#include "daemon.h"

#define USAGE "usage: consign-node -c FILE.yaml [--check]\n"

static int put_help(void)
{
    puts(USAGE "\n"
         "One site: computes, signs with its HSM, votes, and serves what a quorum released.\n"
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
    fprintf(stderr, "consign-node: %s%s\n", what, which);
    return put_usage();
}

/* Heavy work must not keep a vote's write waiting for a thread: some are left beside the parts of two jobs. */
static void size_thread_pool(void)
{
    char threads[16];
    snprintf(threads, sizeof(threads), "%u", 4 * uv_available_parallelism() + 4);
    setenv("UV_THREADPOOL_SIZE", threads, 0);
}

static int run(struct csn_node_config *config, char **argv)
{
    char program[64];
    snprintf(program, sizeof(program), "consign-node %s", config->site);
    struct csn_daemon daemon = {.argv = argv, .log = {.program = program, .least = config->log_level}};
    struct csn_reason reason = {0};
    size_thread_pool();
    csn_fs_reserve();
    int code = csn_epochs_load(&daemon.epochs, config, &reason);
    if (code == CSN_OK) {
        if (reason.text[0] != '\0') {
            csn_log(&daemon.log, CSN_ERROR, "epoch.document", "%s", reason.text);
        }
        code = csn_daemon_start(&daemon, uv_default_loop(), config, &reason);
    }
    if (code != CSN_OK) {
        csn_log(&daemon.log, CSN_ERROR, "node.start", "%s: %s", csn_error_text(code), reason.text);
        return 1;
    }
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

/* What reading the configuration does not see. */
static int check(const char *path, struct csn_node_config *take_config)
{
    struct csn_epochs epochs = {0};
    struct csn_reason reason = {0};
    uint64_t now_s = (uint64_t)time(NULL);
    int code = csn_check_node(path, take_config, now_s, &reason);
    if (code == CSN_OK) {
        code = csn_epochs_load(&epochs, take_config, &reason);
        code = code == CSN_OK && reason.text[0] != '\0' ? CSN_EMISMATCH : code;
    }
    if (code == CSN_OK) {
        code = csn_credentials_check(&take_config->identity, take_config->site, take_config->member->key, true, now_s,
                                     &reason);
    }
    if (code != CSN_OK) {
        fprintf(stderr, "%s\n", reason.text);
    }
    csn_epochs_unload(&epochs);
    csn_node_config_free(take_config);
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
            puts("consign-node " CONSIGN_VERSION);
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
    struct csn_node_config *config;
    struct csn_reason reason = {0};
    if (csn_node_config_load(path, &config, &reason) != CSN_OK) {
        fprintf(stderr, "%s\n", reason.text);
        return 2;
    }
    return is_check ? check(path, config) : run(config, argv);
}
