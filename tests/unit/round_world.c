#include "round_world_own.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* --- events under way */

static void item_free(struct world_item *item)
{
    csn_buf_fini(&item->octets);
    world_map_fini(&item->writes);
    world_map_fini(&item->second);
    free(item);
}

struct world_item *world_post(struct world *world, unsigned target, enum csn_event_kind kind,
                              uint64_t delay_ms)
{
    struct world_item *item = csn_calloc(1, sizeof(*item));
    item->due_ms = world->now_ms + delay_ms;
    item->target = target;
    item->boot = target == WORLD_LEADER ? world->leader_boot : world->sites[target].boot;
    item->event.kind = kind;
    world->queue = csn_realloc(world->queue, world->queue_count + 1, sizeof(struct world_item *));
    size_t at = world->queue_count++;
    for (; at > 0 && world->queue[at - 1]->due_ms > item->due_ms; at--) {
        world->queue[at] = world->queue[at - 1];
    }
    world->queue[at] = item;
    return item;
}

struct csn_now world_now(const struct world *world, unsigned target)
{
    uint64_t wall_s = WORLD_START_S + world->now_ms / 1000;
    if (target < WORLD_SITES) {
        wall_s = (uint64_t)((int64_t)wall_s + world->sites[target].clock_ahead_s);
    }
    return (struct csn_now){.wall_s = wall_s, .mono_ms = world->now_ms};
}

const struct csn_cluster *world_cluster(const struct world *world, unsigned target)
{
    bool is_next = target == WORLD_LEADER ? world->is_leader_next : world->sites[target].is_next;
    return is_next ? &world->next : &world->cluster;
}

static void step(struct world *world, unsigned target, const struct csn_event *event)
{
    struct csn_effects effects = {0};
    if (target == WORLD_LEADER) {
        csn_leader_step(world->leader, event, &effects);
    } else {
        csn_node_step(world->sites[target].node, event, &effects);
    }
    for (size_t i = 0; i < effects.count; i++) {
        world_execute(world, target, effects.items[i]);
    }
    csn_effects_fini(&effects);
}

static bool is_up(const struct world *world, unsigned target)
{
    return target == WORLD_LEADER ? world->leader != NULL : world->sites[target].node != NULL;
}

static void apply_persist(struct world *world, const struct world_item *item)
{
    struct world_disk *disk = &world->sites[item->target].disk;
    for (size_t i = 0; i < item->second.count; i++) {
        world_map_put(&disk->seconds, csn_buf_view(&item->second.items[i].key),
                      csn_buf_view(&item->second.items[i].value));
    }
    for (size_t i = 0; i < item->writes.count && item->event.code == CSN_OK; i++) {
        struct csn_bytes key = csn_buf_view(&item->writes.items[i].key);
        if (item->writes.items[i].value.size == 0) {
            world_map_delete(&disk->records, key);
        } else {
            world_map_put(&disk->records, key, csn_buf_view(&item->writes.items[i].value));
        }
    }
}

static void deliver(struct world *world, struct world_item *item)
{
    unsigned boot =
        item->target == WORLD_LEADER ? world->leader_boot : world->sites[item->target].boot;
    if (!is_up(world, item->target) || boot != item->boot) {
        return;
    }
    item->event.now = world_now(world, item->target);
    if (item->event.kind == CSN_EVENT_STATEMENT) {
        item->event.statement.body = csn_buf_view(&item->octets);
        item->event.statement.signature = item->signature;
    } else if (item->event.kind == CSN_EVENT_CERTIFICATE) {
        item->event.certificate.octets = csn_buf_view(&item->octets);
        item->event.certificate.certificate = &item->certificate;
    } else if (item->event.kind == CSN_EVENT_FETCHED) {
        item->event.floors = csn_buf_view(&item->octets);
    } else if (item->event.kind == CSN_EVENT_PERSISTED) {
        apply_persist(world, item);
    }
    step(world, item->target, &item->event);
}

static void tick(struct world *world)
{
    for (unsigned target = 0; target <= WORLD_LEADER; target++) {
        if (is_up(world, target)) {
            struct csn_event event = {.kind = CSN_EVENT_TICK, .now = world_now(world, target)};
            step(world, target, &event);
        }
    }
}

/* To the next event or tick. */
static void advance(struct world *world)
{
    uint64_t tick_ms = world->ticked_ms + CSN_TICK_MS;
    if (world->queue_count > 0 && world->queue[0]->due_ms <= tick_ms) {
        struct world_item *item = world->queue[0];
        world->queue_count--;
        memmove(world->queue, world->queue + 1, world->queue_count * sizeof(struct world_item *));
        world->now_ms = item->due_ms > world->now_ms ? item->due_ms : world->now_ms;
        deliver(world, item);
        item_free(item);
    } else {
        world->now_ms = world->ticked_ms = tick_ms;
        tick(world);
    }
}

static void restart(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        if (world->sites[i].wants_restart) {
            world_stop_site(world, i);
            world->sites[i].wants_restart = false;
            world->sites[i].is_next = true;
            world_start_site(world, i);
        }
    }
}

void world_run(struct world *world, uint64_t span_ms)
{
    uint64_t end_ms = world->now_ms + span_ms;
    while (world->now_ms < end_ms) {
        advance(world);
        restart(world);
    }
}

static bool all_serve_newest(const struct world *world)
{
    const struct csn_release *newest = &world->certified[world->certified_count - 1];
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        const struct world_site *site = &world->sites[i];
        if (site->node != NULL && !site->is_cut_off &&
            csn_round_compare(site->serving.round, newest->round) < 0) {
            return false;
        }
    }
    return true;
}

bool world_run_until(struct world *world, size_t certified, uint64_t span_ms)
{
    uint64_t end_ms = world->now_ms + span_ms;
    while (world->now_ms < end_ms) {
        if (world->certified_count >= certified && all_serve_newest(world)) {
            return true;
        }
        advance(world);
        restart(world);
    }
    return false;
}

/* --- set-up */

struct csn_input_id world_input(uint32_t serial, char content)
{
    struct csn_input_id id;
    memset(&id, 0, sizeof(id)); /* padding too: its octets are a key */
    id.generation = 1;
    id.serial = serial;
    world_hash('r', csn_bytes(&serial, 4), csn_bytes(&content, 1), &id.received);
    world_hash('p', csn_bytes(&serial, 4), csn_bytes(&content, 1), &id.prepared);
    return id;
}

static void send_input(struct world *world, unsigned site, const struct csn_input_id *id,
                       bool is_confirmed)
{
    struct csn_event event = {.kind = CSN_EVENT_INPUT, .now = world_now(world, site)};
    event.input.zone = world->zone.zone;
    event.input.id = *id;
    event.input.is_confirmed = is_confirmed;
    step(world, site, &event);
}

void world_give_input(struct world *world, unsigned site, const struct csn_input_id *id)
{
    uint8_t confirmed = 1;
    world_map_put(&world->sites[site].disk.inputs, csn_bytes(id, sizeof(*id)),
                  csn_bytes(&confirmed, 1));
    if (is_up(world, site)) {
        send_input(world, site, id, true);
    }
}

void world_give_all(struct world *world, uint32_t serial)
{
    struct csn_input_id id = world_input(serial, 'a');
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_give_input(world, i, &id);
    }
}

void world_set_hsm(struct world *world, unsigned site, enum csn_hsm_state hsm)
{
    world->sites[site].hsm = hsm;
    if (is_up(world, site)) {
        struct csn_event event = {.kind = CSN_EVENT_HSM, .now = world_now(world, site)};
        event.hsm.zone = world->zone.zone;
        event.hsm.state = hsm;
        step(world, site, &event);
    }
}

void world_set_documents(struct world *world, unsigned site, const struct csn_round_zone *zone)
{
    struct csn_event event = {.kind = CSN_EVENT_DOCUMENTS, .now = world_now(world, site)};
    event.documents = zone;
    step(world, site, &event);
}

static void pairs_of(const struct world_map *map, struct csn_record_pair *pairs)
{
    for (size_t i = 0; i < map->count; i++) {
        pairs[i] = (struct csn_record_pair){csn_buf_view(&map->items[i].key),
                                            csn_buf_view(&map->items[i].value)};
    }
}

void world_start_site(struct world *world, unsigned site)
{
    struct world_site *self = &world->sites[site];
    struct csn_event event = {.kind = CSN_EVENT_START, .now = world_now(world, site)};
    struct csn_record_pair *records = csn_calloc(self->disk.records.count, sizeof(*records));
    struct csn_record_pair *seconds = csn_calloc(self->disk.seconds.count, sizeof(*seconds));
    struct csn_version_name *versions = csn_calloc(self->disk.versions.count, sizeof(*versions));
    pairs_of(&self->disk.records, records);
    pairs_of(&self->disk.seconds, seconds);
    for (size_t i = 0; i < self->disk.versions.count; i++) {
        versions[i].zone = world->zone.zone;
        memcpy(versions[i].full_root.octets, self->disk.versions.items[i].key.data,
               CSN_DIGEST_SIZE);
    }
    event.start.records = records;
    event.start.record_count = self->disk.records.count;
    event.start.seconds = seconds;
    event.start.second_count = self->disk.seconds.count;
    event.start.versions = versions;
    event.start.version_count = self->disk.versions.count;
    event.start.link = self->is_next && self->has_link ? &world->link : NULL;
    self->serving = (struct csn_release){0};
    const struct csn_round_zone zones[] = {world->zone, world->other};
    self->node = csn_node_new(world_cluster(world, site), (uint16_t)(site + 1), zones,
                              self->has_other ? 2 : 1);
    self->boot++;
    step(world, site, &event);
    world_set_hsm(world, site, self->hsm);
    for (size_t i = 0; i < self->disk.inputs.count; i++) {
        struct csn_input_id id;
        memcpy(&id, self->disk.inputs.items[i].key.data, sizeof(id));
        send_input(world, site, &id, self->disk.inputs.items[i].value.data[0] != 0);
    }
    if (self->has_next && !self->is_next) {
        world_give_next(world, site);
    }
    free(records);
    free(seconds);
    free(versions);
}

void world_give_next(struct world *world, unsigned site)
{
    struct csn_event event = {
        .kind = CSN_EVENT_NEXT, .now = world_now(world, site), .next = &world->next};
    world->sites[site].has_next = true;
    step(world, site, &event);
}

void world_give_link(struct world *world, unsigned site)
{
    struct csn_event event = {.kind = CSN_EVENT_EPOCH, .now = world_now(world, site)};
    event.epoch.certificate = &world->link;
    event.epoch.next = &world->next;
    world->sites[site].has_link = true;
    step(world, site, &event);
}

static void disk_fini(struct world_disk *disk)
{
    world_map_fini(&disk->records);
    world_map_fini(&disk->seconds);
    world_map_fini(&disk->versions);
    world_map_fini(&disk->shares);
    world_map_fini(&disk->inputs);
}

void world_replace_site(struct world *world, unsigned site)
{
    world_stop_site(world, site);
    disk_fini(&world->sites[site].disk);
    world->sites[site].is_next = true;
    world->sites[site].has_link = false;
}

void world_copy_records(const struct world_disk *disk, struct world_map *ret_copy)
{
    for (size_t i = 0; i < disk->records.count; i++) {
        world_map_put(ret_copy, csn_buf_view(&disk->records.items[i].key),
                      csn_buf_view(&disk->records.items[i].value));
    }
}

void world_put_back(struct world *world, unsigned site, struct world_map *take_records)
{
    world_map_fini(&world->sites[site].disk.records);
    world->sites[site].disk.records = *take_records;
    *take_records = (struct world_map){0};
}

void world_stop_site(struct world *world, unsigned site)
{
    csn_node_free(world->sites[site].node);
    world->sites[site].node = NULL;
}

void world_start_leader(struct world *world)
{
    struct csn_event event = {.kind = CSN_EVENT_START, .now = world_now(world, WORLD_LEADER)};
    world->leader = csn_leader_new(world_cluster(world, WORLD_LEADER), 1, &world->zone, 1);
    world->leader_boot++;
    step(world, WORLD_LEADER, &event);
}

void world_stop_leader(struct world *world)
{
    csn_leader_free(world->leader);
    world->leader = NULL;
}

void world_start_all(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_start_site(world, i);
    }
    world_start_leader(world);
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->now_ms = world->ticked_ms = 100000;
    struct csn_cluster *cluster = &world->cluster;
    memset(cluster->id, 0xc1, sizeof(cluster->id));
    cluster->environment = 1;
    cluster->epoch = 1;
    memset(&cluster->digest, 0xd0, sizeof(cluster->digest));
    cluster->quorum = 2;
    cluster->member_count = WORLD_SITES;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        cluster->members[i] =
            (struct csn_member){.number = (uint16_t)(i + 1), .name = "site", .incarnation = 1};
        world->sites[i].hsm = CSN_HSM_GOOD;
    }
    cluster->operator_count = 1;
    cluster->coordinator_count = 2;
    cluster->coordinators[0].number = 1;
    cluster->coordinators[1].number = 2;
    struct csn_round_zone *zone = &world->zone;
    INSIST(csn_name_parse("example.", zone->zone) == CSN_OK);
    zone->serial_rule = CSN_SERIAL_UNIXTIME;
    zone->refresh_interval_s = 3600;
    zone->round_deadline_ms = 120000;
    zone->behind_max_s = 300;
    zone->max_round_age_s = 1800;
    zone->refresh_s = 14 * 86400;
    zone->policy.number = zone->keyset.number = 1;
    memset(&zone->policy.digest, 0x14, sizeof(zone->policy.digest));
    memset(&zone->keyset.digest, 0x15, sizeof(zone->keyset.digest));
    world->other = *zone;
    INSIST(csn_name_parse("other.", world->other.zone) == CSN_OK);
}

void world_fini(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        csn_node_free(world->sites[i].node);
        disk_fini(&world->sites[i].disk);
    }
    csn_leader_free(world->leader);
    for (size_t i = 0; i < world->queue_count; i++) {
        item_free(world->queue[i]);
    }
    free(world->queue);
}

struct world *world_new(void)
{
    struct world *world = csn_alloc(sizeof(*world));
    world_init(world);
    return world;
}

struct world *world_new_released(void)
{
    struct world *world = world_new();
    world_start_all(world);
    world_give_all(world, 1);
    bool is_released = world_run_until(world, 1, 20000);
    INSIST(is_released);
    return world;
}

void world_free(struct world *take_world)
{
    world_fini(take_world);
    free(take_world);
}

void world_inject(struct world *world, unsigned target, enum csn_statement_kind kind,
                  uint16_t signer, struct csn_bytes body)
{
    uint8_t signature[CSN_SIGNATURE_SIZE] = {0};
    struct csn_event event = {.kind = CSN_EVENT_STATEMENT, .now = world_now(world, target)};
    event.statement.kind = kind;
    event.statement.signer = signer;
    event.statement.incarnation =
        csn_statement_is_coordinators(kind) || csn_statement_is_operators(kind) ? 0 : 1;
    event.statement.body = body;
    event.statement.signature = signature;
    step(world, target, &event);
}

void world_node_zone(const struct world *world, unsigned site,
                     struct csn_node_zone_status *ret_status)
{
    csn_node_get_zone(world->sites[site].node, 0, world_now(world, site), ret_status);
}
