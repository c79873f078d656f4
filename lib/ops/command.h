/* command.h: the command line that the two daemons have in common: -c FILE.yaml [--check]. */
#ifndef CSN_OPS_COMMAND_H
#define CSN_OPS_COMMAND_H

#include <stdbool.h>

struct csn_command {
    const char *path; /* borrows from argv: the configuration */
    bool is_check;    /* read it and what it names, say what is wrong, end */
};

/* `does`: the program's purpose in a sentence. Returns a negative number to go on with `ret_command`, else the process's exit
 * status: what was asked for is printed (0), or what is wrong (2). */
int csn_command_read(const char *program, const char *does, int argc, char **argv, struct csn_command *ret_command);

#endif
