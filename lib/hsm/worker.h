/* worker.h: the whole of consign-hsm: reads requests from a descriptor, has them done by threads
 * with one session each, writes answers (proto/hsm.proto). The items of a Sign request are shared
 * by all threads, so that one request keeps every session busy. The process leaves, without running
 * exit handlers (a module may hang in them), when the descriptor closes: as soon as the module has
 * returned from what it was doing, or after two seconds. */
#ifndef CSN_HSM_WORKER_H
#define CSN_HSM_WORKER_H

#include "base/log.h"

#define CSN_HSM_MESSAGE_MAX                                                                        \
    (1u << 20) /* octets after the length; a longer message ends the process that reads it */
#define CSN_HSM_BATCH_MAX 256 /* inputs of one Sign request; more end the worker */
#define CSN_HSM_JOBS_MAX                                                                           \
    16 /* requests not yet answered; one more ends the worker: the client keeps far fewer */

_Noreturn void csn_hsm_worker_run(int fd, const struct csn_log *log);

#endif
