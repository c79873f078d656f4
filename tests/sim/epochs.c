#include "sim/epochs.h"

#include <string.h>

#include "sim/checker.h"
#include "sim/seam.h"

const struct csn_cluster *sim_document(const struct sim_world *world, const struct sim_actor *actor)
{
    return &world->epochs[actor->epoch - 1].document;
}

const struct csn_cluster *sim_document_of(const struct sim_world *world, uint32_t epoch)
{
    return epoch >= 1 && epoch <= world->epoch_count ? &world->epochs[epoch - 1].document : NULL;
}

static bool is_in(const struct csn_cluster *document, const struct sim_actor *actor)
{
    const struct csn_member *member = csn_cluster_member(document, actor->number);
    return member != NULL && member->incarnation == actor->incarnation;
}

bool sim_is_member(const struct sim_world *world, const struct sim_actor *actor)
{
    return is_in(sim_document(world, actor), actor);
}

bool sim_is_newest_member(const struct sim_world *world, const struct sim_actor *actor)
{
    return is_in(&world->epochs[world->epoch_count - 1].document, actor);
}

static bool is_in_force(const struct sim_world *world, uint32_t epoch)
{
    return epoch == 1 || world->epochs[epoch - 1].has_link;
}

bool sim_is_chain_whole(const struct sim_world *world)
{
    bool is_whole = is_in_force(world, world->epoch_count);
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_actor *actor = &world->actors[i];
        is_whole = is_whole && (!sim_is_newest_member(world, actor) ||
                                actor->epoch == world->epoch_count);
    }
    return is_whole;
}

struct csn_digest sim_member_key(const struct sim_world *world, uint16_t site, uint32_t incarnation)
{
    return sim_symbol("site", world->options.seed, site, incarnation);
}

/* Members of the first document, in the second too, but for these. */
static unsigned sound_in(const struct sim_world *world, const struct csn_cluster *document, const struct csn_cluster *other,
                         uint32_t unsound)
{
    unsigned count = 0;
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_actor *actor = &world->actors[i];
        count += (unsound >> i & 1) == 0 && is_in(document, actor) && is_in(other, actor);
    }
    return count;
}

bool sim_is_quorum_sound(const struct sim_world *world, uint32_t unsound)
{
    const struct csn_cluster *newest = &world->epochs[world->epoch_count - 1].document;
    if (sim_is_chain_whole(world)) {
        return sound_in(world, newest, newest, unsound) >= newest->quorum;
    }
    const struct csn_cluster *last = &world->epochs[world->epoch_count - 2].document;
    return sound_in(world, last, last, unsound) >= last->quorum && sound_in(world, last, newest, unsound) >= newest->quorum;
}

/* --- documents */

static void set_member(const struct sim_world *world, struct csn_cluster *document, uint16_t site,
                       uint32_t incarnation)
{
    struct csn_digest key = sim_member_key(world, site, incarnation);
    unsigned at = document->member_count++;
    while (at > 0 && document->members[at - 1].number > site) {
        document->members[at] = document->members[at - 1];
        at--;
    }
    document->members[at] = (struct csn_member){.number = site, .incarnation = incarnation};
    memcpy(document->members[at].key, key.octets, sizeof(document->members[at].key));
}

static void unset_member(struct csn_cluster *document, uint16_t site)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < document->member_count; i++) {
        if (document->members[i].number != site) {
            document->members[kept++] = document->members[i];
        }
    }
    document->member_count = (uint8_t)kept;
}

/* A machine that has no place in the document; NULL: all have. */
static struct sim_actor *find_spare(struct sim_world *world, const struct csn_cluster *document)
{
    for (unsigned i = 0; i < world->options.sites; i++) {
        if (csn_cluster_member(document, world->actors[i].number) == NULL) {
            return &world->actors[i];
        }
    }
    return NULL;
}

/* The machine begins with nothing, and with a key of its own. */
static void renew(struct sim_world *world, struct sim_actor *actor)
{
    sim_crash(world, actor);
    sim_seam_free(actor);
    sim_disk_fini(&actor->disk);
    memset(actor->newest_input, 0, sizeof(actor->newest_input));
    memset(actor->file, 0, sizeof(actor->file));
    actor->incarnation++;
    csn_buf_clear(&actor->shown); /* that vote was another machine's */
    actor->epoch = world->epoch_count;
    actor->has_link = false;
    actor->next_known = 0;
    world->restored &= ~(UINT32_C(1) << actor->index);
    sim_checker_renewed(world->checker, actor);
}

static void hand_out(struct sim_world *world, struct sim_task *task)
{
    sim_give_next(world, task->actor);
}

static void issue(struct sim_world *world, const struct csn_cluster *document, uint32_t sites)
{
    struct sim_epoch *epoch = &world->epochs[world->epoch_count++];
    *epoch = (struct sim_epoch){.document = *document};
    for (unsigned i = 0; i < world->options.sites; i++) {
        uint64_t delay_us = sim_delay(world, SIM_S) +
                            (sim_draw(world, SIM_DOCUMENT_LATE) ? sim_delay(world, 40 * SIM_S) : 0);
        if ((sites >> i & 1) != 0) {
            sim_after(world, delay_us, hand_out, &world->actors[i], NULL);
        }
    }
}

bool sim_change_members(struct sim_world *world, enum sim_change change, uint16_t site)
{
    return sim_change_members_at(world, change, site, UINT32_MAX);
}

bool sim_change_members_at(struct sim_world *world, enum sim_change change, uint16_t site, uint32_t sites)
{
    const struct csn_cluster *now = &world->epochs[world->epoch_count - 1].document;
    struct csn_cluster next = *now;
    bool takes_in = change == SIM_CHANGE_SPARE || change == SIM_CHANGE_MORE;
    struct sim_actor *machine = takes_in                       ? find_spare(world, now)
                                : change == SIM_CHANGE_MACHINE ? sim_site(world, site)
                                                               : NULL;
    bool is_possible = world->epoch_count < SIM_EPOCHS_MAX &&
                       is_in_force(world, world->epoch_count) &&
                       (machine != NULL || change == SIM_CHANGE_NOBODY || change == SIM_CHANGE_FEWER);
    next.epoch++;
    next.previous = now->digest;
    next.digest = sim_symbol("document", world->options.seed, next.epoch, 0);
    if (is_possible && change != SIM_CHANGE_NOBODY && change != SIM_CHANGE_MORE) {
        unset_member(&next, site);
    }
    if (is_possible && machine != NULL) {
        set_member(world, &next, machine->number, machine->incarnation + 1);
    }
    /* With fewer than three, one wrong clock is the median. */
    is_possible = is_possible && next.member_count >= 3;
    next.quorum = (uint8_t)(next.member_count / 2 + 1);
    is_possible = is_possible && sound_in(world, now, &next, world->restored) >= next.quorum;
    if (!is_possible || csn_epoch_check_next(now, &next, NULL) != CSN_OK) {
        return false;
    }
    world->stats.changes[change]++;
    sim_log(world, machine, "document of epoch %u: change %u of site %u", next.epoch, change, site);
    issue(world, &next, sites);
    if (machine != NULL) {
        renew(world, machine);
        sim_restart_later(world, machine);
    }
    return true;
}

/* --- emergencies */

static const struct csn_cluster *newest_document(const struct sim_world *world)
{
    return &world->epochs[world->epoch_count - 1].document;
}

bool sim_is_emergency(const struct sim_world *world)
{
    return newest_document(world)->is_emergency;
}

/* What the kept sites that are up know: no more is known to the officers. */
static void add_bases(struct sim_world *world, struct csn_cluster *next)
{
    struct csn_emergency *emergency = &next->emergency;
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        struct csn_release newest = {0};
        for (unsigned i = 0; i < next->member_count; i++) {
            const struct sim_actor *actor = sim_site(world, next->members[i].number);
            struct csn_node_zone_status status;
            if (!actor->is_up) {
                continue;
            }
            csn_node_get_zone(actor->node, zone, sim_now(world, actor), &status);
            bool is_later = csn_round_compare(status.row.newest.round, newest.round) > 0;
            newest = is_later ? status.row.newest : newest;
        }
        if (!csn_round_is_none(newest.round)) {
            struct csn_emergency_base *base = &emergency->bases[emergency->base_count++];
            memcpy(base->zone, world->options.zone[zone].zone, sizeof(base->zone));
            csn_round_encode(newest.round, base->round);
            base->full_root = newest.full_root;
        }
    }
}

static void begin_document(const struct sim_world *world, struct csn_cluster *next)
{
    const struct csn_cluster *now = newest_document(world);
    next->epoch = now->epoch + 1;
    next->previous = now->digest;
    next->digest = sim_symbol("document", world->options.seed, next->epoch, 0);
}

bool sim_declare_emergency(struct sim_world *world, uint32_t keep, uint64_t not_after_s)
{
    const struct csn_cluster *now = newest_document(world);
    struct csn_cluster next = *now;
    begin_document(world, &next);
    for (unsigned i = 0; i < now->member_count; i++) {
        if ((keep >> now->members[i].number & 1u) == 0) {
            unset_member(&next, now->members[i].number);
        }
    }
    next.quorum = (uint8_t)(next.member_count / 2 + 1);
    next.is_emergency = true;
    next.emergency = (struct csn_emergency){.issued_s = not_after_s - 3600,
                                            .not_after_s = not_after_s,
                                            .serial_offset = CSN_EMERGENCY_SERIAL_STEP};
    if (world->epoch_count + 1 >= SIM_EPOCHS_MAX || !is_in_force(world, world->epoch_count) ||
        csn_epoch_check_next(now, &next, NULL) != CSN_OK) {
        return false;
    }
    add_bases(world, &next);
    world->stats.emergencies++;
    sim_log(world, NULL, "emergency: document of epoch %u", next.epoch);
    issue(world, &next, keep >> 1);
    return true;
}

/* All that are meant are up, and none has sealed. */
static bool can_be_renewed(const struct sim_world *world, const struct csn_cluster *document)
{
    bool can_be = document->is_emergency && !is_in_force(world, world->epoch_count);
    for (unsigned i = 0; can_be && i < document->member_count; i++) {
        const struct sim_actor *actor = &world->actors[document->members[i].number - 1];
        struct csn_node_status status = {.is_sealed = true};
        if (actor->is_up) {
            csn_node_get_status(actor->node, sim_now(world, actor), &status);
        }
        can_be = !status.is_sealed && actor->epoch < document->epoch;
    }
    return can_be;
}

void sim_renew_emergency(struct sim_world *world)
{
    struct csn_cluster next = *newest_document(world);
    if (!can_be_renewed(world, &next)) {
        return;
    }
    next.emergency.issued_s++;
    next.emergency.not_after_s += 100; /* it may have been over before anybody began */
    next.emergency.base_count = 0;
    next.digest = sim_symbol("document", world->options.seed, next.epoch, next.digest.octets[0] + 1u);
    add_bases(world, &next);
    world->epochs[world->epoch_count - 1].document = next;
    for (unsigned i = 0; i < next.member_count; i++) {
        sim_give_next(world, sim_site(world, next.members[i].number));
    }
}

bool sim_end_emergency(struct sim_world *world)
{
    const struct csn_cluster *now = newest_document(world), *before = now;
    while (before->is_emergency) {
        before = sim_document_of(world, before->epoch - 1);
    }
    struct csn_cluster next = *before;
    begin_document(world, &next);
    next.merges = before->digest;
    if (!now->is_emergency || !is_in_force(world, world->epoch_count) ||
        csn_epoch_check_next(now, &next, NULL) != CSN_OK ||
        csn_epoch_check_return(before, now, &next, NULL) != CSN_OK) {
        return false;
    }
    world->stats.returns++;
    sim_log(world, NULL, "the emergency ends: document of epoch %u", next.epoch);
    issue(world, &next, UINT32_MAX);
    return true;
}

/* One machine is lost at a time: until the others have caught up, what it held may be nowhere else. */
static bool is_all_elsewhere(const struct sim_world *world, uint16_t site)
{
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_actor *actor = &world->actors[i];
        for (unsigned zone = 0; zone < world->options.zones; zone++) {
            const struct sim_served *served = sim_checker_served(world->checker, actor, zone);
            struct sim_served newest;
            if (sim_is_newest_member(world, actor) && actor->number != site &&
                sim_checker_newest(world->checker, zone, &newest) &&
                memcmp(served->round, newest.round, SIM_ROUND_SIZE) < 0) {
                return false;
            }
        }
    }
    return true;
}

static void change_any(struct sim_world *world)
{
    const struct csn_cluster *now = &world->epochs[world->epoch_count - 1].document;
    unsigned member = (unsigned)sim_below(&world->random, now->member_count);
    enum sim_change change = (enum sim_change)sim_below(&world->random, SIM_CHANGE_COUNT);
    uint16_t site = now->members[member].number;
    if (sim_is_chain_whole(world) && is_all_elsewhere(world, site)) {
        sim_change_members(world, change, site);
    }
}

static void change_members(struct sim_world *world, struct sim_task *task)
{
    (void)task;
    if (!world->is_last_input) {
        change_any(world);
        sim_after(world, sim_delay(world, 2 * world->options.change_us), change_members, NULL, NULL);
    }
}

void sim_changes_begin(struct sim_world *world)
{
    if (world->options.change_us > 0) {
        sim_after(world, sim_delay(world, 2 * world->options.change_us), change_members, NULL, NULL);
    }
}

void sim_give_next(struct sim_world *world, struct sim_actor *actor)
{
    const struct csn_cluster *next = sim_document_of(world, actor->epoch + 1);
    struct csn_event event = {.kind = CSN_EVENT_NEXT, .next = next};
    if (next == NULL) {
        return;
    }
    actor->next_known = next->epoch;
    if (actor->is_up) {
        sim_step(world, actor, &event);
    }
}

/* --- where a node stands */

static enum sim_standing standing_of(const struct sim_world *world, const struct sim_actor *actor)
{
    struct csn_node_status status;
    csn_node_get_status(actor->node, sim_now(world, actor), &status);
    if (actor->has_left && status.halt != CSN_HALT_REMOVED) {
        return SIM_STANDING_LEAVES;
    }
    if (status.halt != CSN_HALT_NONE) {
        return SIM_STANDING_HALTED;
    }
    if (status.state == CSN_NODE_SEALED) {
        return actor->has_entered ? SIM_STANDING_ENTERED : SIM_STANDING_SEALED;
    }
    return status.state == CSN_NODE_OK ? SIM_STANDING_VOTES
           : status.is_joining         ? SIM_STANDING_JOINS
                                       : SIM_STANDING_BEGINS;
}

void sim_look_standing(struct sim_world *world, struct sim_actor *actor)
{
    for (size_t i = 0; i < actor->effects.count; i++) {
        const struct csn_effect *effect = actor->effects.items[i];
        bool is_trace = effect->kind == CSN_EFFECT_TRACE;
        actor->has_left = actor->has_left || effect->kind == CSN_EFFECT_EPOCH;
        actor->has_entered = actor->has_entered || (is_trace && effect->trace.what == CSN_TRACE_ENTERED);
        if (is_trace && effect->trace.what == CSN_TRACE_HALTED) {
            world->stats.halts[effect->trace.number]++;
        }
    }
    enum sim_standing standing = standing_of(world, actor);
    if (standing != actor->standing) {
        world->stats.standings[actor->standing][standing]++;
        actor->standing = standing;
    }
}

/* --- links */

static void begin_again(struct sim_world *world, struct sim_task *task)
{
    sim_crash(world, task->actor);
    sim_start(world, task->actor);
}

static void move(struct sim_world *world, struct sim_actor *actor, uint32_t epoch)
{
    actor->epoch = epoch;
    actor->has_link = true;
    sim_after_alive(world, SIM_MS, begin_again, actor, NULL);
}

void sim_begin_epoch(struct sim_world *world, struct sim_actor *actor,
                     const struct csn_effect *effect)
{
    struct sim_epoch *epoch = &world->epochs[effect->epoch.next.number - 1];
    struct csn_epoch_certificate link;
    struct csn_reason reason = {0};
    if (effect->epoch.certificate.size > 0) {
        if (csn_epoch_certificate_decode(effect->epoch.certificate, &link) != CSN_OK ||
            csn_epoch_certificate_check(&link, sim_document(world, actor), &epoch->document,
                                        sim_verify, NULL, &reason) != CSN_OK) {
            sim_fail(world, "R8: site %u makes an epoch certificate that is none: %s",
                     actor->number, reason.text);
            return;
        }
        epoch->link = epoch->has_link ? epoch->link : link;
        epoch->has_link = true;
    }
    if (is_in(&epoch->document, actor)) {
        move(world, actor, effect->epoch.next.number);
    }
}

/* What a node that is told does is its own choice; a coordinator begins again. */
static void take_link(struct sim_world *world, struct sim_actor *actor, uint32_t epoch)
{
    struct csn_event event = {.kind = CSN_EVENT_EPOCH};
    event.epoch.certificate = &world->epochs[epoch - 1].link;
    event.epoch.next = &world->epochs[epoch - 1].document;
    if (!actor->is_node) {
        move(world, actor, epoch);
        return;
    }
    actor->has_link = actor->has_link || epoch == actor->epoch;
    sim_step(world, actor, &event);
}

void sim_hear_epoch(struct sim_world *world, struct sim_actor *actor, uint16_t from,
                    struct csn_bytes body)
{
    const struct sim_actor *peer = sim_site(world, from);
    struct csn_body_report report;
    if (peer == NULL || csn_body_report_decode(body, &report) != CSN_OK) {
        return;
    }
    bool has_link = peer->has_link && peer->epoch >= report.epoch && is_in_force(world, report.epoch);
    bool is_wanted = report.epoch > actor->epoch || (actor->is_node && !actor->has_link &&
                                                     report.epoch == actor->epoch && report.epoch > 1);
    if (is_wanted && has_link) {
        take_link(world, actor, report.epoch);
    } else if (actor->is_node && report.epoch == actor->epoch &&
               report.next.number == actor->epoch + 1 && actor->next_known < report.next.number) {
        sim_give_next(world, actor);
    }
}
