/* process.h: beginning again without a supervisor. */
#ifndef CSN_BASE_PROCESS_H
#define CSN_BASE_PROCESS_H

/* Becomes the same program anew, with the same arguments and process id; every file but the standard ones is closed. For faults
 * in which a library can no longer be trusted and everything that matters is durable. */
_Noreturn void csn_process_again(char **argv);

#endif
