/* epochs.h: which cluster document is in force, for a coordinator: it learns of later epochs from the sites' reports, fetches the
 * links, checks them and begins again with the newest document. The chain in a file beside the control socket only saves the
 * asking; without it, it is fetched again. Loop thread, but for csn_coordinator_epochs_load. */
#ifndef CSN_COORDINATOR_EPOCHS_H
#define CSN_COORDINATOR_EPOCHS_H

#include "config/chain.h"
#include "config/coordinator.h"

struct csn_coordinator;

struct csn_coordinator_epochs {
    struct csn_chain chain; /* owns */
    bool is_asking;
    uint64_t again_ms; /* mono; no other request before this */
    uint64_t vain_ms[CSN_MEMBERS_MAX]; /* nor of this site, by its place in the document: it gave nothing the last time */
    uint16_t asked;    /* the site that is asked */
    bool is_unkept;    /* a later epoch has begun, and the file does not take it yet */
    uint64_t keep_ms;  /* mono; when it is tried again */
};

/* Before the start: the chain, and the configuration's document and `self` set to the newest that names this coordinator. A reason
 * beside CSN_OK, as csn_chain_open. */
int csn_coordinator_epochs_load(struct csn_coordinator_epochs *epochs, struct csn_coordinator_config *config,
                                struct csn_reason *reason);
/* Tries again to keep what could not be kept. */
void csn_coordinator_epochs_tick(struct csn_coordinator *coordinator);
/* Report or promise of a site. */
void csn_coordinator_heard(struct csn_coordinator *coordinator, uint16_t site, struct csn_bytes report);

#endif
