/* keyset.h: the key-set document as typed values: which keys exist, which sign, from when (signing.md 3). Pure. */
#ifndef CSN_KEYS_KEYSET_H
#define CSN_KEYS_KEYSET_H

#include "dns/name.h"
#include "keys/policy.h"

#define CSN_KEYS_MAX 32
#define CSN_KEY_LISTS_MAX 16

struct csn_key {
    char name[64];           /* in the document; messages only */
    struct csn_bytes dnskey; /* RDATA; borrows from the arena */
    uint8_t id[CSN_SHA256_SIZE]; /* SHA-256 of the RDATA: a key's only true name */
    uint16_t flags;
    uint16_t tag;
    uint8_t algorithm;
    bool is_published, is_retired;
};

#define CSN_KEY_NONE UINT16_MAX
struct csn_key_event {
    uint16_t key; /* index in keys, or CSN_KEY_NONE: ends the algorithm */
    uint64_t at_s, window_s;
};

enum csn_role { CSN_ROLE_KSK, CSN_ROLE_ZSK };
struct csn_key_list { /* of one (role, algorithm), in order */
    enum csn_role role;
    uint8_t algorithm;
    const struct csn_key_event *events; /* borrows from the arena */
    size_t count;
};

struct csn_keyset {
    uint8_t zone[CSN_NAME_MAX];
    struct csn_version_id version;
    uint32_t dnskey_ttl;
    struct csn_key keys[CSN_KEYS_MAX];
    size_t key_count;
    struct csn_key_list lists[CSN_KEY_LISTS_MAX];
    size_t list_count;
    struct csn_rrset cds, cdnskey; /* count 0: none; owner is the zone */
    struct csn_arena arena;        /* owns */
};
void csn_keyset_fini(struct csn_keyset *keyset);

/* Fills id, flags, tag, algorithm of a key from its RDATA. CSN_EFORMAT: shorter than a DNSKEY, protocol not 3. */
int csn_key_derive(struct csn_key *key, struct csn_bytes dnskey);
/* RFC 4034 appendix B. */
uint16_t csn_key_tag(struct csn_bytes dnskey);

/* Two keys of one algorithm and one tag (revoked forms too, RFC 5011), W of a KSK event, an algorithm that is not the key's,
 * flags of the other role on a key that is in one role only, an event that can never take effect, a zone that nothing signs:
 * CSN_EREFUSED. `fault` may be NULL. */
int csn_keyset_check(const struct csn_keyset *keyset, struct csn_fault *fault);

/* Whether the key signs at `now_s` or later, if no event is added: what a site must have in its token. */
bool csn_keyset_signs(const struct csn_keyset *keyset, uint16_t key, uint64_t now_s);

/* What documents and clock tell of pre-publication (signing.md 6, RFC 7583 3.2.1): a ZSK that signs at `now_s` or within the
 * policy's pre-publication from then must be published, unless no key of its algorithm is, as when an algorithm comes or goes.
 * When it was first published they do not tell. CSN_EREFUSED; `fault` may be NULL. */
int csn_keyset_check_publication(const struct csn_keyset *keyset, const struct csn_policy *policy, uint64_t now_s,
                                 struct csn_fault *fault);

/* Of each role a key signs at `now_s`: an event of it has come for every RRset, and for a KSK the key is published and not
 * retired (signing.md 3). CSN_EREFUSED with the role's first event; `fault` may be NULL. */
int csn_keyset_check_in_force(const struct csn_keyset *keyset, uint64_t now_s, struct csn_fault *fault);

/* The DS RDATA names this key of `zone` (RFC 4034 5.1.4). A digest of SHA-1 is not computed: tag and algorithm decide. */
bool csn_key_is_ds(const struct csn_key *key, const uint8_t *zone, struct csn_bytes ds);

/* DNSKEY RDATA of the keys that are published, or of the others; borrowed. Returns how many. */
size_t csn_keyset_rdatas(const struct csn_keyset *keyset, bool is_published, struct csn_bytes ret_rdatas[CSN_KEYS_MAX]);

/* The apex DNSKEY RRset of the published keys, packed into `buf` (ret borrows it). */
void csn_keyset_dnskey(const struct csn_keyset *keyset, struct csn_buf *buf, struct csn_rrset *ret_rrset);

#endif
