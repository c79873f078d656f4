#include "restore.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/round_zone.h"
#include "kept/inputs.h"
#include "kept/version.h"
#include "orders.h"
#include "persist.h"
#include "release.h"

#define LETTER_OF_HOLDS 'H' /* second octet of their keys; docs/PROTOCOL.md, 4 */
#define LETTER_OF_SEALS 'S'

struct restore {
    struct csn_daemon *daemon; /* borrows */
    struct csn_arena arena;    /* owns what the arrays point to */
    struct csn_record_pair *records; /* owns */
    size_t record_count;
    struct csn_version_name *versions; /* owns */
    struct csn_version_name *bad;      /* owns; versions that are damaged */
    size_t version_count, bad_count;
    struct csn_record_pair *seconds; /* owns */
    size_t second_count;
    struct csn_buf stored; /* owns; what the second copy gave the store to keep */
    bool is_second_damaged, is_second_ahead;
    struct csn_buf *certificate_files; /* owns */
    struct csn_bytes *certificates;    /* owns; borrow from those */
    size_t certificate_count;
};

static int add_record(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct restore *restore = arg;
    const struct csn_unwritable *unwritable = &restore->daemon->unwritable;
    char letter = key.size > 1 ? (char)key.data[1] : '\0';
    bool is_seal_alone = letter == LETTER_OF_SEALS && !unwritable->is_damaged; /* else its copy is read: load_seconds */
    if (unwritable->is_set && (letter == LETTER_OF_HOLDS || is_seal_alone)) {
        return CSN_OK; /* who votes no more need not compare them with their second copy, whose disk may be gone */
    }
    restore->records = csn_realloc(restore->records, restore->record_count + 1, sizeof(restore->records[0]));
    struct csn_record_pair *record = &restore->records[restore->record_count++];
    record->key = csn_bytes(csn_arena_copy(&restore->arena, key.data, key.size), key.size);
    record->value = csn_bytes(csn_arena_copy(&restore->arena, value.data, value.size), value.size);
    return CSN_OK;
}

static int add_stored(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct restore *restore = arg;
    (void)key;
    csn_buf_put_bytes(&restore->stored, value);
    return CSN_OK;
}

static void add_name(struct restore *restore, struct csn_version_name **names, size_t *count, const uint8_t *zone,
                     const struct csn_digest *name)
{
    *names = csn_realloc(*names, *count + 1, sizeof((*names)[0]));
    struct csn_version_name *added = &(*names)[(*count)++];
    added->zone = csn_arena_copy(&restore->arena, zone, csn_name_size(zone));
    added->full_root = *name;
}

static int add_table(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name, struct csn_bytes meta)
{
    (void)meta;
    struct restore *restore = arg;
    if (kind != CSN_TABLE_VERSION || csn_daemon_zone(restore->daemon, zone) == NULL) {
        return CSN_OK;
    }
    if (csn_version_is_whole(restore->daemon->store, zone, name)) {
        add_name(restore, &restore->versions, &restore->version_count, zone, name);
    } else {
        add_name(restore, &restore->bad, &restore->bad_count, zone, name);
    }
    return CSN_OK;
}

static void delete_bad(struct restore *restore)
{
    for (size_t i = 0; i < restore->bad_count; i++) {
        char zone[CSN_NAME_TEXT_MAX], name[17];
        csn_name_text(restore->bad[i].zone, zone);
        csn_hex_encode(csn_bytes(restore->bad[i].full_root.octets, 8), name);
        csn_log(&restore->daemon->log, CSN_ERROR, "store.damaged",
                "zone %s: the stored version %s does not have its root and is %s; it will be fetched from a peer if it is needed; "
                "check this site's disk",
                zone, name, restore->daemon->unwritable.is_set ? "not served" : "deleted");
        csn_table_delete(restore->daemon->store, CSN_TABLE_VERSION, restore->bad[i].zone, &restore->bad[i].full_root);
    }
}

static int add_input(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name, struct csn_bytes octets)
{
    struct restore *restore = arg;
    struct csn_input_meta meta;
    const struct csn_zone_shell *shell = csn_daemon_zone(restore->daemon, zone);
    if (kind != CSN_TABLE_INPUT || shell == NULL ||
        csn_input_meta_decode(octets, &meta) != CSN_OK) {
        return CSN_OK;
    }
    struct csn_event event = {.kind = CSN_EVENT_INPUT,
                              .input = {.zone = zone,
                                        .id = {.generation = csn_orders_generation(shell, name),
                                               .serial = meta.serial,
                                               .received = meta.received,
                                               .prepared = *name,
                                               .removed = meta.removed,
                                               .removed_hash = meta.removed_hash}}};
    csn_daemon_event(restore->daemon, &event);
    return CSN_OK;
}

static void make_core(struct csn_daemon *daemon)
{
    struct csn_round_zone *zones = csn_calloc(daemon->zone_count, sizeof(zones[0]));
    uint64_t now_s = csn_daemon_now(daemon).wall_s;
    for (size_t i = 0; i < daemon->zone_count; i++) {
        const struct csn_zone_config *config = daemon->zones[i].config;
        zones[i] = csn_round_zone_of(config->zone, &config->policy, &config->keyset, now_s);
        zones[i].has_live_serial = config->live_serial <= UINT32_MAX;
        zones[i].live_serial = (uint32_t)config->live_serial;
    }
    daemon->core = csn_node_new(&daemon->config->cluster, daemon->config->member->number, zones, daemon->zone_count);
    free(zones);
}

/* A site that cannot read its second copy votes no more, and leaves the file as it is. */
static int load_seconds(struct restore *restore, struct csn_reason *reason)
{
    struct csn_daemon *daemon = restore->daemon;
    struct csn_second_copy *copy = daemon->second;
    bool is_wanted = !daemon->unwritable.is_set || daemon->unwritable.is_damaged; /* its disk may be gone, else */
    int code = is_wanted ? csn_second_copy_load(copy, csn_buf_view(&restore->stored), &restore->is_second_ahead, reason) : CSN_OK;
    restore->second_count = csn_second_copy_count(copy);
    restore->seconds = csn_calloc(restore->second_count + 1, sizeof(restore->seconds[0]));
    for (size_t i = 0; i < restore->second_count; i++) {
        restore->seconds[i] = csn_second_copy_get(copy, i);
    }
    if (code != CSN_EDAMAGED && code != CSN_EIO) {
        return code;
    }
    restore->is_second_damaged = true;
    csn_second_copy_lose(copy);
    csn_log(&daemon->log, CSN_ERROR, "store.damaged",
            "%s; this site votes no more; check its disk, and let it return as a new member with a new key", reason->text);
    return CSN_OK;
}

static void load_certificates(struct restore *restore)
{
    struct csn_daemon *daemon = restore->daemon;
    restore->certificate_files = csn_calloc(daemon->zone_count, sizeof(restore->certificate_files[0]));
    restore->certificates = csn_calloc(daemon->zone_count, sizeof(restore->certificates[0]));
    for (size_t i = 0; i < daemon->zone_count; i++) {
        struct csn_buf *file = &restore->certificate_files[i];
        if (csn_release_certificate(daemon->store, daemon->config->zones[i].zone, file) == CSN_OK) {
            restore->certificates[restore->certificate_count++] = csn_buf_view(file);
        }
    }
}

static int collect(struct restore *restore, struct csn_reason *reason)
{
    struct csn_daemon *daemon = restore->daemon;
    int code = csn_store_read_votes(daemon->store, csn_bytes(CSN_RECORD_PREFIX, strlen(CSN_RECORD_PREFIX)), add_record, restore);
    if (code == CSN_OK) {
        code = csn_store_read_votes(daemon->store, csn_bytes(CSN_SECOND_STORED_KEY, strlen(CSN_SECOND_STORED_KEY)), add_stored, restore);
    }
    if (code != CSN_OK) {
        return csn_reason_set(reason, code, "%s: the votes cannot be read: %s; restore nothing: this site must return as a new member",
                              daemon->config->store, csn_error_text(code));
    }
    code = load_seconds(restore, reason);
    if (code != CSN_OK) {
        return code;
    }
    load_certificates(restore);
    code = csn_table_list(daemon->store, add_table, restore);
    return code == CSN_OK ? code
                          : csn_reason_set(reason, code, "%s: the versions cannot be read: %s", daemon->config->store,
                                           csn_error_text(code));
}

/* A core whose first write fails is mute and serves what it has (protocol page, 5): nothing may come between. */
static void refuse_writes(struct csn_daemon *daemon)
{
    if (daemon->unwritable.refused_write != 0) {
        struct csn_event event = {.kind = CSN_EVENT_PERSISTED, .code = CSN_EIO, .persist_id = daemon->unwritable.refused_write};
        csn_daemon_event(daemon, &event);
    }
}

static void restore_fini(struct restore *restore)
{
    for (size_t i = 0; restore->certificate_files != NULL && i < restore->daemon->zone_count; i++) {
        csn_buf_fini(&restore->certificate_files[i]);
    }
    free(restore->certificate_files);
    free(restore->certificates);
    csn_buf_fini(&restore->stored);
    free(restore->records);
    free(restore->seconds);
    free(restore->versions);
    free(restore->bad);
    csn_arena_fini(&restore->arena);
}

int csn_restore(struct csn_daemon *daemon, struct csn_reason *reason)
{
    struct restore restore = {.daemon = daemon};
    make_core(daemon);
    int code = collect(&restore, reason);
    if (code == CSN_OK) {
        delete_bad(&restore);
        struct csn_event event = {.kind = CSN_EVENT_START,
                                  .start = {.records = restore.records,
                                            .record_count = restore.record_count,
                                            .seconds = restore.seconds,
                                            .second_count = restore.second_count,
                                            .versions = restore.versions,
                                            .version_count = restore.version_count,
                                            .is_damaged = daemon->unwritable.is_damaged,
                                            .is_second_damaged = restore.is_second_damaged,
                                            .is_second_ahead = restore.is_second_ahead,
                                            .certificates = restore.certificates,
                                            .certificate_count = restore.certificate_count,
                                            .link = csn_epochs_link(daemon)}};
        csn_daemon_event(daemon, &event);
        refuse_writes(daemon);
        code = csn_table_list(daemon->store, add_input, &restore);
    }
    restore_fini(&restore);
    return code;
}
