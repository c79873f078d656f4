#include "round/node_epoch.h"

#include "round/fields.h"

/* --- records */

struct csn_round csn_epoch_part_place(uint32_t epoch, uint16_t site)
{
    return (struct csn_round){.term = {.counter = epoch, .coordinator = site}};
}

void csn_epoch_put_part(struct csn_buf *buf, const struct csn_epoch_part *part)
{
    csn_buf_put_u32(buf, part->seal.incarnation);
    csn_buf_put_u32(buf, part->seal.zones);
    csn_put_digest(buf, &part->seal.floors);
    csn_buf_put(buf, part->seal.signature, sizeof(part->seal.signature));
    csn_buf_put_bytes(buf, csn_buf_view(&part->octets));
}

void csn_epoch_write_record(struct csn_node *node, struct csn_effect *persist,
                            enum csn_record_letter letter, const struct csn_round *place,
                            struct csn_buf *value)
{
    struct csn_record_key key = csn_record_key(letter, NULL, place);
    csn_record_close(csn_record_key_view(&key), value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(value));
    csn_buf_fini(value);
}

void csn_epoch_write(struct csn_node *node, struct csn_effect *persist)
{
    struct csn_record_key key = csn_record_key(CSN_RECORD_EPOCH, NULL, NULL);
    struct csn_buf value = {0};
    csn_record_epoch(node, &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
}

void csn_epoch_put_seal(const struct csn_node *node, struct csn_buf *buf)
{
    csn_body_seal_encode(&node->epochs.own, buf);
    csn_buf_put_bytes(buf, csn_buf_view(&node->epochs.own_floors));
}

static bool read_seal(struct csn_reader *reader, struct csn_body_seal *ret_seal,
                      struct csn_bytes *ret_floors)
{
    struct csn_digest digest;
    struct csn_bytes body = csn_read_bytes(reader, CSN_BODY_SEAL_SIZE);
    *ret_floors = csn_read_bytes(reader, csn_reader_left(reader));
    csn_sha384(*ret_floors, &digest);
    return csn_reader_done(reader) && csn_body_seal_decode(body, ret_seal) == CSN_OK &&
           csn_digest_equal(&digest, &ret_seal->floors);
}

bool csn_epoch_load_seal(struct csn_node *node, struct csn_node_zone *zone,
                         struct csn_reader *reader, struct csn_round at)
{
    struct csn_bytes floors;
    (void)zone;
    (void)at;
    node->epochs.has_own = read_seal(reader, &node->epochs.own, &floors);
    csn_buf_clear(&node->epochs.own_floors);
    csn_buf_put_bytes(&node->epochs.own_floors, floors);
    return node->epochs.has_own;
}

bool csn_epoch_load_entry(struct csn_node *node, struct csn_node_zone *zone,
                          struct csn_reader *reader, struct csn_round at)
{
    struct csn_bytes body = csn_read_bytes(reader, csn_reader_left(reader));
    (void)zone;
    (void)at;
    node->epochs.has_entry = csn_body_entry_decode(body, &node->epochs.entry) == CSN_OK;
    return node->epochs.has_entry;
}

struct csn_epoch_part *csn_epoch_part_of(struct csn_epoch_parts *parts, uint16_t site)
{
    for (unsigned i = 0; i < parts->count; i++) {
        if (parts->items[i].seal.site == site) {
            return &parts->items[i];
        }
    }
    return NULL;
}

struct csn_epoch_part *csn_epoch_add_part(struct csn_epoch_parts *parts, uint16_t site)
{
    struct csn_epoch_part *part = csn_epoch_part_of(parts, site);
    if (part == NULL && parts->count < CSN_MEMBERS_MAX) {
        part = &parts->items[parts->count++];
        *part = (struct csn_epoch_part){.seal.site = site};
    }
    return part;
}

/* Floors that were raised to, with the seal that names them: of the change to this epoch, or to the next. */
bool csn_epoch_load_part(struct csn_node *node, struct csn_node_zone *zone,
                         struct csn_reader *reader, struct csn_round at)
{
    bool is_next = at.term.counter == (uint64_t)node->cluster.epoch + 1;
    struct csn_epoch_part scratch = {.seal.site = at.term.coordinator};
    (void)zone;
    scratch.seal.incarnation = csn_read_u32(reader);
    scratch.seal.zones = csn_read_u32(reader);
    csn_read_digest(reader, &scratch.seal.floors);
    csn_read_copy(reader, scratch.seal.signature, sizeof(scratch.seal.signature));
    struct csn_bytes octets = csn_read_bytes(reader, csn_reader_left(reader));
    struct csn_epoch_part *part = NULL;
    if (at.term.counter < node->cluster.epoch && node->epochs.stale_count < CSN_MEMBERS_MAX) {
        node->epochs.stale[node->epochs.stale_count++] = csn_record_key(CSN_RECORD_PART, NULL, &at);
    }
    if (is_next || at.term.counter == node->cluster.epoch) {
        part = csn_epoch_add_part(is_next ? &node->epochs.seals : &node->epochs.last, at.term.coordinator);
    }
    if (csn_reader_done(reader) && part != NULL) {
        *part = scratch;
        csn_buf_put_bytes(&part->octets, octets);
        part->fetch.is_here = !is_next || csn_epoch_are_floors_whole(node, part, octets); /* zones may be others now */
    }
    return csn_reader_done(reader);
}

/* --- start */

bool csn_epoch_is_same_seal(const struct csn_body_seal *a, const struct csn_body_seal *b)
{
    struct csn_buf first = {0}, second = {0};
    csn_body_seal_encode(a, &first);
    csn_body_seal_encode(b, &second);
    bool is_same = csn_bytes_equal(csn_buf_view(&first), csn_buf_view(&second));
    csn_buf_fini(&first);
    csn_buf_fini(&second);
    return is_same;
}

/* ADR 0019: a copy that is newer is of a store that was put back, or of a transaction that never came to be:
 * sealed all the same. One that is older, or missing, is not this store's. */
void csn_epoch_check_copy(struct csn_node *node, const struct csn_bytes *copy)
{
    struct csn_node_epochs *epochs = &node->epochs;
    struct csn_body_seal seal = {0};
    struct csn_bytes floors = {0};
    struct csn_reader reader = csn_reader(copy != NULL ? *copy : csn_bytes(NULL, 0));
    bool is_read = copy != NULL && read_seal(&reader, &seal, &floors);
    bool is_newer = is_read && (!epochs->has_own || seal.epoch.number > epochs->own.epoch.number);
    if (copy != NULL && !is_read) {
        csn_node_halt(node, CSN_HALT_DAMAGED);
    } else if (is_newer) {
        struct csn_buf value = {0};
        struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_NOTE, NULL);
        epochs->own = seal;
        epochs->has_own = true;
        csn_buf_clear(&epochs->own_floors);
        csn_buf_put_bytes(&epochs->own_floors, floors);
        csn_epoch_put_seal(node, &value);
        csn_epoch_write_record(node, persist, CSN_RECORD_SEAL, NULL, &value);
    } else if (epochs->has_own && (!is_read || !csn_epoch_is_same_seal(&seal, &epochs->own))) {
        csn_node_halt(node, CSN_HALT_AMNESIA);
    }
}

bool csn_epoch_is_entered(const struct csn_node *node, struct csn_version_id version)
{
    return node->epochs.has_entry && csn_version_equal(&node->epochs.entry.epoch, &version);
}

void csn_epoch_keep_link(struct csn_node *node, const struct csn_epoch_certificate *link)
{
    struct csn_node_epochs *epochs = &node->epochs;
    struct csn_version_id version = csn_epoch_version(&node->cluster);
    if (link == NULL || !csn_version_equal(&link->next, &version)) {
        return;
    }
    epochs->link = *link;
    epochs->has_link = true;
    for (unsigned i = 0; i < link->seal_count; i++) {
        struct csn_epoch_part *part = csn_epoch_add_part(&epochs->last, link->seals[i].site);
        if (part != NULL && !part->fetch.is_here) {
            part->seal = link->seals[i];
        }
    }
}

/* Those that a joining was raising to when it ended: the zones may be others now. */
static void judge_parts(struct csn_node *node)
{
    struct csn_epoch_parts *parts = &node->epochs.last;
    for (unsigned i = 0; i < parts->count && node->epochs.is_joining; i++) {
        struct csn_epoch_part *part = &parts->items[i];
        part->fetch.is_here = part->fetch.is_here &&
                              csn_epoch_are_floors_whole(node, part, csn_buf_view(&part->octets));
    }
}

/* The store may be of this epoch, or of an earlier one: then floors are raised first, unless that was done at the
 * entry. */
void csn_epoch_check_store(struct csn_node *node, const struct csn_epoch_certificate *link)
{
    struct csn_version_id here = csn_epoch_version(&node->cluster);
    const struct csn_version_id *stored = &node->epochs.stored;
    bool is_founding = csn_digest_is_zero(&node->cluster.previous);
    bool is_here = node->has_epoch && csn_version_equal(stored, &here);
    if (node->has_epoch && !is_here && (stored->number >= here.number || is_founding)) {
        csn_node_halt(node, CSN_HALT_EPOCH);
        return;
    }
    csn_epoch_keep_link(node, link);
    node->epochs.is_joining = !is_here && !is_founding;
    if (node->epochs.is_joining && node->epochs.has_link && csn_epoch_is_entered(node, here)) {
        node->epochs.is_joining = false;
    }
    judge_parts(node);
    node->has_epoch = is_here;
    node->is_sealed = is_here && node->is_sealed;
}

/* In the first transaction of a member of this epoch: nobody joins an earlier one any more. */
void csn_epoch_delete_stale(struct csn_node *node, struct csn_effect *persist)
{
    for (unsigned i = 0; i < node->epochs.stale_count; i++) {
        csn_persist_delete(node, persist, csn_record_key_view(&node->epochs.stale[i]));
    }
}

/* Seals of this epoch, and of a later one that the store has forgotten. */
void csn_epoch_check_sealed(struct csn_node *node)
{
    if (node->epochs.has_own && node->epochs.own.epoch.number >= node->cluster.epoch) {
        node->is_sealed = true;
        node->epochs.is_said = true;
    }
}

void csn_epoch_parts_fini(struct csn_epoch_parts *parts)
{
    for (unsigned i = 0; i < CSN_MEMBERS_MAX; i++) {
        csn_buf_fini(&parts->items[i].octets);
    }
    *parts = (struct csn_epoch_parts){0};
}

void csn_node_epochs_fini(struct csn_node *node)
{
    csn_epoch_parts_fini(&node->epochs.seals);
    csn_epoch_parts_fini(&node->epochs.last);
    csn_buf_fini(&node->epochs.own_floors);
}
