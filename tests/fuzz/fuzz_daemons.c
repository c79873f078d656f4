/* Goal: no octets make the readers of a node's and a coordinator's configuration do anything but refuse them with a place.
 * Method: the same octets to both, as a file in memory; the files that it names are not there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/coordinator.h"
#include "config/node.h"
#include "fuzz/replay.h"

const char csn_fuzz_name[] = "daemons";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct csn_reason reason = {.text = ""};
    struct csn_node_config *node;
    struct csn_coordinator_config *coordinator;
    int fd = memfd_create("in.yaml", MFD_CLOEXEC);
    INSIST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    INSIST(csn_node_config_load(path, &node, &reason) < 0 && strncmp(reason.text, path, strlen(path)) == 0);
    INSIST(csn_coordinator_config_load(path, &coordinator, &reason) < 0 && strncmp(reason.text, path, strlen(path)) == 0);
    close(fd);
    return 0;
}
