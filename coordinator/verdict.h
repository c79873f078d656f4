/* verdict.h: is this zone file the release that this certificate covers? Offline, from the cluster
 * document, the certificate and the zone alone: what consign-verify says. Any octets may be given.
 * Any thread; nothing to free. */
#ifndef CSN_COORDINATOR_VERDICT_H
#define CSN_COORDINATOR_VERDICT_H

#include "round/certificate.h"
#include "sign/content.h"
#include "sign/signed.h"

struct csn_verdict {
    struct csn_zone_roots found; /* of the zone file */
    char differ[6];              /* letters of the classes whose roots differ, of "DKNRB" */
};

/* CSN_OK: a quorum of the cluster's members signed exactly this zone. CSN_EREFUSED or
 * CSN_ESIGNATURE: the certificate does not hold; CSN_EFORMAT: the zone file cannot be read as a
 * signed zone; CSN_EMISMATCH: it is another zone, `ret_verdict` (written then, too) has the classes
 * that differ where the zone could be hashed. `zone_file` is for messages. Whether the signatures
 * verify is the validators' to say: a quorum's certificate means they did at T. */
int csn_verdict_reach(const struct csn_cluster *cluster, const struct csn_certificate *certificate,
                      struct csn_bytes text, const char *zone_file, struct csn_verdict *ret_verdict,
                      struct csn_reason *reason);

/* The same of a zone whose records were added and that is not finished yet; `name` is for
 * messages. */
int csn_verdict_reach_zone(const struct csn_cluster *cluster,
                           const struct csn_certificate *certificate, struct csn_signed *zone,
                           const char *name, struct csn_verdict *ret_verdict,
                           struct csn_reason *reason);

#endif
