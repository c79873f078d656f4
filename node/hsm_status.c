#include "hsm_status.h"

#include "keyring.h"
#include "ops/alike.h"

/* The worker's own fault, which stops all zones whatever keys they have; NULL: it answers. */
static const char *link_fault(const struct csn_daemon *daemon, struct csn_status *status)
{
    struct csn_hsm_status hsm;
    csn_hsm_status_get(daemon->hsm, &hsm);
    const char *reason = hsm.reason.text;
    return hsm.state == CSN_HSM_UP
               ? NULL
               : csn_status_text(status, "%s%s%s", csn_hsm_state_text(hsm.state), reason[0] != '\0' ? ": " : "", reason);
}

/* Zones with a key that is not the published one, or those that something else keeps from signing. */
static void gather(const struct csn_daemon *daemon, bool is_wrong_key, const char *fault, struct csn_alikes *ret_alikes)
{
    *ret_alikes = (struct csn_alikes){0};
    for (size_t i = 0; i < daemon->zone_count; i++) {
        const struct csn_keyring *keyring = daemon->zones[i].keyring;
        const char *reason = csn_keyring_reason(keyring);
        if (reason[0] != '\0' && csn_keyring_is_wrong_key(keyring) == is_wrong_key) {
            csn_alikes_add(ret_alikes, fault != NULL ? fault : reason, daemon->zones[i].name);
        }
    }
}

const char *csn_hsm_status_text(const struct csn_daemon *daemon, struct csn_status *status)
{
    struct csn_alikes alikes;
    if (daemon->hsm == NULL) {
        return "none";
    }
    const char *fault = link_fault(daemon, status);
    gather(daemon, true, NULL, &alikes);
    if (alikes.count > 0) {
        return csn_status_text(status, "wrong key, %s: %s", csn_alike_zones(&alikes.rows[0], status), alikes.rows[0].cause);
    }
    if (fault != NULL) {
        return fault;
    }
    gather(daemon, false, NULL, &alikes);
    return alikes.count == 0 ? "ok" : csn_status_text(status, "%s: %s", csn_alike_zones(&alikes.rows[0], status), alikes.rows[0].cause);
}

static void blame(const struct csn_daemon *daemon, const struct csn_alikes *alikes, enum csn_health level, const char *what,
                  struct csn_status *status)
{
    for (uint32_t i = 0; i < alikes->count; i++) {
        const struct csn_alike *row = &alikes->rows[i];
        csn_status_blame(status, level, "%s: %s: %s%s", daemon->config->site, csn_alike_zones(row, status), what, row->cause);
    }
}

void csn_hsm_status_blame(const struct csn_daemon *daemon, bool is_in_maintenance, struct csn_status *status)
{
    struct csn_alikes alikes;
    if (daemon->hsm == NULL) {
        return;
    }
    gather(daemon, true, NULL, &alikes);
    blame(daemon, &alikes, CSN_HEALTH_CRITICAL, "", status);
    if (!is_in_maintenance) {
        gather(daemon, false, link_fault(daemon, status), &alikes);
        blame(daemon, &alikes, CSN_HEALTH_DEGRADED, "HSM: ", status);
    }
}
