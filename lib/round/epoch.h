/* epoch.h: R8: how the members change. Each epoch has one cluster document, which names the one before it by
 * digest. A member that has the next document seals its epoch - votes no more, and says all its floors - and, when
 * enough have, raises its floors to theirs and enters the next one. Enough seals and entries are an epoch
 * certificate: the next epoch has begun. Pure; any thread; nothing to free. */
#ifndef CSN_ROUND_EPOCH_H
#define CSN_ROUND_EPOCH_H

#include "round/certificate.h"

/* Whether `next` may follow `now`: CSN_EREFUSED with a reason. Who signed it is not asked here. */
int csn_epoch_check_next(const struct csn_cluster *now, const struct csn_cluster *next,
                         struct csn_reason *reason);
/* The return from an emergency (ADR 0034). `now` is the emergency's document, `before` the last one before it (NULL:
 * not known). Members that come back with the key they had come with what they voted meanwhile: then the
 * document says so (`merges`), and any quorum of `next` has a member of any quorum of `before`, by whose floor
 * nothing that the branch certified can be undone. CSN_EREFUSED with a reason. */
int csn_epoch_check_return(const struct csn_cluster *before, const struct csn_cluster *now,
                           const struct csn_cluster *next, struct csn_reason *reason);
/* Where branches part, in an emergency, and where they meet again, the rounds go on beyond all that those who are
 * elsewhere may use meanwhile: certificates of before are below all floors. */
#define CSN_BRANCH_TERMS (UINT64_C(1) << 24)
void csn_epoch_move_on(const struct csn_cluster *epoch, struct csn_floor *floor);
/* The members of both, by number, incarnation and key: these carry the change. */
bool csn_epoch_stays(const struct csn_cluster *now, const struct csn_cluster *next, uint16_t site);
/* How many seals end `now`; after an emergency's document only those of its own members count. */
uint8_t csn_epoch_seals_needed(const struct csn_cluster *now, const struct csn_cluster *next);
/* How many members that stay must enter: the next quorum; after an emergency, whose few members stay all, these
 * may be fewer, and whom they take back joins (raises its floors) before it votes. */
uint8_t csn_epoch_entries_needed(const struct csn_cluster *now, const struct csn_cluster *next);
bool csn_epoch_seal_counts(const struct csn_cluster *now, const struct csn_cluster *next,
                           uint16_t site);
static inline struct csn_version_id csn_epoch_version(const struct csn_cluster *cluster)
{
    return (struct csn_version_id){.number = cluster->epoch, .digest = cluster->digest};
}

/* --- floors of all zones of a site, each zone | floor; named by their SHA-384 */

/* The next of octets that may be anything; false at the end, or with `failed` set. */
bool csn_floors_next(struct csn_reader *reader, uint8_t ret_zone[CSN_NAME_MAX],
                     struct csn_floor *ret_floor);
void csn_floors_put(struct csn_buf *buf, const uint8_t *zone, const struct csn_floor *floor);

/* --- statements */

struct csn_body_seal {
    uint8_t cluster[16];
    uint8_t environment;
    struct csn_version_id epoch; /* that ends: number and digest of its document */
    struct csn_version_id next;
    uint32_t zones;
    struct csn_digest floors;
};
#define CSN_BODY_SEAL_SIZE 173
void csn_body_seal_encode(const struct csn_body_seal *body, struct csn_buf *buf);
int csn_body_seal_decode(struct csn_bytes octets, struct csn_body_seal *ret_body);

/* A seal that its site's floors were raised to. */
struct csn_entry_seal {
    uint16_t site;
    struct csn_digest floors;
};
struct csn_body_entry {
    uint8_t cluster[16];
    uint8_t environment;
    struct csn_version_id epoch; /* that is entered */
    uint8_t seal_count;          /* 1.. */
    struct csn_entry_seal seals[CSN_MEMBERS_MAX]; /* ascending sites */
};
void csn_body_entry_encode(const struct csn_body_entry *body, struct csn_buf *buf);
int csn_body_entry_decode(struct csn_bytes octets, struct csn_body_entry *ret_body);

/* --- the certificate */

#define CSN_EPOCH_CERTIFICATE_MAX 4096

struct csn_epoch_seal {
    uint16_t site;
    uint32_t incarnation;
    uint32_t zones;
    struct csn_digest floors;
    uint8_t signature[CSN_SIGNATURE_SIZE];
};
struct csn_epoch_entry {
    uint16_t site;
    uint32_t incarnation;
    uint8_t seal_count;
    uint16_t seals[CSN_MEMBERS_MAX]; /* ascending sites, each among the certificate's seals */
    uint8_t signature[CSN_SIGNATURE_SIZE];
};
struct csn_epoch_certificate {
    uint8_t cluster[16];
    uint8_t environment;
    struct csn_version_id epoch, next;
    uint8_t seal_count; /* 1.. */
    struct csn_epoch_seal seals[CSN_MEMBERS_MAX]; /* ascending sites */
    uint8_t entry_count; /* 1.. */
    struct csn_epoch_entry entries[CSN_MEMBERS_MAX]; /* ascending sites */
};
void csn_epoch_certificate_encode(const struct csn_epoch_certificate *certificate,
                                  struct csn_buf *buf);
/* The form only: CSN_EFORMAT for anything but what encode writes. */
int csn_epoch_certificate_decode(struct csn_bytes octets,
                                 struct csn_epoch_certificate *ret_certificate);
/* A decoded certificate against the documents of both epochs, which csn_epoch_check_next lets follow each other:
 * enough seals, the quorum of the next epoch in entries of sites that stay, each over enough of these seals, and
 * all signatures. CSN_EREFUSED, CSN_ESIGNATURE with a reason. */
int csn_epoch_certificate_check(const struct csn_epoch_certificate *certificate,
                                const struct csn_cluster *now, const struct csn_cluster *next,
                                csn_verify_fn *verify, void *arg, struct csn_reason *reason);
/* What the site of a seal or an entry signed. */
void csn_epoch_seal_body(const struct csn_epoch_certificate *certificate,
                         const struct csn_epoch_seal *seal, struct csn_body_seal *ret_body);
const struct csn_epoch_seal *csn_epoch_find_seal(const struct csn_epoch_certificate *certificate,
                                                 uint16_t site);

#endif
