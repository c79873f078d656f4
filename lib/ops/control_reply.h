/* control_reply.h: a daemon's reply, opened: what control_wire.c, control_status.c and control_explain.c share. */
#ifndef CSN_OPS_CONTROL_REPLY_H
#define CSN_OPS_CONTROL_REPLY_H

#include <string.h>

#include "base/arena.h"
#include "control.pb-c.h"
#include "ops/control_wire.h"

/* Takes what a reply holds into `ret`; CSN_EFORMAT: it is not understood. */
typedef int csn_control_take_fn(void *ret, const Csn__Control__Reply *reply);

/* The code that the daemon answered, with its reason; a reply of this kind goes to `take`. */
int csn_control_reply_decode(struct csn_bytes message, Csn__Control__Reply__WhatCase what,
                             csn_control_take_fn *take, void *ret, struct csn_reason *reason);

/* NULL stays NULL. */
static inline const char *csn_control_copy(struct csn_arena *arena, const char *text)
{
    return text != NULL ? csn_arena_copy(arena, text, strlen(text) + 1) : NULL;
}

/* An absent text that the renderer needs is an empty one. */
static inline const char *csn_control_copy_or_empty(struct csn_arena *arena, const char *text)
{
    return csn_control_copy(arena, text != NULL ? text : "");
}

#endif
