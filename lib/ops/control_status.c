/* What a daemon says of the cluster, of its zones and of one certificate, to and from the wire: see control_wire.h. */
#include "ops/control_reply.h"

#include "base/pack.h"

/* Copies a plain value into an optional field when it is known. */
#define PUT(to, from, field)                                                                       \
    do {                                                                                           \
        (to)->has_##field = true;                                                                  \
        (to)->field = (from)->field;                                                               \
    } while (0)
#define PUT_IF(known, to, from, field)                                                             \
    do {                                                                                           \
        (to)->has_##field = (known);                                                               \
        (to)->field = (from)->field;                                                               \
    } while (0)

static Csn__Control__Site *put_site(struct csn_arena *arena, const struct csn_status_site *row)
{
    Csn__Control__Site *site = csn_arena_alloc(arena, sizeof(*site), _Alignof(max_align_t));
    csn__control__site__init(site);
    PUT(site, row, number);
    PUT(site, row, leads);
    PUT(site, row, is_in_maintenance);
    PUT_IF(row->has_last_seen, site, row, last_seen_ms);
    PUT_IF(row->has_clock_offset, site, row, clock_offset_us);
    site->name = csn_pack_text(row->name);
    site->role = csn_pack_text(row->role);
    site->state = csn_pack_text(row->state);
    site->hsm = csn_pack_text(row->hsm);
    site->error = csn_pack_text(row->error);
    site->n_released = row->released_count;
    site->released = csn_arena_alloc(arena, row->released_count * sizeof(*site->released),
                                     _Alignof(max_align_t));
    for (uint32_t i = 0; i < row->released_count; i++) {
        Csn__Control__Released *released =
            csn_arena_alloc(arena, sizeof(*released), _Alignof(max_align_t));
        csn__control__released__init(released);
        released->zone = csn_pack_text(row->released[i].zone);
        PUT(released, &row->released[i], serial);
        site->released[i] = released;
    }
    return site;
}

static void put_input(const struct csn_status_input *input, Csn__Control__Input *ret_message)
{
    csn__control__input__init(ret_message);
    PUT(ret_message, input, generation);
    PUT(ret_message, input, serial);
}

static Csn__Control__Input *new_input(struct csn_arena *arena, bool is_known,
                                      const struct csn_status_input *input)
{
    Csn__Control__Input *message = NULL;
    if (is_known) {
        message = csn_arena_alloc(arena, sizeof(*message), _Alignof(max_align_t));
        put_input(input, message);
    }
    return message;
}

static void put_parked(struct csn_arena *arena, const struct csn_status_zone *row,
                       Csn__Control__Zone *zone)
{
    zone->n_parked = row->parked_count;
    zone->parked =
        csn_arena_alloc(arena, row->parked_count * sizeof(*zone->parked), _Alignof(max_align_t));
    for (uint32_t i = 0; i < row->parked_count; i++) {
        Csn__Control__Parked *parked =
            csn_arena_alloc(arena, sizeof(*parked), _Alignof(max_align_t));
        csn__control__parked__init(parked);
        parked->site = csn_pack_text(row->parked[i].site);
        parked->reason = csn_pack_text(row->parked[i].reason);
        parked->gate = csn_pack_text(row->parked[i].gate);
        parked->has_received = row->parked[i].has_received;
        parked->received = csn_pack_bytes(csn_bytes(row->parked[i].received.octets, CSN_DIGEST_SIZE));
        PUT_IF(row->parked[i].has_serial, parked, &row->parked[i], serial);
        PUT(parked, &row->parked[i], since_s);
        zone->parked[i] = parked;
    }
}

static void put_orders(struct csn_arena *arena, const struct csn_status_zone *row,
                       Csn__Control__Zone *zone)
{
    zone->n_orders = row->order_count;
    zone->orders =
        csn_arena_alloc(arena, row->order_count * sizeof(*zone->orders), _Alignof(max_align_t));
    for (uint32_t i = 0; i < row->order_count; i++) {
        const struct csn_status_order *from = &row->orders[i];
        Csn__Control__Order *order = csn_arena_alloc(arena, sizeof(*order), _Alignof(max_align_t));
        csn__control__order__init(order);
        order->order = csn_pack_text(from->order);
        order->site = csn_pack_text(from->site);
        order->operator_ = csn_pack_text(from->operator);
        order->reason = csn_pack_text(from->reason);
        PUT(order, from, number);
        order->has_received = !csn_digest_is_zero(&from->received);
        order->received = csn_pack_bytes(csn_bytes(from->received.octets, CSN_DIGEST_SIZE));
        PUT_IF(from->generation != 0, order, from, generation);
        PUT_IF(from->has_serial, order, from, serial);
        zone->orders[i] = order;
    }
}

static void put_diverged(struct csn_arena *arena, const struct csn_status_zone *row,
                         Csn__Control__Zone *zone)
{
    zone->n_diverged = row->diverged_count;
    zone->diverged = csn_arena_alloc(arena, row->diverged_count * sizeof(*zone->diverged),
                                     _Alignof(max_align_t));
    for (uint32_t i = 0; i < row->diverged_count; i++) {
        Csn__Control__Diverged *diverged =
            csn_arena_alloc(arena, sizeof(*diverged), _Alignof(max_align_t));
        csn__control__diverged__init(diverged);
        diverged->site = csn_pack_text(row->diverged[i].site);
        diverged->classes = csn_pack_text(row->diverged[i].classes);
        diverged->detail = csn_pack_text(row->diverged[i].detail);
        PUT(diverged, &row->diverged[i], serial);
        PUT(diverged, &row->diverged[i], since_s);
        zone->diverged[i] = diverged;
    }
}

static void put_documents(struct csn_arena *arena, const struct csn_status_zone *row,
                          Csn__Control__Zone *zone)
{
    zone->n_documents = row->documents_count;
    zone->documents = csn_arena_alloc(arena, row->documents_count * sizeof(*zone->documents),
                                      _Alignof(max_align_t));
    for (uint32_t i = 0; i < row->documents_count; i++) {
        const struct csn_status_documents *from = &row->documents[i];
        Csn__Control__Documents *documents =
            csn_arena_alloc(arena, sizeof(*documents), _Alignof(max_align_t));
        csn__control__documents__init(documents);
        documents->site = csn_pack_text(from->site);
        PUT(documents, from, policy);
        PUT(documents, from, policy_head);
        PUT(documents, from, keyset);
        PUT(documents, from, keyset_head);
        zone->documents[i] = documents;
    }
}

static void put_serving(struct csn_arena *arena, const struct csn_status_zone *row,
                        Csn__Control__Zone *zone)
{
    zone->n_serving = row->serving_count;
    zone->serving = csn_arena_alloc(arena, row->serving_count * sizeof(*zone->serving),
                                    _Alignof(max_align_t));
    for (uint32_t i = 0; i < row->serving_count; i++) {
        const struct csn_status_serving *from = &row->serving[i];
        Csn__Control__Serving *serving =
            csn_arena_alloc(arena, sizeof(*serving), _Alignof(max_align_t));
        csn__control__serving__init(serving);
        serving->site = csn_pack_text(from->site);
        PUT(serving, from, serial);
        PUT_IF(from->first_expiry_s != 0, serving, from, first_expiry_s);
        PUT_IF(from->fence_s != 0, serving, from, fence_s);
        zone->serving[i] = serving;
    }
}

static Csn__Control__Zone *put_zone(struct csn_arena *arena, const struct csn_status_zone *row)
{
    Csn__Control__Zone *zone = csn_arena_alloc(arena, sizeof(*zone), _Alignof(max_align_t));
    csn__control__zone__init(zone);
    zone->zone = csn_pack_text(row->zone);
    zone->state = csn_pack_text(row->state);
    PUT(zone, row, voters);
    PUT_IF(row->has_released, zone, row, released);
    PUT_IF(row->has_released, zone, row, votes);
    PUT_IF(row->has_released, zone, row, released_at_s);
    PUT_IF(row->has_released, zone, row, first_expiry_s);
    zone->has_content = zone->has_full = row->has_released;
    zone->content = csn_pack_bytes(csn_bytes(row->content.octets, CSN_DIGEST_SIZE));
    zone->full = csn_pack_bytes(csn_bytes(row->full.octets, CSN_DIGEST_SIZE));
    PUT(zone, row, expiry_warning_s);
    PUT(zone, row, expiry_critical_s);
    PUT_IF(row->has_pending, zone, row, pending);
    zone->input = new_input(arena, row->has_released, &row->input);
    zone->pending_input = new_input(arena, row->has_pending_input, &row->pending_input);
    zone->waiting_for = csn_pack_text(row->waiting_for);
    put_parked(arena, row, zone);
    put_diverged(arena, row, zone);
    put_orders(arena, row, zone);
    PUT(zone, row, orders_known);
    zone->lead = csn_pack_text(row->lead);
    put_documents(arena, row, zone);
    put_serving(arena, row, zone);
    PUT_IF(row->soa_expire_s != 0, zone, row, soa_expire_s);
    PUT(zone, row, level);
    zone->n_stale = row->stale_count;
    zone->stale = (char **)(uintptr_t)row->stale;
    return zone;
}

static void put_coordinators(struct csn_arena *arena, const struct csn_status *status, Csn__Control__Status *message)
{
    message->n_coordinators = status->coordinator_count;
    message->coordinators = csn_arena_alloc(arena, status->coordinator_count * sizeof(*message->coordinators),
                                            _Alignof(max_align_t));
    for (uint32_t i = 0; i < status->coordinator_count; i++) {
        const struct csn_status_coordinator *from = &status->coordinators[i];
        Csn__Control__Coordinator *to = csn_arena_alloc(arena, sizeof(*to), _Alignof(max_align_t));
        csn__control__coordinator__init(to);
        to->name = csn_pack_text(from->name);
        PUT(to, from, leads);
        PUT(to, from, is_missing);
        PUT_IF(from->has_last_seen, to, from, last_seen_ms);
        message->coordinators[i] = to;
    }
}

static void put_rows(struct csn_arena *arena, const struct csn_status *status,
                     Csn__Control__Status *message)
{
    put_coordinators(arena, status, message);
    message->n_sites = status->site_count;
    message->sites =
        csn_arena_alloc(arena, status->site_count * sizeof(*message->sites), _Alignof(max_align_t));
    for (uint32_t i = 0; i < status->site_count; i++) {
        message->sites[i] = put_site(arena, status->sites[i]);
    }
    message->n_zones = status->zone_count;
    message->zones =
        csn_arena_alloc(arena, status->zone_count * sizeof(*message->zones), _Alignof(max_align_t));
    for (uint32_t i = 0; i < status->zone_count; i++) {
        message->zones[i] = put_zone(arena, status->zones[i]);
    }
}

static void put_counters(struct csn_arena *arena, const struct csn_status *status, Csn__Control__Status *message)
{
    message->n_counters = status->counter_count;
    message->counters = csn_arena_alloc(arena, status->counter_count * sizeof(*message->counters), _Alignof(max_align_t));
    for (uint32_t i = 0; i < status->counter_count; i++) {
        Csn__Control__Counter *counter = csn_arena_alloc(arena, sizeof(*counter), _Alignof(max_align_t));
        csn__control__counter__init(counter);
        counter->name = csn_pack_text(status->counters[i].name);
        PUT(counter, &status->counters[i], value);
        message->counters[i] = counter;
    }
    PUT_IF(status->store_limit > 0, message, status, store_used);
    PUT_IF(status->store_limit > 0, message, status, store_limit);
}

int csn_control_status_encode(const struct csn_status *status, struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    Csn__Control__Status message = CSN__CONTROL__STATUS__INIT;
    struct csn_arena arena = {0};
    reply.has_code = true;
    reply.what_case = CSN__CONTROL__REPLY__WHAT_STATUS;
    reply.status = &message;
    message.cluster = csn_pack_text(status->cluster);
    message.has_cluster_id = true;
    message.cluster_id = csn_pack_bytes(csn_bytes(status->cluster_id, sizeof(status->cluster_id)));
    PUT(&message, status, epoch);
    PUT_IF(status->next_epoch != 0, &message, status, next_epoch);
    PUT_IF(status->is_sealed, &message, status, is_sealed);
    PUT_IF(status->emergency_until_s != 0, &message, status, emergency_until_s);
    PUT(&message, status, quorum);
    PUT(&message, status, members);
    PUT(&message, status, term);
    PUT(&message, status, observed_at_s);
    PUT(&message, status, level);
    PUT(&message, status, first_zone);
    PUT(&message, status, all_zones);
    message.leader = csn_pack_text(status->leader);
    message.observed_from = csn_pack_text(status->observed_from);
    char *reasons[CSN_STATUS_ROWS_MAX];
    uint32_t levels[CSN_STATUS_ROWS_MAX];
    for (uint32_t i = 0; i < status->reason_count; i++) {
        reasons[i] = csn_pack_text(status->reasons[i]);
        levels[i] = status->reason_levels[i];
    }
    message.n_reasons = message.n_reason_levels = status->reason_count;
    message.reasons = reasons;
    message.reason_levels = levels;
    put_rows(&arena, status, &message);
    put_counters(&arena, status, &message);
    int code = csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
    csn_arena_fini(&arena);
    return code;
}

int csn_control_cert_encode(const struct csn_cert_view *view, struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    Csn__Control__CertShow message = CSN__CONTROL__CERT_SHOW__INIT;
    Csn__Control__Signer signers[CSN_STATUS_SITES_MAX];
    Csn__Control__Signer *rows[CSN_STATUS_SITES_MAX];
    Csn__Control__Input input;
    reply.has_code = true;
    reply.what_case = CSN__CONTROL__REPLY__WHAT_CERT_SHOW;
    reply.cert_show = &message;
    message.zone = csn_pack_text(view->zone);
    put_input(&view->input, &input);
    message.input = &input;
    PUT(&message, view, serial);
    PUT(&message, view, epoch);
    PUT(&message, view, round_counter);
    PUT(&message, view, round_coordinator);
    PUT(&message, view, round_seq);
    PUT(&message, view, policy);
    PUT(&message, view, keyset);
    PUT(&message, view, time_s);
    PUT(&message, view, schedule_s);
    PUT(&message, view, records);
    PUT(&message, view, signatures);
    PUT(&message, view, first_expiry_s);
    message.has_content = message.has_full = message.has_certificate = true;
    message.content = csn_pack_bytes(csn_bytes(view->content.octets, CSN_DIGEST_SIZE));
    message.full = csn_pack_bytes(csn_bytes(view->full.octets, CSN_DIGEST_SIZE));
    message.certificate = csn_pack_bytes(view->certificate);
    for (uint32_t i = 0; i < view->signer_count; i++) {
        csn__control__signer__init(&signers[i]);
        PUT(&signers[i], &view->signers[i], number);
        PUT(&signers[i], &view->signers[i], incarnation);
        signers[i].name = csn_pack_text(view->signers[i].name);
        rows[i] = &signers[i];
    }
    message.n_signers = view->signer_count;
    message.signers = rows;
    return csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
}

/* --- and back */

static void take_digest(const ProtobufCBinaryData *data, struct csn_digest *ret_digest)
{
    *ret_digest = (struct csn_digest){0};
    if (data->len == CSN_DIGEST_SIZE) {
        memcpy(ret_digest->octets, data->data, CSN_DIGEST_SIZE);
    }
}

static void take_released(struct csn_status *status, const Csn__Control__Site *message, struct csn_status_site *site)
{
    for (size_t i = 0; i < message->n_released; i++) {
        const char *zone = csn_control_copy_or_empty(&status->arena, message->released[i]->zone);
        csn_status_add_released(status, site, zone, message->released[i]->serial);
    }
}

static bool take_site(struct csn_status *status, const Csn__Control__Site *message)
{
    struct csn_status_site *site = csn_status_add_site(status);
    if (site == NULL) {
        return false;
    }
    site->number = (uint16_t)message->number;
    site->name = csn_control_copy_or_empty(&status->arena, message->name);
    site->role = csn_control_copy_or_empty(&status->arena, message->role);
    site->state = csn_control_copy_or_empty(&status->arena, message->state);
    site->leads = message->leads;
    site->is_in_maintenance = message->is_in_maintenance;
    site->has_last_seen = message->has_last_seen_ms;
    site->last_seen_ms = message->last_seen_ms;
    site->has_clock_offset = message->has_clock_offset_us;
    site->clock_offset_us = message->clock_offset_us;
    site->hsm = csn_control_copy(&status->arena, message->hsm);
    site->error = csn_control_copy(&status->arena, message->error);
    take_released(status, message, site);
    return true;
}

static bool take_zone_rows(struct csn_status *status, const Csn__Control__Zone *message,
                           struct csn_status_zone *zone)
{
    bool fits = true;
    for (size_t i = 0; i < message->n_parked; i++) {
        const Csn__Control__Parked *from = message->parked[i];
        struct csn_status_parked row = {.site = csn_control_copy_or_empty(&status->arena, from->site),
                                        .reason = csn_control_copy_or_empty(&status->arena, from->reason),
                                        .gate = csn_control_copy(&status->arena, from->gate),
                                        .has_received = from->received.len == CSN_DIGEST_SIZE,
                                        .has_serial = from->has_serial,
                                        .serial = from->serial,
                                        .since_s = from->since_s};
        take_digest(&from->received, &row.received);
        fits = fits && csn_status_add_parked(status, zone, &row);
    }
    for (size_t i = 0; i < message->n_diverged; i++) {
        const Csn__Control__Diverged *from = message->diverged[i];
        struct csn_status_diverged row = {.site = csn_control_copy_or_empty(&status->arena, from->site),
                                          .classes = csn_control_copy_or_empty(&status->arena, from->classes),
                                          .serial = from->serial,
                                          .since_s = from->since_s,
                                          .detail = csn_control_copy(&status->arena, from->detail)};
        fits = fits && csn_status_add_diverged(status, zone, &row);
    }
    return fits;
}

static bool take_orders(struct csn_status *status, const Csn__Control__Zone *message,
                        struct csn_status_zone *zone)
{
    bool fits = true;
    for (size_t i = 0; i < message->n_orders; i++) {
        const Csn__Control__Order *from = message->orders[i];
        struct csn_status_order row = {.order = csn_control_copy_or_empty(&status->arena, from->order),
                                       .site = csn_control_copy(&status->arena, from->site),
                                       .operator = csn_control_copy_or_empty(&status->arena, from->operator_),
                                       .reason = csn_control_copy_or_empty(&status->arena, from->reason),
                                       .number = from->number,
                                       .generation = from->generation,
                                       .has_serial = from->has_serial,
                                       .serial = from->serial};
        take_digest(&from->received, &row.received);
        fits = fits && csn_status_add_order(status, zone, &row);
    }
    return fits;
}

static bool take_documents(struct csn_status *status, const Csn__Control__Zone *message,
                           struct csn_status_zone *zone)
{
    bool fits = true;
    for (size_t i = 0; i < message->n_documents; i++) {
        const Csn__Control__Documents *from = message->documents[i];
        struct csn_status_documents row = {.site = csn_control_copy_or_empty(&status->arena, from->site),
                                           .policy = from->policy,
                                           .policy_head = from->policy_head,
                                           .keyset = from->keyset,
                                           .keyset_head = from->keyset_head};
        fits = fits && csn_status_add_documents(status, zone, &row);
    }
    return fits;
}

static bool take_serving(struct csn_status *status, const Csn__Control__Zone *message,
                         struct csn_status_zone *zone)
{
    bool fits = true;
    for (size_t i = 0; i < message->n_serving; i++) {
        const Csn__Control__Serving *from = message->serving[i];
        struct csn_status_serving row = {.site = csn_control_copy_or_empty(&status->arena, from->site),
                                         .serial = from->serial,
                                         .first_expiry_s = from->first_expiry_s,
                                         .fence_s = from->fence_s};
        fits = fits && csn_status_add_serving(status, zone, &row);
    }
    return fits;
}

/* Zeros when it is absent. */
static struct csn_status_input take_input(const Csn__Control__Input *message)
{
    return message == NULL ? (struct csn_status_input){0}
                           : (struct csn_status_input){.generation = message->generation,
                                                       .serial = message->serial};
}

static bool take_zone(struct csn_status *status, const Csn__Control__Zone *message)
{
    struct csn_status_zone *zone = csn_status_add_zone(status);
    zone->zone = csn_control_copy_or_empty(&status->arena, message->zone);
    zone->state = csn_control_copy_or_empty(&status->arena, message->state);
    zone->has_released = message->has_released;
    zone->released = message->released;
    zone->votes = (uint8_t)message->votes;
    zone->voters = (uint8_t)message->voters;
    zone->released_at_s = message->released_at_s;
    take_digest(&message->content, &zone->content);
    take_digest(&message->full, &zone->full);
    zone->first_expiry_s = message->first_expiry_s;
    zone->expiry_warning_s = message->expiry_warning_s;
    zone->expiry_critical_s = message->expiry_critical_s;
    zone->has_pending = message->has_pending;
    zone->pending = message->pending;
    zone->input = take_input(message->input);
    zone->has_pending_input = message->pending_input != NULL;
    zone->pending_input = take_input(message->pending_input);
    zone->waiting_for = csn_control_copy(&status->arena, message->waiting_for);
    zone->orders_known = (uint8_t)message->orders_known;
    zone->lead = csn_control_copy(&status->arena, message->lead);
    zone->soa_expire_s = message->soa_expire_s;
    zone->level = message->level <= CSN_HEALTH_UNKNOWN ? (enum csn_health)message->level : CSN_HEALTH_UNKNOWN;
    for (size_t i = 0; i < message->n_stale; i++) {
        csn_status_add_stale(status, zone, csn_control_copy_or_empty(&status->arena, message->stale[i]));
    }
    return take_zone_rows(status, message, zone) && take_orders(status, message, zone) &&
           take_documents(status, message, zone) && take_serving(status, message, zone);
}

static bool take_coordinators(struct csn_status *status, const Csn__Control__Status *message)
{
    bool fits = true;
    for (size_t i = 0; i < message->n_coordinators; i++) {
        const Csn__Control__Coordinator *from = message->coordinators[i];
        struct csn_status_coordinator row = {.name = csn_control_copy_or_empty(&status->arena, from->name),
                                             .leads = from->leads,
                                             .is_missing = from->is_missing,
                                             .has_last_seen = from->has_last_seen_ms,
                                             .last_seen_ms = from->last_seen_ms};
        fits = fits && csn_status_add_coordinator(status, &row);
    }
    return fits;
}

/* A site of a later page: it is known, what it released of the page's zones is not. */
static bool take_more(struct csn_status *status, const Csn__Control__Site *message)
{
    for (uint32_t i = 0; i < status->site_count; i++) {
        struct csn_status_site *site = status->sites[i];
        if (site->number == message->number && message->name != NULL && strcmp(site->name, message->name) == 0) {
            take_released(status, message, site);
            return true;
        }
    }
    return true; /* it was not there when the first page was filled */
}

static bool take_counters(struct csn_status *status, const Csn__Control__Status *message)
{
    bool fits = message->n_counters <= CSN_STATUS_COUNTERS_MAX;
    for (size_t i = 0; fits && i < message->n_counters; i++) {
        const Csn__Control__Counter *counter = message->counters[i];
        fits = csn_status_add_counter(status, csn_control_copy_or_empty(&status->arena, counter->name), counter->value);
    }
    return fits;
}

static bool take_rows(struct csn_status *status, const Csn__Control__Status *message)
{
    bool fits = message->n_reasons <= CSN_STATUS_ROWS_MAX && message->n_reason_levels == message->n_reasons;
    for (size_t i = 0; fits && i < message->n_reasons; i++) {
        fits = message->reason_levels[i] <= message->level;
        csn_status_blame(status, fits ? (enum csn_health)message->reason_levels[i] : CSN_HEALTH_OK, "%s", message->reasons[i]);
    }
    for (size_t i = 0; fits && i < message->n_sites; i++) {
        fits = status->first_zone == 0 ? take_site(status, message->sites[i]) : take_more(status, message->sites[i]);
    }
    for (size_t i = 0; fits && i < message->n_zones; i++) {
        fits = take_zone(status, message->zones[i]);
    }
    return fits;
}

static int take_page(const Csn__Control__Status *message, struct csn_status *status)
{
    bool is_next = message->first_zone == status->zone_count && message->n_zones > 0 && message->has_level &&
                   message->level <= CSN_HEALTH_UNKNOWN;
    if (!is_next) {
        return CSN_EFORMAT;
    }
    status->first_zone = message->first_zone;
    status->all_zones = message->all_zones;
    status->level = (enum csn_health)message->level > status->level ? (enum csn_health)message->level : status->level;
    return take_rows(status, message) ? CSN_OK : CSN_EFORMAT;
}

static int take_status(void *ret, const Csn__Control__Reply *reply)
{
    const Csn__Control__Status *message = reply->status;
    struct csn_status *ret_status = ret;
    if (ret_status->zone_count > 0) {
        return take_page(message, ret_status);
    }
    if ((message->n_zones == 0 && message->all_zones > 0) || !message->has_observed_at_s || !message->has_level || message->level > CSN_HEALTH_UNKNOWN ||
        message->cluster_id.len != sizeof(ret_status->cluster_id)) {
        return CSN_EFORMAT;
    }
    struct csn_status status = {.epoch = message->epoch,
                                .next_epoch = message->next_epoch,
                                .is_sealed = message->is_sealed,
                                .emergency_until_s = message->emergency_until_s,
                                .quorum = (uint8_t)message->quorum,
                                .members = (uint8_t)message->members,
                                .term = message->term,
                                .observed_at_s = message->observed_at_s,
                                .all_zones = message->all_zones,
                                .store_used = message->store_used,
                                .store_limit = message->store_limit,
                                .level = (enum csn_health)message->level};
    memcpy(status.cluster_id, message->cluster_id.data, sizeof(status.cluster_id));
    status.cluster = csn_control_copy_or_empty(&status.arena, message->cluster);
    status.leader = csn_control_copy(&status.arena, message->leader);
    status.observed_from = csn_control_copy_or_empty(&status.arena, message->observed_from);
    if (!take_coordinators(&status, message) || !take_counters(&status, message) || !take_rows(&status, message)) {
        csn_status_fini(&status);
        return CSN_EFORMAT;
    }
    *ret_status = status;
    return CSN_OK;
}

static int take_cert(void *ret, const Csn__Control__Reply *reply)
{
    const Csn__Control__CertShow *message = reply->cert_show;
    struct csn_cert_view *ret_view = ret;
    if (!message->has_certificate || message->n_signers > CSN_STATUS_SITES_MAX) {
        return CSN_EFORMAT;
    }
    struct csn_cert_view view = {.serial = message->serial,
                                 .input = take_input(message->input),
                                 .epoch = message->epoch,
                                 .round_counter = message->round_counter,
                                 .round_coordinator = (uint16_t)message->round_coordinator,
                                 .round_seq = message->round_seq,
                                 .policy = message->policy,
                                 .keyset = message->keyset,
                                 .time_s = message->time_s,
                                 .schedule_s = message->schedule_s,
                                 .records = message->records,
                                 .signatures = message->signatures,
                                 .first_expiry_s = message->first_expiry_s};
    view.zone = csn_control_copy_or_empty(&view.arena, message->zone);
    take_digest(&message->content, &view.content);
    take_digest(&message->full, &view.full);
    for (size_t i = 0; i < message->n_signers; i++) {
        const Csn__Control__Signer *from = message->signers[i];
        view.signers[view.signer_count++] =
            (struct csn_cert_signer){.number = (uint16_t)from->number,
                                     .name = csn_control_copy_or_empty(&view.arena, from->name),
                                     .incarnation = from->incarnation};
    }
    size_t size = message->certificate.len;
    view.certificate =
        csn_bytes(csn_arena_copy(&view.arena, message->certificate.data, size), size);
    *ret_view = view;
    return CSN_OK;
}

int csn_control_status_decode(struct csn_bytes message, struct csn_status *ret_status,
                              struct csn_reason *reason)
{
    return csn_control_reply_decode(message, CSN__CONTROL__REPLY__WHAT_STATUS, take_status, ret_status, reason);
}

int csn_control_cert_decode(struct csn_bytes message, struct csn_cert_view *ret_view,
                            struct csn_reason *reason)
{
    return csn_control_reply_decode(message, CSN__CONTROL__REPLY__WHAT_CERT_SHOW, take_cert, ret_view, reason);
}
