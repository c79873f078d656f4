/* policy.h: the signing policy document as typed values, and the timings that are refused (signing.md 3, 6). Pure. */
#ifndef CSN_KEYS_POLICY_H
#define CSN_KEYS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/sha.h"
#include "dns/rrset.h"
#include "dns/serial.h"

/* A value that comes into force at A + (w(r) mod W), RRset by RRset; seconds. */
struct csn_timed {
    uint64_t at_s, window_s, value_s;
};
struct csn_timed_list {
    const struct csn_timed *events; /* borrows from the policy's arena; in the order of the document */
    size_t count;
};

/* Number and digest name a version of a document in every round. */
struct csn_version_id {
    uint32_t number;
    struct csn_digest digest; /* SHA-384 of the file's octets */
};

enum csn_denial { CSN_DENIAL_NSEC };

struct csn_policy {
    char name[64];
    struct csn_version_id version;
    struct csn_timed_list validity, refresh, offset; /* V, R, O */
    enum csn_denial denial;
    enum csn_serial_rule serial_rule;
    const uint8_t *const *drop_addresses; /* lower-case owners */
    size_t drop_addresses_count;
    unsigned shrink_percent;      /* gate, default 10 */
    uint32_t refresh_interval_s;  /* a refresh at most so often, when a signature is due; default 3600 */
    uint32_t propagation_s;       /* default 3600 */
    uint32_t hold_budget_s;       /* default 43200 */
    uint32_t prepublication_s;    /* default 7 d */
    uint32_t postpublication_s;   /* default 7 d */
    uint32_t round_deadline_ms;   /* default 120000 */
    uint32_t max_round_age_s;     /* default 1800 */
    uint32_t behind_max_s;        /* default 300 */
    uint32_t proof_count;         /* RRsets a site that authors nothing signs and throws away, default 64 */
    char accept_risk[128];        /* a reason; empty: no risk accepted */
    struct csn_arena arena;       /* owns the lists */
};
void csn_policy_fini(struct csn_policy *policy);

/* The lowest R that any RRset may have in force at S: while a change of R goes through its window, both count. */
uint64_t csn_policy_refresh_at(const struct csn_policy *policy, uint64_t schedule_s);

struct csn_keyset;

/* Why a document is refused, and by which of its values. */
struct csn_fault {
    struct csn_reason reason;
    char at[64];          /* keys, and numbers of items from 0: "events.1.list.0.at" */
    bool is_in_keyset;    /* of a check of policy and key set: which of the two */
};
/* Writes the place and lends the reason to write to; `fault` may be NULL, as the result then is. */
struct csn_reason *csn_fault_at(struct csn_fault *fault, bool is_in_keyset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What can be refused without a zone (signing.md 6, `--check`): W < P for every pair of V and R that can meet, O >= 1 h,
 * pre-publication >= DNSKEY TTL + propagation + hold budget, a value that never comes into force. `keyset` may be NULL, and
 * `fault`. CSN_EREFUSED. */
int csn_policy_check(const struct csn_policy *policy, const struct csn_keyset *keyset, struct csn_fault *fault);

/* What depends on an input: R >= SOA EXPIRE + max TTL + refresh interval, or accept-risk, for every R in force at S =
 * `schedule_s` or to come; post-publication >= max TTL + propagation + hold budget. */
int csn_policy_check_input(const struct csn_policy *policy, uint64_t schedule_s, uint32_t soa_expire_s, uint32_t ttl_max_s,
                           struct csn_reason *reason);

#endif
