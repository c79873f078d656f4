/* Goal: no octets in a node's own store or second copy make its core do anything but begin, halted where it must be: what it
 * answers with has a certificate, and a halted one votes for nothing. Method: records and second copies as the octets say (place
 * u8, letter u8, value size u16, value; closed as the core closes them, so that their decoders are reached), one start. */

#include "fuzz/replay.h"
#include "round/node_state.h"
#include "unit/round_world.h"

const char csn_fuzz_name[] = "records";

#define PAIRS_MAX 16
#define IN_SECOND 1
#define IS_CERTIFICATE 2
#define IS_BARE 4 /* the key is in the value */

struct input {
    struct csn_arena arena;
    struct csn_record_pair records[PAIRS_MAX], seconds[PAIRS_MAX];
    size_t record_count, second_count;
    struct csn_bytes certificates[PAIRS_MAX];
    size_t certificate_count;
};

static struct csn_bytes copy(struct csn_arena *arena, struct csn_bytes octets)
{
    return csn_bytes(csn_arena_copy(arena, octets.data, octets.size), octets.size);
}

/* What the round of a key is must be in the value too, where it has one. */
static struct csn_round round_of(uint8_t letter, struct csn_bytes value)
{
    struct csn_body_held held;
    struct csn_certificate certificate;
    if (letter == CSN_RECORD_HOLD && csn_body_held_decode(value, &held) == CSN_OK) {
        return held.proposal.round;
    }
    if (letter == CSN_RECORD_CERTIFICATE && csn_certificate_decode(value, &certificate) == CSN_OK) {
        return certificate.held.proposal.round;
    }
    return (struct csn_round){.seq = letter};
}

static struct csn_record_pair make_pair(struct input *input, const uint8_t *zone, uint8_t how, uint8_t letter,
                                        struct csn_bytes value)
{
    bool is_nodes = letter == CSN_RECORD_BOOT || letter == CSN_RECORD_TERM || letter == CSN_RECORD_EPOCH;
    bool has_round = (letter == CSN_RECORD_HOLD && (how & IN_SECOND) == 0) || letter == CSN_RECORD_CERTIFICATE ||
                     letter == CSN_RECORD_ORDER;
    struct csn_round round = round_of(letter, value);
    struct csn_record_key key =
        csn_record_key((enum csn_record_letter)letter, is_nodes ? NULL : zone, has_round ? &round : NULL);
    struct csn_buf closed = {0};
    struct csn_bytes name = csn_record_key_view(&key);
    if ((how & IS_BARE) != 0 && value.size > 0) {
        size_t size = value.data[0] < value.size ? value.data[0] : value.size - 1u;
        name = csn_bytes(value.data + 1, size);
        value = csn_bytes(value.data + 1 + size, value.size - 1 - size);
    }
    csn_buf_put_bytes(&closed, value);
    csn_record_close(name, &closed);
    struct csn_record_pair pair = {copy(&input->arena, name), copy(&input->arena, csn_buf_view(&closed))};
    csn_buf_fini(&closed);
    return pair;
}

static void read_input(struct csn_reader *reader, const uint8_t *zone, struct input *input)
{
    while (csn_reader_left(reader) > 0 && !reader->failed && input->record_count < PAIRS_MAX &&
           input->second_count < PAIRS_MAX && input->certificate_count < PAIRS_MAX) {
        uint8_t how = csn_read_u8(reader), letter = csn_read_u8(reader);
        size_t size = csn_read_u16(reader), left = csn_reader_left(reader);
        struct csn_bytes value = csn_read_bytes(reader, size < left ? size : left);
        if ((how & IS_CERTIFICATE) != 0) {
            input->certificates[input->certificate_count++] = value;
        } else if ((how & IN_SECOND) != 0) {
            input->seconds[input->second_count++] = make_pair(input, zone, how, letter, value);
        } else {
            input->records[input->record_count++] = make_pair(input, zone, how, letter, value);
        }
    }
}

static void check(const struct csn_node *node, const struct csn_effects *effects)
{
    struct csn_node_status status;
    csn_node_get_status(node, (struct csn_now){.wall_s = WORLD_START_S}, &status);
    for (size_t i = 0; i < effects->count; i++) {
        const struct csn_effect *effect = effects->items[i];
        INSIST(effect->kind != CSN_EFFECT_SEND || effect->send.kind != CSN_STATEMENT_HELD || status.halt == CSN_HALT_NONE);
        INSIST(effect->kind != CSN_EFFECT_PERSIST || status.halt == CSN_HALT_NONE || status.halt == CSN_HALT_AMNESIA);
        INSIST(effect->kind != CSN_EFFECT_SERVE || effect->release.certificate != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct input input = {0};
    struct csn_effects effects = {0};
    struct csn_reader reader = csn_reader(csn_bytes(data, size));
    world_init(&world);
    uint8_t how = csn_read_u8(&reader);
    read_input(&reader, world.zone.zone, &input);
    struct csn_version_name versions[PAIRS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < input.record_count; i++) { /* every certified version is here */
        struct csn_certificate certificate;
        struct csn_bytes value;
        if (csn_record_open(input.records[i].key, input.records[i].value, &value) &&
            csn_certificate_decode(value, &certificate) == CSN_OK) {
            versions[count++] = (struct csn_version_name){world.zone.zone, certificate.held.full_root};
        }
    }
    struct csn_node *node = csn_node_new(&world.cluster, 1, &world.zone, 1);
    struct csn_event event = {.kind = CSN_EVENT_START,
                              .now = {.wall_s = WORLD_START_S},
                              .start = {.records = input.records,
                                        .record_count = input.record_count,
                                        .seconds = input.seconds,
                                        .second_count = input.second_count,
                                        .versions = versions,
                                        .version_count = count,
                                        .is_damaged = (how & 1) != 0,
                                        .is_second_damaged = (how & 2) != 0,
                                        .is_second_ahead = (how & 6) == 6,
                                        .certificates = input.certificates,
                                        .certificate_count = input.certificate_count}};
    csn_node_step(node, &event, &effects);
    check(node, &effects);
    csn_effects_fini(&effects);
    csn_node_free(node);
    csn_arena_fini(&input.arena);
    world_fini(&world);
    return 0;
}
