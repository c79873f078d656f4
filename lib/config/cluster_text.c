#include "config/cluster_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "dns/name.h"

#define LINE_MAX_SIZE 1024

static void put(struct csn_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct csn_buf *buf, const char *format, ...)
{
    char line[LINE_MAX_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    csn_buf_put(buf, line, size < 0 ? 0 : (size_t)size < sizeof(line) ? (size_t)size : sizeof(line) - 1);
}

static void put_hex(struct csn_buf *buf, const char *key, const uint8_t *octets, size_t size)
{
    char hex[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(octets, size), hex);
    put(buf, "%s%s\n", key, hex);
}

/* Double quotes: all that YAML could take for something else is a text there. */
static void put_text(struct csn_buf *buf, const char *key, const char *text)
{
    put(buf, "%s\"", key);
    for (; *text != '\0'; text++) {
        put(buf, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    put(buf, "\"\n");
}

static void put_member(struct csn_buf *buf, const struct csn_member *member)
{
    put(buf, "  - number: %u\n    name: %s\n    role: %s\n    incarnation: %" PRIu32 "\n", member->number, member->name,
        member->role == CSN_MEMBER_VERIFIER ? "verifier" : "signer", member->incarnation);
    put_hex(buf, "    key: ", member->key, sizeof(member->key));
    put(buf, "    mesh: %s\n    bulk: %s\n", member->mesh, member->bulk);
}

static void put_named(struct csn_buf *buf, const char *before, const char *name, const uint8_t *key)
{
    put(buf, "%s- name: %s\n", before, name);
    put(buf, "%s  ", before);
    put_hex(buf, "key: ", key, CSN_ED25519_SIZE);
}

static void put_emergency(struct csn_buf *buf, const struct csn_emergency *emergency)
{
    char issued[CSN_TIME_TEXT_SIZE], end[CSN_TIME_TEXT_SIZE], zone[CSN_NAME_TEXT_MAX];
    csn_time_text(emergency->issued_s, issued);
    csn_time_text(emergency->not_after_s, end);
    put(buf, "emergency:\n");
    put_text(buf, "  reason: ", emergency->reason);
    put_text(buf, "  fenced: ", emergency->fenced);
    put(buf, "  issued: %s\n  not-after: %s\n  serial-offset: %" PRIu32 "\n  base:\n", issued, end,
        emergency->serial_offset);
    for (unsigned i = 0; i < emergency->base_count; i++) {
        const struct csn_emergency_base *base = &emergency->bases[i];
        csn_name_text(base->zone, zone);
        put_text(buf, "    - zone: ", zone);
        put_hex(buf, "      round: ", base->round, sizeof(base->round));
        put_hex(buf, "      full-root: ", base->full_root.octets, sizeof(base->full_root.octets));
    }
}

static void put_head(struct csn_buf *buf, const struct csn_cluster *cluster)
{
    put_hex(buf, "id: ", cluster->id, sizeof(cluster->id));
    put(buf, "environment: %s\nepoch: %" PRIu32 "\n", cluster->environment == 0 ? "production" : "test", cluster->epoch);
    if (cluster->epoch > 1) {
        put_hex(buf, "previous: ", cluster->previous.octets, sizeof(cluster->previous.octets));
    }
    if (!csn_digest_is_zero(&cluster->merges)) {
        put_hex(buf, "merges: ", cluster->merges.octets, sizeof(cluster->merges.octets));
    }
    put(buf, "quorum: %u\nfaults: %u\n", cluster->quorum, cluster->faults);
}

void csn_cluster_write(const struct csn_cluster *cluster, struct csn_buf *buf)
{
    put_head(buf, cluster);
    put(buf, "members:\n");
    for (unsigned i = 0; i < cluster->member_count; i++) {
        put_member(buf, &cluster->members[i]);
    }
    put(buf, "coordinators:\n");
    for (unsigned i = 0; i < cluster->coordinator_count; i++) {
        put(buf, "  - number: %u\n", cluster->coordinators[i].number);
        put(buf, "    name: %s\n", cluster->coordinators[i].name);
        put_hex(buf, "    key: ", cluster->coordinators[i].key, CSN_ED25519_SIZE);
    }
    if (cluster->operator_count > 0) {
        put(buf, "operators:\n");
    }
    for (unsigned i = 0; i < cluster->operator_count; i++) {
        put_named(buf, "  ", cluster->operators[i].name, cluster->operators[i].key);
    }
    if (cluster->officers.count > 0) {
        put(buf, "officers:\n  needed: %u\n  keys:\n", cluster->officers.needed);
    }
    for (unsigned i = 0; i < cluster->officers.count; i++) {
        put_named(buf, "    ", cluster->officers.keys[i].name, cluster->officers.keys[i].key);
    }
    if (cluster->is_emergency) {
        put_emergency(buf, &cluster->emergency);
    }
}

/* --- what changes */

static void put_member_change(struct csn_buf *buf, const struct csn_member *old, const struct csn_member *new)
{
    bool is_same_key = memcmp(old->key, new->key, sizeof(old->key)) == 0;
    if (old->incarnation != new->incarnation || !is_same_key) {
        put(buf, "member %u %s returns: incarnation %" PRIu32 " -> %" PRIu32 "%s\n", new->number, new->name,
            old->incarnation, new->incarnation, is_same_key ? ", the same key" : ", a new key");
    }
    if (strcmp(old->name, new->name) != 0) {
        put(buf, "member %u: name %s -> %s\n", new->number, old->name, new->name);
    }
    if (old->role != new->role) {
        put(buf, "member %u %s: becomes a %s\n", new->number, new->name,
            new->role == CSN_MEMBER_VERIFIER ? "verifier" : "signer");
    }
    if (strcmp(old->mesh, new->mesh) != 0 || strcmp(old->bulk, new->bulk) != 0) {
        put(buf, "member %u %s: reached at %s and %s\n", new->number, new->name, new->mesh, new->bulk);
    }
}

static void put_members_change(struct csn_buf *buf, const struct csn_cluster *now, const struct csn_cluster *next)
{
    for (unsigned i = 0; i < now->member_count; i++) {
        const struct csn_member *new = csn_cluster_member(next, now->members[i].number);
        if (new == NULL) {
            put(buf, "member %u %s leaves\n", now->members[i].number, now->members[i].name);
        } else {
            put_member_change(buf, &now->members[i], new);
        }
    }
    for (unsigned i = 0; i < next->member_count; i++) {
        const struct csn_member *new = &next->members[i];
        if (csn_cluster_member(now, new->number) == NULL) {
            put(buf, "member %u %s joins as a %s, reached at %s and %s\n", new->number, new->name,
                new->role == CSN_MEMBER_VERIFIER ? "verifier" : "signer", new->mesh, new->bulk);
        }
    }
}

static bool same_parties(const struct csn_cluster *now, const struct csn_cluster *next)
{
    bool are = now->coordinator_count == next->coordinator_count;
    for (unsigned i = 0; are && i < now->coordinator_count; i++) {
        are = now->coordinators[i].number == next->coordinators[i].number &&
              memcmp(now->coordinators[i].key, next->coordinators[i].key, CSN_ED25519_SIZE) == 0;
    }
    return are;
}

static bool same_operators(const struct csn_cluster *now, const struct csn_cluster *next)
{
    bool are = now->operator_count == next->operator_count;
    for (unsigned i = 0; are && i < now->operator_count; i++) {
        are = memcmp(now->operators[i].key, next->operators[i].key, CSN_ED25519_SIZE) == 0;
    }
    return are;
}

static bool same_officers(const struct csn_officers *now, const struct csn_officers *next)
{
    bool are = now->count == next->count && now->needed == next->needed;
    for (unsigned i = 0; are && i < now->count; i++) {
        are = memcmp(now->keys[i].key, next->keys[i].key, CSN_ED25519_SIZE) == 0;
    }
    return are;
}

void csn_cluster_write_change(const struct csn_cluster *now, const struct csn_cluster *next, struct csn_buf *buf)
{
    char end[CSN_TIME_TEXT_SIZE];
    put(buf, "epoch %" PRIu32 " -> %" PRIu32 "\n", now->epoch, next->epoch);
    put(buf, "quorum %u of %u -> %u of %u\n", now->quorum, now->member_count, next->quorum, next->member_count);
    if (now->faults != next->faults) {
        put(buf, "voters that may lie: %u -> %u\n", now->faults, next->faults);
    }
    put_members_change(buf, now, next);
    if (!same_parties(now, next)) {
        put(buf, "coordinators: %u -> %u, not the same\n", now->coordinator_count, next->coordinator_count);
    }
    if (!same_operators(now, next)) {
        put(buf, "operators: %u -> %u, not the same\n", now->operator_count, next->operator_count);
    }
    if (!same_officers(&now->officers, &next->officers)) {
        put(buf, "officers: %u of %u -> %u of %u, not the same\n", now->officers.needed, now->officers.count,
            next->officers.needed, next->officers.count);
    }
    if (next->is_emergency) {
        csn_time_text(next->emergency.not_after_s, end);
        put(buf, "EMERGENCY until %s: refreshes only, serials raised by %" PRIu32 "\nreason: %s\nfenced: %s\n", end,
            next->emergency.serial_offset, next->emergency.reason, next->emergency.fenced);
    }
    if (!csn_digest_is_zero(&next->merges)) {
        put_hex(buf, "releases come back of the branch of document ", next->merges.octets, sizeof(next->merges.octets));
    }
}
