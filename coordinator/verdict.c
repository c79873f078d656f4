#include "verdict.h"

#include <stdio.h>

#include "dns/zonefile.h"
#include "sign/signed.h"

static int add_record(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_signed_add(arg, record, reason);
}

static bool has_soa(const struct csn_signed *zone)
{
    for (size_t i = 0; i < zone->count; i++) {
        if (zone->entries[i].rrset.type == CSN_TYPE_SOA) {
            return true;
        }
    }
    return false;
}

static int root_of_entries(const struct csn_signed *zone, const struct csn_proposal *proposal,
                           struct csn_zone_roots *ret_roots, struct csn_reason *reason)
{
    if (!has_soa(zone)) {
        return csn_reason_set(reason, CSN_EFORMAT, "no SOA: not a zone, or cut");
    }
    struct csn_rooter *rooter = csn_rooter_new(proposal->zone, proposal->time_s);
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < zone->count; i++) {
        code = csn_rooter_add(rooter, &zone->entries[i], reason);
    }
    if (code == CSN_OK) {
        code = csn_rooter_finish(rooter, proposal->serial, ret_roots, reason);
    }
    csn_rooter_free(rooter);
    return code;
}

static int roots_of(struct csn_signed *zone, const char *name, const struct csn_proposal *proposal,
                    struct csn_zone_roots *ret_roots, struct csn_reason *reason)
{
    struct csn_reason cause = {.text = ""};
    int code = csn_signed_finish(zone, &cause);
    if (code == CSN_OK) {
        code = root_of_entries(zone, proposal, ret_roots, &cause);
    }
    csn_reason_set(code != CSN_OK ? reason : NULL, code, "%s: %s", name, cause.text);
    return code == CSN_OK || code == CSN_EMISMATCH ? code : CSN_EFORMAT;
}

/* Class by class, so that the operator knows the cause before any data moves. */
static int compare(const struct csn_body_held *held, struct csn_verdict *verdict, const char *file,
                   struct csn_reason *reason)
{
    const struct csn_zone_roots *found = &verdict->found;
    const struct {
        char letter;
        const char *what;
        const struct csn_digest *certified, *found;
    } classes[] = {{'D', "data", &held->roots.d, &found->roots.d},
                   {'K', "keys", &held->roots.k, &found->roots.k},
                   {'N', "denial", &held->roots.n, &found->roots.n},
                   {'R', "signature fields", &held->roots.r, &found->roots.r},
                   {'B', "signature octets", &held->b, &found->b}};
    char list[96];
    size_t count = 0, used = 0;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (!csn_digest_equal(classes[i].certified, classes[i].found)) {
            verdict->differ[count++] = classes[i].letter;
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%c (%s)",
                                     used > 0 ? ", " : "", classes[i].letter, classes[i].what);
        }
    }
    verdict->differ[count] = '\0';
    if (count > 0) {
        return csn_reason_set(reason, CSN_EMISMATCH, "%s: not the certified zone: it differs in %s",
                              file, list);
    }
    if (!csn_digest_equal(&held->full_root, &found->full)) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "the certificate's full root does not follow from its class roots");
    }
    if (held->records != found->records || held->signatures != found->signatures ||
        held->earliest_expiry_s != found->earliest_expiry_s) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "the certificate's counts or first expiry are not the zone's");
    }
    return CSN_OK;
}

int csn_verdict_reach_zone(const struct csn_cluster *cluster,
                           const struct csn_certificate *certificate, struct csn_signed *zone,
                           const char *name, struct csn_verdict *ret_verdict,
                           struct csn_reason *reason)
{
    struct csn_verdict verdict = {.differ = ""};
    const struct csn_body_held *held = &certificate->held;
    int code = csn_certificate_check(certificate, cluster, csn_ed25519_verify, NULL, reason);
    if (code != CSN_OK) {
        return code;
    }
    code = roots_of(zone, name, &held->proposal, &verdict.found, reason);
    if (code == CSN_OK) {
        code = compare(held, &verdict, name, reason);
    }
    if (code == CSN_OK || code == CSN_EMISMATCH) {
        *ret_verdict = verdict;
    }
    return code;
}

int csn_verdict_reach(const struct csn_cluster *cluster, const struct csn_certificate *certificate,
                      struct csn_bytes text, const char *zone_file, struct csn_verdict *ret_verdict,
                      struct csn_reason *reason)
{
    int code = csn_certificate_check(certificate, cluster, csn_ed25519_verify, NULL, reason);
    if (code != CSN_OK) {
        return code;
    }
    const uint8_t *apex = certificate->held.proposal.zone;
    struct csn_signed *zone = csn_signed_new(apex);
    if (csn_zonefile_read(text, zone_file, apex, add_record, zone, reason) != CSN_OK) {
        code = CSN_EFORMAT;
    } else {
        code = csn_verdict_reach_zone(cluster, certificate, zone, zone_file, ret_verdict, reason);
    }
    csn_signed_free(zone);
    return code;
}
