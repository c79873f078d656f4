#include "kept/version.h"

#include <stdlib.h>

#include "zone/patch.h"

void csn_version_meta_encode(const struct csn_version_meta *meta, struct csn_buf *buf)
{
    csn_buf_put_u64(buf, meta->time_s);
    csn_buf_put_u32(buf, meta->serial);
}

int csn_version_meta_decode(struct csn_bytes octets, struct csn_version_meta *ret_meta)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_version_meta meta = {.time_s = csn_read_u64(&reader)};
    meta.serial = csn_read_u32(&reader);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_meta = meta;
    return CSN_OK;
}

static int add_all(struct csn_table_writer *writer, const struct csn_content *content)
{
    struct csn_buf buf = {0};
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < content->zone->count; i++) {
        struct csn_entry entry;
        csn_content_entry(content, i, &buf, &entry);
        code = csn_table_add(writer, &entry);
    }
    csn_buf_fini(&buf);
    return code;
}

int csn_version_write(struct csn_store *store, const struct csn_content *content, const struct csn_digest *full_root)
{
    struct csn_table_writer *writer;
    int code = csn_table_begin(store, CSN_TABLE_VERSION, content->zone->apex, full_root, &writer);
    if (code != CSN_OK) {
        return code == CSN_EEXISTS ? CSN_OK : code;
    }
    code = add_all(writer, content);
    if (code != CSN_OK) {
        csn_table_abandon(writer);
        return code;
    }
    struct csn_buf meta = {0};
    struct csn_version_meta numbers = {.time_s = content->params.time_s, .serial = content->params.serial};
    csn_version_meta_encode(&numbers, &meta);
    code = csn_table_complete(writer, csn_buf_view(&meta));
    csn_buf_fini(&meta);
    return code == CSN_EEXISTS ? CSN_OK : code; /* fetched while it was staged */
}

/* A version being patched together. */
struct patching {
    struct csn_table_writer *writer; /* owns */
    struct csn_rooter *rooter;       /* owns */
};

static int write_patched(void *arg, const struct csn_entry *entry)
{
    struct patching *patching = arg;
    int code = csn_rooter_add(patching->rooter, entry, NULL);
    return code == CSN_OK ? csn_table_add(patching->writer, entry) : code;
}

static int patch_all(struct csn_patch *patch, struct csn_table_reader *reader)
{
    struct csn_entry entry;
    int code;
    while ((code = csn_table_next(reader, &entry)) == CSN_OK) {
        code = csn_patch_add(patch, &entry);
        if (code != CSN_OK) {
            return code;
        }
    }
    return code == CSN_ENOTFOUND ? csn_patch_add(patch, NULL) : code;
}

static int complete_patched(struct patching *patching, const struct csn_digest *to, const struct csn_version_meta *meta)
{
    struct csn_zone_roots roots;
    struct csn_buf octets = {0};
    int code = csn_rooter_finish(patching->rooter, meta->serial, &roots, NULL);
    if (code == CSN_OK && !csn_digest_equal(&roots.full, to)) {
        code = CSN_EMISMATCH;
    }
    if (code == CSN_OK) {
        csn_version_meta_encode(meta, &octets);
        code = csn_table_complete(patching->writer, csn_buf_view(&octets));
        patching->writer = NULL;
        csn_buf_fini(&octets);
    }
    return code == CSN_EEXISTS ? CSN_OK : code;
}

int csn_version_patch(struct csn_store *store, const uint8_t *apex, const struct csn_digest *from, const struct csn_digest *to,
                      const struct csn_version_meta *meta, const struct csn_walk_difference *differences, size_t count)
{
    struct patching patching = {.writer = NULL};
    struct csn_table_reader *reader = NULL;
    int code = csn_table_begin(store, CSN_TABLE_VERSION, apex, to, &patching.writer);
    if (code != CSN_OK) {
        return code == CSN_EEXISTS ? CSN_OK : code;
    }
    patching.rooter = csn_rooter_new(apex, meta->time_s);
    struct csn_patch *patch = csn_patch_new(apex, meta->serial, differences, count, write_patched, &patching);
    code = csn_table_open(store, CSN_TABLE_VERSION, apex, from, &reader);
    code = code == CSN_OK ? patch_all(patch, reader) : code;
    code = code == CSN_OK ? complete_patched(&patching, to, meta) : code;
    csn_table_close(reader);
    csn_patch_free(patch);
    csn_rooter_free(patching.rooter);
    csn_table_abandon(patching.writer);
    return code;
}

static int read_entries(struct csn_version_view *view)
{
    size_t expected = (size_t)csn_table_count(view->reader);
    view->entries = csn_calloc(expected, sizeof(view->entries[0]));
    int code;
    struct csn_entry entry;
    while ((code = csn_table_next(view->reader, &entry)) == CSN_OK) {
        if (view->count == expected) {
            return CSN_EDAMAGED;
        }
        view->entries[view->count++] = entry;
    }
    return code != CSN_ENOTFOUND ? code : view->count == expected ? CSN_OK : CSN_EDAMAGED;
}

int csn_version_open(struct csn_store *store, const uint8_t *apex, const struct csn_digest *full_root,
                     struct csn_version_view *ret_view)
{
    struct csn_version_view view = {0};
    int code = csn_table_open(store, CSN_TABLE_VERSION, apex, full_root, &view.reader);
    if (code != CSN_OK) {
        return code;
    }
    if (csn_version_meta_decode(csn_table_meta(view.reader), &view.meta) != CSN_OK) {
        code = CSN_EDAMAGED;
    } else {
        code = read_entries(&view);
    }
    if (code != CSN_OK) {
        csn_version_close(&view);
        return code;
    }
    *ret_view = view;
    return CSN_OK;
}

void csn_version_close(struct csn_version_view *view)
{
    csn_table_close(view->reader);
    free(view->entries);
    free(view->is_carried);
    *view = (struct csn_version_view){0};
}

int csn_version_check(const struct csn_version_view *view, const uint8_t *apex, const struct csn_digest *full_root,
                      struct csn_zone_roots *ret_roots, struct csn_reason *reason)
{
    struct csn_rooter *rooter = csn_rooter_new(apex, view->meta.time_s);
    struct csn_zone_roots roots;
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < view->count; i++) {
        code = csn_rooter_add(rooter, &view->entries[i], reason);
    }
    if (code == CSN_OK) {
        code = csn_rooter_finish(rooter, view->meta.serial, &roots, reason);
    }
    if (code == CSN_OK && !csn_digest_equal(&roots.full, full_root)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "what is stored does not have its full root");
    }
    if (code == CSN_OK) {
        *ret_roots = roots;
    }
    csn_rooter_free(rooter);
    return code;
}

bool csn_version_is_whole(struct csn_store *store, const uint8_t *apex, const struct csn_digest *full_root)
{
    struct csn_version_view view;
    struct csn_zone_roots roots;
    if (csn_version_open(store, apex, full_root, &view) != CSN_OK) {
        return false;
    }
    int code = csn_version_check(&view, apex, full_root, &roots, NULL);
    csn_version_close(&view);
    return code == CSN_OK;
}

static bool roots_agree(const struct csn_body_held *held, const struct csn_zone_roots *roots, const struct csn_version_meta *meta)
{
    return csn_roots_equal(&held->roots, &roots->roots) && csn_digest_equal(&held->b, &roots->b) &&
           csn_digest_equal(&held->full_root, &roots->full) && held->proposal.serial == meta->serial &&
           held->proposal.time_s == meta->time_s;
}

int csn_version_open_held(struct csn_store *store, const struct csn_body_held *held, struct csn_version_view *ret_view,
                          struct csn_reason *reason)
{
    struct csn_version_view view = {0};
    struct csn_zone_roots roots;
    int code = csn_version_open(store, held->proposal.zone, &held->full_root, &view);
    if (code != CSN_OK) {
        return csn_reason_set(reason, code, "the version cannot be read");
    }
    code = csn_version_check(&view, held->proposal.zone, &held->full_root, &roots, reason);
    if (code == CSN_OK && !roots_agree(held, &roots, &view.meta)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "the version is not the certificate's");
    }
    if (code != CSN_OK) {
        csn_version_close(&view);
        return code;
    }
    *ret_view = view;
    return CSN_OK;
}

static const struct csn_rrset *dnskey_of(const struct csn_version_view *view, const uint8_t *apex)
{
    for (size_t i = 0; i < view->count && csn_name_equal(view->entries[i].rrset.owner, apex); i++) {
        if (view->entries[i].rrset.type == CSN_TYPE_DNSKEY) {
            return &view->entries[i].rrset;
        }
    }
    return NULL;
}

static bool entries_equal(const struct csn_entry *a, const struct csn_entry *b)
{
    return csn_rrset_equal(&a->rrset, &b->rrset) && a->rrsigs.count == b->rrsigs.count &&
           csn_bytes_equal(a->rrsigs.rdatas, b->rrsigs.rdatas);
}

/* One walk over both, which are in the same order. */
static void mark(struct csn_version_view *view, const struct csn_version_view *parent)
{
    size_t j = 0;
    for (size_t i = 0; i < view->count; i++) {
        while (j < parent->count && csn_rrset_compare(&parent->entries[j].rrset, &view->entries[i].rrset) < 0) {
            j++;
        }
        view->is_carried[i] = j < parent->count && entries_equal(&parent->entries[j], &view->entries[i]);
    }
}

int csn_version_mark_carried(struct csn_version_view *view, struct csn_store *store, const uint8_t *apex,
                             const struct csn_digest *parent)
{
    struct csn_version_view old;
    int code = csn_version_open(store, apex, parent, &old);
    if (code != CSN_OK) {
        return code;
    }
    view->is_carried = csn_calloc(view->count, sizeof(view->is_carried[0]));
    const struct csn_rrset *keys = dnskey_of(view, apex), *old_keys = dnskey_of(&old, apex);
    if (keys != NULL && old_keys != NULL && csn_rrset_equal(keys, old_keys)) {
        mark(view, &old);
    }
    csn_version_close(&old);
    return CSN_OK;
}

int csn_version_carry(struct csn_content *content, struct csn_store *store, const uint8_t *apex, const struct csn_digest *parent)
{
    struct csn_version_view view;
    struct csn_zone_roots roots;
    int code = csn_version_open(store, apex, parent, &view);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_version_check(&view, apex, parent, &roots, NULL) == CSN_OK ? CSN_OK : CSN_EDAMAGED;
    for (size_t i = 0; code == CSN_OK && i < view.count; i++) {
        csn_content_carry(content, &view.entries[i]);
    }
    csn_version_close(&view);
    return code;
}
