#include "ctl_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/cluster.h"
#include "ctl_render.h"
#include "mesh/identity.h"
#include "ops/control.h"
#include "round/order.h"

#define TIMEOUT_MS 5000
#define WAIT_MS 8000 /* for the order to be in force: sites at rest report every 2 s */
#define LOOK_MS 200
#define DOCUMENT_MAX ((size_t)1024 * 1024)

/* The words of an order. A number follows the zone where there is a word for it. */
static const struct form {
    const char *noun, *verb, *number; /* or the site */
    enum csn_order_kind kind;
} forms[] = {{"zone", "hold", NULL, CSN_ORDER_HOLD},
             {"zone", "resume", NULL, CSN_ORDER_RESUME},
             {"zone", "approve", "serial", CSN_ORDER_APPROVE},
             {"zone", "reject", "serial", CSN_ORDER_REJECT},
             {"zone", "generation", "generation", CSN_ORDER_GENERATION},
             {"zone", "approve-serial", "serial", CSN_ORDER_APPROVE_SERIAL},
             {"zone", "reject-serial", NULL, CSN_ORDER_REJECT_SERIAL},
             {"authority", "move", "site", CSN_ORDER_AUTHORITY},
             {"authority", "auto", NULL, CSN_ORDER_AUTHORITY},
             {"maintenance", "on", NULL, CSN_ORDER_MAINTENANCE_ON},
             {"maintenance", "off", NULL, CSN_ORDER_MAINTENANCE_OFF}};

struct giving {
    const struct csn_ctl_order_call *call; /* borrows */
    const struct form *form;               /* borrows */
    const char *target;                    /* borrows; a zone or, of maintenance, a site */
    uint32_t number;                       /* serial or generation */
    const char *lead;                      /* borrows; authority move: the site, else NULL */
    struct csn_cluster cluster;
    struct csn_site_key *key; /* owns */
    uint16_t operator_number;
    struct csn_reason reason;
    struct csn_ctl_given *given; /* owns; one a zone */
    size_t count;
};

static const struct form *find_form(int count, char **words)
{
    for (size_t i = 0; count > 1 && i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(words[0], forms[i].noun) == 0 && strcmp(words[1], forms[i].verb) == 0) {
            return &forms[i];
        }
    }
    return NULL;
}

bool csn_ctl_is_order(int count, char **words)
{
    return count > 0 &&
           (strcmp(words[0], "maintenance") == 0 || strcmp(words[0], "authority") == 0 ||
            find_form(count, words) != NULL);
}

/* --- the words */

static bool is_said(const char *reason)
{
    size_t size = strlen(reason);
    for (size_t i = 0; i < size; i++) {
        if (reason[i] < ' ' || reason[i] > '~') {
            return false;
        }
    }
    return size > 0 && size <= CSN_ORDER_REASON_MAX;
}

static const char *read_words(struct giving *giving, int count, char **words)
{
    const struct csn_ctl_order_call *call = giving->call;
    const struct form *form = giving->form = find_form(count, words);
    uint64_t number = 0;
    if (form == NULL) {
        return strcmp(words[0], "authority") == 0
                   ? "authority: move, then a zone and a site; or auto, then a zone"
                   : "maintenance: on or off, then a site or a zone";
    }
    int expected = form->number != NULL ? 4 : 3;
    if (count != expected) {
        return count > expected ? "one word too many for an order"
               : count == 2     ? "the zone (of maintenance: or the site) is missing"
               : strcmp(form->number, "site") == 0 ? "the site is missing"
                                : "the serial, or the generation, is missing";
    }
    giving->target = words[2];
    if (form->kind == CSN_ORDER_AUTHORITY) {
        giving->lead = form->number != NULL ? words[3] : NULL;
    } else if (form->number != NULL && csn_number_parse(words[3], UINT32_MAX, &number) != CSN_OK) {
        return "a serial or generation is a number below 2^32";
    }
    giving->number = (uint32_t)number;
    if (form->kind == CSN_ORDER_GENERATION && number < 2) {
        return "the first generation is 1: order a greater one";
    }
    return call->reason == NULL       ? "--reason is missing: all who look at the status see it"
           : !is_said(call->reason)   ? "--reason takes 1 to 200 printable ASCII characters"
           : call->cluster == NULL    ? "--cluster is missing: the cluster document's file"
           : call->key == NULL        ? "--key is missing: the operator's key file"
                                      : NULL;
}

/* --- who orders */

static int load_cluster(struct giving *giving)
{
    const char *path = giving->call->cluster;
    struct csn_buf text = {0};
    int code = csn_fs_read(path, DOCUMENT_MAX, &text, &giving->reason);
    if (code == CSN_OK) {
        code = csn_cluster_parse(csn_buf_view(&text), path, &giving->cluster, &giving->reason);
    }
    csn_buf_fini(&text);
    return code;
}

static int find_operator(struct giving *giving)
{
    const struct csn_cluster *cluster = &giving->cluster;
    int code = csn_identity_load(giving->call->key, &giving->key, &giving->reason);
    for (uint8_t i = 0; code == CSN_OK && i < cluster->operator_count; i++) {
        if (memcmp(cluster->operators[i].key, csn_identity_key(giving->key),
                   CSN_IDENTITY_KEY_SIZE) == 0) {
            giving->operator_number = i + 1;
            return CSN_OK;
        }
    }
    return code != CSN_OK
               ? code
               : csn_reason_set(&giving->reason, CSN_EREFUSED,
                                "%s: not the key of an operator in %s; nothing was ordered",
                                giving->call->key, giving->call->cluster);
}

/* --- what is ordered */

/* Above every number that is known here, so that no order of a clock ahead outlives this one. */
static uint64_t next_number(const struct csn_status_zone *zone)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t number = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    for (uint32_t i = 0; i < zone->order_count; i++) {
        number = zone->orders[i].number >= number ? zone->orders[i].number + 1 : number;
    }
    return number;
}

/* An input of this serial that was rejected and is still the newest there. */
static bool find_rejected(const struct giving *giving, const struct csn_status_zone *zone,
                          struct csn_order *order)
{
    for (uint32_t i = 0; i < zone->order_count; i++) {
        const struct csn_status_order *row = &zone->orders[i];
        if (strcmp(row->order, CSN_STATUS_REJECT) == 0 && row->has_serial &&
            row->serial == giving->number) {
            order->received = row->received;
            return true;
        }
    }
    return false;
}

/* D(received) of the input that is parked at the daemon's own site under this serial. */
static int find_parked(struct giving *giving, const struct csn_status *status,
                       const struct csn_status_zone *zone, struct csn_order *order)
{
    const struct csn_status_parked *found = NULL;
    if (find_rejected(giving, zone, order)) {
        return CSN_OK;
    }
    for (uint32_t i = 0; i < zone->parked_count; i++) {
        const struct csn_status_parked *row = &zone->parked[i];
        bool is_it = row->has_serial && row->has_received && row->serial == giving->number;
        found = is_it ? row : found;
    }
    if (found == NULL) {
        return csn_reason_set(&giving->reason, CSN_ENOTFOUND,
                              "%s no input with serial %" PRIu32
                              " is parked at %s; consignctl status shows what is, and ask the site "
                              "where it is",
                              zone->zone, giving->number, status->observed_from);
    }
    order->received = found->received;
    bool is_of_content = found->gate != NULL && (strcmp(found->gate, "apex-ns") == 0 ||
                                                 strncmp(found->gate, "shrink-", 7) == 0);
    bool helps = order->kind == CSN_ORDER_REJECT || is_of_content;
    return helps ? CSN_OK
                 : csn_reason_set(&giving->reason, CSN_EREFUSED,
                                  "%s approving does not help here: %s", zone->zone, found->reason);
}

static int check_generation(struct giving *giving, const struct csn_status_zone *zone)
{
    uint32_t present = zone->has_released ? zone->input.generation : 1;
    for (uint32_t i = 0; i < zone->order_count; i++) {
        uint32_t ordered = zone->orders[i].generation;
        present = ordered > present ? ordered : present;
    }
    return giving->number > present
               ? CSN_OK
               : csn_reason_set(&giving->reason, CSN_EREFUSED,
                                "%s is at generation %" PRIu32 " already; order a greater one",
                                zone->zone, present);
}

static int check_step(struct giving *giving, const char *zone, const struct csn_serial_approval *approval)
{
    uint32_t step = approval->to - approval->from;
    if (step == 0) {
        return csn_reason_set(&giving->reason, CSN_EREFUSED, "%s serial %" PRIu32 " is released already",
                              zone, approval->to);
    }
    return step <= CSN_APPROVED_STEP_MAX
               ? CSN_OK
               : csn_reason_set(&giving->reason, CSN_EREFUSED,
                                "%s serial %" PRIu32 " is not after %" PRIu32
                                ", which is released (RFC 1982), or too close to where it is not: one "
                                "step goes to %" PRIu32 " at most; approve one about halfway, and %" PRIu32
                                " when every secondary has that",
                                zone, approval->to, approval->from,
                                approval->from + CSN_APPROVED_STEP_MAX, approval->to);
}

/* From the newest release to the serial that is asked for. */
static int make_approval(struct giving *giving, const struct csn_status *status, const char *zone,
                         struct csn_serial_approval *ret_approval)
{
    struct csn_cert_view view = {0};
    int code =
        csn_control_ask_cert(giving->call->socket, TIMEOUT_MS, zone, &view, &giving->reason);
    if (code == CSN_OK) {
        *ret_approval = (struct csn_serial_approval){
            .epoch = status->epoch,
            .round = {.term = {.counter = view.round_counter, .coordinator = view.round_coordinator},
                      .seq = view.round_seq},
            .from = view.serial,
            .to = giving->number};
        code = check_step(giving, zone, ret_approval);
    }
    csn_cert_view_fini(&view);
    return code;
}

static int make_order(struct giving *giving, const struct csn_status *status,
                      const struct csn_status_zone *zone, uint16_t site, struct csn_order *order)
{
    const struct csn_cluster *cluster = &giving->cluster;
    *order = (struct csn_order){.environment = cluster->environment,
                                .kind = giving->form->kind,
                                .site = site,
                                .number = next_number(zone)};
    memcpy(order->cluster, cluster->id, sizeof(order->cluster));
    snprintf(order->reason, sizeof(order->reason), "%s", giving->call->reason);
    if (csn_name_parse(zone->zone, order->zone) != CSN_OK) {
        return csn_reason_set(&giving->reason, CSN_EFORMAT, "%s: not a zone's name", zone->zone);
    }
    switch (csn_order_register(order->kind)) {
    case CSN_REGISTER_INPUT:
        return find_parked(giving, status, zone, order);
    case CSN_REGISTER_GENERATION:
        order->generation = giving->number;
        return check_generation(giving, zone);
    case CSN_REGISTER_SERIAL:
        return order->kind == CSN_ORDER_APPROVE_SERIAL
                   ? make_approval(giving, status, zone->zone, &order->serial)
                   : CSN_OK;
    case CSN_REGISTER_VOTES:
    case CSN_REGISTER_MAINTENANCE:
    case CSN_REGISTER_AUTHORITY:
        break;
    }
    return CSN_OK;
}

static int sign_and_give(struct giving *giving, const struct csn_order *order)
{
    struct csn_buf body = {0}, octets = {0};
    struct csn_control_order signed_order = {.signer = giving->operator_number};
    csn_order_encode(order, &body);
    csn_statement_signed(CSN_STATEMENT_ORDER, signed_order.signer, 0, csn_buf_view(&body), &octets);
    signed_order.body = csn_buf_view(&body);
    int code = csn_identity_sign(giving->key, csn_buf_view(&octets), signed_order.signature);
    csn_reason_set(&giving->reason, code, "%s: it cannot sign", giving->call->key);
    if (code == CSN_OK) {
        code = csn_control_give_order(giving->call->socket, TIMEOUT_MS, &signed_order,
                                      &giving->reason);
    }
    csn_buf_fini(&octets);
    csn_buf_fini(&body);
    return code;
}

static int give_one(struct giving *giving, const struct csn_status *status, const struct csn_status_zone *zone,
                    const struct csn_member *site, const struct csn_order *order)
{
    int code = sign_and_give(giving, order);
    if (code == CSN_OK) {
        giving->given[giving->count++] =
            (struct csn_ctl_given){.zone = csn_strdup(zone->zone),
                                   .order = csn_order_text(order->kind),
                                   .site = site != NULL ? site->name : NULL,
                                   .number = order->number,
                                   .needed = csn_status_needed(status, csn_order_text(order->kind)),
                                   .sites = status->members};
    }
    return code;
}

/* Every member is to know of a far serial before it is approved (R8): the node says when. */
static int announce_and_give(struct giving *giving, const struct csn_status *status, const struct csn_status_zone *zone,
                             struct csn_order *order)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    order->kind = CSN_ORDER_ANNOUNCE_SERIAL;
    int code = sign_and_give(giving, order);
    if (code != CSN_OK) {
        return code;
    }
    order->kind = CSN_ORDER_APPROVE_SERIAL;
    order->number++;
    code = give_one(giving, status, zone, NULL, order);
    for (unsigned waited_ms = 0; code == CSN_EBUSY && waited_ms < WAIT_MS; waited_ms += LOOK_MS) {
        nanosleep(&pause, NULL);
        code = give_one(giving, status, zone, NULL, order);
    }
    return code == CSN_EBUSY ? CSN_EREFUSED : code;
}

static int order_one(struct giving *giving, const struct csn_status *status,
                     const struct csn_status_zone *zone, const struct csn_member *site)
{
    struct csn_order order;
    int code = make_order(giving, status, zone, site != NULL ? site->number : 0, &order);
    if (code != CSN_OK) {
        return code;
    }
    return order.kind == CSN_ORDER_APPROVE_SERIAL ? announce_and_give(giving, status, zone, &order)
                                                  : give_one(giving, status, zone, site, &order);
}

static bool is_zone(const struct csn_status_zone *zone, const char *name)
{
    size_t size = strlen(name);
    bool has_dot = size > 0 && name[size - 1] == '.';
    return strncmp(zone->zone, name, size) == 0 &&
           (zone->zone[size] == '\0' || (!has_dot && strcmp(zone->zone + size, ".") == 0));
}

/* Of a site: one order for each zone. A name with a dot at its end is a zone's. */
static int order_all(struct giving *giving, const struct csn_status *status)
{
    bool is_maintenance = csn_order_register(giving->form->kind) == CSN_REGISTER_MAINTENANCE;
    const char *name = is_maintenance ? giving->target : giving->lead;
    const struct csn_member *site =
        name != NULL ? csn_cluster_member_named(&giving->cluster, name) : NULL;
    int code = CSN_OK;
    bool is_found = false;
    if (giving->lead != NULL && site == NULL) {
        return csn_reason_set(&giving->reason, CSN_ENOTFOUND, "%s: no site of the cluster", name);
    }
    giving->given = csn_calloc(status->zone_count + 1u, sizeof(giving->given[0]));
    for (uint32_t i = 0; code == CSN_OK && i < status->zone_count; i++) {
        bool is_everywhere = is_maintenance && site != NULL;
        if (is_everywhere || is_zone(status->zones[i], giving->target)) {
            is_found = true;
            code = order_one(giving, status, status->zones[i], site);
        }
    }
    return is_found ? code
                    : csn_reason_set(&giving->reason, CSN_ENOTFOUND, "%s: no %szone of %s",
                                     giving->target, is_maintenance ? "site of the cluster and no " : "",
                                     status->observed_from);
}

static int give(struct giving *giving)
{
    struct csn_status status = {0};
    int code =
        csn_control_ask_status(giving->call->socket, TIMEOUT_MS, &status, &giving->reason);
    if (code == CSN_OK && memcmp(status.cluster_id, giving->cluster.id,
                                 sizeof(giving->cluster.id)) != 0) {
        code = csn_reason_set(&giving->reason, CSN_EMISMATCH,
                              "%s is of another cluster than the daemon's; nothing was ordered",
                              giving->call->cluster);
    }
    if (code == CSN_OK) {
        code = order_all(giving, &status);
    }
    csn_status_fini(&status);
    return code;
}

/* --- whether it is in force */

static void look(struct csn_ctl_given *given, const struct csn_status *status)
{
    given->known = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        const struct csn_status_zone *zone = status->zones[i];
        for (uint32_t j = 0; strcmp(zone->zone, given->zone) == 0 && j < zone->order_count; j++) {
            if (zone->orders[j].number == given->number) {
                given->known = zone->orders_known;
            }
        }
    }
}

static bool are_in_force(struct giving *giving)
{
    struct csn_status status = {0};
    bool are = csn_control_ask_status(giving->call->socket, TIMEOUT_MS, &status,
                                      &giving->reason) == CSN_OK;
    for (size_t i = 0; are && i < giving->count; i++) {
        look(&giving->given[i], &status);
    }
    for (size_t i = 0; are && i < giving->count; i++) {
        are = giving->given[i].known >= giving->given[i].needed;
    }
    csn_status_fini(&status);
    return are;
}

static bool wait_in_force(struct giving *giving)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    for (unsigned waited_ms = 0; !are_in_force(giving); waited_ms += LOOK_MS) {
        if (waited_ms >= WAIT_MS) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

/* --- */

static void show(const struct giving *giving)
{
    if (giving->call->is_json) {
        csn_ctl_json_given(stdout, giving->given, giving->count, (uint64_t)time(NULL));
    }
    for (size_t i = 0; i < giving->count; i++) {
        const struct csn_ctl_given *given = &giving->given[i];
        bool is_in_force = given->known >= given->needed;
        FILE *out = is_in_force ? stdout : stderr;
        if (!is_in_force || !giving->call->is_json) {
            bool is_auto = given->site == NULL && strcmp(given->order, CSN_STATUS_AUTHORITY) == 0;
            fprintf(out, "%s %s%s%s: known at %u of %u sites, %s\n", given->zone, given->order,
                    given->site != NULL ? " of " : is_auto ? " auto" : "",
                    given->site != NULL ? given->site : "",
                    given->known, given->sites,
                    is_in_force ? "in force" : "not in force yet");
        }
        if (!giving->call->is_json && strcmp(given->order, CSN_STATUS_SERIAL) == 0) {
            fputs("the next release takes it, within seconds; approve no further step before every "
                  "secondary has it\n",
                  stdout);
        }
    }
}

static void giving_fini(struct giving *giving)
{
    for (size_t i = 0; i < giving->count; i++) {
        free(giving->given[i].zone);
    }
    free(giving->given);
    csn_identity_free(giving->key);
}

static int run(struct giving *giving)
{
    int code = load_cluster(giving);
    if (code == CSN_OK) {
        code = find_operator(giving);
    }
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", giving->reason.text);
        return CSN_CTL_FAILED; /* a key that may not be read too: no daemon was asked */
    }
    code = give(giving);
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", giving->reason.text);
    }
    bool is_in_force = giving->count > 0 && wait_in_force(giving);
    show(giving);
    if (giving->count > 0 && !is_in_force) {
        fputs("consignctl: it is kept where it is known, and goes to the other sites as soon as they "
              "can be reached;\nbring them back, watch `consignctl status`, or give it at another "
              "site too\n",
              stderr);
    }
    return code != CSN_OK ? csn_ctl_exit(code, true) : is_in_force ? CSN_CTL_DONE : CSN_CTL_NOT_YET;
}

int csn_ctl_order(const struct csn_ctl_order_call *call, int count, char **words,
                  const char **ret_wrong)
{
    struct giving *giving = csn_calloc(1, sizeof(*giving));
    giving->call = call;
    *ret_wrong = read_words(giving, count, words);
    int status = *ret_wrong != NULL ? CSN_CTL_USAGE : run(giving);
    giving_fini(giving);
    free(giving);
    return status;
}
