#include "sim/kv_history.h"

#include <stdlib.h>
#include <string.h>

#include "kept/lineage_take.h"
#include "sim/checker.h"
#include "sim/kv_root.h"
#include "sim/kv_store.h"
#include "zone/store_own.h"

#define TRIES_MAX 8
#define RETRY_US (4 * SIM_S)
#define ROW_MIN 18 /* octets of a row, at least */

static const uint8_t *apex_of(const struct sim_world *world, unsigned zone)
{
    return world->options.zone[zone].zone;
}

static struct kv_line *line_of(const struct sim_actor *actor, unsigned zone)
{
    return &actor->store->lines[zone];
}

/* --- judging what stands in a store */

/* Of its RRset; of an RRSIG what it covers, which is first in its RDATA, behind the length. */
static uint16_t type_of(const struct csn_rrset *row)
{
    return row->type == CSN_TYPE_RRSIG ? csn_get_u16(row->rdatas.data + 2) : row->type;
}

static struct csn_entry *find_entry(struct csn_entry *entries, size_t count, const struct csn_rrset *row)
{
    uint16_t type = type_of(row);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].rrset.type == type && csn_name_equal(entries[i].rrset.owner, row->owner)) {
            return &entries[i];
        }
    }
    return NULL;
}

/* Rows that are new go, rows that are gone come back; an entry whose RRset went has count 0. */
static size_t apply(struct csn_bytes rows, bool is_back, struct csn_entry *entries, size_t count)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_rrset row;
    while (csn_delta_row(&reader, &row) == CSN_OK) {
        struct csn_entry *entry = find_entry(entries, count, &row);
        if (entry == NULL) {
            entry = &entries[count++];
            *entry = (struct csn_entry){.rrset = {.owner = row.owner, .type = type_of(&row)},
                                        .rrsigs = {.owner = row.owner, .type = CSN_TYPE_RRSIG}};
        }
        struct csn_rrset *part = row.type == CSN_TYPE_RRSIG ? &entry->rrsigs : &entry->rrset;
        uint16_t type = part->type;
        *part = is_back ? row : (struct csn_rrset){.owner = row.owner, .type = type};
    }
    return count;
}

static size_t drop_gone(struct csn_entry *entries, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].rrset.count > 0) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

static bool leads_back(const uint8_t *apex, const struct csn_version_view *view, const struct csn_stored_delta *stored)
{
    struct csn_delta delta;
    struct csn_digest root = {{0}};
    if (csn_delta_decode(apex, stored->octets, &delta) != CSN_OK) {
        return false;
    }
    size_t count = view->count;
    struct csn_entry *entries = csn_calloc(count + delta.gone.size / ROW_MIN + 1, sizeof(*entries));
    memcpy(entries, view->entries, count * sizeof(*entries));
    count = apply(delta.added, false, entries, count);
    count = apply(delta.gone, true, entries, count);
    count = drop_gone(entries, count);
    bool is_good = kv_root(apex, entries, count, delta.from.serial, delta.from.time_s, &root) &&
                   csn_digest_equal(&root, &stored->name.from);
    free(entries);
    return is_good;
}

static void compare_with(struct sim_world *world, const struct sim_actor *actor, const struct sim_actor *other, unsigned zone,
                         const struct csn_stored_delta *stored)
{
    struct csn_deltas_reader *reader;
    struct csn_stored_delta same;
    if (other == actor || !other->is_up || other->store == NULL || csn_deltas_open(other->store->store, &reader) != CSN_OK) {
        return;
    }
    if (csn_deltas_get(reader, apex_of(world, zone), &stored->name, &same) == CSN_OK &&
        !csn_bytes_equal(same.octets, stored->octets)) {
        sim_fail(world, "I1: sites %u and %u have other differences for the same step", actor->number, other->number);
    }
    csn_deltas_close(reader);
}

static void judge_one(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_stored_delta *stored)
{
    struct csn_version_view view;
    sim_checker_certificate(world->checker, actor, stored->certificate);
    for (unsigned i = 0; i < world->options.sites; i++) {
        compare_with(world, actor, &world->actors[i], zone, stored);
    }
    const struct sim_version *to = sim_disk_version(&actor->disk, zone, &stored->name.to);
    bool is_whole = to != NULL && !to->is_rotten;
    if (is_whole && csn_version_open(actor->store->store, apex_of(world, zone), &stored->name.to, &view) == CSN_OK) {
        if (!leads_back(apex_of(world, zone), &view, stored)) {
            sim_fail(world, "I1: site %u keeps differences that do not lead back", actor->number);
        }
        csn_version_close(&view);
    }
}

/* Those that were noted are durable. */
static void judge(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_lineage *found)
{
    struct csn_deltas_reader *reader;
    if (csn_deltas_open(actor->store->store, &reader) != CSN_OK) {
        return; /* the process has ended */
    }
    for (size_t i = 0; i < found->count; i++) {
        struct csn_stored_delta stored;
        int code = csn_deltas_get(reader, apex_of(world, zone), &found->deltas[i].name, &stored);
        if (code != CSN_OK) {
            sim_fail(world, "site %u: differences that it has kept cannot be read: %s", actor->number, csn_error_text(code));
        } else {
            judge_one(world, actor, zone, &stored);
        }
    }
    csn_deltas_close(reader);
}

static void take_found(struct sim_world *world, struct sim_actor *actor, unsigned zone, struct csn_lineage *take_found)
{
    judge(world, actor, zone, take_found);
    csn_lineage_join(&line_of(actor, zone)->lineage, take_found);
    csn_lineage_fini(take_found);
}

/* --- what the store has */

struct load {
    struct csn_lineage *lineage;    /* borrows */
    struct csn_delta_name *damaged; /* owns */
    size_t count;
};

static int load_one(void *arg, int code, const struct csn_stored_delta *stored)
{
    struct load *load = arg;
    code = code == CSN_OK ? csn_lineage_note(load->lineage, stored) : code;
    if (code == CSN_EDAMAGED) {
        load->damaged = csn_realloc(load->damaged, load->count + 1, sizeof(load->damaged[0]));
        load->damaged[load->count++] = stored->name;
        code = CSN_OK;
    }
    return code;
}

static int open_zone(struct sim_world *world, struct sim_actor *actor, unsigned zone, size_t *damaged)
{
    struct kv_line *line = line_of(actor, zone);
    struct load load = {.lineage = &line->lineage};
    int code = csn_store_list_deltas(actor->store->store, apex_of(world, zone), load_one, &load);
    if (code == CSN_OK && load.count > 0) {
        code = csn_store_del_deltas(actor->store->store, apex_of(world, zone), load.damaged, load.count);
    }
    *damaged += load.count;
    if (code == CSN_OK) {
        judge(world, actor, zone, &line->lineage);
    }
    free(load.damaged);
    return code;
}

int kv_history_open(struct sim_world *world, struct sim_actor *actor)
{
    int code = CSN_OK;
    size_t damaged = 0;
    for (unsigned zone = 0; zone < world->options.zones && code == CSN_OK; zone++) {
        code = open_zone(world, actor, zone, &damaged);
    }
    if (code == CSN_OK && damaged != actor->store->rotten_deltas) {
        sim_fail(world, "site %u: %u of its differences rotted, %zu are damaged", actor->number, actor->store->rotten_deltas,
                 damaged);
    }
    actor->store->rotten_deltas = code == CSN_OK ? 0 : actor->store->rotten_deltas;
    return code;
}

void kv_history_close(struct sim_actor *actor)
{
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        csn_lineage_fini(&actor->store->lines[zone].lineage);
        actor->store->lines[zone] = (struct kv_line){.tries = 0};
    }
}

/* One at a time: a second bit might turn the first back. */
void kv_history_rot(struct sim_world *world, struct sim_actor *actor)
{
    if (actor->store->rotten_deltas == 0 && sim_draw(world, SIM_ROT)) {
        actor->store->rotten_deltas = kv_disk_rot(actor->store->disk, CSN_ZONES_BLOBS, csn_bytes("d", 1), sim_next(&world->random));
    }
}

/* --- RELEASE and SERVE */

static int make_from(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_delta_name *name,
                     struct csn_bytes certificate)
{
    struct kv_line *line = line_of(actor, zone);
    struct csn_lineage made = {0};
    if (csn_digest_is_zero(&name->from) || csn_digest_equal(&name->from, &name->to) || csn_lineage_has(&line->lineage, name)) {
        return CSN_OK;
    }
    int code = csn_lineage_make(actor->store->store, apex_of(world, zone), name, certificate, &made, &line->zone_size);
    const struct sim_version *from = sim_disk_version(&actor->disk, zone, &name->from);
    if (code == CSN_OK && from != NULL && from->is_rotten) {
        sim_fail(world, "site %u makes differences from a version that rotted", actor->number);
    }
    take_found(world, actor, zone, &made);
    return code == CSN_EIO || code == CSN_EFULL ? code : CSN_OK;
}

int kv_history_make(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_body_held *held,
                    struct csn_bytes certificate)
{
    struct csn_delta_name name = {.from = held->proposal.parent.full_root, .to = held->full_root};
    int code = make_from(world, actor, zone, &name, certificate);
    name.from = line_of(actor, zone)->served;
    return code == CSN_OK ? make_from(world, actor, zone, &name, certificate) : code;
}

static int prune(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    struct kv_line *line = line_of(actor, zone);
    struct csn_delta_name *names;
    size_t count = csn_lineage_prune(&line->lineage, &line->served, line->zone_size, &names);
    int code = count > 0 ? csn_store_del_deltas(actor->store->store, apex_of(world, zone), names, count) : CSN_OK;
    free(names);
    return code;
}

static void fetch_past(struct sim_world *world, struct sim_task *task);

static bool is_missing(const struct kv_line *line)
{
    return line->has_parent && line->tries < TRIES_MAX && !csn_digest_is_zero(&line->served);
}

static void want_past(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    if (is_missing(line_of(actor, zone))) {
        sim_after_alive(world, sim_delay(world, RETRY_US), fetch_past, actor, NULL)->number = zone;
    }
}

int kv_history_serve(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_body_held *held)
{
    struct kv_line *line = line_of(actor, zone);
    bool is_first = csn_digest_is_zero(&line->served);
    line->served = held->full_root;
    line->has_parent = !csn_round_is_none(held->proposal.parent.round);
    line->tries = 0;
    if (line->zone_size == 0) {
        line->zone_size = csn_lineage_zone_size(actor->store->store, apex_of(world, zone), &line->served);
    }
    int code = prune(world, actor, zone);
    if (code == CSN_OK && (is_first || csn_lineage_to(&line->lineage, &line->served) == NULL)) {
        want_past(world, actor, zone);
    }
    return code;
}

/* --- from one to another */

static struct csn_lineage_checker checker_new(const struct sim_world *world, const struct sim_actor *actor, unsigned zone)
{
    struct csn_lineage_checker checker = {.store = actor->store->store,
                                          .zone = apex_of(world, zone),
                                          .clusters = csn_calloc(world->epoch_count, sizeof(struct csn_cluster)),
                                          .cluster_count = world->epoch_count,
                                          .verify = sim_verify};
    for (unsigned i = 0; i < world->epoch_count; i++) {
        checker.clusters[i] = world->epochs[i].document;
    }
    return checker;
}

static size_t reach(const struct csn_delta_name *names, size_t count, const struct csn_digest *from)
{
    for (size_t i = 0; i < count; i++) {
        if (csn_digest_equal(&names[i].from, from)) {
            return i + 1;
        }
    }
    return 0;
}

/* Where messages are garbled peers lie too: one bit. There are few such records, so more often. */
static void garble(struct sim_world *world, struct csn_buf *records)
{
    bool is_on = world->is_faulty && world->options.chance[SIM_GARBLE] > 0;
    if (is_on && records->size > 0 && sim_chance(&world->random, 200000)) {
        records->data[sim_below(&world->random, records->size)] ^= (uint8_t)(1u << sim_below(&world->random, 8));
        sim_count(world, SIM_GARBLE);
    }
}

static bool give(struct sim_world *world, const struct sim_actor *actor, unsigned zone, const struct csn_digest *root,
                 const struct csn_digest *from, struct csn_buf *records)
{
    struct csn_delta_name *names;
    struct csn_deltas_reader *reader;
    struct csn_stored_delta stored;
    size_t count = csn_lineage_back(&line_of(actor, zone)->lineage, root, &names);
    count = from != NULL ? reach(names, count, from) : count;
    bool is_there = count > 0 && csn_deltas_open(actor->store->store, &reader) == CSN_OK;
    for (size_t i = 0; i < count && is_there; i++) {
        if (csn_deltas_get(reader, apex_of(world, zone), &names[i], &stored) == CSN_OK) {
            csn_lineage_record_put(&stored, records);
        }
    }
    if (is_there) {
        csn_deltas_close(reader);
    }
    free(names);
    return is_there;
}

bool kv_history_give(struct sim_world *world, const struct sim_actor *actor, unsigned zone, const struct csn_digest *root,
                     const struct csn_digest *from, struct csn_buf *records)
{
    struct csn_buf found = {0};
    bool is_there = give(world, actor, zone, root, from, &found);
    garble(world, &found);
    csn_buf_put_bytes(records, csn_buf_view(&found));
    csn_buf_fini(&found);
    return is_there;
}

int kv_history_take(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_digest *root,
                    struct csn_bytes records)
{
    struct csn_lineage_checker checker = checker_new(world, actor, zone);
    struct csn_lineage found = {0};
    size_t count;
    uint32_t serial;
    int code = csn_lineage_forward(&checker, &line_of(actor, zone)->served, root, records, &found, &count, &serial);
    sim_log(world, actor, "comes forward by %zu differences: %s", found.count, csn_error_text(code));
    take_found(world, actor, zone, &found);
    free(checker.clusters);
    return code;
}

/* In two pieces, as a long stream comes. */
static int take_past(struct sim_world *world, struct sim_actor *actor, unsigned zone, struct csn_past *past,
                     const struct csn_buf *records)
{
    struct csn_lineage_checker checker = checker_new(world, actor, zone);
    size_t half = records->size > 0 ? sim_below(&world->random, records->size) : 0;
    int code = csn_past_take(&checker, past, csn_bytes(records->data, half));
    if (code == CSN_OK && !csn_past_is_enough(past)) {
        code = csn_past_take(&checker, past, csn_bytes(records->data + half, records->size - half));
    }
    free(checker.clusters);
    return code;
}

static void fetch_past(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    unsigned zone = (unsigned)task->number;
    struct kv_line *line = line_of(actor, zone);
    struct sim_actor *peer = &world->actors[sim_below(&world->random, world->options.sites)];
    struct csn_past past = {.served = line->served, .zone_size = line->zone_size};
    struct csn_buf records = {0};
    int code = CSN_OK;
    line->tries++;
    csn_past_begin(&past, &line->lineage);
    bool is_reached = peer != actor && peer->is_up && !sim_is_cut(world, actor, peer) && !sim_is_cut(world, peer, actor);
    if (!csn_past_is_enough(&past) && is_reached && kv_history_give(world, peer, zone, &past.at, NULL, &records)) {
        kv_risk(world, actor);
        code = take_past(world, actor, zone, &past, &records);
        sim_log(world, actor, "fetches %zu differences that it missed: %s", past.count, csn_error_text(code));
        take_found(world, actor, zone, &past.found);
        code = code == CSN_OK || code == CSN_EIO || code == CSN_EFULL ? code : CSN_EMISMATCH;
        code = code == CSN_OK ? prune(world, actor, zone) : code;
        if (kv_has_ended(world, actor, code)) {
            code = CSN_ECLOSED;
        }
    }
    csn_past_fini(&past);
    csn_buf_fini(&records);
    if (code != CSN_ECLOSED) {
        want_past(world, actor, zone);
    }
}
