/* consign-coordinator -c FILE.yaml [--check]. Exit status: 0 ended by a signal, or --check found nothing; 1 failed while
 * starting; 2 usage or configuration. */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "config/check.h"
#include "coordinator.h"
#include "credentials.h"
#include "ops/command.h"

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
    struct csn_command command;
    int status = csn_command_read("consign-coordinator", "Proposes rounds to the sites; can release nothing by itself.",
                                  argc, argv, &command);
    if (status >= 0) {
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    struct csn_coordinator_config *config;
    struct csn_reason reason = {0};
    if (csn_coordinator_config_load(command.path, &config, &reason) != CSN_OK) {
        fprintf(stderr, "%s\n", reason.text);
        return 2;
    }
    return command.is_check ? check(config) : run(config, argv);
}
