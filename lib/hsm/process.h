/* process.h: one worker process and the stream to it, as the client's loop sees them: frames out,
 * frames in, one end. Knows nothing of what is in a frame. Loop thread only. */
#ifndef CSN_HSM_PROCESS_H
#define CSN_HSM_PROCESS_H

#include "hsm/client.h"

struct csn_hsm_process;

struct csn_hsm_process_handler {
    void (*frame)(void *arg, struct csn_bytes frame); /* without its length */
    void (*end)(void *arg, const char *why); /* at most once, and the last: then kill the process */
    void *arg;
};

/* Starts the program; NULL with a reason when it cannot be started. */
struct csn_hsm_process *csn_hsm_process_new(uv_loop_t *loop,
                                            const struct csn_hsm_settings *settings,
                                            const struct csn_hsm_process_handler *handler,
                                            struct csn_reason *reason);
/* `take_frame` begins with its length. */
void csn_hsm_process_send(struct csn_hsm_process *process, struct csn_bytes take_frame);
/* SIGKILL. No handler is called any more, also not by this; the memory goes when the process is
 * reaped. */
void csn_hsm_process_kill(struct csn_hsm_process *take_process);

#endif
