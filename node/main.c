/* consign-node -c FILE.yaml [--check]. Exit status: 0 ended by a signal, or --check found nothing; 1 failed while starting or
 * because its store did; 2 usage or configuration. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "config/check.h"
#include "base/fs.h"
#include "credentials.h"
#include "daemon.h"
#include "ops/command.h"

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
    struct csn_command command;
    int status = csn_command_read("consign-node", "One site: computes, signs with its HSM, votes, and serves what a quorum released.",
                                  argc, argv, &command);
    if (status >= 0) {
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    struct csn_node_config *config;
    struct csn_reason reason = {0};
    if (csn_node_config_load(command.path, &config, &reason) != CSN_OK) {
        fprintf(stderr, "%s\n", reason.text);
        return 2;
    }
    return command.is_check ? check(command.path, config) : run(config, argv);
}
