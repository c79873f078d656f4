/* R8, as the page says it: epochs are sealed and entered in their order. Floors: checker_floors.c. */
#include "sim/checker_state.h"

#include "sim/epochs.h"

static unsigned count_of(const bool said[SIM_SITES_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_SITES_MAX; i++) {
        count += said[i];
    }
    return count;
}

static bool begins_with(const struct csn_buf *value, struct csn_bytes octets)
{
    return value->size >= octets.size && memcmp(value->data, octets.data, octets.size) == 0;
}

bool checker_is_recorded(const struct sim_records *records, struct csn_bytes body)
{
    for (size_t i = 0; i < records->count; i++) {
        if (begins_with(&records->items[i].value, body)) {
            return true;
        }
    }
    return false;
}

/* The quorum of the epoch before this one; in an emergency that of those who go on. */
static unsigned seals_needed(const struct sim_checker *checker, uint32_t epoch)
{
    const struct csn_cluster *now = sim_document_of(checker->world, epoch);
    return now->is_emergency ? now->quorum : sim_document_of(checker->world, epoch - 1)->quorum;
}

static bool is_sealed(const struct sim_checker *checker, uint32_t epoch)
{
    const struct csn_cluster *now = sim_document_of(checker->world, epoch);
    unsigned counted = 0;
    for (unsigned i = 0; now != NULL && i < SIM_SITES_MAX; i++) {
        bool counts = !now->is_emergency || csn_cluster_member(now, (uint16_t)(i + 1)) != NULL;
        counted += counts && checker->sealed[epoch - 1][i];
    }
    return now != NULL && counted >= seals_needed(checker, epoch);
}

/* Enough entered it: its quorum, or all that were left by the emergency before. */
static bool has_begun(const struct sim_checker *checker, uint32_t epoch)
{
    const struct csn_cluster *now = sim_document_of(checker->world, epoch);
    const struct csn_cluster *old = sim_document_of(checker->world, epoch - 1);
    unsigned needed = now->quorum;
    if (old != NULL && old->is_emergency && !now->is_emergency && old->member_count < needed) {
        needed = old->member_count;
    }
    return epoch == 1 || count_of(checker->entered[epoch]) >= needed;
}

/* Both bodies: cluster id 16 | environment u8 | epoch u32; the seal's is the one that ends. */
void sim_checker_change(struct sim_checker *checker, const struct sim_actor *actor, bool is_seal,
                        struct csn_bytes body)
{
    uint32_t epoch = body.size > 21 ? csn_get_u32(body.data + 17) : 0;
    if (epoch < 1 || epoch > SIM_EPOCHS_MAX) {
        sim_fail(checker->world, "R8: site %u speaks of epoch %u", actor->number, epoch);
        return;
    }
    if (!checker_is_recorded(&actor->disk.records, body) ||
        (is_seal && !checker_is_recorded(&actor->disk.seconds, body))) {
        sim_fail(checker->world, "R8: site %u speaks of epoch %u before it is durable",
                 actor->number, epoch);
    }
    if (is_seal) {
        checker->sealed[epoch][actor->index] = true;
        sim_sealed_take(checker->seals, checker->world, actor, epoch, body);
        return;
    }
    if (epoch == 1 || !is_sealed(checker, epoch)) {
        sim_fail(checker->world, "R8: site %u enters epoch %u, whose last is not sealed",
                 actor->number, epoch);
    }
    checker->entered[epoch][actor->index] = true;
    sim_sealed_check_entry(checker->seals, checker->world, actor, epoch, body);
}

void checker_check_epoch(struct sim_checker *checker, const struct sim_actor *actor,
                         const struct layout_held *held)
{
    const struct csn_cluster *document = sim_document_of(checker->world, held->epoch);
    const struct csn_member *member =
        document != NULL ? csn_cluster_member(document, actor->number) : NULL;
    if (member == NULL || member->incarnation != actor->incarnation) {
        sim_fail(checker->world, "R8: site %u votes in epoch %u, where it is no member",
                 actor->number, held->epoch);
        return;
    }
    if (checker->sealed[held->epoch][actor->index]) {
        sim_fail(checker->world, "R8: site %u votes in epoch %u, which it has sealed",
                 actor->number, held->epoch);
    }
    if (!has_begun(checker, held->epoch)) {
        sim_fail(checker->world, "R8: site %u votes in epoch %u, which has not begun",
                 actor->number, held->epoch);
    }
    if (held->epoch > 1) {
        sim_sealed_check_vote(checker->seals, checker->world, actor, held->epoch, held->zone,
                              seals_needed(checker, held->epoch));
    }
}
