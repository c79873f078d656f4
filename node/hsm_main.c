/* consign-hsm: the only process that loads a PKCS#11 module. Started by consign-node or
 * consign-ceremony with its socket pair on descriptor 3; takes no arguments and reads no
 * configuration of its own. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "hsm/worker.h"

#define DOOR 3
#define WHAT                                                                                       \
    "consign-hsm is started by consign-node or consign-ceremony, with a socket on descriptor 3"

int main(int argc, char **argv)
{
    const struct csn_log log = {.program = "consign-hsm", .least = CSN_INFO};
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("consign-hsm " CONSIGN_VERSION);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts(WHAT);
        return 0;
    }
    if (argc != 1 || fcntl(DOOR, F_SETFD, FD_CLOEXEC) != 0) {
        fputs(WHAT "\n", stderr);
        return 2;
    }
    /* No dumps and no tracing by others: the PIN passes through this memory. It leaves when its
     * door closes, so signals meant for the whole group do not cut a round's signatures short;
     * SIGKILL always works. */
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    csn_hsm_worker_run(DOOR, &log);
}
