#include "round/node_state.h"

#include <stdlib.h>
#include <string.h>

#include "round/fields.h"

#define CLOSE_SIZE 8

struct csn_record_key csn_record_key(enum csn_record_letter letter, const uint8_t *zone,
                                     const struct csn_round *round)
{
    struct csn_record_key key = {.octets = {(uint8_t)CSN_RECORD_PREFIX[0], (uint8_t)letter},
                                 .size = 2};
    if (zone != NULL) {
        size_t size = csn_name_size(zone);
        memcpy(key.octets + key.size, zone, size);
        key.size += size;
    }
    if (round != NULL) {
        csn_round_encode(*round, key.octets + key.size);
        key.size += CSN_ROUND_SIZE;
    }
    return key;
}

static void close_octets(struct csn_bytes key, struct csn_bytes value,
                         uint8_t ret_octets[CLOSE_SIZE])
{
    struct csn_buf both = {0};
    struct csn_digest digest;
    csn_buf_put_bytes(&both, key);
    csn_buf_put_bytes(&both, value);
    csn_sha384(csn_buf_view(&both), &digest);
    memcpy(ret_octets, digest.octets, CLOSE_SIZE);
    csn_buf_fini(&both);
}

void csn_record_close(struct csn_bytes key, struct csn_buf *value)
{
    uint8_t octets[CLOSE_SIZE];
    close_octets(key, csn_buf_view(value), octets);
    csn_buf_put(value, octets, sizeof(octets));
}

bool csn_record_open(struct csn_bytes key, struct csn_bytes octets, struct csn_bytes *ret_value)
{
    uint8_t wanted[CLOSE_SIZE];
    if (octets.size < CLOSE_SIZE) {
        return false;
    }
    struct csn_bytes value = csn_bytes(octets.data, octets.size - CLOSE_SIZE);
    close_octets(key, value, wanted);
    if (memcmp(wanted, octets.data + value.size, CLOSE_SIZE) != 0) {
        return false;
    }
    *ret_value = value;
    return true;
}

void csn_record_floor(const struct csn_node *node, const struct csn_node_zone *zone,
                      struct csn_buf *buf)
{
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_FLOOR, csn_node_zone_name(node, zone), NULL);
    csn_put_floor(buf, &zone->floor);
    csn_record_close(csn_record_key_view(&key), buf);
}

void csn_record_epoch(const struct csn_node *node, struct csn_buf *buf)
{
    struct csn_record_key key = csn_record_key(CSN_RECORD_EPOCH, NULL, NULL);
    csn_buf_put_u32(buf, node->cluster.epoch);
    csn_put_digest(buf, &node->cluster.digest);
    csn_buf_put_u8(buf, node->is_sealed);
    csn_record_close(csn_record_key_view(&key), buf);
}

struct csn_effect *csn_node_persist(struct csn_node *node, enum csn_persist_what what,
                                    const struct csn_node_zone *zone)
{
    struct csn_effect *effect = csn_effects_add(node->effects, CSN_EFFECT_PERSIST, NULL);
    size_t end = node->persist_first + node->persist_count++;
    node->persists = csn_realloc(node->persists, end + 1, sizeof(*node->persists));
    node->persists[end] = (struct csn_persist){
        .id = ++node->next_persist, .what = what, .zone = zone != NULL ? zone->index : SIZE_MAX};
    if (zone != NULL) {
        node->zones[zone->index].persist_count++;
    }
    effect->persist.id = node->next_persist;
    return effect;
}

struct csn_persist *csn_node_last_persist(struct csn_node *node)
{
    return &node->persists[node->persist_first + node->persist_count - 1];
}

void csn_persist_write(struct csn_node *node, struct csn_effect *persist, struct csn_bytes key,
                       struct csn_bytes value)
{
    REQUIRE(persist->persist.write_count < CSN_WRITES_MAX);
    persist->persist.writes[persist->persist.write_count++] = (struct csn_record_pair){
        csn_effects_copy(node->effects, key), csn_effects_copy(node->effects, value)};
}

void csn_persist_delete(struct csn_node *node, struct csn_effect *persist, struct csn_bytes key)
{
    REQUIRE(persist->persist.write_count < CSN_WRITES_MAX);
    persist->persist.writes[persist->persist.write_count++] =
        (struct csn_record_pair){csn_effects_copy(node->effects, key), csn_bytes(NULL, 0)};
}

void csn_persist_expect(struct csn_node *node, struct csn_effect *persist, struct csn_bytes key,
                        struct csn_bytes value)
{
    struct csn_bytes copy = value.data != NULL ? csn_effects_copy(node->effects, value) : value;
    REQUIRE(persist->persist.expect_count < CSN_WRITES_MAX);
    persist->persist.expects[persist->persist.expect_count++] =
        (struct csn_record_pair){csn_effects_copy(node->effects, key), copy};
}

void csn_persist_floor(struct csn_node *node, struct csn_effect *persist,
                       struct csn_node_zone *zone)
{
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_FLOOR, csn_node_zone_name(node, zone), NULL);
    struct csn_buf value = {0};
    csn_record_floor(node, zone, &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    zone->has_floor = true;
    csn_buf_fini(&value);
}

void csn_persist_step(struct csn_node *node, struct csn_effect *persist, struct csn_node_zone *zone,
                      uint32_t from, const struct csn_proposal *proposal)
{
    if (!csn_serial_is_leap(from, proposal->serial) ||
        csn_round_compare(proposal->round, zone->leap) <= 0) {
        return;
    }
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_LEAP, csn_node_zone_name(node, zone), NULL);
    struct csn_buf value = {0};
    zone->leap = proposal->round;
    csn_put_round(&value, zone->leap);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
}

static void done(struct csn_node *node, const struct csn_persist *persist)
{
    struct csn_node_zone *zone = persist->zone != SIZE_MAX ? &node->zones[persist->zone] : NULL;
    if (zone != NULL) {
        zone->persist_count--;
        zone->durable_order_sum = zone->persist_count == 0 ? csn_zone_order_sum(zone) : zone->durable_order_sum;
        csn_node_touch(node, zone);
    }
    switch (persist->what) {
    case CSN_PERSIST_BOOT:
        csn_node_started(node);
        break;
    case CSN_PERSIST_PROMISE:
        csn_node_promised(node, persist->round.term);
        break;
    case CSN_PERSIST_VOTE:
        csn_node_voted(node, zone, persist);
        break;
    case CSN_PERSIST_RELEASE:
        csn_node_released(node, zone, persist->round);
        break;
    case CSN_PERSIST_SEAL:
        csn_epoch_sealed(node);
        break;
    case CSN_PERSIST_ENTRY:
        csn_epoch_entered(node);
        break;
    case CSN_PERSIST_JOIN:
        csn_epoch_joined(node);
        break;
    case CSN_PERSIST_NOTE:
        break;
    }
}

void csn_node_persisted(struct csn_node *node, const struct csn_event *event)
{
    if (node->persist_count == 0 || node->persists[node->persist_first].id != event->persist_id) {
        csn_node_count(node, CSN_COUNT_STALE_COMPLETION);
        return;
    }
    struct csn_persist first = node->persists[node->persist_first++];
    node->persist_count--;
    if (node->persist_first >= node->persist_count) { /* each is moved once at most */
        memmove(node->persists, node->persists + node->persist_first,
                node->persist_count * sizeof(*node->persists));
        node->persist_first = 0;
    }
    if (event->code != CSN_OK) {
        csn_node_halt(node, CSN_HALT_PERSIST);
    } else {
        done(node, &first);
    }
    csn_buf_fini(&first.held);
}

void csn_persists_fini(struct csn_node *node)
{
    for (size_t i = 0; i < node->persist_count; i++) {
        csn_buf_fini(&node->persists[node->persist_first + i].held);
    }
    free(node->persists);
}
