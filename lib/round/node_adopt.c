#include "round/node_state.h"

#include <string.h>

#include "round/fields.h"

#define BACKOFF_FIRST_MS 1000 /* doubled to the maximum while a release cannot be had */
#define BACKOFF_MAX_MS 60000
#define GAP_RETRY_MS 2000

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [CSN_ADOPT_CURRENT] = {"current", BIT(CSN_ADOPT_WAITING) | BIT(CSN_ADOPT_FETCHING) |
                                          BIT(CSN_ADOPT_RELEASING)},
    [CSN_ADOPT_WAITING] = {"waiting", BIT(CSN_ADOPT_FETCHING) | BIT(CSN_ADOPT_RELEASING)},
    [CSN_ADOPT_FETCHING] = {"fetching", BIT(CSN_ADOPT_WAITING) | BIT(CSN_ADOPT_RELEASING)},
    [CSN_ADOPT_RELEASING] = {"releasing", BIT(CSN_ADOPT_WAITING) | BIT(CSN_ADOPT_SWITCHING)},
    [CSN_ADOPT_SWITCHING] = {"switching", BIT(CSN_ADOPT_CURRENT)},
};

const char *csn_adopt_text(enum csn_adopt_state state)
{
    return states[state].name;
}

bool csn_adopt_may_move(enum csn_adopt_state from, enum csn_adopt_state to)
{
    return (states[from].next & BIT(to)) != 0;
}

static void move(struct csn_node *node, struct csn_node_zone *zone, enum csn_adopt_state to)
{
    enum csn_adopt_state from = zone->adopt.state;
    bool is_out = to == CSN_ADOPT_FETCHING || to == CSN_ADOPT_RELEASING;
    INSIST(csn_adopt_may_move(from, to));
    INSIST(!is_out || zone->adopt.corr != 0);
    zone->adopt.state = to;
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_ADOPT, zone);
    trace->from = (uint8_t)from;
    trace->to = (uint8_t)to;
    trace->round = zone->adopt.round;
}

struct csn_release csn_zone_newest(const struct csn_node_zone *zone)
{
    if (zone->certificate_count == 0) {
        return (struct csn_release){0};
    }
    return csn_certificate_release(&zone->certificates[zone->certificate_count - 1].certificate);
}

const struct csn_known_certificate *csn_zone_certificate(const struct csn_node_zone *zone,
                                                         struct csn_round round)
{
    for (size_t i = 0; i < zone->certificate_count; i++) {
        if (csn_round_compare(zone->certificates[i].certificate.held.proposal.round, round) == 0) {
            return &zone->certificates[i];
        }
    }
    return NULL;
}

const struct csn_known_certificate *csn_zone_certificate_of(const struct csn_node_zone *zone,
                                                            const struct csn_digest *hash)
{
    for (size_t i = 0; i < zone->certificate_count; i++) {
        if (csn_digest_equal(&zone->certificates[i].hash, hash)) {
            return &zone->certificates[i];
        }
    }
    return NULL;
}

struct csn_known_certificate *csn_zone_insert_certificate(struct csn_node_zone *zone,
                                                          const struct csn_certificate *certificate,
                                                          struct csn_bytes octets)
{
    size_t at = zone->certificate_count;
    while (at > 0 && csn_round_compare(zone->certificates[at - 1].certificate.held.proposal.round,
                                       certificate->held.proposal.round) > 0) {
        at--;
    }
    zone->certificates =
        csn_realloc(zone->certificates, zone->certificate_count + 1, sizeof(*zone->certificates));
    struct csn_known_certificate *known = &zone->certificates[at];
    memmove(known + 1, known, (zone->certificate_count - at) * sizeof(*known));
    zone->certificate_count++;
    *known = (struct csn_known_certificate){.certificate = *certificate};
    csn_proposal_hash(&certificate->held.proposal, &known->hash);
    csn_buf_put_bytes(&known->octets, octets);
    return known;
}

bool csn_zone_is_complete(const struct csn_node_zone *zone, const struct csn_digest *full_root)
{
    for (size_t i = 0; i < zone->version_count; i++) {
        if (csn_digest_equal(&zone->versions[i], full_root)) {
            return true;
        }
    }
    return false;
}

void csn_zone_add_version(struct csn_node_zone *zone, const struct csn_digest *full_root)
{
    if (!csn_zone_is_complete(zone, full_root)) {
        zone->versions =
            csn_realloc(zone->versions, zone->version_count + 1, sizeof(*zone->versions));
        zone->versions[zone->version_count++] = *full_root;
    }
}

static void delete_version(struct csn_node *node, struct csn_node_zone *zone, size_t index)
{
    csn_node_effect(node, CSN_EFFECT_DELETE_VERSION, zone)->version = zone->versions[index];
    zone->versions[index] = zone->versions[--zone->version_count];
}

void csn_node_broadcast_newest(struct csn_node *node, const struct csn_node_zone *zone)
{
    if (zone->certificate_count > 0) {
        struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_CERTIFICATE, zone);
        effect->certificate = csn_effects_copy(
            node->effects, csn_buf_view(&zone->certificates[zone->certificate_count - 1].octets));
    }
}

/* --- what is kept */

#define NEWEST_AT_ONCE 64 /* certificates told to a new leader in a tick, so that the outbox holds them */

void csn_node_tell_newest(struct csn_node *node)
{
    for (unsigned i = 0; i < NEWEST_AT_ONCE && node->newest_cursor < node->zone_count; i++) {
        csn_node_broadcast_newest(node, &node->zones[node->newest_cursor++]);
    }
}

static bool is_released_and_kept(const struct csn_node_zone *zone,
                                 const struct csn_digest *full_root)
{
    unsigned kept = 0;
    for (size_t i = zone->certificate_count; i > 0 && kept < CSN_VERSIONS_KEPT; i--) {
        const struct csn_body_held *held = &zone->certificates[i - 1].certificate.held;
        if (csn_round_compare(held->proposal.round, zone->released.round) <= 0) {
            kept++;
            if (csn_digest_equal(&held->full_root, full_root)) {
                return true;
            }
        }
    }
    return false;
}

/* R5: a hold's bytes stay until a certificate of an equal or higher round is released; so do those
 * of certificates to come. */
static bool is_version_needed(const struct csn_node_zone *zone, const struct csn_digest *full_root)
{
    bool is_needed = is_released_and_kept(zone, full_root);
    for (size_t i = 0; i < zone->certificate_count && !is_needed; i++) {
        const struct csn_body_held *held = &zone->certificates[i].certificate.held;
        is_needed = csn_round_compare(held->proposal.round, zone->released.round) > 0 &&
                    csn_digest_equal(&held->full_root, full_root);
    }
    for (size_t i = 0; i < zone->hold_count && !is_needed; i++) {
        const struct csn_body_held *held = &zone->holds[i].held;
        is_needed = csn_round_compare(held->proposal.round, zone->released.round) > 0 &&
                    csn_digest_equal(&held->full_root, full_root);
    }
    return is_needed;
}

static bool is_input_needed(const struct csn_node_zone *zone, size_t index)
{
    const struct csn_input_id *id = &zone->inputs[index].id;
    bool is_needed =
        csn_input_equal(id, &zone->floor.input) ||
        (zone->pending.is_set && csn_input_equal(id, &zone->pending.proposal.input)) ||
        (zone->work.state != CSN_WORK_IDLE && csn_input_equal(id, &zone->work.proposal.input));
    for (size_t i = 0; i < zone->certificate_count && !is_needed; i++) {
        is_needed = csn_input_equal(id, &zone->certificates[i].certificate.held.proposal.input);
    }
    for (size_t i = 0; i < zone->hold_count && !is_needed; i++) {
        is_needed = csn_input_equal(id, &zone->holds[i].held.proposal.input);
    }
    return is_needed || index + CSN_INPUTS_KEPT >= zone->input_count;
}

/* Inputs are stored by their data, which may have come under several serials and generations: of the
 * inputs that stay one has the same. */
static bool is_input_stored_for_another(const struct csn_node_zone *zone, size_t kept, size_t index)
{
    const struct csn_digest *prepared = &zone->inputs[index].id.prepared;
    for (size_t i = 0; i < zone->input_count; i++) {
        bool stays = i < kept || (i > index && is_input_needed(zone, i));
        if (stays && csn_digest_equal(&zone->inputs[i].id.prepared, prepared)) {
            return true;
        }
    }
    return false;
}

void csn_node_sweep(struct csn_node *node, struct csn_node_zone *zone)
{
    for (size_t i = zone->version_count; i > 0; i--) {
        if (!is_version_needed(zone, &zone->versions[i - 1])) {
            delete_version(node, zone, i - 1);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < zone->input_count; i++) {
        if (is_input_needed(zone, i)) {
            zone->inputs[kept++] = zone->inputs[i];
        } else if (!is_input_stored_for_another(zone, kept, i)) {
            csn_node_effect(node, CSN_EFFECT_DELETE_INPUT, zone)->input =
                zone->inputs[i].id.prepared;
        }
    }
    zone->input_count = kept;
}

/* --- certificates */

static void persist_certificate(struct csn_node *node, struct csn_effect *persist,
                                const struct csn_node_zone *zone, struct csn_bytes octets,
                                struct csn_round round)
{
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_CERTIFICATE, csn_node_zone_name(node, zone), &round);
    struct csn_buf value = {0};
    csn_buf_put_bytes(&value, octets);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
}

/* Above the maximum the lowest goes, but the released one stays. */
static void prune_certificates(struct csn_node *node, struct csn_effect *persist,
                               struct csn_node_zone *zone)
{
    if (zone->certificate_count <= CSN_CERTIFICATES_KEPT) {
        return;
    }
    struct csn_round lowest = zone->certificates[0].certificate.held.proposal.round;
    size_t at = csn_round_compare(lowest, zone->released.round) == 0 ? 1 : 0;
    struct csn_known_certificate *known = &zone->certificates[at];
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_CERTIFICATE, csn_node_zone_name(node, zone),
                       &known->certificate.held.proposal.round);
    csn_persist_delete(node, persist, csn_record_key_view(&key));
    csn_buf_fini(&known->octets);
    zone->certificate_count--;
    memmove(known, known + 1, (zone->certificate_count - at) * sizeof(*known));
}

/* Certified under another document than what is answered here, and behind it in something (I2): a branch that went on
 * without the other. What comes after both is released. */
static bool goes_back(const struct csn_node_zone *zone, const struct csn_proposal *proposal)
{
    const struct csn_known_certificate *served = csn_zone_certificate(zone, zone->released.round);
    return served != NULL && csn_proposal_is_of_branch(proposal, &served->certificate.held.proposal) &&
           csn_proposal_goes_back(proposal, &served->certificate.held.proposal);
}

/* A newer certificate than the one released, and it may be. */
static bool is_release_waiting(const struct csn_node_zone *zone)
{
    const struct csn_known_certificate *newest = &zone->certificates[zone->certificate_count - 1];
    const struct csn_proposal *proposal = &newest->certificate.held.proposal;
    return csn_round_compare(proposal->round, zone->released.round) > 0 && !goes_back(zone, proposal);
}

/* A certificate of an earlier epoch below the floor says nothing new, but where its branch parted from this one:
 * then nothing may go back behind it either. The round shows that the floor is more than the newest certificate. */
static void merge_branch(struct csn_node *node, struct csn_node_zone *zone,
                         const struct csn_proposal *proposal)
{
    struct csn_buf before = {0}, after = {0};
    struct csn_floor floor = csn_floor_of(proposal);
    if (proposal->epoch >= node->cluster.epoch ||
        csn_round_compare(proposal->round, zone->floor.round) >= 0) {
        return;
    }
    csn_put_floor(&before, &zone->floor);
    floor.has_serial = csn_round_compare(proposal->round, zone->leap) >= 0;
    csn_floor_merge(&zone->floor, &floor);
    csn_put_floor(&after, &zone->floor);
    if (!csn_bytes_equal(csn_buf_view(&before), csn_buf_view(&after))) {
        zone->floor.round.seq += zone->floor.round.seq < UINT32_MAX;
        csn_persist_floor(node, csn_node_persist(node, CSN_PERSIST_NOTE, zone), zone);
    }
    csn_buf_fini(&before);
    csn_buf_fini(&after);
}

/* The certificate known here that comes before a round; NULL: none. Borrows. */
static const struct csn_proposal *certified_before(const struct csn_node_zone *zone,
                                                   struct csn_round round)
{
    for (size_t i = zone->certificate_count; i > 0; i--) {
        const struct csn_proposal *proposal =
            &zone->certificates[i - 1].certificate.held.proposal;
        if (csn_round_compare(proposal->round, round) < 0) {
            return proposal;
        }
    }
    return NULL;
}

/* R5. */
static void raise_floor(struct csn_node *node, struct csn_effect *persist,
                        struct csn_node_zone *zone, const struct csn_proposal *proposal)
{
    const struct csn_proposal *before = certified_before(zone, proposal->round);
    csn_floor_adopt(&zone->floor, before, proposal);
    if (before != NULL && !csn_proposal_is_of_branch(proposal, before)) {
        csn_persist_step(node, persist, zone, before->serial, proposal);
    }
    csn_persist_floor(node, persist, zone);
}

/* R5. */
static void adopt(struct csn_node *node, struct csn_node_zone *zone,
                  const struct csn_certificate *certificate, struct csn_bytes octets)
{
    const struct csn_proposal *proposal = &certificate->held.proposal;
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_NOTE, zone);
    if (csn_round_compare(proposal->round, zone->floor.round) >= 0) {
        raise_floor(node, persist, zone, proposal);
    }
    csn_zone_insert_certificate(zone, certificate, octets);
    persist_certificate(node, persist, zone, octets, proposal->round);
    prune_certificates(node, persist, zone);
    bool is_newer = csn_round_compare(proposal->round, zone->released.round) > 0 && !goes_back(zone, proposal);
    struct csn_trace *trace =
        csn_node_trace(node, is_newer ? CSN_TRACE_CERTIFIED : CSN_TRACE_ORPHAN, zone);
    trace->round = proposal->round;
    trace->digest = certificate->held.full_root;
    trace->number = proposal->serial;
    if (is_newer && !zone->is_late) {
        zone->is_late = true;
        zone->late_ms = node->now.mono_ms;
    }
}

/* Of this epoch, or of an earlier one: the shell has checked it along the chain. */
static bool is_of_chain(const struct csn_node *node, const struct csn_proposal *proposal)
{
    return proposal->epoch < node->cluster.epoch ||
           (proposal->epoch == node->cluster.epoch &&
            csn_digest_equal(&proposal->epoch_digest, &node->cluster.digest));
}

/* A round known already, or older than all of a full list, says nothing new. */
static bool is_news(const struct csn_node_zone *zone, struct csn_round round)
{
    bool is_full = zone->certificate_count >= CSN_CERTIFICATES_KEPT;
    return csn_zone_certificate(zone, round) == NULL &&
           !(is_full &&
             csn_round_compare(round, zone->certificates[0].certificate.held.proposal.round) < 0);
}

void csn_node_certificate(struct csn_node *node, const struct csn_certificate *certificate,
                          struct csn_bytes octets)
{
    const struct csn_proposal *proposal = &certificate->held.proposal;
    int index = csn_zone_index(&node->peers, proposal->zone);
    if (index < 0 || !is_of_chain(node, proposal)) {
        csn_node_count(node, index < 0 ? CSN_COUNT_UNKNOWN_ZONE : CSN_COUNT_OTHER_CLUSTER);
        return;
    }
    struct csn_node_zone *zone = &node->zones[index];
    csn_node_touch(node, zone);
    merge_branch(node, zone, proposal);
    if (!is_news(zone, proposal->round)) {
        return;
    }
    if (csn_certificate_has_vote(certificate, &node->cluster.members[node->member])) {
        csn_node_judge_own(node, zone, &certificate->held);
    }
    adopt(node, zone, certificate, octets);
    csn_tally_prune(&zone->tally, csn_zone_newest(zone).round);
    if (csn_zone_conflicts(zone, &proposal->input)) {
        csn_zone_set_diverged(node, zone, zone->diverged | CSN_CLASS_BIT_D);
    }
    const struct csn_known_certificate *known = csn_zone_certificate(zone, proposal->round);
    if (known != NULL) {
        csn_work_certified(node, zone, known);
    }
}

/* --- release */

static bool has_version(const struct csn_node *node, const struct csn_node_zone *zone,
                        unsigned member, const void *what)
{
    const struct csn_row *row = csn_peers_row(&node->peers, member, zone->index);
    const struct csn_digest *wanted = what;
    bool has = row != NULL && csn_digest_equal(&row->released.full_root, wanted);
    for (unsigned i = 0; row != NULL && i < row->hold_count; i++) {
        has = has || csn_digest_equal(&row->holds[i].version.full_root, wanted);
    }
    return has;
}

static const struct csn_certificate *copy_certificate(struct csn_node *node,
                                                      const struct csn_certificate *certificate)
{
    struct csn_certificate *copy =
        csn_arena_alloc(&node->effects->arena, sizeof(*copy), _Alignof(struct csn_certificate));
    *copy = *certificate;
    return copy;
}

static void begin_fetch(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_known_certificate *target)
{
    const struct csn_digest *full_root = &target->certificate.held.full_root;
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_FETCH, zone);
    effect->corr = zone->adopt.corr = csn_node_corr(node, zone);
    effect->fetch.object = CSN_OBJECT_VERSION;
    effect->fetch.digest = *full_root;
    effect->fetch.certificate = copy_certificate(node, &target->certificate);
    csn_node_prefer(node, zone, effect, has_version, full_root);
    move(node, zone, CSN_ADOPT_FETCHING);
}

static struct csn_effect *release_effect(struct csn_node *node, struct csn_node_zone *zone,
                                         enum csn_effect_kind kind,
                                         const struct csn_known_certificate *known)
{
    struct csn_effect *effect = csn_node_effect(node, kind, zone);
    effect->release.certificate = copy_certificate(node, &known->certificate);
    effect->release.octets = csn_effects_copy(node->effects, csn_buf_view(&known->octets));
    return effect;
}

static void begin_release(struct csn_node *node, struct csn_node_zone *zone,
                          const struct csn_known_certificate *target)
{
    struct csn_effect *effect = release_effect(node, zone, CSN_EFFECT_RELEASE, target);
    effect->corr = zone->adopt.corr = csn_node_corr(node, zone);
    move(node, zone, CSN_ADOPT_RELEASING);
}

/* The bytes of a certified round may be about to come out of this site's own work. */
static bool will_work_bring(const struct csn_node_zone *zone,
                            const struct csn_known_certificate *target)
{
    return zone->work.state >= CSN_WORK_COMPUTING && zone->work.state <= CSN_WORK_STAGING &&
           csn_digest_equal(&zone->work.hash, &target->hash);
}

static void pursue(struct csn_node *node, struct csn_node_zone *zone,
                   const struct csn_known_certificate *target)
{
    zone->adopt.round = target->certificate.held.proposal.round;
    bool is_here = csn_zone_is_complete(zone, &target->certificate.held.full_root);
    if (is_here && !goes_back(zone, &target->certificate.held.proposal)) {
        begin_release(node, zone, target);
    } else if (is_here) {
        return; /* it is the parent of what comes next, and nothing else */
    } else if (!will_work_bring(zone, target) && node->now.mono_ms >= zone->adopt.retry_ms) {
        begin_fetch(node, zone, target);
    } else if (zone->adopt.state == CSN_ADOPT_CURRENT) {
        move(node, zone, CSN_ADOPT_WAITING);
    }
}

/* Whoever signed a later certificate is among so many others, and does not lie. */
bool csn_zone_has_forgotten(const struct csn_node *node, const struct csn_node_zone *zone)
{
    unsigned needed = node->cluster.member_count - node->cluster.quorum + 1u + node->cluster.faults;
    struct csn_round newest = csn_zone_newest(zone).round;
    unsigned vouchers = 0;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_row *row = csn_peers_row(&node->peers, i, zone->index);
        vouchers += i != node->member && row != NULL &&
                    csn_peers_is_fresh(&node->peers, i, node->now, CSN_SILENT_MS) &&
                    csn_round_compare(row->newest.round, newest) <= 0;
    }
    return csn_round_compare(newest, zone->forgotten) < 0 && vouchers < needed;
}

void csn_adopt_advance(struct csn_node *node, struct csn_node_zone *zone)
{
    if (zone->adopt.state > CSN_ADOPT_WAITING || zone->certificate_count == 0) {
        return;
    }
    const struct csn_known_certificate *newest = &zone->certificates[zone->certificate_count - 1];
    bool is_current =
        csn_round_compare(newest->certificate.held.proposal.round, zone->released.round) <= 0;
    if ((!is_current || !zone->is_serving) && !csn_zone_has_forgotten(node, zone)) {
        pursue(node, zone, newest);
    }
}

/* The others may never have heard of what this site answers: their floors rise to it, and its input is vouched for. */
void csn_branch_repeat(struct csn_node *node, struct csn_node_zone *zone)
{
    const struct csn_known_certificate *served = csn_zone_certificate(zone, zone->released.round);
    bool is_apart = served != NULL && goes_back(zone, &zone->certificates[zone->certificate_count - 1].certificate.held.proposal);
    if (is_apart && node->now.mono_ms - zone->branch_repeat_ms >= CSN_REPEAT_MS) {
        struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_CERTIFICATE, zone);
        effect->certificate = csn_effects_copy(node->effects, csn_buf_view(&served->octets));
        zone->branch_repeat_ms = node->now.mono_ms;
    }
}

static void pause(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_adopt *adopt = &zone->adopt;
    adopt->retry_ms = node->now.mono_ms + adopt->backoff_ms;
    adopt->backoff_ms =
        2 * adopt->backoff_ms < BACKOFF_MAX_MS ? 2 * adopt->backoff_ms : BACKOFF_MAX_MS;
    move(node, zone, CSN_ADOPT_WAITING);
}

/* A site that answers nothing yet knows a later certificate, whose serial is not after this one's: the numbers have gone round
 * between. Secondaries would take this one for the later, and then nothing more. */
static bool is_from_before(const struct csn_node_zone *zone, const struct csn_known_certificate *known)
{
    const struct csn_known_certificate *newest = &zone->certificates[zone->certificate_count - 1];
    return csn_round_is_none(zone->released.round) && newest != known &&
           !csn_serial_is_after(newest->certificate.held.proposal.serial, known->certificate.held.proposal.serial);
}

static void fetched(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_known_certificate *known, int code)
{
    if (code == CSN_OK && known != NULL) {
        csn_zone_add_version(zone, &known->certificate.held.full_root);
    }
    bool is_good = code == CSN_OK && known != NULL;
    if (is_good && !goes_back(zone, &known->certificate.held.proposal) && !is_from_before(zone, known)) {
        begin_release(node, zone, known);
    } else if (is_good) {
        move(node, zone, CSN_ADOPT_WAITING);
    } else {
        pause(node, zone);
    }
}

/* Memory advances with the persist; answers change when it has come back. */
static void persist_release(struct csn_node *node, struct csn_node_zone *zone,
                            const struct csn_known_certificate *known)
{
    const uint8_t *name = csn_node_zone_name(node, zone);
    struct csn_record_key key = csn_record_key(CSN_RECORD_RELEASED, name, NULL);
    struct csn_buf value = {0};
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_RELEASE, zone);
    zone->released = csn_certificate_release(&known->certificate);
    csn_node_last_persist(node)->round = zone->released.round;
    csn_put_round(&value, zone->released.round);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    persist->persist.second =
        (struct csn_record_pair){csn_effects_copy(node->effects, csn_record_key_view(&key)),
                                 csn_effects_copy(node->effects, csn_buf_view(&value))};
    csn_buf_fini(&value);
    /* Holds up to the release have done their work; the last stays beside its second copy. */
    while (zone->hold_count > 1 && persist->persist.write_count < CSN_WRITES_MAX &&
           csn_round_compare(zone->holds[0].held.proposal.round, zone->released.round) <= 0) {
        struct csn_record_key hold =
            csn_record_key(CSN_RECORD_HOLD, name, &zone->holds[0].held.proposal.round);
        csn_persist_delete(node, persist, csn_record_key_view(&hold));
        zone->hold_count--;
        memmove(zone->holds, zone->holds + 1, zone->hold_count * sizeof(*zone->holds));
    }
}

/* A version that fails its check against the certificate is damaged: it goes, and comes again from
 * a peer. */
static void forget_version(struct csn_node *node, struct csn_node_zone *zone,
                           const struct csn_known_certificate *known)
{
    for (size_t i = zone->version_count; i > 0; i--) {
        if (csn_digest_equal(&zone->versions[i - 1], &known->certificate.held.full_root)) {
            delete_version(node, zone, i - 1);
        }
    }
}

static void checked(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_known_certificate *known, int code)
{
    bool is_good = code == CSN_OK && known != NULL;
    if (is_good && is_from_before(zone, known)) {
        move(node, zone, CSN_ADOPT_WAITING);
        return;
    }
    if (is_good) {
        persist_release(node, zone, known);
        move(node, zone, CSN_ADOPT_SWITCHING);
        return;
    }
    if (known != NULL) {
        forget_version(node, zone, known);
    }
    pause(node, zone);
}

bool csn_adopt_completed(struct csn_node *node, struct csn_node_zone *zone,
                         const struct csn_event *event)
{
    struct csn_adopt *adopt = &zone->adopt;
    const struct csn_known_certificate *known = csn_zone_certificate(zone, adopt->round);
    if (adopt->corr != event->corr) {
        return false;
    }
    if (event->kind == CSN_EVENT_FETCHED && adopt->state == CSN_ADOPT_FETCHING) {
        adopt->corr = 0;
        fetched(node, zone, known, event->code);
        return true;
    }
    if (event->kind == CSN_EVENT_RELEASED && adopt->state == CSN_ADOPT_RELEASING) {
        adopt->corr = 0;
        checked(node, zone, known, event->code);
        return true;
    }
    return false;
}

void csn_node_serve(struct csn_node *node, struct csn_node_zone *zone)
{
    const struct csn_known_certificate *known = csn_zone_certificate(zone, zone->released.round);
    zone->adopt.backoff_ms = BACKOFF_FIRST_MS;
    zone->is_serving =
        known != NULL && csn_zone_is_complete(zone, &known->certificate.held.full_root);
    if (!zone->is_serving) {
        return;
    }
    release_effect(node, zone, CSN_EFFECT_SERVE, known);
    zone->serving_since_s = node->now.wall_s;
    bool is_late = is_release_waiting(zone);
    zone->late_ms = is_late && !zone->is_late ? node->now.mono_ms : zone->late_ms;
    zone->is_late = is_late;
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_RELEASED, zone);
    trace->round = zone->released.round;
    trace->digest = zone->released.full_root;
    trace->number = known->certificate.held.proposal.serial;
}

void csn_node_released(struct csn_node *node, struct csn_node_zone *zone, struct csn_round round)
{
    INSIST(csn_round_compare(zone->released.round, round) == 0);
    move(node, zone, CSN_ADOPT_CURRENT);
    csn_node_serve(node, zone);
    csn_node_sweep(node, zone); /* only after the pointer has left them */
}

/* --- gaps */

static bool has_above(const struct csn_node *node, const struct csn_node_zone *zone,
                      unsigned member, const void *what)
{
    const struct csn_row *row = csn_peers_row(&node->peers, member, zone->index);
    const struct csn_round *above = what;
    return row != NULL && csn_round_compare(row->newest.round, *above) > 0;
}

static bool is_gap(const struct csn_node *node, const struct csn_node_zone *zone,
                   struct csn_round newest)
{
    bool is_behind =
        zone->pending.is_set && csn_round_compare(zone->pending.proposal.parent.round, newest) > 0;
    for (unsigned i = 0; i < node->cluster.member_count && !is_behind; i++) {
        is_behind = i != node->member && has_above(node, zone, i, &newest);
    }
    return is_behind;
}

void csn_gap_advance(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_round newest = csn_zone_newest(zone).round;
    struct csn_effect *effect =
        is_gap(node, zone, newest) ? csn_node_fetch(node, zone, &zone->gap, CSN_OBJECT_CERTIFICATES)
                                   : NULL;
    if (effect != NULL) {
        effect->fetch.above = newest;
        csn_node_prefer(node, zone, effect, has_above, &newest);
    }
}

/* Whoever claims a certificate and has none is asked again later; nobody waits for it but a
 * proposal that names it. */
bool csn_gap_completed(struct csn_node *node, struct csn_node_zone *zone,
                       const struct csn_event *event)
{
    if (event->kind != CSN_EVENT_FETCHED || zone->gap.corr != event->corr) {
        return false;
    }
    bool is_left = is_gap(node, zone, csn_zone_newest(zone).round);
    zone->gap = (struct csn_fetch){.retry_ms = is_left ? node->now.mono_ms + GAP_RETRY_MS : 0};
    if (zone->pending.is_set &&
        csn_round_compare(zone->pending.proposal.parent.round, csn_zone_newest(zone).round) > 0) {
        zone->pending.parent_failed++;
    }
    return true;
}
