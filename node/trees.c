#include "trees.h"

#include <stdlib.h>

#include "job.h"
#include "kept/inputs.h"
#include "kept/version.h"
#include "work.h"
#include "zone/rows.h"
#include "zone/walk.h"

#define KEPT_MS 60000
#define ROWS_MAX 16384 /* leaves looked up for one answer, but always one bucket; the rest is asked for again */

/* A tree in the cache or in an answer's hands. Counted in the loop thread. */
struct csn_kept_tree {
    int refs;
    struct csn_tree_name name;
    uint32_t serial;
    uint64_t time_s;
    struct csn_tree *tree; /* owns; NULL until built */
    uint64_t used_ms;
};

struct ask {
    struct csn_zone_shell *zone; /* borrows */
    enum csn_tree_part part;
    struct csn_kept_tree *kept; /* owns a reference */
    struct csn_work *work;      /* owns a reference; COMPUTED */
    struct csn_buf places;      /* owns */
    struct csn_buf octets;      /* owns */
    int code;
    csn_tree_fn *answered;
    void *arg;
};

static void kept_unref(struct csn_kept_tree *take_kept)
{
    if (take_kept != NULL && --take_kept->refs == 0) {
        csn_tree_free(take_kept->tree);
        free(take_kept);
    }
}

/* --- what is here */

static bool next_certificate(const struct csn_zone_shell *zone, struct csn_round *above, struct csn_certificate *ret_certificate)
{
    struct csn_bytes octets = csn_node_certificate_above(zone->daemon->core, zone->config->zone, *above);
    if (octets.size == 0 || csn_certificate_decode(octets, ret_certificate) != CSN_OK) {
        return false;
    }
    *above = ret_certificate->held.proposal.round;
    return true;
}

bool csn_trees_certificate(const struct csn_zone_shell *zone, csn_certificate_fn *fits, const void *arg,
                           struct csn_certificate *ret_certificate)
{
    struct csn_round above = {0};
    struct csn_certificate certificate;
    bool is_found = false;
    while (next_certificate(zone, &above, &certificate)) {
        if (fits(arg, &certificate)) {
            *ret_certificate = certificate;
            is_found = true;
        }
    }
    return is_found;
}

bool csn_trees_conflict(const struct csn_zone_shell *zone, const struct csn_input_id *input, struct csn_digest *ret_own)
{
    struct csn_node_zone_status core;
    csn_node_get_zone(zone->daemon->core, (size_t)(zone - zone->daemon->zones), csn_daemon_now(zone->daemon), &core);
    for (unsigned i = 0; i < core.row.input_count; i++) {
        const struct csn_input_id *own = &core.row.inputs[i];
        if (own->generation == input->generation && own->serial == input->serial && !csn_digest_equal(&own->prepared, &input->prepared)) {
            *ret_own = own->prepared;
            return true;
        }
    }
    return false;
}

static bool has_serial(const void *arg, const struct csn_certificate *certificate)
{
    const uint32_t *serial = arg;
    return certificate->held.proposal.serial == *serial;
}

static bool is_of_serial(const struct csn_work *work, uint32_t serial)
{
    return csn_work_content(work) != NULL && csn_work_proposal(work)->serial == serial;
}

/* An input of this site's own source with that serial. */
static bool find_input(const struct csn_zone_shell *zone, uint32_t serial, struct csn_digest *ret_own)
{
    struct csn_node_zone_status core;
    csn_node_get_zone(zone->daemon->core, (size_t)(zone - zone->daemon->zones), csn_daemon_now(zone->daemon), &core);
    for (unsigned i = 0; i < core.row.input_count; i++) {
        if (core.row.inputs[i].serial == serial) {
            *ret_own = core.row.inputs[i].prepared;
            return true;
        }
    }
    return false;
}

/* What this site made of a serial itself: where it diverged, not what it took over from the others. */
static bool find_own(const struct csn_zone_shell *zone, uint32_t serial, struct csn_tree_name *ret_name)
{
    struct csn_certificate certificate;
    bool is_certified = csn_trees_certificate(zone, has_serial, &serial, &certificate);
    *ret_name = (struct csn_tree_name){.kind = CSN_TREE_COMPUTED};
    if (is_of_serial(zone->divergence.work, serial)) {
        ret_name->digest = *csn_work_hash(zone->divergence.work);
    } else if (is_certified && csn_trees_conflict(zone, &certificate.held.proposal.input, &ret_name->digest)) {
        ret_name->kind = CSN_TREE_INPUT;
    } else if (is_certified) {
        *ret_name = (struct csn_tree_name){.kind = CSN_TREE_VERSION, .digest = certificate.held.full_root};
    } else if (is_of_serial(zone->work, serial)) {
        ret_name->digest = *csn_work_hash(zone->work);
    } else if (find_input(zone, serial, &ret_name->digest)) {
        ret_name->kind = CSN_TREE_INPUT; /* where no q sites agree nothing is signed, but inputs can be compared */
    } else {
        return false;
    }
    return true;
}

static struct csn_work *find_work(const struct csn_zone_shell *zone, const struct csn_digest *hash)
{
    struct csn_work *works[] = {zone->divergence.work, zone->work};
    for (size_t i = 0; i < 2; i++) {
        if (csn_work_content(works[i]) != NULL && csn_digest_equal(csn_work_hash(works[i]), hash)) {
            return works[i];
        }
    }
    return NULL;
}

/* --- the content of a tree, entry by entry; in a worker thread */

struct source {
    struct csn_table_reader *reader;   /* owns; INPUT, VERSION */
    const struct csn_content *content; /* borrows; COMPUTED */
    size_t at;
    struct csn_buf buf; /* owns */
};

static int source_open(const struct ask *ask, struct source *ret_source)
{
    const struct csn_tree_name *name = &ask->kept->name;
    enum csn_table_kind kind = name->kind == CSN_TREE_INPUT ? CSN_TABLE_INPUT : CSN_TABLE_VERSION;
    *ret_source = (struct source){.content = csn_work_content(ask->work)};
    return ret_source->content != NULL
               ? CSN_OK
               : csn_table_open(ask->zone->daemon->store, kind, ask->zone->config->zone, &name->digest, &ret_source->reader);
}

static int source_next(struct source *source, struct csn_entry *ret_entry)
{
    if (source->content == NULL) {
        return csn_table_next(source->reader, ret_entry);
    }
    if (source->at == source->content->zone->count) {
        return CSN_ENOTFOUND;
    }
    csn_content_heads(source->content, source->at++, &source->buf, ret_entry);
    return CSN_OK;
}

static void source_close(struct source *source)
{
    if (source->reader != NULL) {
        csn_table_close(source->reader);
    }
    csn_buf_fini(&source->buf);
}

static unsigned classes_of(enum csn_tree_kind kind)
{
    unsigned b = 1u << csn_tree_class_place(CSN_CLASS_B), d = 1u << csn_tree_class_place(CSN_CLASS_D);
    return kind == CSN_TREE_INPUT ? d : kind == CSN_TREE_VERSION ? CSN_TREE_ALL : CSN_TREE_ALL & ~b;
}

static int read_meta(struct csn_kept_tree *kept, struct source *source)
{
    struct csn_version_meta meta;
    if (source->content != NULL) {
        kept->serial = source->content->params.serial;
        kept->time_s = source->content->params.time_s;
    } else if (kept->name.kind == CSN_TREE_VERSION) {
        if (csn_version_meta_decode(csn_table_meta(source->reader), &meta) != CSN_OK) {
            return CSN_EDAMAGED;
        }
        kept->serial = meta.serial;
        kept->time_s = meta.time_s;
    }
    return CSN_OK;
}

static int build(struct ask *ask)
{
    struct csn_kept_tree *kept = ask->kept;
    struct source source;
    struct csn_entry entry;
    int code = source_open(ask, &source);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_tree *tree = csn_tree_new(ask->zone->config->zone, classes_of(kept->name.kind));
    code = read_meta(kept, &source);
    while (code == CSN_OK && (code = source_next(&source, &entry)) == CSN_OK) {
        code = csn_tree_add(tree, &entry);
    }
    csn_tree_finish(tree);
    source_close(&source);
    if (code != CSN_ENOTFOUND) {
        csn_tree_free(tree);
        return code;
    }
    kept->tree = tree;
    return CSN_OK;
}

/* --- answers; in a worker thread */

static void put_buckets(struct ask *ask, const struct csn_tree_place *places, size_t count)
{
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_tree_vector *vector = csn_alloc(sizeof(*vector));
    struct csn_buf one = {0};
    for (size_t i = 0; i < count; i++) {
        csn_buf_clear(&one);
        csn_tree_buckets(ask->kept->tree, hasher, places[i].class_place, places[i].branch, vector);
        csn_tree_vector_put(vector, &one);
        if (ask->octets.size + one.size > CSN_MESH_PIECE_MAX) {
            break;
        }
        csn_buf_put_bytes(&ask->octets, csn_buf_view(&one));
    }
    csn_buf_fini(&one);
    free(vector);
    csn_hasher_free(hasher);
}

/* A row to look up: the item of a leaf, and where it stands in the answer. */
struct wanted {
    uint32_t item;
    uint32_t place; /* index of the place asked for */
    uint8_t class_place;
    size_t at, size; /* in the octets of the rows found */
};

static int compare_items(const void *a, const void *b)
{
    const struct wanted *const *x = a, *const *y = b;
    return ((*x)->item > (*y)->item) - ((*x)->item < (*y)->item);
}

/* The leaves of as many places as an answer may have; their number in ret_count, of the places in ret_places. */
static struct wanted *list_wanted(const struct csn_tree *tree, const struct csn_tree_place *places, size_t count, size_t *ret_count,
                                  size_t *ret_places)
{
    struct wanted *wanted = NULL;
    size_t total = 0, i;
    for (i = 0; i < count; i++) {
        size_t leaves;
        const struct csn_tree_leaf *leaf =
            csn_tree_leaves(tree, places[i].class_place, places[i].branch, places[i].bucket, &leaves);
        if (i > 0 && total + leaves > ROWS_MAX) {
            break;
        }
        wanted = csn_realloc(wanted, total + leaves + 1, sizeof(*wanted));
        for (size_t j = 0; j < leaves; j++) {
            wanted[total++] = (struct wanted){.item = leaf[j].item, .place = (uint32_t)i, .class_place = places[i].class_place};
        }
    }
    *ret_count = total;
    *ret_places = i;
    return wanted;
}

/* The rows of what is wanted, in the order of the source. */
static int find_rows(const struct ask *ask, struct wanted **in_order, size_t count, struct csn_buf *rows)
{
    struct source source;
    struct csn_entry entry;
    struct csn_buf heads = {0};
    size_t next = 0;
    int code = source_open(ask, &source);
    if (code != CSN_OK) {
        return code;
    }
    for (uint32_t at = 0; code == CSN_OK && next < count; at++) {
        code = source_next(&source, &entry);
        for (; code == CSN_OK && next < count && in_order[next]->item / 2 == at; next++) {
            struct csn_entry row = {0};
            struct wanted *wanted = in_order[next];
            code = csn_tree_leaf_rrset(csn_tree_class(wanted->class_place), &entry, wanted->item % 2 != 0, &heads, &row.rrset);
            wanted->at = rows->size;
            csn_rows_put(rows, &row);
            wanted->size = rows->size - wanted->at;
        }
    }
    csn_buf_fini(&heads);
    source_close(&source);
    return code;
}

/* For each place in the order asked its rows in the order of their leaves; whole places only. */
static int put_rows(struct ask *ask, const struct wanted *wanted, size_t count, size_t places, const struct csn_buf *rows)
{
    size_t at = 0;
    for (size_t i = 0; i < places; i++) {
        size_t end = at, size = 0;
        for (; end < count && wanted[end].place == i; end++) {
            size += wanted[end].size;
        }
        if (ask->octets.size + 4 + size > CSN_MESH_PIECE_MAX) {
            return i == 0 ? CSN_ELIMIT : CSN_OK;
        }
        csn_buf_put_u32(&ask->octets, (uint32_t)size);
        for (; at < end; at++) {
            csn_buf_put(&ask->octets, rows->data + wanted[at].at, wanted[at].size);
        }
    }
    return CSN_OK;
}

static int put_leaves(struct ask *ask, const struct csn_tree_place *places, size_t place_count)
{
    size_t count, taken;
    struct csn_buf rows = {0};
    struct wanted *wanted = list_wanted(ask->kept->tree, places, place_count, &count, &taken);
    struct wanted **in_order = csn_calloc(count + 1, sizeof(struct wanted *));
    for (size_t i = 0; i < count; i++) {
        in_order[i] = &wanted[i];
    }
    qsort(in_order, count, sizeof(struct wanted *), compare_items);
    int code = find_rows(ask, in_order, count, &rows);
    if (code == CSN_OK) {
        code = put_rows(ask, wanted, count, taken, &rows);
    }
    csn_buf_fini(&rows);
    free(in_order);
    free(wanted);
    return code;
}

static int answer_part(struct ask *ask)
{
    size_t count;
    if (ask->part == CSN_TREE_TOPS) {
        csn_walk_tops_put(ask->kept->tree, &ask->octets);
        return CSN_OK;
    }
    struct csn_tree_place *places = csn_calloc(CSN_WALK_PLACES_MAX, sizeof(*places));
    int code = csn_walk_places_read(ask->kept->tree, csn_buf_view(&ask->places), ask->part == CSN_TREE_LEAVES, places, &count);
    if (code == CSN_OK && ask->part == CSN_TREE_BUCKETS) {
        put_buckets(ask, places, count);
    } else if (code == CSN_OK) {
        code = put_leaves(ask, places, count);
    }
    free(places);
    return code;
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct ask *ask = arg;
    if (ask->code == CSN_OK && ask->kept->tree == NULL) {
        ask->code = build(ask);
    }
    if (ask->code == CSN_OK) {
        ask->code = answer_part(ask);
    }
}

/* --- in the loop thread */

/* A tree that was built twice at one time is kept once. */
static void keep(struct csn_zone_shell *zone, struct csn_kept_tree *kept)
{
    for (size_t i = 0; i < CSN_TREES_KEPT; i++) {
        if (zone->trees[i] == kept) {
            return;
        }
    }
    size_t oldest = 0;
    for (size_t i = 0; i < CSN_TREES_KEPT; i++) {
        if (zone->trees[i] == NULL || (zone->trees[oldest] != NULL && zone->trees[i]->used_ms < zone->trees[oldest]->used_ms)) {
            oldest = i;
        }
    }
    kept_unref(zone->trees[oldest]);
    zone->trees[oldest] = kept;
    kept->refs++;
}

static void done(void *arg)
{
    struct ask *ask = arg;
    struct csn_kept_tree *kept = ask->kept;
    struct csn_tree_answer answer = {.code = ask->code,
                                     .name = kept->name,
                                     .serial = kept->serial,
                                     .time_s = kept->time_s,
                                     .octets = csn_buf_view(&ask->octets)};
    kept->used_ms = csn_daemon_now(ask->zone->daemon).mono_ms;
    if (kept->tree != NULL) {
        keep(ask->zone, kept);
    }
    ask->answered(ask->arg, &answer);
    kept_unref(kept);
    csn_work_unref(ask->work);
    csn_buf_fini(&ask->places);
    csn_buf_fini(&ask->octets);
    free(ask);
}

static struct csn_kept_tree *find_kept(struct csn_zone_shell *zone, const struct csn_tree_name *name)
{
    for (size_t i = 0; i < CSN_TREES_KEPT; i++) {
        struct csn_kept_tree *kept = zone->trees[i];
        if (kept != NULL && kept->name.kind == name->kind && csn_digest_equal(&kept->name.digest, &name->digest)) {
            kept->refs++;
            return kept;
        }
    }
    struct csn_kept_tree *kept = csn_calloc(1, sizeof(*kept));
    kept->refs = 1;
    kept->name = *name;
    return kept;
}

void csn_trees_ask(struct csn_zone_shell *zone, const struct csn_tree_question *question, csn_tree_fn *answered, void *arg)
{
    struct ask *ask = csn_calloc(1, sizeof(*ask));
    struct csn_tree_name name = question->name;
    ask->zone = zone;
    ask->part = question->part;
    ask->answered = answered;
    ask->arg = arg;
    csn_buf_put_bytes(&ask->places, question->places);
    if (name.kind == CSN_TREE_NONE && !find_own(zone, question->serial, &name)) {
        ask->code = CSN_ENOTFOUND;
    }
    ask->kept = find_kept(zone, &name);
    if (name.kind == CSN_TREE_COMPUTED && ask->code == CSN_OK) {
        struct csn_work *found = find_work(zone, &name.digest);
        ask->work = found ? csn_work_ref(found) : NULL;
        ask->code = found ? CSN_OK : CSN_ENOTFOUND;
    }
    csn_job_run(zone->daemon->loop, 1, work, done, ask);
}

void csn_trees_tick(struct csn_zone_shell *zone)
{
    uint64_t now_ms = csn_daemon_now(zone->daemon).mono_ms;
    for (size_t i = 0; i < CSN_TREES_KEPT; i++) {
        if (zone->trees[i] != NULL && now_ms >= zone->trees[i]->used_ms + KEPT_MS) {
            kept_unref(zone->trees[i]);
            zone->trees[i] = NULL;
        }
    }
}
