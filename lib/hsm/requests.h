/* requests.h: what the worker does for one request: names and numbers are checked, then the back end
 * is asked. No thread and no descriptor: worker.c has those. Any thread, one at a time a session. */
#ifndef CSN_HSM_REQUESTS_H
#define CSN_HSM_REQUESTS_H

#include "hsm.pb-c.h"
#include "hsm/backend.h"

struct csn_hsm_door { /* borrows */
    const struct csn_backend *backend;
    void *session;
};

struct csn_hsm_reply {
    Csn__Hsm__Answer answer; /* borrows from the rest, which stays in its place */
    struct csn_buf public_key;
    struct csn_arena arena;
    struct csn_hsm_wrapped wrapped;
    Csn__Hsm__Wrapped message;
    Csn__Hsm__WrappedKey keys[CSN_HSM_WRAP_MAX], *pointers[CSN_HSM_WRAP_MAX];
    uint32_t mechanisms[2];
};

void csn_hsm_reply_init(struct csn_hsm_reply *reply);
void csn_hsm_reply_fini(struct csn_hsm_reply *reply);

/* All requests but Configure and Sign. Fills the answer, but for its id, code and reason. */
int csn_hsm_request_do(const struct csn_hsm_door *door, const Csn__Hsm__Request *request,
                       struct csn_hsm_reply *reply, struct csn_reason *reason);
/* One input of a Sign request. */
int csn_hsm_request_sign(const struct csn_hsm_door *door, const Csn__Hsm__Sign *sign, size_t item,
                         struct csn_backend_signature *ret_signature, struct csn_reason *reason);

#endif
