#include "orders.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "dns/serial.h"

#define AHEAD_MAX_S 600 /* two clocks, both off by minutes */

/* --- obeying */

static const char *name_of(const struct csn_daemon *daemon, uint16_t operator_number)
{
    const struct csn_operator_id *who =
        csn_cluster_operator(&daemon->config->cluster, operator_number);
    return who != NULL ? who->name : "an operator of an older document";
}

static void log_order(const struct csn_daemon *daemon, const struct csn_zone_shell *zone,
                      const struct csn_signed_order *signed_order)
{
    const struct csn_order *order = &signed_order->order;
    const struct csn_member *site = csn_cluster_member(&daemon->config->cluster, order->site);
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(order->number / 1000000, time);
    char step[64] = "";
    if (csn_order_has_serial(order->kind)) {
        snprintf(step, sizeof(step), " %" PRIu32 " after %" PRIu32, order->serial.to,
                 order->serial.from);
    }
    csn_log(&daemon->log, CSN_WARNING, "order", "zone %s: %s%s%s%s, ordered by %s at %s: %s",
            zone->name, csn_order_text(order->kind), step, site != NULL ? " of " : "",
            site != NULL ? site->name : "", name_of(daemon, signed_order->operator_number), time,
            order->reason);
}

/* One order stands about inputs: an approval ends a rejection, and the reverse. */
static void obey_about_input(struct csn_zone_shell *zone, const struct csn_order *order)
{
    bool is_approval = order->kind == CSN_ORDER_APPROVE;
    zone->orders.approved = is_approval ? order->received : (struct csn_digest){0};
    zone->orders.rejected = is_approval ? (struct csn_digest){0} : order->received;
}

void csn_orders_obey(struct csn_daemon *daemon, const struct csn_signed_order *signed_order)
{
    const struct csn_order *order = &signed_order->order;
    struct csn_zone_shell *zone = csn_daemon_zone(daemon, order->zone);
    INSIST(zone != NULL);
    log_order(daemon, zone, signed_order);
    switch (csn_order_register(order->kind)) {
    case CSN_REGISTER_INPUT:
        obey_about_input(zone, order);
        break;
    case CSN_REGISTER_GENERATION:
        zone->orders.generation = order->generation;
        break;
    case CSN_REGISTER_VOTES:
    case CSN_REGISTER_MAINTENANCE:
    case CSN_REGISTER_AUTHORITY:
    case CSN_REGISTER_SERIAL:
        return;
    }
    csn_intake_obey(zone->intake, &zone->orders);
}

uint32_t csn_orders_generation(const struct csn_zone_shell *zone, const struct csn_digest *prepared)
{
    struct csn_node_zone_status core;
    csn_node_get_zone(zone->daemon->core, (size_t)(zone - zone->daemon->zones),
                      csn_daemon_now(zone->daemon), &core);
    const struct csn_input_id *input =
        core.released != NULL ? &core.released->held.proposal.input : NULL;
    bool is_released = input != NULL && csn_digest_equal(&input->prepared, prepared);
    return is_released ? input->generation : zone->orders.generation;
}

/* --- taking */

static int check_signer(const struct csn_daemon *daemon, const struct csn_control_order *given,
                        struct csn_reason *reason)
{
    const struct csn_operator_id *who =
        csn_cluster_operator(&daemon->config->cluster, given->signer);
    struct csn_buf octets = {0};
    if (who == NULL) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "operator %u is not in this site's cluster document; use the key of one "
                              "who is",
                              given->signer);
    }
    csn_statement_signed(CSN_STATEMENT_ORDER, given->signer, 0, given->body, &octets);
    int code = csn_identity_verify(who->key, csn_buf_view(&octets), given->signature);
    csn_buf_fini(&octets);
    return csn_reason_set(reason, code,
                          "the signature is not of operator %s's key in this site's cluster "
                          "document; do key and document belong together?",
                          who->name);
}

static const struct csn_signed_order *find_known(const struct csn_daemon *daemon, size_t zone_index,
                                                 const struct csn_order *order)
{
    size_t count;
    const struct csn_signed_order *orders = csn_node_orders(daemon->core, zone_index, &count);
    for (size_t i = 0; i < count; i++) {
        enum csn_order_register place = csn_order_register(order->kind);
        if (csn_order_register(orders[i].order.kind) == place &&
            (!csn_order_is_of_site(place) || orders[i].order.site == order->site)) {
            return &orders[i];
        }
    }
    return NULL;
}

static int check_place(struct csn_daemon *daemon, const struct csn_order *order,
                       struct csn_reason *reason)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    char zone[CSN_NAME_TEXT_MAX];
    csn_name_text(order->zone, zone);
    if (memcmp(order->cluster, cluster->id, sizeof(order->cluster)) != 0 ||
        order->environment != cluster->environment) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "the order is for another cluster or environment than this site's; "
                              "sign it with this cluster's document");
    }
    if (order->site != 0 && csn_cluster_member(cluster, order->site) == NULL) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "no site %u in this site's cluster document",
                              order->site);
    }
    return csn_daemon_zone(daemon, order->zone) != NULL
               ? CSN_OK
               : csn_reason_set(reason, CSN_ENOTFOUND, "%s: not a zone of this node", zone);
}

static size_t zone_index(struct csn_daemon *daemon, const struct csn_order *order)
{
    return (size_t)(csn_daemon_zone(daemon, order->zone) - daemon->zones);
}

/* The greatest number stands; the same order once more is no error. */
static int check_number(struct csn_daemon *daemon, const struct csn_order *order,
                        const uint8_t *signature, struct csn_reason *reason)
{
    const struct csn_signed_order *known = find_known(daemon, zone_index(daemon, order), order);
    bool is_old = known != NULL && known->order.number >= order->number &&
                  memcmp(known->signature, signature, sizeof(known->signature)) != 0;
    return !is_old ? CSN_OK
                   : csn_reason_set(reason, CSN_EREFUSED,
                                    "a newer order stands: %s, ordered by %s with number %" PRIu64
                                    "; this one has %" PRIu64 "; sign it anew",
                                    csn_order_text(known->order.kind),
                                    name_of(daemon, known->operator_number), known->order.number,
                                    order->number);
}

/* A number is the time of its signing, in microseconds: one from far ahead would stand before all that are given until then.
 * Only what is given here is judged so: an order that another site took is in force for all. */
static int check_time(struct csn_daemon *daemon, const struct csn_order *order, struct csn_reason *reason)
{
    uint64_t now_s = csn_daemon_now(daemon).wall_s, signed_s = order->number / 1000000;
    char now[CSN_TIME_TEXT_SIZE], signed_at[CSN_TIME_TEXT_SIZE];
    if (signed_s <= now_s + AHEAD_MAX_S) {
        return CSN_OK;
    }
    csn_time_text(signed_s, signed_at);
    csn_time_text(now_s, now);
    return csn_reason_set(reason, CSN_EREFUSED,
                          "signed at %s, and this site's clock says %s: mend the clock of the machine that signs and sign anew, or "
                          "give it at a site whose clock is right",
                          signed_at, now);
}

static int check_order(struct csn_daemon *daemon, const struct csn_control_order *given,
                       struct csn_reason *reason)
{
    struct csn_order order;
    if (daemon->unwritable.is_set) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "this site's store cannot be written, it keeps no order; give it at "
                              "another site");
    }
    int code = check_signer(daemon, given, reason);
    if (code == CSN_OK) {
        code = csn_order_decode(given->body, &order);
        csn_reason_set(reason, code, "the order is malformed: are versions mixed?");
    }
    if (code == CSN_OK) {
        code = check_place(daemon, &order, reason);
    }
    if (code == CSN_OK) {
        code = check_time(daemon, &order, reason);
    }
    if (code == CSN_OK) {
        code = check_number(daemon, &order, given->signature, reason);
    }
    return code == CSN_OK ? csn_node_check_serial(daemon->core, zone_index(daemon, &order), &order, reason) : code;
}

int csn_orders_take(struct csn_daemon *daemon, const struct csn_control_order *given,
                    struct csn_reason *reason)
{
    int code = check_order(daemon, given, reason);
    if (code != CSN_OK) {
        csn_log(&daemon->log, CSN_WARNING, "order.refused", "%s", reason->text);
        return code;
    }
    struct csn_event event = {.kind = CSN_EVENT_STATEMENT,
                              .statement = {.kind = CSN_STATEMENT_ORDER,
                                            .signer = given->signer,
                                            .body = given->body,
                                            .signature = given->signature}};
    csn_daemon_event(daemon, &event);
    struct csn_mesh_statement statement = {
        .kind = CSN_STATEMENT_ORDER, .signer = {.number = given->signer}, .body = given->body};
    memcpy(statement.signature, given->signature, sizeof(statement.signature));
    csn_mesh_send(daemon->mesh, &statement);
    return CSN_OK;
}

/* --- showing */

/* Whether the zone may go there from here, or is to. */
static bool is_serial_ahead(const struct csn_order *order, const struct csn_cluster *cluster, const struct csn_row *row)
{
    bool is_announced = order->kind == CSN_ORDER_ANNOUNCE_SERIAL && order->serial.epoch == cluster->epoch &&
                        csn_serial_is_after(order->serial.to, row->released_serial);
    return is_announced || (order->kind == CSN_ORDER_APPROVE_SERIAL && row->approved.is_set);
}

static void add_order(const struct csn_zone_shell *shell, const struct csn_row *own,
                      const struct csn_signed_order *signed_order, struct csn_status *status,
                      struct csn_status_zone *zone)
{
    const struct csn_daemon *daemon = shell->daemon;
    const struct csn_order *order = &signed_order->order;
    const struct csn_parked *rejected = csn_intake_rejected(shell->intake);
    bool is_of_newest = order->kind == CSN_ORDER_REJECT && rejected != NULL &&
                        csn_digest_equal(&rejected->received, &order->received);
    const struct csn_member *site = csn_cluster_member(&daemon->config->cluster, order->site);
    bool is_ahead = is_serial_ahead(order, &daemon->config->cluster, own);
    struct csn_status_order row = {
        .order = csn_order_text(order->kind),
        .site = site != NULL ? csn_status_text(status, "%s", site->name) : NULL,
        .operator = csn_status_text(status, "%s", name_of(daemon, signed_order->operator_number)),
        .reason = csn_status_text(status, "%s", order->reason),
        .number = order->number,
        .received = order->received,
        .generation = order->generation,
        .has_serial = is_of_newest || is_ahead,
        .serial = is_of_newest ? rejected->serial : order->serial.to};
    csn_status_add_order(status, zone, &row);
}

void csn_orders_fill(const struct csn_daemon *daemon, size_t zone_index, struct csn_status *status,
                     struct csn_status_zone *zone)
{
    struct csn_now now = csn_daemon_now(daemon);
    struct csn_node_zone_status core;
    size_t count;
    const struct csn_signed_order *orders = csn_node_orders(daemon->core, zone_index, &count);
    csn_node_get_zone(daemon->core, zone_index, now, &core);
    for (size_t i = 0; i < count; i++) {
        add_order(&daemon->zones[zone_index], &core.row, &orders[i], status, zone);
    }
    zone->orders_known = csn_node_count_knowing(daemon->core, zone_index, now);
}

bool csn_orders_is_in_maintenance(const struct csn_daemon *daemon, uint16_t site)
{
    const struct csn_order of_site = {.kind = CSN_ORDER_MAINTENANCE_ON, .site = site};
    for (size_t i = 0; i < daemon->zone_count; i++) {
        const struct csn_signed_order *known = find_known(daemon, i, &of_site);
        if (known == NULL || known->order.kind != CSN_ORDER_MAINTENANCE_ON) {
            return false;
        }
    }
    return daemon->zone_count > 0;
}
