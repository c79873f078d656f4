#include "round/node_epoch.h"

#include <string.h>

/* --- the seal */

static bool is_own_seal_current(const struct csn_node *node)
{
    struct csn_version_id here = csn_epoch_version(&node->cluster);
    return node->epochs.has_own && csn_version_equal(&node->epochs.own.epoch, &here);
}

/* An emergency begins where its officers think it does, or not at all: with a newer certificate here they knew too
 * little, without the one they name this site does. */
static int check_base(const struct csn_node *node, const struct csn_emergency_base *base, struct csn_reason *reason)
{
    int index = csn_zone_index(&node->peers, base->zone);
    struct csn_round round = csn_round_decode(base->round);
    struct csn_release newest = index >= 0 ? csn_zone_newest(&node->zones[index]) : (struct csn_release){0};
    int order = csn_round_compare(newest.round, round);
    char zone[CSN_NAME_TEXT_MAX];
    csn_name_text(base->zone, zone);
    if (index < 0) {
        return csn_reason_set(reason, CSN_EREFUSED, "base: %s is no zone of this site", zone);
    }
    if (order > 0) {
        return csn_reason_set(reason, CSN_EREFUSED, "base of %s: this site knows a newer certificate; name that one", zone);
    }
    return order == 0 && csn_digest_equal(&newest.full_root, &base->full_root)
               ? CSN_OK
               : csn_reason_set(reason, CSN_EREFUSED, "base of %s: this site does not have that certificate", zone);
}

int csn_node_check_base(const struct csn_node *node, const struct csn_cluster *next, struct csn_reason *reason)
{
    int code = CSN_OK;
    for (unsigned i = 0; next->is_emergency && code == CSN_OK && i < next->emergency.base_count; i++) {
        code = check_base(node, &next->emergency.bases[i], reason);
    }
    return code;
}

/* An emergency in its time, from its base. Once a site has sealed for it, and could for nothing else, it has begun: what this
 * one knows more is in its own floors. */
static bool may_begin(const struct csn_node *node, const struct csn_cluster *next)
{
    bool is_over = next->is_emergency && node->now.wall_s >= next->emergency.not_after_s;
    return node->epochs.seals.count > 0 || (!is_over && csn_node_check_base(node, next, NULL) == CSN_OK);
}

/* So many have sealed, by their word, that the others are no quorum of this epoch: nothing is lost by a seal. Some of them may
 * be gone: removed by the next epoch, which they alone know to have begun, or halted. But with other zones than theirs it would
 * count nowhere, and be the only one for ever: the floors of more than may lie are to show the zones of here. */
static bool is_epoch_dead(struct csn_node *node)
{
    const struct csn_cluster *now = &node->cluster;
    struct csn_epoch_parts *seals = &node->epochs.seals;
    unsigned whole = 0;
    if (seals->count <= (unsigned)(now->member_count - now->quorum + now->faults)) {
        return false;
    }
    for (unsigned i = 0; i < seals->count; i++) {
        csn_epoch_fetch_floors(node, &seals->items[i]);
        whole += seals->items[i].fetch.is_here;
    }
    return whole > now->faults;
}

/* So that the pause is short, a site seals when it hears that enough others can, and enough will enter. */
static bool may_seal(struct csn_node *node)
{
    const struct csn_cluster *now = &node->cluster, *next = &node->epochs.next;
    struct csn_version_id version = csn_epoch_version(next);
    unsigned counted = 0, staying = 0;
    if (node->state != CSN_NODE_OK || node->is_sealed || !node->epochs.has_next || !may_begin(node, next)) {
        return false;
    }
    for (unsigned i = 0; i < now->member_count; i++) {
        const struct csn_body_report *report = &node->peers.peers[i].report;
        const uint8_t *missing;
        bool is_ready =
            i == node->member ||
            (csn_peers_is_fresh(&node->peers, i, node->now, CSN_SILENT_MS) &&
             csn_version_equal(&report->next, &version) &&
             (report->state == CSN_NODE_OK || report->state == CSN_NODE_SEALED) &&
             csn_epoch_has_same_zones(node, i, &missing)); /* its floors would not count, and ours not there */
        counted += is_ready && csn_epoch_seal_counts(now, next, now->members[i].number);
        staying += is_ready && csn_epoch_stays(now, next, now->members[i].number);
    }
    bool is_enough = counted >= csn_epoch_seals_needed(now, next) && staying >= csn_epoch_entries_needed(now, next);
    return is_enough || is_epoch_dead(node);
}

static void make_seal(struct csn_node *node)
{
    struct csn_node_epochs *epochs = &node->epochs;
    csn_buf_clear(&epochs->own_floors);
    for (size_t i = 0; i < node->zone_count; i++) {
        struct csn_floor floor = node->zones[i].floor;
        if (epochs->next.is_emergency) {
            csn_zone_pass_announced(node, &node->zones[i], epochs->next.emergency.serial_offset, &floor);
        }
        csn_floors_put(&epochs->own_floors, node->configs[i].zone, &floor);
    }
    epochs->own = (struct csn_body_seal){.environment = node->cluster.environment,
                                         .epoch = csn_epoch_version(&node->cluster),
                                         .next = csn_epoch_version(&epochs->next),
                                         .zones = (uint32_t)node->zone_count};
    memcpy(epochs->own.cluster, node->cluster.id, sizeof(epochs->own.cluster));
    csn_sha384(csn_buf_view(&epochs->own_floors), &epochs->own.floors);
    epochs->has_own = true;
}

/* R8: the end of all votes of this site in this epoch and the word that says so, in one transaction, copied first. */
static void seal(struct csn_node *node)
{
    struct csn_record_key key = csn_record_key(CSN_RECORD_SEAL, NULL, NULL);
    struct csn_buf value = {0};
    make_seal(node);
    node->is_sealed = true;
    node->state = CSN_NODE_SEALED;
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_pending_drop(node, &node->zones[i]);
        csn_work_drop(node, &node->zones[i]);
    }
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_SEAL, NULL);
    csn_epoch_put_seal(node, &value);
    csn_epoch_write_record(node, persist, CSN_RECORD_SEAL, NULL, &value);
    persist->persist.second = (struct csn_record_pair){
        csn_effects_copy(node->effects, csn_record_key_view(&key)), persist->persist.writes[0].value};
    csn_epoch_write(node, persist);
}

static void say_seal(struct csn_node *node)
{
    struct csn_buf body = {0};
    csn_body_seal_encode(&node->epochs.own, &body);
    csn_node_send(node, CSN_STATEMENT_SEAL, csn_buf_view(&body));
    csn_buf_fini(&body);
}

void csn_epoch_sealed(struct csn_node *node)
{
    if (node->halt != CSN_HALT_NONE) {
        return; /* floors of a site that has learnt meanwhile that it forgot votes must not count */
    }
    node->epochs.is_said = true;
    node->epochs.repeat_ms = node->now.mono_ms;
    csn_node_trace(node, CSN_TRACE_SEALED, NULL)->number = node->epochs.own.next.number;
    say_seal(node);
    csn_node_report(node, CSN_STATEMENT_REPORT);
}

/* --- the entry */

static bool may_enter(const struct csn_node *node)
{
    const struct csn_node_epochs *epochs = &node->epochs;
    struct csn_version_id version = csn_epoch_version(&epochs->next);
    return node->state == CSN_NODE_SEALED && epochs->has_next && epochs->is_said &&
           is_own_seal_current(node) && csn_version_equal(&epochs->own.next, &version) &&
           !epochs->is_entering && !csn_epoch_is_entered(node, version) &&
           csn_epoch_stays(&node->cluster, &epochs->next, node->site);
}

static void enter(struct csn_node *node, const bool used[CSN_MEMBERS_MAX])
{
    struct csn_node_epochs *epochs = &node->epochs;
    struct csn_buf value = {0};
    epochs->entry = (struct csn_body_entry){.environment = node->cluster.environment,
                                            .epoch = csn_epoch_version(&epochs->next)};
    memcpy(epochs->entry.cluster, node->cluster.id, sizeof(epochs->entry.cluster));
    for (unsigned m = 0; m < node->cluster.member_count; m++) { /* ascending sites */
        uint16_t site = node->cluster.members[m].number;
        const struct csn_epoch_part *part = csn_epoch_part_of(&epochs->seals, site);
        if (part != NULL && used[part - epochs->seals.items]) {
            epochs->entry.seals[epochs->entry.seal_count++] =
                (struct csn_entry_seal){site, part->seal.floors};
        }
    }
    csn_epoch_persist_raised(node, &epochs->seals, used, &epochs->next);
    epochs->is_entering = true;
    epochs->has_entry = false; /* until this one is durable */
    csn_body_entry_encode(&epochs->entry, &value);
    csn_epoch_write_record(node, csn_node_persist(node, CSN_PERSIST_ENTRY, NULL), CSN_RECORD_ENTRY,
                           NULL, &value);
}

static void advance_entry(struct csn_node *node)
{
    struct csn_node_epochs *epochs = &node->epochs;
    bool used[CSN_MEMBERS_MAX] = {false};
    unsigned counted = 0;
    if (!may_enter(node)) {
        return;
    }
    for (unsigned i = 0; i < epochs->seals.count; i++) {
        struct csn_epoch_part *part = &epochs->seals.items[i];
        csn_epoch_fetch_floors(node, part);
        used[i] = part->fetch.is_here;
        counted += used[i] && csn_epoch_seal_counts(&node->cluster, &epochs->next, part->seal.site);
    }
    if (counted >= csn_epoch_seals_needed(&node->cluster, &epochs->next)) {
        enter(node, used);
    }
}

static void say_entry(struct csn_node *node)
{
    struct csn_buf body = {0};
    csn_body_entry_encode(&node->epochs.entry, &body);
    csn_node_send(node, CSN_STATEMENT_ENTRY, csn_buf_view(&body));
    csn_buf_fini(&body);
}

void csn_epoch_entered(struct csn_node *node)
{
    node->epochs.is_entering = false;
    node->epochs.has_entry = true;
    csn_node_trace(node, CSN_TRACE_ENTERED, NULL)->number = node->epochs.entry.seal_count;
    say_entry(node);
}

/* --- the epoch certificate */

/* Whether all that the entry names is known here, and enough. */
static bool is_entry_good(struct csn_node *node, const struct csn_body_entry *entry)
{
    unsigned counted = 0;
    for (unsigned i = 0; i < entry->seal_count; i++) {
        const struct csn_epoch_part *part = csn_epoch_part_of(&node->epochs.seals, entry->seals[i].site);
        if (part == NULL || !csn_digest_equal(&part->seal.floors, &entry->seals[i].floors)) {
            return false;
        }
        counted += csn_epoch_seal_counts(&node->cluster, &node->epochs.next, part->seal.site);
    }
    return counted >= csn_epoch_seals_needed(&node->cluster, &node->epochs.next);
}

static void add_entry(struct csn_epoch_certificate *certificate, const struct csn_member *member,
                      const struct csn_known_entry *known, bool named[CSN_MEMBERS_MAX],
                      const struct csn_cluster *cluster)
{
    struct csn_epoch_entry *entry = &certificate->entries[certificate->entry_count++];
    *entry = (struct csn_epoch_entry){.site = member->number,
                                      .incarnation = member->incarnation,
                                      .seal_count = known->body.seal_count};
    memcpy(entry->signature, known->signature, sizeof(entry->signature));
    for (unsigned i = 0; i < known->body.seal_count; i++) {
        int index = csn_member_index(cluster, known->body.seals[i].site);
        entry->seals[i] = known->body.seals[i].site;
        named[index] = true;
    }
}

static bool assemble(struct csn_node *node, struct csn_epoch_certificate *ret_certificate)
{
    struct csn_node_epochs *epochs = &node->epochs;
    bool named[CSN_MEMBERS_MAX] = {false};
    uint8_t needed = csn_epoch_entries_needed(&node->cluster, &epochs->next);
    *ret_certificate = (struct csn_epoch_certificate){.environment = node->cluster.environment,
                                                      .epoch = csn_epoch_version(&node->cluster),
                                                      .next = csn_epoch_version(&epochs->next)};
    memcpy(ret_certificate->cluster, node->cluster.id, sizeof(ret_certificate->cluster));
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_known_entry *known = &epochs->entries[i];
        if (known->is_set && ret_certificate->entry_count < needed &&
            csn_version_equal(&known->body.epoch, &ret_certificate->next) &&
            is_entry_good(node, &known->body)) {
            add_entry(ret_certificate, &node->cluster.members[i], known, named, &node->cluster);
        }
    }
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        if (named[i]) {
            ret_certificate->seals[ret_certificate->seal_count++] =
                csn_epoch_part_of(&epochs->seals, node->cluster.members[i].number)->seal;
        }
    }
    return ret_certificate->entry_count == needed;
}

static void leave(struct csn_node *node, const struct csn_cluster *next,
                  const struct csn_epoch_certificate *certificate)
{
    const struct csn_member *self = &node->cluster.members[node->member];
    struct csn_buf octets = {0};
    struct csn_version_id version = csn_epoch_version(next);
    if (certificate != NULL) {
        csn_epoch_certificate_encode(certificate, &octets);
    }
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_EPOCH, NULL);
    effect->epoch.next = version;
    effect->epoch.certificate =
        octets.size > 0 ? csn_effects_copy(node->effects, csn_buf_view(&octets)) : csn_bytes(NULL, 0);
    node->epochs.is_over = true;
    if (!csn_epoch_stays(&node->cluster, next, self->number)) {
        csn_node_halt(node, CSN_HALT_REMOVED);
    }
    csn_buf_fini(&octets);
}

static void advance_certificate(struct csn_node *node)
{
    struct csn_epoch_certificate certificate;
    if (node->epochs.has_next && !node->epochs.is_over && assemble(node, &certificate)) {
        leave(node, &node->epochs.next, &certificate);
    }
}

/* --- joining: an epoch that has begun without this site */

static bool is_entry_here(struct csn_node *node, const struct csn_epoch_entry *entry,
                          bool ret_used[CSN_MEMBERS_MAX])
{
    memset(ret_used, 0, CSN_MEMBERS_MAX * sizeof(ret_used[0]));
    for (unsigned i = 0; i < entry->seal_count; i++) {
        const struct csn_epoch_part *part = csn_epoch_part_of(&node->epochs.last, entry->seals[i]);
        if (part == NULL || !part->fetch.is_here) {
            return false;
        }
        ret_used[part - node->epochs.last.items] = true;
    }
    return true;
}

/* R8: any other member raises its floors, to those that one entry of the certificate names, before its first vote. */
static void advance_join(struct csn_node *node)
{
    struct csn_node_epochs *epochs = &node->epochs;
    bool used[CSN_MEMBERS_MAX];
    if (!epochs->is_joining || !epochs->has_link || epochs->is_entering ||
        node->halt != CSN_HALT_NONE) {
        return;
    }
    for (unsigned i = 0; i < epochs->last.count; i++) {
        csn_epoch_fetch_floors(node, &epochs->last.items[i]);
    }
    for (unsigned i = 0; i < epochs->link.entry_count; i++) {
        if (is_entry_here(node, &epochs->link.entries[i], used)) {
            csn_epoch_persist_raised(node, &epochs->last, used, &node->cluster);
            epochs->is_entering = true;
            csn_epoch_write(node, csn_node_persist(node, CSN_PERSIST_JOIN, NULL));
            return;
        }
    }
}

void csn_epoch_joined(struct csn_node *node)
{
    node->epochs.is_entering = node->epochs.is_joining = false;
    node->has_epoch = true;
    if (node->halt == CSN_HALT_NONE) {
        node->state = node->is_sealed ? CSN_NODE_SEALED : CSN_NODE_OK;
    }
    csn_node_trace(node, CSN_TRACE_EPOCH, NULL)->number = node->cluster.epoch;
    csn_node_report(node, CSN_STATEMENT_REPORT);
}

/* --- events */

static bool is_own(const struct csn_node *node, const struct csn_cluster *next)
{
    return next->epoch == node->cluster.epoch &&
           csn_digest_equal(&next->digest, &node->cluster.digest);
}

void csn_epoch_take_next(struct csn_node *node, const struct csn_cluster *next)
{
    struct csn_version_id version = csn_epoch_version(next);
    bool is_other = node->is_sealed && is_own_seal_current(node) &&
                    !csn_version_equal(&node->epochs.own.next, &version);
    if (next->epoch != node->cluster.epoch + 1 || is_other) {
        csn_node_count(node, CSN_COUNT_OTHER_CLUSTER);
        return;
    }
    struct csn_version_id known = csn_epoch_version(&node->epochs.next);
    if (node->epochs.has_next && !csn_version_equal(&known, &version)) { /* words about the other are nothing any more */
        csn_epoch_parts_fini(&node->epochs.seals);
        memset(node->epochs.entries, 0, sizeof(node->epochs.entries));
    }
    node->epochs.next = *next;
    node->epochs.has_next = true;
}

void csn_epoch_take_link(struct csn_node *node, const struct csn_event *event)
{
    const struct csn_cluster *next = event->epoch.next;
    bool comes_back = node->halt == CSN_HALT_REMOVED && csn_epoch_stays(&node->cluster, next, node->site);
    if (is_own(node, next)) {
        csn_epoch_keep_link(node, event->epoch.certificate);
    } else if (next->epoch > node->cluster.epoch && (!node->epochs.is_over || comes_back)) {
        leave(node, next, NULL);
    }
}

static bool is_of_this(const struct csn_node *node, const uint8_t id[16], uint8_t environment)
{
    return memcmp(id, node->cluster.id, sizeof(node->cluster.id)) == 0 &&
           environment == node->cluster.environment;
}

int csn_epoch_take_seal(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    struct csn_body_seal body;
    struct csn_version_id here = csn_epoch_version(&node->cluster);
    struct csn_version_id next = csn_epoch_version(&node->epochs.next);
    uint16_t site = event->statement.signer;
    if (csn_body_seal_decode(event->statement.body, &body) != CSN_OK) {
        return CSN_EFORMAT;
    }
    if (!is_of_this(node, body.cluster, body.environment)) {
        csn_node_count(node, CSN_COUNT_OTHER_CLUSTER);
        return CSN_OK;
    }
    bool is_forgotten = member == node->member && body.epoch.number >= node->cluster.epoch &&
                        !(node->epochs.has_own && csn_epoch_is_same_seal(&body, &node->epochs.own));
    if (is_forgotten) {
        csn_node_forgot(node);
    } else if (node->epochs.has_next && csn_version_equal(&body.epoch, &here) &&
               csn_version_equal(&body.next, &next) &&
               csn_epoch_part_of(&node->epochs.seals, site) == NULL) {
        struct csn_epoch_part *part = csn_epoch_add_part(&node->epochs.seals, site);
        part->seal = (struct csn_epoch_seal){.site = site,
                                             .incarnation = event->statement.incarnation,
                                             .zones = body.zones,
                                             .floors = body.floors};
        memcpy(part->seal.signature, event->statement.signature, sizeof(part->seal.signature));
    }
    return CSN_OK;
}

int csn_epoch_take_entry(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    struct csn_body_entry body;
    struct csn_version_id next = csn_epoch_version(&node->epochs.next);
    if (csn_body_entry_decode(event->statement.body, &body) != CSN_OK) {
        return CSN_EFORMAT;
    }
    if (!is_of_this(node, body.cluster, body.environment)) {
        csn_node_count(node, CSN_COUNT_OTHER_CLUSTER);
    } else if (node->epochs.has_next && csn_version_equal(&body.epoch, &next) &&
               csn_epoch_stays(&node->cluster, &node->epochs.next, event->statement.signer)) {
        struct csn_known_entry *known = &node->epochs.entries[member];
        *known = (struct csn_known_entry){.is_set = true, .body = body};
        memcpy(known->signature, event->statement.signature, sizeof(known->signature));
    }
    return CSN_OK;
}

void csn_epoch_advance(struct csn_node *node)
{
    if (may_seal(node)) {
        seal(node);
    }
    advance_entry(node);
    advance_certificate(node);
    advance_join(node);
}

/* Whoever was down hears it now; a seal that the own entry names may have no other mouth left. */
void csn_epoch_repeat(struct csn_node *node)
{
    const struct csn_node_epochs *epochs = &node->epochs;
    struct csn_version_id next = csn_epoch_version(&epochs->next);
    if (!is_own_seal_current(node) || !epochs->is_said || node->halt != CSN_HALT_NONE ||
        node->now.mono_ms - epochs->repeat_ms < CSN_REPEAT_MS) {
        return;
    }
    node->epochs.repeat_ms = node->now.mono_ms;
    say_seal(node);
    if (!epochs->has_next || !csn_epoch_is_entered(node, next)) {
        return;
    }
    say_entry(node);
    for (unsigned i = 0; i < epochs->seals.count; i++) {
        const struct csn_epoch_seal *part = &epochs->seals.items[i].seal;
        struct csn_body_seal body = epochs->own;
        struct csn_buf octets = {0};
        if (part->site == node->site) {
            continue;
        }
        body.zones = part->zones;
        body.floors = part->floors;
        csn_body_seal_encode(&body, &octets);
        struct csn_bytes copy = csn_effects_copy(node->effects, csn_buf_view(&octets));
        struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_FORWARD, NULL);
        effect->forward.kind = CSN_STATEMENT_SEAL;
        effect->forward.signer = part->site;
        effect->forward.incarnation = part->incarnation;
        effect->forward.body = copy;
        memcpy(effect->forward.signature, part->signature, sizeof(effect->forward.signature));
        csn_buf_fini(&octets);
    }
}
