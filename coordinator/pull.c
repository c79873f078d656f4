#include "pull.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#define PORT 53
#define TIMEOUT_S 30 /* without an octet */

static int set_server(ldns_resolver *resolver, const char *server, struct csn_reason *reason)
{
    char address[64];
    const char *at = strchr(server, '@');
    size_t size = at != NULL ? (size_t)(at - server) : strlen(server);
    char *end = NULL;
    unsigned long port = at != NULL ? strtoul(at + 1, &end, 10) : PORT;
    bool is_port = port > 0 && port <= UINT16_MAX && (at == NULL || (at[1] != '\0' && *end == '\0'));
    snprintf(address, sizeof(address), "%.*s", (int)(size < sizeof(address) ? size : 0), server);
    ldns_rdf *rdf = ldns_rdf_new_frm_str(
        strchr(address, ':') != NULL ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, address);
    if (rdf == NULL || !is_port) {
        ldns_rdf_deep_free(rdf);
        return csn_reason_set(reason, CSN_EFORMAT,
                              "%s: not an address, nor address@port; names are not looked up", server);
    }
    ldns_resolver_set_port(resolver, (uint16_t)port);
    ldns_resolver_push_nameserver(resolver, rdf);
    ldns_rdf_deep_free(rdf);
    return CSN_OK;
}

static int set_resolver(ldns_resolver *resolver, const struct csn_pull *pull,
                        struct csn_reason *reason)
{
    struct timeval patience = {.tv_sec = TIMEOUT_S};
    ldns_resolver_set_timeout(resolver, patience);
    ldns_resolver_set_retry(resolver, 1);
    if (pull->key != NULL) {
        ldns_resolver_set_tsig_keyname(resolver, pull->key);
        ldns_resolver_set_tsig_keydata(resolver, pull->secret);
        ldns_resolver_set_tsig_algorithm(resolver, "hmac-sha256.");
    }
    return set_server(resolver, pull->server, reason);
}

/* RDATA in wire form, uncompressed, follows the owner and ten octets in a record's wire form. */
static int add_record(struct csn_signed *zone, ldns_rr *rr, struct csn_reason *reason)
{
    uint8_t *wire = NULL;
    size_t size = 0, owner_size = ldns_rdf_size(ldns_rr_owner(rr));
    if (ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &size) != LDNS_STATUS_OK ||
        size < owner_size + 10) {
        free(wire);
        return csn_reason_set(reason, CSN_EFORMAT, "a record cannot be read");
    }
    struct csn_record record = {.owner = csn_bytes(wire, owner_size),
                                .rdata = csn_bytes(wire + owner_size + 10, size - owner_size - 10),
                                .ttl = ldns_rr_ttl(rr),
                                .class = (uint16_t)ldns_rr_get_class(rr),
                                .type = (uint16_t)ldns_rr_get_type(rr)};
    int code = csn_signed_add(zone, &record, reason);
    free(wire);
    return code;
}

static int take_records(ldns_resolver *resolver, const char *server, struct csn_signed *zone,
                        struct csn_reason *reason)
{
    int code = CSN_OK;
    ldns_rr *rr = NULL;
    while (code == CSN_OK && (rr = ldns_axfr_next(resolver)) != NULL) {
        code = add_record(zone, rr, reason);
        ldns_rr_free(rr);
    }
    if (code == CSN_OK && !ldns_axfr_complete(resolver)) {
        const ldns_pkt *last = ldns_axfr_last_pkt(resolver);
        const ldns_lookup_table *rcode =
            last != NULL ? ldns_lookup_by_id(ldns_rcodes, (int)ldns_pkt_get_rcode(last)) : NULL;
        code = csn_reason_set(reason, CSN_ECLOSED, "%s: the transfer was not finished (%s)", server,
                              rcode != NULL ? rcode->name : "no answer");
    }
    return code;
}

int csn_pull_zone(const struct csn_pull *pull, const uint8_t *apex, struct csn_signed *zone,
                  struct csn_reason *reason)
{
    ldns_resolver *resolver = ldns_resolver_new();
    ldns_rdf *name = ldns_dname_new_frm_data((uint16_t)csn_name_size(apex), apex);
    int code = set_resolver(resolver, pull, reason);
    if (code == CSN_OK && ldns_axfr_start(resolver, name, LDNS_RR_CLASS_IN) != LDNS_STATUS_OK) {
        code = csn_reason_set(reason, CSN_ECLOSED, "%s: no connection", pull->server);
    }
    if (code == CSN_OK) {
        code = take_records(resolver, pull->server, zone, reason);
        ldns_axfr_abort(resolver);
    }
    ldns_rdf_deep_free(name);
    ldns_resolver_deep_free(resolver);
    return code;
}
