/* progress.h: whether a site gives what it was asked for fast enough, and no more than it should be. Every piece has a deadline of
 * its own, but a row a piece would keep a fetch for days, and nobody else would be asked; and what is more than it should be would
 * fill memory or disk.
 *
 * A link that is slow, and a zone that has grown, must come through in the end: when all sites were asked in vain, those that were
 * too slow or gave too much are asked again, with more patience or room, each some times as much as before. Pure. */
#ifndef CSN_NODE_PROGRESS_H
#define CSN_NODE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define CSN_PROGRESS_PATIENCE_MAX 3 /* from 0: 60 s and 2, 8, 32, 128 s a MiB; 15, 30, 60, 120 s a piece */
#define CSN_PROGRESS_ROOM_MAX 3     /* from 0: see csn_progress_octets_max */

/* Of one object from one site. */
struct csn_progress {
    unsigned patience;
    uint64_t octets, octets_max;
    unsigned under_way;          /* requests */
    uint64_t since_ms, spent_ms; /* while any was: what waits here for its turn is no fault of the site's */
};

/* Twice `known`, the octets of what is alike and here already, and 64 MiB, or 1 GiB where nothing is known (0); fourfold for each
 * room, and 8 GiB with all of it. */
uint64_t csn_progress_octets_max(uint64_t known, unsigned room);
void csn_progress_begin(struct csn_progress *progress, unsigned patience, uint64_t octets_max);

/* For how long the next piece is waited for. */
uint32_t csn_progress_deadline_ms(const struct csn_progress *progress);
/* For each request, and for its end, whatever it was. */
void csn_progress_asked(struct csn_progress *progress, uint64_t now_ms);
void csn_progress_answered(struct csn_progress *progress, uint64_t now_ms);

/* A piece came. CSN_ELIMIT: more than it should be; CSN_ESLOW, never for the last; CSN_EFORMAT: an empty one, and not the last. */
int csn_progress_take(struct csn_progress *progress, size_t octets, bool is_last);
/* The code that a request ended with: CSN_ESLOW where a piece had come before and now none does. */
int csn_progress_code(const struct csn_progress *progress, int code);

#endif
