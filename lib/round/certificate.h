/* certificate.h: q equal HELD statements are a release certificate: self-contained, checked by
 * every node before it serves an octet (I4), by consign-verify offline. Layout: `CSNC` | u8 1 | u32
 * length | body of held | u8 q | q x (site u16, incarnation u32, signature 64), ascending sites.
 * Pure; any thread; nothing to free. */
#ifndef CSN_ROUND_CERTIFICATE_H
#define CSN_ROUND_CERTIFICATE_H

#include "round/statement.h"

#define CSN_CERTIFICATE_MAX 8192

struct csn_certificate_vote {
    uint16_t site;
    uint32_t incarnation;
    uint8_t signature[CSN_SIGNATURE_SIZE];
};

struct csn_certificate {
    struct csn_body_held held;
    uint8_t vote_count;                                 /* q */
    struct csn_certificate_vote votes[CSN_MEMBERS_MAX]; /* ascending sites */
};

void csn_certificate_encode(const struct csn_certificate *certificate, struct csn_buf *buf);
/* The form only: CSN_EFORMAT for anything but what encode writes, duplicates and descending sites
 * too. */
int csn_certificate_decode(struct csn_bytes octets, struct csn_certificate *ret_certificate);

/* A certificate from a file: its octets, or the same in hex with line ends. CSN_EFORMAT with a reason. */
int csn_certificate_read(struct csn_bytes file, struct csn_certificate *ret_certificate,
                         struct csn_reason *reason);

/* Of a key over a message; csn_ed25519_verify in production, a cheap MAC in the simulator. */
typedef bool csn_verify_fn(void *arg, const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
                           const uint8_t signature[CSN_SIGNATURE_SIZE]);
/* `arg` is not used. */
csn_verify_fn csn_ed25519_verify;

/* A decoded certificate against the cluster document of its epoch: same cluster, environment, epoch
 * and document; exactly q votes of members in their incarnation, each signature over the body.
 * CSN_EREFUSED, CSN_ESIGNATURE with a reason. */
int csn_certificate_check(const struct csn_certificate *certificate,
                          const struct csn_cluster *cluster, csn_verify_fn *verify, void *arg,
                          struct csn_reason *reason);

/* The member voted for it, in its present incarnation: one that returned anew need not have what it voted for in its earlier
 * life. */
bool csn_certificate_has_vote(const struct csn_certificate *certificate, const struct csn_member *member);

static inline struct csn_release csn_certificate_release(const struct csn_certificate *certificate)
{
    return (struct csn_release){.round = certificate->held.proposal.round,
                                .full_root = certificate->held.full_root};
}

#endif
