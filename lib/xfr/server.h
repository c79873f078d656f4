/* server.h: the outgoing DNS server of a node: SOA (also NS and DNSKEY of an apex), AXFR and IXFR,
 * over UDP and TCP, to whom the rules allow. What it says besides: id.server and NSID name the
 * site. All else is REFUSED or SERVFAIL with an extended error (RFC 8914); NXDOMAIN is never said.
 *
 * Promises: every site sends the same records in the same order (SOA, the zone in canonical order
 * with each RRset before its RRSIGs, SOA); a zone is never held in memory, a message is made when
 * the one before is written; nobody keeps a snapshot longer than CSN_XFR_TRANSFER_MS. Loop thread
 * only. */
#ifndef CSN_XFR_SERVER_H
#define CSN_XFR_SERVER_H

#include <uv.h>

#include "base/log.h"
#include "config/node.h"
#include "xfr/counters.h"
#include "xfr/source.h"

#define CSN_XFR_CONNECTIONS_MAX                                                                    \
    256 /* open at a time; for one more, the one without a request for longest is closed, or, where  \
           each has a transfer under way, the new one; both counted */
#define CSN_XFR_ADDRESS_MAX 32 /* of these from one address, the same way */
#define CSN_XFR_STRANGERS_MAX                                                                      \
    16 /* of these from addresses that no rule names, so that they cannot take all */
#define CSN_XFR_REQUEST_MAX                                                                        \
    4096                      /* octets of a request by TCP; a longer one closes the connection */
#define CSN_XFR_IDLE_MS 30000 /* without a request: closed */
#define CSN_XFR_STRANGER_IDLE_MS 3000
#define CSN_XFR_WRITE_MS 30000 /* for one message to be taken: closed */
#define CSN_XFR_TRANSFER_MS                                                                        \
    900000 /* for a whole transfer: closed, because its reader pins old pages of the store */

struct csn_xfr_server;

/* Listens on config->listen, UDP and TCP each; config, site, source and log are borrowed until
 * free. CSN_EIO with the address. A wildcard address may answer UDP from another one than was
 * asked: list addresses one by one on hosts with several. */
int csn_xfr_server_new(uv_loop_t *loop, const struct csn_transfer_config *config, const char *site,
                       const struct csn_xfr_source *source, const struct csn_log *log,
                       struct csn_xfr_server **ret_server, struct csn_reason *reason);
/* Closes all and every reader; the memory goes when the loop has run the close callbacks. */
void csn_xfr_server_free(struct csn_xfr_server *take_server);

void csn_xfr_server_counters(const struct csn_xfr_server *server,
                             struct csn_xfr_counters *ret_counters);

#endif
