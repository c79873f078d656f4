#include "round/node_state.h"

#include <stdlib.h>
#include <string.h>

#include "round/fields.h"

void csn_node_halt(struct csn_node *node, enum csn_halt why)
{
    if (node->halt != CSN_HALT_NONE) {
        return;
    }
    node->halt = why;
    node->state = CSN_NODE_HALTED;
    csn_node_trace(node, CSN_TRACE_HALTED, NULL)->number = why;
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_pending_drop(node, &node->zones[i]);
        csn_work_drop(node, &node->zones[i]);
    }
}

/* In both copies, and before whatever is adopted hides what shows it: neither a start nor a backup of one of the two makes
 * this site vote again. A member that came back with a new key is another incarnation. */
void csn_node_forgot(struct csn_node *node)
{
    struct csn_record_key key = csn_record_key(CSN_RECORD_AMNESIA, NULL, NULL);
    struct csn_buf value = {0};
    csn_node_halt(node, CSN_HALT_AMNESIA);
    if (node->has_forgotten) {
        return;
    }
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_NOTE, NULL);
    node->has_forgotten = true;
    csn_buf_put_u32(&value, node->cluster.members[node->member].incarnation);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    persist->persist.second = (struct csn_record_pair){
        csn_effects_copy(node->effects, csn_record_key_view(&key)), persist->persist.writes[0].value};
    csn_buf_fini(&value);
}

bool csn_node_is_mute(const struct csn_node *node)
{
    return node->halt != CSN_HALT_NONE && node->halt != CSN_HALT_AMNESIA;
}

/* --- records */

/* Each takes a value of its letter; false: damaged. */
typedef bool load_fn(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                     struct csn_round round);

static bool load_forgotten(struct csn_node *node, struct csn_node_zone *zone,
                           struct csn_reader *reader, struct csn_round round)
{
    uint32_t incarnation = csn_read_u32(reader);
    (void)zone;
    (void)round;
    node->has_forgotten |= csn_reader_done(reader) &&
                           incarnation == node->cluster.members[node->member].incarnation;
    return csn_reader_done(reader);
}

static bool load_boot(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                      struct csn_round round)
{
    (void)zone;
    (void)round;
    node->boot = csn_read_u32(reader);
    node->has_boot = true;
    return csn_reader_done(reader);
}

static bool load_term(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                      struct csn_round round)
{
    (void)zone;
    (void)round;
    node->promised = node->promised_durable = csn_read_term(reader);
    return csn_reader_done(reader);
}

static bool load_epoch(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                       struct csn_round round)
{
    (void)zone;
    (void)round;
    csn_read_version(reader, &node->epochs.stored);
    node->is_sealed = csn_read_bool(reader);
    node->has_epoch = true;
    return csn_reader_done(reader);
}

static bool load_floor(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                       struct csn_round round)
{
    (void)node;
    (void)round;
    csn_read_floor(reader, &zone->floor);
    zone->has_floor = true;
    return csn_reader_done(reader);
}

static bool load_hold(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                      struct csn_round round)
{
    struct csn_hold hold;
    (void)node;
    csn_read_held(reader, &hold.held);
    if (!csn_reader_done(reader) || csn_round_compare(hold.held.proposal.round, round) != 0) {
        return false;
    }
    csn_proposal_hash(&hold.held.proposal, &hold.hash);
    size_t at = zone->hold_count;
    zone->holds = csn_realloc(zone->holds, zone->hold_count + 1, sizeof(*zone->holds));
    while (at > 0 && csn_round_compare(zone->holds[at - 1].held.proposal.round, round) > 0) {
        at--;
    }
    memmove(zone->holds + at + 1, zone->holds + at, (zone->hold_count - at) * sizeof(*zone->holds));
    zone->holds[at] = hold;
    zone->hold_count++;
    return true;
}

static bool load_certificate(struct csn_node *node, struct csn_node_zone *zone,
                             struct csn_reader *reader, struct csn_round round)
{
    struct csn_certificate certificate;
    struct csn_bytes octets = csn_read_bytes(reader, csn_reader_left(reader));
    (void)node;
    if (csn_certificate_decode(octets, &certificate) != CSN_OK ||
        csn_round_compare(certificate.held.proposal.round, round) != 0 ||
        csn_zone_certificate(zone, round) != NULL) {
        return false;
    }
    csn_zone_insert_certificate(zone, &certificate, octets);
    return true;
}

static bool load_released(struct csn_node *node, struct csn_node_zone *zone,
                          struct csn_reader *reader, struct csn_round round)
{
    (void)node;
    (void)round;
    zone->released.round = csn_read_round(reader);
    return csn_reader_done(reader);
}

static bool load_diverged(struct csn_node *node, struct csn_node_zone *zone,
                          struct csn_reader *reader, struct csn_round round)
{
    (void)node;
    (void)round;
    zone->diverged = csn_read_range(reader, 0, 15);
    return csn_reader_done(reader);
}

static bool load_leap(struct csn_node *node, struct csn_node_zone *zone,
                          struct csn_reader *reader, struct csn_round round)
{
    (void)node;
    (void)round;
    zone->leap = csn_read_round(reader);
    return csn_reader_done(reader);
}

static const struct {
    uint8_t letter;
    bool has_zone, has_round;
    load_fn *load;
} letters[] = {
    {CSN_RECORD_AMNESIA, false, false, load_forgotten},
    {CSN_RECORD_BOOT, false, false, load_boot},
    {CSN_RECORD_CERTIFICATE, true, true, load_certificate},
    {CSN_RECORD_DIVERGED, true, false, load_diverged},
    {CSN_RECORD_EPOCH, false, false, load_epoch},
    {CSN_RECORD_FLOOR, true, false, load_floor},
    {CSN_RECORD_HOLD, true, true, load_hold},
    {CSN_RECORD_LEAP, true, false, load_leap},
    {CSN_RECORD_ANNOUNCED, true, false, csn_announced_load},
    {CSN_RECORD_ENTRY, false, false, csn_epoch_load_entry},
    {CSN_RECORD_ORDER, true, true, csn_order_load},
    {CSN_RECORD_PART, false, true, csn_epoch_load_part},
    {CSN_RECORD_RELEASED, true, false, load_released},
    {CSN_RECORD_SEAL, false, false, csn_epoch_load_seal},
    {CSN_RECORD_TERM, false, false, load_term},
};
#define LETTERS (sizeof(letters) / sizeof(letters[0]))

/* What a key names. `zone` is NULL for records of the node, and of zones that are not configured
 * here (is_foreign). */
struct key_parts {
    size_t letter; /* index; LETTERS: none */
    struct csn_node_zone *zone;
    bool is_foreign;
    struct csn_round round;
};

static bool parse_key(struct csn_node *node, struct csn_bytes key, struct key_parts *ret_parts)
{
    struct csn_reader reader = csn_reader(key);
    struct key_parts parts = {0};
    bool is_ours = csn_read_u8(&reader) == (uint8_t)CSN_RECORD_PREFIX[0];
    uint8_t letter = csn_read_u8(&reader);
    while (parts.letter < LETTERS && letters[parts.letter].letter != letter) {
        parts.letter++;
    }
    if (!is_ours || parts.letter == LETTERS) {
        return false;
    }
    if (letters[parts.letter].has_zone) {
        uint8_t name[CSN_NAME_MAX];
        csn_read_name(&reader, name);
        int index = reader.failed ? -1 : csn_zone_index(&node->peers, name);
        parts.zone = index >= 0 ? &node->zones[index] : NULL;
        parts.is_foreign = index < 0;
    }
    if (letters[parts.letter].has_round) {
        parts.round = csn_read_round(&reader);
    }
    *ret_parts = parts;
    return csn_reader_done(&reader);
}

static bool load_record(struct csn_node *node, const struct csn_record_pair *record)
{
    struct key_parts parts;
    struct csn_bytes value = {0};
    if (!parse_key(node, record->key, &parts) ||
        !csn_record_open(record->key, record->value, &value)) {
        return false;
    }
    struct csn_reader reader = csn_reader(value);
    return parts.is_foreign || letters[parts.letter].load(node, parts.zone, &reader, parts.round);
}

static void load_records(struct csn_node *node, const struct csn_event *event)
{
    bool is_whole = !event->start.is_damaged;
    for (size_t i = 0; i < event->start.record_count; i++) {
        is_whole = load_record(node, &event->start.records[i]) && is_whole;
    }
    for (size_t i = 0; i < node->zone_count; i++) {
        struct csn_node_zone *zone = &node->zones[i];
        const struct csn_known_certificate *known =
            csn_zone_certificate(zone, zone->released.round);
        if (known != NULL) {
            zone->released.full_root = known->certificate.held.full_root;
        }
        /* What is released was certified, and a vote or a certificate has left a floor. */
        is_whole = is_whole && (known != NULL || csn_round_is_none(zone->released.round));
        is_whole = is_whole &&
                   (zone->has_floor || (zone->hold_count == 0 && zone->certificate_count == 0));
    }
    if (!is_whole) {
        csn_node_halt(node, CSN_HALT_DAMAGED);
    } else {
        csn_epoch_check_store(node, event->start.link);
    }
}

/* --- second copies */

enum copy { COPY_MISSING, COPY_GOOD, COPY_DAMAGED };

/* The second copy of a zone's hold or release, opened. */
static enum copy open_copy(const struct csn_record_pair *pair, struct csn_bytes *ret_value)
{
    if (pair == NULL) {
        return COPY_MISSING;
    }
    return csn_record_open(pair->key, pair->value, ret_value) ? COPY_GOOD : COPY_DAMAGED;
}

/* The node's second copy under a letter, opened. */
static enum copy find_copy(const struct csn_event *event, enum csn_record_letter letter,
                           struct csn_bytes *ret_value)
{
    struct csn_record_key key = csn_record_key(letter, NULL, NULL);
    for (size_t i = 0; i < event->start.second_count; i++) {
        const struct csn_record_pair *pair = &event->start.seconds[i];
        if (csn_bytes_equal(pair->key, csn_record_key_view(&key))) {
            return open_copy(pair, ret_value);
        }
    }
    return COPY_MISSING;
}

/* The zones' second copies under a letter: borrowed, in the order of the zones, NULL where there is none. */
static const struct csn_record_pair **sort_copies(const struct csn_node *node, const struct csn_event *event,
                                                  enum csn_record_letter letter)
{
    const struct csn_record_pair **copies = csn_calloc(node->zone_count, sizeof(const struct csn_record_pair *));
    for (size_t i = 0; i < event->start.second_count; i++) {
        const struct csn_record_pair *pair = &event->start.seconds[i];
        struct csn_record_key head = csn_record_key(letter, NULL, NULL);
        struct csn_reader reader = csn_reader(pair->key);
        struct csn_bytes begin = csn_read_bytes(&reader, head.size);
        uint8_t zone[CSN_NAME_MAX];
        csn_read_name(&reader, zone);
        int index = csn_reader_done(&reader) && csn_bytes_equal(begin, csn_record_key_view(&head))
                        ? csn_zone_index(&node->peers, zone)
                        : -1;
        if (index >= 0) {
            copies[index] = pair;
        }
    }
    return copies;
}

/* The store has forgotten a vote when the second copy is older than the store's last hold, or not
 * there at all. A copy that is newer is of a vote whose transaction never came to be: dead, for the
 * floor rises to it. */
static void compare_hold(struct csn_node *node, struct csn_node_zone *zone,
                         const struct csn_body_held *copy)
{
    const struct csn_hold *last = zone->hold_count > 0 ? &zone->holds[zone->hold_count - 1] : NULL;
    int order =
        last != NULL ? csn_round_compare(copy->proposal.round, last->held.proposal.round) : 1;
    bool is_same = last != NULL && csn_digest_equal(&copy->full_root, &last->held.full_root);
    if (order < 0 || (order == 0 && !is_same)) {
        csn_node_halt(node, CSN_HALT_AMNESIA);
    } else if (order > 0) {
        struct csn_floor floor = csn_floor_of(&copy->proposal);
        zone->floor.has_serial = csn_floor_binds_serial(&zone->floor);
        csn_floor_merge(&zone->floor, &floor);
        csn_persist_floor(node, csn_node_persist(node, CSN_PERSIST_NOTE, zone), zone);
    }
}

static void check_hold(struct csn_node *node, struct csn_node_zone *zone,
                       const struct csn_record_pair *pair)
{
    struct csn_bytes value = {0};
    struct csn_body_held held;
    enum copy copy = open_copy(pair, &value);
    bool is_damaged = copy == COPY_DAMAGED ||
                      (copy == COPY_GOOD && csn_body_held_decode(value, &held) != CSN_OK);
    if (is_damaged) {
        csn_node_halt(node, CSN_HALT_DAMAGED);
    } else if (copy == COPY_GOOD) {
        compare_hold(node, zone, &held);
    } else if (zone->hold_count > 0) {
        csn_node_halt(node, CSN_HALT_AMNESIA);
    }
}

/* Copied before it is released: a store that does not even know the certificate is an older one. Both copies know as much once
 * the site has adopted what is released now, and the second one need not be the newest either: so it is written down. */
static void check_released(struct csn_node *node, struct csn_node_zone *zone,
                           const struct csn_record_pair *pair)
{
    struct csn_bytes value = {0};
    enum copy copy = open_copy(pair, &value);
    struct csn_reader reader = csn_reader(value);
    struct csn_round round = copy == COPY_GOOD ? csn_read_round(&reader) : (struct csn_round){0};
    if (copy == COPY_DAMAGED || (copy == COPY_GOOD && !csn_reader_done(&reader))) {
        csn_node_halt(node, CSN_HALT_DAMAGED);
    } else if (csn_round_compare(round, zone->released.round) > 0 &&
               csn_zone_certificate(zone, round) == NULL) {
        zone->forgotten = round;
        if (!csn_node_is_mute(node)) {
            csn_node_forgot(node);
        }
    }
}

/* The certificate beside a version, which another environment keeps, may have become durable before the votes know of it: no
 * sign of an older store. But nothing older is answered, and it is taken as if it had been heard. */
static void check_beside(struct csn_node *node, const struct csn_event *event)
{
    for (size_t i = 0; i < event->start.certificate_count; i++) {
        struct csn_certificate certificate;
        if (csn_certificate_decode(event->start.certificates[i], &certificate) != CSN_OK) {
            continue;
        }
        struct csn_round round = certificate.held.proposal.round;
        int index = csn_zone_index(&node->peers, certificate.held.proposal.zone);
        struct csn_node_zone *zone = index >= 0 ? &node->zones[index] : NULL;
        if (zone != NULL && csn_round_compare(round, zone->released.round) > 0 &&
            csn_round_compare(round, zone->forgotten) > 0 && csn_zone_certificate(zone, round) == NULL) {
            zone->forgotten = round;
        }
    }
}

static void take_beside(struct csn_node *node, const struct csn_event *event)
{
    for (size_t i = 0; i < event->start.certificate_count; i++) {
        struct csn_certificate certificate;
        if (csn_certificate_decode(event->start.certificates[i], &certificate) == CSN_OK) {
            csn_node_certificate(node, &certificate, event->start.certificates[i]);
        }
    }
}

/* A site without its store is a new member: a second copy, or versions, whose votes were never begun are of a store that is
 * gone (R8, amnesia). */
static bool is_store_gone(const struct csn_node *node, const struct csn_event *event)
{
    struct csn_bytes value;
    bool is_boot_copied = find_copy(event, CSN_RECORD_BOOT, &value) != COPY_MISSING;
    size_t said = event->start.second_count - is_boot_copied;
    return !node->has_boot && (said > 0 || event->start.version_count > 0);
}

static void check_seal(struct csn_node *node, const struct csn_event *event)
{
    struct csn_bytes value = {0};
    enum copy copy = find_copy(event, CSN_RECORD_SEAL, &value);
    if (copy == COPY_DAMAGED) {
        csn_node_halt(node, CSN_HALT_DAMAGED);
    } else {
        csn_epoch_check_copy(node, copy == COPY_GOOD ? &value : NULL);
        csn_epoch_check_sealed(node);
    }
}

/* Of a release that was forgotten with what knew of it: only the other sites can tell that this one's is as late. */
static const struct csn_round latest_round = {.term = {UINT64_MAX, UINT16_MAX}, .seq = UINT32_MAX};

/* The store's, or the second copy's, which is written first. */
static bool was_forgotten(struct csn_node *node, const struct csn_event *event)
{
    struct csn_bytes value = {0};
    enum copy copy = find_copy(event, CSN_RECORD_AMNESIA, &value);
    struct csn_reader reader = csn_reader(value);
    bool is_damaged = copy == COPY_DAMAGED ||
                      (copy == COPY_GOOD && !load_forgotten(node, NULL, &reader, (struct csn_round){0}));
    if (is_damaged) {
        csn_node_halt(node, CSN_HALT_DAMAGED);
    }
    return node->has_forgotten;
}

static void check_copies(struct csn_node *node, const struct csn_event *event)
{
    bool is_forgotten = was_forgotten(node, event);
    if (is_store_gone(node, event) || event->start.is_second_damaged || is_forgotten) {
        csn_node_halt(node, CSN_HALT_AMNESIA);
    }
    const struct csn_record_pair **holds = sort_copies(node, event, CSN_RECORD_HOLD);
    const struct csn_record_pair **releases = sort_copies(node, event, CSN_RECORD_RELEASED);
    for (size_t i = 0; i < node->zone_count && node->halt == CSN_HALT_NONE; i++) {
        check_hold(node, &node->zones[i], holds[i]);
    }
    for (size_t i = 0; i < node->zone_count; i++) { /* all: halted or not, none answers older than it did */
        check_released(node, &node->zones[i], releases[i]);
        if (event->start.is_second_ahead) {
            node->zones[i].forgotten = latest_round;
        }
    }
    check_beside(node, event);
    free(holds);
    free(releases);
    if (node->halt == CSN_HALT_NONE) {
        check_seal(node, event);
    }
}

/* --- damaged or lost votes: what is still sure of what was answered last */

static void salvage_certificates(struct csn_node *node, const struct csn_event *event)
{
    for (size_t i = 0; i < event->start.certificate_count; i++) {
        struct csn_certificate certificate;
        struct csn_bytes octets = event->start.certificates[i];
        if (csn_certificate_decode(octets, &certificate) != CSN_OK) {
            continue;
        }
        const struct csn_proposal *proposal = &certificate.held.proposal;
        int index = csn_zone_index(&node->peers, proposal->zone);
        struct csn_node_zone *zone = index >= 0 ? &node->zones[index] : NULL;
        if (zone != NULL && csn_zone_certificate(zone, proposal->round) == NULL) {
            csn_zone_insert_certificate(zone, &certificate, octets);
        }
        if (zone != NULL && csn_round_compare(proposal->round, zone->released.round) > 0) {
            zone->released.round = proposal->round;
        }
    }
}

/* Of the store's record, the second copy and the certificate beside the version the latest is what
 * was answered last, or was about to be: all three are written before the answers change, the
 * record last. Nothing older is answered; without its certificate or its bytes, nothing is. */
static void salvage(struct csn_node *node, const struct csn_event *event)
{
    salvage_certificates(node, event);
    const struct csn_record_pair **copies = sort_copies(node, event, CSN_RECORD_RELEASED);
    for (size_t i = 0; i < node->zone_count; i++) {
        struct csn_node_zone *zone = &node->zones[i];
        struct csn_bytes value = {0};
        bool is_good = open_copy(copies[i], &value) == COPY_GOOD;
        struct csn_reader reader = csn_reader(value);
        struct csn_round copied = is_good ? csn_read_round(&reader) : (struct csn_round){0};
        if (csn_round_compare(copied, zone->released.round) > 0) {
            zone->released.round = copied;
        }
        const struct csn_known_certificate *known =
            csn_zone_certificate(zone, zone->released.round);
        if (known != NULL) {
            zone->released.full_root = known->certificate.held.full_root;
        } else {
            zone->forgotten = zone->released.round;
            zone->released = (struct csn_release){0};
        }
    }
    free(copies);
}

/* --- start */

/* A zone is admitted with its live serial as floor. */
static void admit_zones(struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        struct csn_node_zone *zone = &node->zones[i];
        if (!zone->has_floor && node->configs[i].has_live_serial) {
            zone->floor.has_serial = true;
            zone->floor.serial = node->configs[i].live_serial;
            csn_persist_floor(node, csn_node_persist(node, CSN_PERSIST_NOTE, zone), zone);
        }
    }
}

#define BOOT_CLOCK_MAX UINT64_C(4102444800) /* the year 2100: a clock beyond is wrong */

static uint32_t copied_boot(const struct csn_event *event)
{
    struct csn_bytes value = {0};
    bool is_good = find_copy(event, CSN_RECORD_BOOT, &value) == COPY_GOOD;
    struct csn_reader reader = csn_reader(value);
    uint32_t boot = is_good ? csn_read_u32(&reader) : 0;
    return csn_reader_done(&reader) ? boot : 0;
}

/* Never below one that was used: a store restored from an older copy has forgotten some, and reports are ordered by it.
 * The second copy knows them, and where it is gone too the clock does, unless it was ahead then. */
static uint32_t next_boot(const struct csn_node *node, const struct csn_event *event)
{
    uint32_t clock = node->now.wall_s < BOOT_CLOCK_MAX ? (uint32_t)node->now.wall_s : 0;
    uint32_t copied = copied_boot(event);
    uint32_t last = copied > node->boot ? copied : node->boot;
    uint32_t above = last < UINT32_MAX ? last + 1 : UINT32_MAX;
    return above > clock ? above : clock;
}

static void persist_boot(struct csn_node *node, const struct csn_event *event)
{
    struct csn_record_key key = csn_record_key(CSN_RECORD_BOOT, NULL, NULL);
    struct csn_record_key epoch_key = csn_record_key(CSN_RECORD_EPOCH, NULL, NULL);
    struct csn_buf boot = {0}, epoch = {0};
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_BOOT, NULL);
    node->boot = next_boot(node, event);
    csn_buf_put_u32(&boot, node->boot);
    csn_record_close(csn_record_key_view(&key), &boot);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&boot));
    persist->persist.second = (struct csn_record_pair){
        csn_effects_copy(node->effects, csn_record_key_view(&key)), persist->persist.writes[0].value};
    if (!node->has_epoch && !node->epochs.is_joining) {
        csn_record_epoch(node, &epoch);
        csn_persist_write(node, persist, csn_record_key_view(&epoch_key), csn_buf_view(&epoch));
        node->has_epoch = true;
        csn_node_trace(node, CSN_TRACE_EPOCH, NULL)->number = node->cluster.epoch;
    }
    if (!node->epochs.is_joining) {
        csn_epoch_delete_stale(node, persist);
    }
    csn_buf_fini(&boot);
    csn_buf_fini(&epoch);
}

static void load_versions(struct csn_node *node, const struct csn_event *event)
{
    for (size_t i = 0; i < event->start.version_count; i++) {
        const struct csn_version_name *version = &event->start.versions[i];
        int index = csn_zone_index(&node->peers, version->zone);
        if (index >= 0) {
            csn_zone_add_version(&node->zones[index], &version->full_root);
        }
    }
}

void csn_node_start(struct csn_node *node, const struct csn_event *event)
{
    node->election_ms = node->now.mono_ms;
    load_records(node, event);
    load_versions(node, event);
    if (node->halt == CSN_HALT_DAMAGED || is_store_gone(node, event)) {
        salvage(node, event);
    }
    if (!csn_node_is_mute(node)) {
        check_copies(node, event);
    }
    for (size_t i = 0; i < node->zone_count; i++) {
        if (!csn_zone_has_forgotten(node, &node->zones[i])) { /* never older than was answered before */
            csn_node_serve(node, &node->zones[i]);
        }
    }
    if (!csn_node_is_mute(node)) {
        take_beside(node, event);
    }
    if (!csn_node_is_mute(node) && !is_store_gone(node, event)) { /* a boot counted now would hide it from the next start */
        admit_zones(node);
        persist_boot(node, event);
    } else if (is_store_gone(node, event)) {
        node->is_started = true; /* without a boot of its own: it votes no more, and adopts */
    }
}

void csn_node_started(struct csn_node *node)
{
    node->is_started = true;
    if (node->state == CSN_NODE_STARTING && !node->epochs.is_joining) {
        node->state = node->is_sealed ? CSN_NODE_SEALED : CSN_NODE_OK;
    }
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_node_sweep(node, &node->zones[i]); /* staged once and never voted for */
        node->zones[i].holds_repeat_ms = 0;
        csn_node_touch(node, &node->zones[i]);
    }
    csn_node_report(node, CSN_STATEMENT_REPORT);
}
