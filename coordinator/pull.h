/* pull.h: a signed zone as a name server gives it: AXFR (RFC 5936), by ldns. What comes is a
 * stranger's word until its roots are a certificate's. Blocks; any thread. */
#ifndef CSN_COORDINATOR_PULL_H
#define CSN_COORDINATOR_PULL_H

#include "sign/signed.h"

struct csn_pull {
    const char *server;  /* address, or address@port */
    const char *key;     /* TSIG hmac-sha256: the key's name; NULL: none */
    const char *secret;  /* and its secret in base64 */
};

/* Adds every record of the zone. CSN_EFORMAT: no address; CSN_ECLOSED: nobody there, or it refused;
 * what csn_signed_add refuses. */
int csn_pull_zone(const struct csn_pull *pull, const uint8_t *apex, struct csn_signed *zone,
                  struct csn_reason *reason);

#endif
