/* source.h: where the transfer server gets zones from. The node implements it over its store; the
 * server knows nothing of stores, rounds or certificates, and answers nothing but what a source
 * says may be answered. Loop thread. */
#ifndef CSN_XFR_SOURCE_H
#define CSN_XFR_SOURCE_H

#include "dns/rrset.h"

#define CSN_XFR_TEXT_MAX 128 /* of an extended error's text, NUL included */

enum csn_xfr_state {
    CSN_XFR_UNKNOWN, /* no zone of this server: REFUSED */
    CSN_XFR_HELD, /* configured, nothing to answer with now: SERVFAIL, never anything that could be
                     taken for "no such name" */
    CSN_XFR_READY
};

struct csn_xfr_zone {
    enum csn_xfr_state state;
    uint32_t left_s; /* READY: seconds until the first signature of the release expires; for EDNS
                        EXPIRE */
    char text[CSN_XFR_TEXT_MAX]; /* HELD: why, for the asking operator */
};

struct csn_xfr_source {
    void *arg; /* borrows */
    /* What may be said of `zone` (lower-case wire form) now. */
    void (*find)(void *arg, const uint8_t *zone, struct csn_xfr_zone *ret_zone);
    /* A reader of the newest release, before its first entry, or what failed. It sees one state for
     * as long as it is open. */
    int (*open)(void *arg, const uint8_t *zone, void **ret_reader);
    /* Entries in canonical order, apex first; they live until close. CSN_ENOTFOUND at the end;
     * anything else ends the transfer so that the other side does not take it. */
    int (*next)(void *reader, struct csn_entry *ret_entry);
    void (*close)(void *take_reader);
    /* A reader of what changed from the release with this serial to the newest, for IXFR: RRsets (RRSIGs too) in the order of
     * RFC 1995 4, of each difference the old SOA, what is gone, the new SOA, what is new. They live until the next call;
     * CSN_ENOTFOUND at the end. CSN_ENOTFOUND from open: not known, or more than the whole zone. */
    int (*open_changes)(void *arg, const uint8_t *zone, uint32_t serial, void **ret_changes);
    int (*next_change)(void *changes, struct csn_rrset *ret_rrset);
    void (*close_changes)(void *take_changes);
};

#endif
