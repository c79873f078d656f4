#include "history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon.h"
#include "job.h"
#include "kept/version.h"
#include "zone/delta.h"

#define ROW_FIXED 18 /* of a row: type, TTL, two counts, two sizes */
#define FROM_MAX 2   /* the parent, what was served */

/* --- what is known */

static int compare_names(const struct csn_delta_name *a, const struct csn_delta_name *b)
{
    int order = memcmp(a->to.octets, b->to.octets, CSN_DIGEST_SIZE);
    return order != 0 ? order : memcmp(a->from.octets, b->from.octets, CSN_DIGEST_SIZE);
}

/* The place of the first at or after the name. */
static size_t place_of(const struct csn_history *history, const struct csn_delta_name *name)
{
    size_t low = 0, high = history->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_names(&history->deltas[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The places of those that lead to `to`. */
static size_t first_to(const struct csn_history *history, const struct csn_digest *to, size_t *ret_end)
{
    struct csn_delta_name lowest = {.to = *to};
    size_t first = place_of(history, &lowest), end = first;
    while (end < history->count && csn_digest_equal(&history->deltas[end].name.to, to)) {
        end++;
    }
    *ret_end = end;
    return first;
}

const struct csn_history_delta *csn_history_to(const struct csn_history *history, const struct csn_digest *to)
{
    size_t end;
    for (size_t i = first_to(history, to, &end); i < end; i++) {
        if (history->deltas[i].is_parent) {
            return &history->deltas[i];
        }
    }
    return NULL;
}

static bool is_known(const struct csn_history *history, const struct csn_delta_name *name)
{
    size_t at = place_of(history, name);
    return at < history->count && compare_names(&history->deltas[at].name, name) == 0;
}

static void add(struct csn_history *history, const struct csn_history_delta *delta)
{
    if (is_known(history, &delta->name)) {
        return;
    }
    if (history->count == history->count_max) {
        history->count_max = history->count_max > 0 ? history->count_max * 2 : 64;
        history->deltas = csn_realloc(history->deltas, history->count_max, sizeof(history->deltas[0]));
    }
    size_t at = place_of(history, &delta->name);
    memmove(history->deltas + at + 1, history->deltas + at, (history->count - at) * sizeof(history->deltas[0]));
    history->deltas[at] = *delta;
    history->count++;
}

/* Of a stored delta. CSN_EDAMAGED: not its name's, or beside another certificate. */
static int describe(const struct csn_stored_delta *stored, struct csn_history_delta *ret_delta)
{
    struct csn_delta_end from, to;
    struct csn_certificate certificate;
    if (csn_delta_decode_ends(stored->octets, &from, &to) != CSN_OK ||
        csn_certificate_decode(stored->certificate, &certificate) != CSN_OK ||
        !csn_digest_equal(&from.full_root, &stored->name.from) || !csn_digest_equal(&to.full_root, &stored->name.to) ||
        !csn_digest_equal(&certificate.held.full_root, &stored->name.to)) {
        return CSN_EDAMAGED;
    }
    *ret_delta = (struct csn_history_delta){
        .name = stored->name,
        .from_serial = from.serial,
        .size = stored->octets.size - CSN_DELTA_HEADER_SIZE,
        .is_parent = csn_digest_equal(&certificate.held.proposal.parent.full_root, &stored->name.from)};
    return CSN_OK;
}

int csn_history_note(struct csn_history *history, const struct csn_stored_delta *stored)
{
    struct csn_history_delta delta;
    int code = describe(stored, &delta);
    if (code == CSN_OK) {
        add(history, &delta);
    }
    return code;
}

void csn_history_join(struct csn_history *history, const struct csn_history *more)
{
    for (size_t i = 0; i < more->count; i++) {
        add(history, &more->deltas[i]);
    }
}

size_t csn_history_back(const struct csn_history *history, const struct csn_digest *to, struct csn_delta_name **ret_names)
{
    struct csn_delta_name *names = csn_calloc(history->count + 1, sizeof(names[0]));
    const struct csn_history_delta *delta = csn_history_to(history, to);
    size_t count = 0;
    for (; delta != NULL && count < history->count; delta = csn_history_to(history, &delta->name.from)) {
        names[count++] = delta->name;
    }
    *ret_names = names;
    return count;
}

void csn_history_record_put(const struct csn_stored_delta *delta, struct csn_buf *buf)
{
    csn_buf_put_u16(buf, (uint16_t)delta->certificate.size);
    csn_buf_put_bytes(buf, delta->certificate);
    csn_buf_put_u32(buf, (uint32_t)delta->octets.size);
    csn_buf_put_bytes(buf, delta->octets);
}

/* Parents back from the version served, until the way is larger than the zone; ret_kept marks those on it, and what leads from
 * beside onto it. */
static void mark_kept(const struct csn_zone_shell *zone, bool *ret_kept)
{
    const struct csn_history *history = &zone->history;
    struct csn_digest at = zone->serving.full_root;
    uint64_t size = 0;
    const struct csn_history_delta *delta = csn_history_to(history, &at);
    for (size_t count = 0; count <= CSN_HISTORY_COUNT_MAX; count++) {
        size_t end;
        for (size_t i = first_to(history, &at, &end); i < end; i++) {
            ret_kept[i] = !history->deltas[i].is_parent;
        }
        size += delta != NULL ? delta->size : 0;
        if (delta == NULL || count == CSN_HISTORY_COUNT_MAX || (history->zone_size > 0 && size > history->zone_size)) {
            return;
        }
        ret_kept[delta - history->deltas] = true;
        at = delta->name.from;
        delta = csn_history_to(history, &at);
    }
}

/* The way back to a serial, newest first: over parents, or with `beside` as its oldest step. 0: none. */
static size_t find_way(const struct csn_zone_shell *zone, uint32_t serial, const struct csn_history_delta *beside,
                       struct csn_delta_name *ret_names)
{
    const struct csn_history *history = &zone->history;
    struct csn_digest at = zone->serving.full_root;
    const struct csn_history_delta *delta = NULL;
    size_t count = 0;
    uint64_t size = 0;
    while ((delta == NULL || delta->from_serial != serial) && count < history->count) {
        delta = beside != NULL && csn_digest_equal(&beside->name.to, &at) ? beside : csn_history_to(history, &at);
        if (delta == NULL) {
            return 0;
        }
        ret_names[count++] = delta->name;
        size += delta->size;
        at = delta->name.from;
    }
    bool is_found = delta != NULL && delta->from_serial == serial;
    return is_found && size < history->zone_size ? count : 0; /* RFC 1995 4: more than the zone is no use */
}

static const struct csn_history_delta *find_beside(const struct csn_history *history, uint32_t serial)
{
    for (size_t i = 0; i < history->count; i++) {
        if (!history->deltas[i].is_parent && history->deltas[i].from_serial == serial) {
            return &history->deltas[i];
        }
    }
    return NULL;
}

int csn_history_find(const struct csn_zone_shell *zone, uint32_t serial, struct csn_delta_name **ret_names, size_t *ret_count)
{
    const struct csn_history *history = &zone->history;
    struct csn_delta_name *names = csn_calloc(history->count + 1, sizeof(names[0]));
    size_t count = find_way(zone, serial, NULL, names); /* as every other site answers */
    const struct csn_history_delta *beside = count == 0 ? find_beside(history, serial) : NULL;
    if (beside != NULL) {
        count = find_way(zone, serial, beside, names);
    }
    if (count == 0) {
        free(names);
        return CSN_ENOTFOUND;
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct csn_delta_name last = names[count - 1 - i];
        names[count - 1 - i] = names[i];
        names[i] = last;
    }
    *ret_names = names;
    *ret_count = count;
    return CSN_OK;
}

/* --- making one */

struct make {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_buf certificate;  /* owns; octets */
    struct csn_digest to;
    struct csn_digest from[FROM_MAX];
    unsigned from_count;
    struct csn_history_delta made[FROM_MAX];
    unsigned made_count;
    uint64_t zone_size;
    int code;
    csn_history_fn *done;
    void *arg;
};

static uint64_t row_size(const struct csn_entry *entry)
{
    return csn_name_size(entry->rrset.owner) + ROW_FIXED + entry->rrset.rdatas.size + entry->rrsigs.rdatas.size;
}

/* Two versions side by side, in canonical order. `from` is hashed on the way: what rotted here must not go into a delta. */
struct merge {
    struct csn_table_reader *from, *to; /* own */
    struct csn_version_meta from_meta, to_meta;
    struct csn_rooter *rooter; /* owns; of `from` */
    struct csn_delta_maker maker;
    uint64_t zone_size;
};

static int open_version(struct csn_zone_shell *zone, const struct csn_digest *root, struct csn_table_reader **ret_reader,
                        struct csn_version_meta *ret_meta)
{
    int code = csn_table_open(zone->daemon->store, CSN_TABLE_VERSION, zone->config->zone, root, ret_reader);
    return code == CSN_OK ? csn_version_meta_decode(csn_table_meta(*ret_reader), ret_meta) : code;
}

static int next_from(struct merge *merge, struct csn_entry *entry, bool *ret_has)
{
    int code = csn_table_next(merge->from, entry);
    *ret_has = code == CSN_OK;
    return code == CSN_OK ? csn_rooter_add(merge->rooter, entry, NULL) : code == CSN_ENOTFOUND ? CSN_OK : code;
}

static int next_to(struct merge *merge, struct csn_entry *entry, bool *ret_has)
{
    int code = csn_table_next(merge->to, entry);
    *ret_has = code == CSN_OK;
    merge->zone_size += code == CSN_OK ? row_size(entry) : 0;
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

static int run_merge(struct merge *merge)
{
    struct csn_entry a, b;
    bool has_a, has_b;
    int code = next_from(merge, &a, &has_a);
    code = code == CSN_OK ? next_to(merge, &b, &has_b) : code;
    while (code == CSN_OK && (has_a || has_b)) {
        int order = !has_a ? 1 : !has_b ? -1 : csn_rrset_compare(&a.rrset, &b.rrset);
        csn_delta_differ(&merge->maker, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL);
        if (order <= 0) {
            code = next_from(merge, &a, &has_a);
        }
        if (order >= 0 && code == CSN_OK) {
            code = next_to(merge, &b, &has_b);
        }
    }
    return code;
}

static int finish_merge(struct merge *merge, const struct csn_digest *from, const struct csn_digest *to, struct csn_buf *octets)
{
    struct csn_zone_roots roots;
    struct csn_delta_end ends[2] = {
        {.serial = merge->from_meta.serial, .time_s = merge->from_meta.time_s, .full_root = *from},
        {.serial = merge->to_meta.serial, .time_s = merge->to_meta.time_s, .full_root = *to}};
    int code = csn_rooter_finish(merge->rooter, merge->from_meta.serial, &roots, NULL);
    if (code == CSN_OK && !csn_digest_equal(&roots.full, from)) {
        code = CSN_EDAMAGED;
    }
    return code == CSN_OK ? csn_delta_finish(&merge->maker, &ends[0], &ends[1], octets) : code;
}

static void merge_fini(struct merge *merge)
{
    csn_table_close(merge->from);
    csn_table_close(merge->to);
    csn_rooter_free(merge->rooter);
    csn_buf_fini(&merge->maker.gone);
    csn_buf_fini(&merge->maker.added);
}

/* The delta from `from`. CSN_ENOTFOUND: that version is not here. */
static int compare_versions(struct make *make, const struct csn_digest *from, struct csn_buf *octets)
{
    struct merge merge = {0};
    int code = open_version(make->zone, from, &merge.from, &merge.from_meta);
    code = code == CSN_OK ? open_version(make->zone, &make->to, &merge.to, &merge.to_meta) : code;
    if (code == CSN_OK) {
        merge.rooter = csn_rooter_new(make->zone->config->zone, merge.from_meta.time_s);
        code = run_merge(&merge);
        make->zone_size = code == CSN_OK ? merge.zone_size : 0;
        code = code == CSN_OK ? finish_merge(&merge, from, &make->to, octets) : code;
    }
    merge_fini(&merge);
    return code;
}

static int make_one(struct make *make, const struct csn_digest *from)
{
    struct csn_buf octets = {0};
    int code = compare_versions(make, from, &octets);
    if (code == CSN_OK && octets.size - CSN_DELTA_HEADER_SIZE <= make->zone_size) { /* else never asked for */
        struct csn_stored_delta stored = {.name = {.from = *from, .to = make->to},
                                          .certificate = csn_buf_view(&make->certificate),
                                          .octets = csn_buf_view(&octets)};
        code = describe(&stored, &make->made[make->made_count]);
        code = code == CSN_OK ? csn_store_put_deltas(make->zone->daemon->store, make->zone->config->zone, &stored, 1) : code;
        make->made_count += code == CSN_OK;
    }
    csn_buf_fini(&octets);
    return code;
}

static uint64_t size_of_version(struct csn_zone_shell *zone, const struct csn_digest *root)
{
    struct csn_table_reader *reader;
    struct csn_entry entry;
    uint64_t size = 0;
    if (csn_table_open(zone->daemon->store, CSN_TABLE_VERSION, zone->config->zone, root, &reader) != CSN_OK) {
        return 0;
    }
    while (csn_table_next(reader, &entry) == CSN_OK) {
        size += row_size(&entry);
    }
    csn_table_close(reader);
    return size;
}

static void make_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct make *make = arg;
    for (unsigned i = 0; i < make->from_count && make->code != CSN_EIO && make->code != CSN_EFULL; i++) {
        int code = make_one(make, &make->from[i]);
        make->code = code != CSN_OK && code != CSN_ENOTFOUND ? code : make->code;
    }
    if (make->zone_size == 0) {
        make->zone_size = size_of_version(make->zone, &make->to);
    }
}

/* Without a delta secondaries get the zone whole; only a disk that takes nothing more is a matter for the release. */
static void make_done(void *arg)
{
    struct make *make = arg;
    struct csn_zone_shell *zone = make->zone;
    bool is_full = make->code == CSN_EIO || make->code == CSN_EFULL;
    if (make->code != CSN_OK && !is_full) {
        csn_log(&zone->daemon->log, CSN_WARNING, "history.failed", "zone %s: no difference to the new version could be made: %s",
                zone->name, csn_error_text(make->code));
    }
    for (unsigned i = 0; i < make->made_count; i++) {
        add(&zone->history, &make->made[i]);
    }
    zone->history.zone_size = make->zone_size;
    make->done(make->arg, is_full ? make->code : CSN_OK);
    csn_buf_fini(&make->certificate);
    free(make);
}

static void make_from(struct make *make, const struct csn_digest *from)
{
    struct csn_delta_name name = {.from = *from, .to = make->to};
    bool is_twice = make->from_count > 0 && csn_digest_equal(&make->from[0], from);
    if (!csn_digest_is_zero(from) && !csn_digest_equal(from, &make->to) && !is_twice && !is_known(&make->zone->history, &name)) {
        make->from[make->from_count++] = *from;
    }
}

void csn_history_make(struct csn_zone_shell *zone, const struct csn_certificate *certificate, struct csn_bytes octets,
                      csn_history_fn *done, void *arg)
{
    struct make *make = csn_calloc(1, sizeof(*make));
    make->zone = zone;
    make->to = certificate->held.full_root;
    make->done = done;
    make->arg = arg;
    csn_buf_put_bytes(&make->certificate, octets);
    make_from(make, &certificate->held.proposal.parent.full_root);
    if (zone->serving.is_ready) {
        make_from(make, &zone->serving.full_root);
    }
    csn_shell_run(zone, 1, make_work, make_done, make);
}

/* --- forgetting */

struct forget {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_delta_name *names; /* owns */
    size_t count;
    int code;
};

static void forget_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct forget *forget = arg;
    forget->code = csn_store_del_deltas(forget->zone->daemon->store, forget->zone->config->zone, forget->names, forget->count);
}

static void forget_done(void *arg)
{
    struct forget *forget = arg;
    if (forget->code == CSN_EIO || forget->code == CSN_EFULL) {
        csn_daemon_die(forget->zone->daemon, forget->code, "old differences cannot be deleted");
    }
    free(forget->names);
    free(forget);
}

static void forget(struct csn_zone_shell *zone, struct csn_delta_name *take_names, size_t count)
{
    if (count == 0) {
        free(take_names);
        return;
    }
    struct forget *forget = csn_calloc(1, sizeof(*forget));
    *forget = (struct forget){.zone = zone, .names = take_names, .count = count};
    csn_shell_run(zone, 1, forget_work, forget_done, forget);
}

void csn_history_prune(struct csn_zone_shell *zone)
{
    struct csn_history *history = &zone->history;
    bool *is_kept = csn_calloc(history->count + 1, sizeof(is_kept[0]));
    struct csn_delta_name *names = csn_calloc(history->count + 1, sizeof(names[0]));
    size_t kept = 0, gone = 0;
    mark_kept(zone, is_kept);
    for (size_t i = 0; i < history->count; i++) {
        if (is_kept[i]) {
            history->deltas[kept++] = history->deltas[i];
        } else {
            names[gone++] = history->deltas[i].name;
        }
    }
    history->count = kept;
    free(is_kept);
    forget(zone, names, gone);
}

/* --- what the store has */

struct load {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_digest served;
    struct csn_history found;    /* owns its deltas */
    struct csn_delta_name *damaged; /* owns */
    size_t damaged_count;
    int code;
};

static int load_one(void *arg, int code, const struct csn_stored_delta *stored)
{
    struct load *load = arg;
    code = code == CSN_OK ? csn_history_note(&load->found, stored) : code;
    if (code == CSN_EDAMAGED) {
        load->damaged = csn_realloc(load->damaged, load->damaged_count + 1, sizeof(load->damaged[0]));
        load->damaged[load->damaged_count++] = stored->name;
    }
    return code == CSN_EDAMAGED ? CSN_OK : code;
}

static void load_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct load *load = arg;
    load->code = csn_store_list_deltas(load->zone->daemon->store, load->zone->config->zone, load_one, load);
    load->found.zone_size = size_of_version(load->zone, &load->served);
}

static void load_done(void *arg)
{
    struct load *load = arg;
    struct csn_zone_shell *zone = load->zone;
    const struct csn_log *log = &zone->daemon->log;
    csn_history_join(&zone->history, &load->found);
    if (csn_digest_equal(&load->served, &zone->serving.full_root)) {
        zone->history.zone_size = load->found.zone_size;
    }
    if (load->damaged_count > 0 || load->code != CSN_OK) {
        csn_log(log, CSN_ERROR, "history.damaged",
                "zone %s: %zu stored differences between versions are damaged and deleted; secondaries that are far behind get the "
                "zone whole; check this site's disk",
                zone->name, load->damaged_count);
    }
    forget(zone, load->damaged, load->damaged_count);
    zone->history.is_loaded = true;
    csn_history_prune(zone);
    csn_history_want(zone);
    csn_log(log, CSN_INFO, "history.loaded", "zone %s: %zu differences between versions are kept", zone->name, zone->history.count);
    free(load->found.deltas);
    free(load);
}

void csn_history_serve(struct csn_zone_shell *zone, const struct csn_certificate *certificate)
{
    zone->history.has_parent = !csn_round_is_none(certificate->held.proposal.parent.round);
    if (zone->history.is_loaded) {
        csn_history_prune(zone);
        if (csn_history_to(&zone->history, &zone->serving.full_root) == NULL) {
            csn_history_want(zone);
        }
    } else if (!zone->history.is_loading) {
        struct load *load = csn_calloc(1, sizeof(*load));
        load->zone = zone;
        load->served = zone->serving.full_root;
        zone->history.is_loading = true;
        csn_shell_run(zone, 1, load_work, load_done, load);
    }
}
