#include "mesh/guard.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4 /* places where one statement may be remembered */
#define SETS (CSN_GUARD_SEEN_MAX / WAYS)

struct seen {
    struct csn_digest digest; /* of the signed octets, so of kind, signer, incarnation and body */
    uint8_t signature[CSN_SIGNATURE_SIZE];
    uint64_t last_ms;
    bool is_used;
};

struct logged {
    enum csn_mesh_drop reason;
    struct csn_mesh_peer peer;
};

struct csn_guard {
    const struct csn_cluster *cluster; /* borrows */
    const struct csn_log *log;         /* borrows */
    struct csn_hasher *hasher;         /* owns */
    struct csn_buf octets;             /* owns: signed octets under work */
    uint64_t dropped[CSN_MESH_DROP_COUNT];
    struct logged logged[CSN_GUARD_LOGGED_MAX];
    size_t logged_count;
    struct seen seen[SETS][WAYS];
};

const char *csn_mesh_drop_text(enum csn_mesh_drop reason)
{
    static const char *const texts[] = {
#define DROP_TEXT(name, text) text,
        CSN_MESH_DROPS(DROP_TEXT)
#undef DROP_TEXT
    };
    return texts[reason];
}

struct csn_guard *csn_guard_new(const struct csn_cluster *cluster, const struct csn_log *log)
{
    struct csn_guard *guard = csn_calloc(1, sizeof(*guard));
    guard->cluster = cluster;
    guard->log = log;
    guard->hasher = csn_hasher_new();
    return guard;
}

void csn_guard_free(struct csn_guard *take_guard)
{
    if (take_guard != NULL) {
        csn_hasher_free(take_guard->hasher);
        csn_buf_fini(&take_guard->octets);
        free(take_guard);
    }
}

uint64_t csn_guard_dropped(const struct csn_guard *guard, enum csn_mesh_drop reason)
{
    return guard->dropped[reason];
}

/* True the first time, while there is room to remember it. */
static bool is_new(struct csn_guard *guard, enum csn_mesh_drop reason, struct csn_mesh_peer peer)
{
    for (size_t i = 0; i < guard->logged_count; i++) {
        const struct logged *row = &guard->logged[i];
        if (row->reason == reason && row->peer.number == peer.number &&
            row->peer.incarnation == peer.incarnation) {
            return false;
        }
    }
    if (guard->logged_count == CSN_GUARD_LOGGED_MAX) {
        return false;
    }
    guard->logged[guard->logged_count++] = (struct logged){.reason = reason, .peer = peer};
    return true;
}

static void print_who(enum csn_mesh_drop reason, struct csn_mesh_peer peer, char *text, size_t size)
{
    if (reason == CSN_MESH_DROP_HANDSHAKE) {
        snprintf(text, size, "a stranger's connection");
    } else if (peer.number == 0) {
        snprintf(text, size, "someone who did not say who it is");
    } else if (peer.incarnation == 0) {
        snprintf(text, size, "coordinator %" PRIu16, peer.number);
    } else {
        snprintf(text, size, "site %" PRIu16 " incarnation %" PRIu32, peer.number,
                 peer.incarnation);
    }
}

void csn_guard_drop(struct csn_guard *guard, enum csn_mesh_drop reason, struct csn_mesh_peer peer,
                    const char *format, ...)
{
    guard->dropped[reason]++;
    /* A duplicate is nobody's fault. */
    if (reason == CSN_MESH_DROP_DUPLICATE || !is_new(guard, reason, peer)) {
        return;
    }
    char who[64], detail[CSN_REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    print_who(reason, peer, who, sizeof(who));
    csn_log(guard->log, CSN_WARNING, "mesh.drop",
            "%s %s (%s); dropped, and from now on only counted", who, csn_mesh_drop_text(reason),
            detail);
}

/* The key of a peer in its incarnation; NULL: counted and logged. */
static const uint8_t *find_key(struct csn_guard *guard, struct csn_mesh_peer peer, const char *what)
{
    if (peer.incarnation == 0) {
        const struct csn_coordinator_id *coordinator =
            csn_cluster_coordinator(guard->cluster, peer.number);
        if (coordinator != NULL) {
            return coordinator->key;
        }
    }
    const struct csn_member *member = csn_cluster_member(guard->cluster, peer.number);
    if (peer.incarnation == 0 || member == NULL) {
        csn_guard_drop(guard, CSN_MESH_DROP_STRANGER, peer, "%s", what);
        return NULL;
    }
    if (member->incarnation != peer.incarnation) {
        csn_guard_drop(guard, CSN_MESH_DROP_INCARNATION, peer, "%s; the document says %" PRIu32,
                       what, member->incarnation);
        return NULL;
    }
    return member->key;
}

/* The place of a verified statement, or NULL. */
static struct seen *find_seen(struct csn_guard *guard, const struct csn_digest *digest,
                              const uint8_t *signature)
{
    struct seen *set = guard->seen[csn_get_u32(digest->octets) % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        /* The signature too: only the one that was verified is known to be good. */
        if (set[i].is_used && csn_digest_equal(&set[i].digest, digest) &&
            memcmp(set[i].signature, signature, CSN_SIGNATURE_SIZE) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

static struct seen *remember(struct csn_guard *guard, const struct csn_digest *digest,
                             const uint8_t *signature)
{
    struct seen *set = guard->seen[csn_get_u32(digest->octets) % SETS];
    struct seen *oldest = &set[0];
    for (size_t i = 1; i < WAYS; i++) {
        if (!set[i].is_used || (oldest->is_used && set[i].last_ms < oldest->last_ms)) {
            oldest = &set[i];
        }
    }
    *oldest = (struct seen){.digest = *digest, .is_used = true};
    memcpy(oldest->signature, signature, CSN_SIGNATURE_SIZE);
    return oldest;
}

/* guard->octets are what the signature covers. `ret_was_seen` when they were verified before. */
static bool is_signed(struct csn_guard *guard, const uint8_t *key, const uint8_t *signature,
                      struct seen **ret_seen, bool *ret_was_seen)
{
    struct csn_digest digest;
    csn_hasher_sha384(guard->hasher, csn_buf_view(&guard->octets), &digest);
    *ret_seen = find_seen(guard, &digest, signature);
    *ret_was_seen = *ret_seen != NULL;
    if (*ret_seen == NULL) {
        if (csn_identity_verify(key, csn_buf_view(&guard->octets), signature) != CSN_OK) {
            return false;
        }
        *ret_seen = remember(guard, &digest, signature);
    }
    return true;
}

void csn_guard_proof_octets(const struct csn_sender *sender, struct csn_buf *buf)
{
    static const char domain[] = "consign mesh v1"; /* with its NUL */
    uint8_t body[17];
    struct csn_digest digest;
    memcpy(body, sender->cluster_id, 16);
    body[16] = sender->environment;
    csn_sha384(csn_bytes(body, sizeof(body)), &digest);
    csn_buf_put(buf, domain, sizeof(domain));
    csn_buf_put_u16(buf, sender->peer.number);
    csn_buf_put_u32(buf, sender->peer.incarnation);
    csn_buf_put(buf, digest.octets, CSN_DIGEST_SIZE);
}

static bool is_of_cluster(struct csn_guard *guard, const struct csn_sender *sender)
{
    bool is_ours = memcmp(sender->cluster_id, guard->cluster->id, sizeof(guard->cluster->id)) == 0 &&
                   sender->environment == guard->cluster->environment;
    if (!is_ours) {
        csn_guard_drop(guard, CSN_MESH_DROP_CLUSTER, sender->peer,
                       "its messages carry another cluster id or environment");
    }
    return is_ours;
}

static bool is_proven(struct csn_guard *guard, const struct csn_sender *sender, const uint8_t *key, uint64_t now_ms)
{
    struct seen *seen;
    bool was_seen;
    csn_buf_clear(&guard->octets);
    csn_guard_proof_octets(sender, &guard->octets);
    if (!is_signed(guard, key, sender->proof, &seen, &was_seen)) {
        csn_guard_drop(guard, CSN_MESH_DROP_SIGNATURE, sender->peer, "its proof as a sender");
        return false;
    }
    seen->last_ms = now_ms;
    return true;
}

bool csn_guard_admits_sender(struct csn_guard *guard, const struct csn_sender *sender,
                             uint64_t now_ms)
{
    const uint8_t *key = is_of_cluster(guard, sender) ? find_key(guard, sender->peer, "as a sender") : NULL;
    return key != NULL && is_proven(guard, sender, key, now_ms);
}

bool csn_guard_admits_former(struct csn_guard *guard, const struct csn_sender *sender, const uint8_t *key,
                             uint64_t now_ms)
{
    return is_of_cluster(guard, sender) && is_proven(guard, sender, key, now_ms);
}

/* An operator is no peer: it has no link and no incarnation. */
static const uint8_t *find_operator_key(struct csn_guard *guard, struct csn_mesh_peer signer)
{
    const struct csn_operator_id *found = csn_cluster_operator(guard->cluster, signer.number);
    if (found == NULL || signer.incarnation != 0) {
        csn_guard_drop(guard, CSN_MESH_DROP_STRANGER, signer, "an order of operator %" PRIu16,
                       signer.number);
        return NULL;
    }
    return found->key;
}

static const uint8_t *find_signer_key(struct csn_guard *guard,
                                      const struct csn_mesh_statement *statement)
{
    const char *kind = csn_statement_text(statement->kind);
    if (kind == NULL) {
        csn_guard_drop(guard, CSN_MESH_DROP_MALFORMED, statement->signer, "no kind %d of statement",
                       (int)statement->kind);
        return NULL;
    }
    if (statement->body.size > CSN_STATEMENT_MAX) {
        csn_guard_drop(guard, CSN_MESH_DROP_OVERSIZED, statement->signer, "%s of %zu octets", kind,
                       statement->body.size);
        return NULL;
    }
    if (csn_statement_is_operators(statement->kind)) {
        return find_operator_key(guard, statement->signer);
    }
    const uint8_t *key = find_key(guard, statement->signer, kind);
    if (key != NULL &&
        csn_statement_is_coordinators(statement->kind) != (statement->signer.incarnation == 0)) {
        csn_guard_drop(guard, CSN_MESH_DROP_ROLE, statement->signer, "%s", kind);
        return NULL;
    }
    return key;
}

bool csn_guard_admits(struct csn_guard *guard, const struct csn_mesh_statement *statement,
                      uint64_t now_ms)
{
    const uint8_t *key = find_signer_key(guard, statement);
    if (key == NULL) {
        return false;
    }
    struct seen *seen;
    bool was_seen;
    csn_buf_clear(&guard->octets);
    csn_statement_signed(statement->kind, statement->signer.number, statement->signer.incarnation,
                         statement->body, &guard->octets);
    if (!is_signed(guard, key, statement->signature, &seen, &was_seen)) {
        csn_guard_drop(guard, CSN_MESH_DROP_SIGNATURE, statement->signer, "%s",
                       csn_statement_text(statement->kind));
        return false;
    }
    if (was_seen && now_ms < seen->last_ms + CSN_GUARD_REPEAT_MS) {
        csn_guard_drop(guard, CSN_MESH_DROP_DUPLICATE, statement->signer, "%s",
                       csn_statement_text(statement->kind));
        return false;
    }
    seen->last_ms = now_ms;
    return true;
}
