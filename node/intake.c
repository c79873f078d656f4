#include "intake.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "dns/zonefile.h"
#include "kept/inputs.h"
#include "watch.h"

#define BIG_SIZE 65536 /* from here on reading goes in the lane */
#define FILE_SIZE_MAX ((size_t)16 << 30) /* a longer file is refused before it is read */

/* One reading of the file: made for a worker thread, looked at by the loop when it is done. */
struct reading {
    struct csn_intake *intake;  /* borrows */
    struct csn_intake_orders orders;
    struct csn_input *released; /* owns a reference; may be NULL */
    uint32_t released_generation, released_serial;
    struct csn_input *input;    /* owns a reference; NULL unless code is CSN_OK */
    bool is_moving;             /* the file changed under the reader */
    bool is_unread;             /* it is gone, or could not be opened or read: perhaps it can be soon */
    bool is_store_failure;
    bool has_serial; /* and D(received) */
    uint32_t serial;
    struct csn_digest received;
    enum csn_gate gate;         /* why it is not taken, where code is not CSN_OK */
    int code;
    struct csn_reason reason;
};

struct csn_intake {
    struct csn_intake_settings settings;
    struct csn_watch *watch;     /* owns */
    struct csn_input *released;  /* owns a reference; may be NULL */
    uint32_t released_generation, released_serial;
    struct csn_parked parked;
    struct csn_parked rejected; /* the newest file, which an operator does not want */
    bool is_reading, is_again;
};

static int add_record(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_prepare_add(arg, record, reason);
}

static int parse(const struct csn_zone_config *zone, struct csn_bytes text, struct csn_input **ret_input, struct csn_reason *reason)
{
    struct csn_prepare *prepare =
        csn_prepare_new(zone->zone, zone->policy.drop_addresses, zone->policy.drop_addresses_count);
    int code = csn_zonefile_read(text, zone->input, zone->zone, add_record, prepare, reason);
    if (code == CSN_OK) {
        struct csn_reason why = {0};
        code = csn_prepare_finish(prepare, ret_input, &why);
        csn_reason_set(reason, code, "%s: %.400s", zone->input, why.text);
    }
    csn_prepare_free(prepare);
    return code;
}

static int gate(struct reading *reading, const struct csn_input *input)
{
    struct csn_input old = {0};
    if (reading->released != NULL) {
        old = *reading->released;
        old.serial = reading->released_serial;
    }
    struct csn_gates gates = {.shrink_percent = reading->intake->settings.zone->policy.shrink_percent,
                              .is_other_generation = reading->orders.generation != reading->released_generation,
                              .is_approved = csn_digest_equal(&input->received, &reading->orders.approved)};
    enum csn_gate gate = csn_input_gate(input, reading->released ? &old : NULL, &gates, &reading->reason);
    reading->gate = gate != CSN_GATE_NONE ? gate : reading->gate;
    return gate == CSN_GATE_NONE ? CSN_OK : CSN_EREFUSED;
}

static int accept_input(struct reading *reading, struct csn_input *input)
{
    const struct csn_zone_config *zone = reading->intake->settings.zone;
    const struct csn_policy *policy = &zone->policy;
    struct csn_reason why = {0};
    reading->has_serial = true;
    reading->serial = input->serial;
    reading->received = input->received;
    int code =
        csn_policy_check_input(policy, (uint64_t)time(NULL), input->soa.expire, input->ttl_max, &why);
    if (code != CSN_OK) {
        return csn_reason_set(&reading->reason, code, "%s: %.400s", zone->policy_path, why.text);
    }
    code = gate(reading, input);
    if (code == CSN_OK) {
        code = csn_input_store(reading->intake->settings.store, input);
        /* A fetch of the same input writes it at this moment: look again. */
        reading->is_moving = code == CSN_ECLOSED || code == CSN_EBUSY;
        reading->is_store_failure = code != CSN_OK && !reading->is_moving;
        csn_reason_set(&reading->reason, code, "store: the input with serial %u cannot be kept: %s", (unsigned)input->serial,
                       csn_error_text(code));
    }
    return code;
}

/* Whatever this file does to the process, it does it twice at most. */
static void read_input(struct reading *reading, struct csn_bytes text)
{
    const struct csn_intake_settings *settings = &reading->intake->settings;
    struct csn_input *input = NULL;
    struct csn_digest digest;
    struct csn_reason why = {0};
    csn_sha384(text, &digest);
    reading->code = csn_quarantine_enter(settings->quarantine, CSN_RISK_READ, settings->zone->zone, &digest, &why);
    if (reading->code != CSN_OK) {
        reading->is_store_failure = reading->code != CSN_EREFUSED;
        reading->gate = CSN_GATE_QUARANTINED;
        csn_reason_set(&reading->reason, reading->code, "%s: %.400s", settings->zone->input, why.text);
        return;
    }
    reading->code = parse(settings->zone, text, &input, &reading->reason);
    if (reading->code == CSN_OK) {
        reading->code = accept_input(reading, input);
    }
    reading->input = reading->code == CSN_OK ? csn_input_ref(input) : NULL;
    csn_input_unref(input);
    csn_quarantine_leave(settings->quarantine, CSN_RISK_READ, settings->zone->zone, &digest);
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct reading *reading = arg;
    const struct csn_zone_config *zone = reading->intake->settings.zone;
    struct csn_buf text = {0};
    reading->code = csn_fs_read_still(zone->input, FILE_SIZE_MAX, &text, &reading->reason);
    reading->is_moving = reading->code == CSN_EBUSY;
    reading->is_unread = reading->code != CSN_OK && reading->code != CSN_ELIMIT && !reading->is_moving;
    reading->gate = reading->is_unread ? CSN_GATE_UNREAD : CSN_GATE_REFUSED;
    if (reading->code == CSN_OK) {
        read_input(reading, csn_buf_view(&text));
    }
    csn_buf_fini(&text);
}

static const char *goes_on(const struct csn_intake *intake)
{
    return intake->released_generation != 0 ? "the released zone stays served" : "nothing is released yet";
}

static struct csn_parked parked_of(const struct reading *reading)
{
    return (struct csn_parked){.gate = reading->gate,
                               .reason = reading->reason,
                               .has_serial = reading->has_serial,
                               .serial = reading->serial,
                               .received = reading->received,
                               .since_s = (uint64_t)time(NULL)};
}

static void park(struct csn_intake *intake, const struct reading *reading)
{
    char zone[CSN_NAME_TEXT_MAX];
    if (reading->is_unread && strcmp(intake->parked.reason.text, reading->reason.text) == 0) {
        return; /* said already, and tried again since */
    }
    csn_name_text(intake->settings.zone->zone, zone);
    intake->parked = parked_of(reading);
    intake->rejected = (struct csn_parked){0};
    csn_log(intake->settings.log, CSN_ERROR, reading->is_unread ? "input.gone" : "input.parked",
            "zone %s: %s; %s; %s", zone, reading->reason.text, goes_on(intake),
            reading->is_unread ? "it is taken when it can be read again"
                               : "put a corrected file in place");
    intake->settings.on_parked(intake->settings.arg, reading->gate);
}

static bool is_rejected(const struct csn_intake *intake, bool has_received, const struct csn_digest *received)
{
    return has_received && csn_digest_equal(received, &intake->settings.orders.rejected);
}

/* Nobody is asked about it any more, until another comes. */
static void set_rejected(struct csn_intake *intake, const struct csn_parked *parked)
{
    char zone[CSN_NAME_TEXT_MAX];
    csn_name_text(intake->settings.zone->zone, zone);
    intake->rejected = *parked;
    intake->parked = (struct csn_parked){0};
    csn_log(intake->settings.log, CSN_INFO, "input.rejected", "zone %s: input serial %u was rejected by an operator; %s",
            zone, (unsigned)intake->rejected.serial, goes_on(intake));
    intake->settings.on_parked(intake->settings.arg, CSN_GATE_NONE);
}

static void take(struct csn_intake *intake, const struct reading *reading)
{
    const struct csn_input *input = reading->input;
    char zone[CSN_NAME_TEXT_MAX];
    csn_name_text(intake->settings.zone->zone, zone);
    intake->parked = intake->rejected = (struct csn_parked){0};
    intake->settings.on_parked(intake->settings.arg, CSN_GATE_NONE);
    csn_log(intake->settings.log, CSN_INFO, "input.taken",
            "zone %s input serial %u: %u records, %u delegations, %u dropped, %u RRsets with unequal TTLs, %u addresses nothing names",
            zone, (unsigned)input->serial, (unsigned)input->records, (unsigned)input->delegations, (unsigned)input->removed,
            (unsigned)input->ttl_warnings, (unsigned)input->unnamed_addresses);
    intake->settings.on_input(intake->settings.arg, reading->input, reading->orders.generation);
}

static void start_reading(struct csn_intake *intake);

static void done(void *arg)
{
    struct reading *reading = arg;
    struct csn_intake *intake = reading->intake;
    intake->is_reading = false;
    if (reading->is_store_failure) {
        intake->settings.on_failed(intake->settings.arg, reading->code, &reading->reason);
    } else if (reading->is_moving) {
        csn_watch_again(intake->watch);
    } else if (reading->code == CSN_OK) {
        take(intake, reading);
    } else if (is_rejected(intake, reading->has_serial, &reading->received)) {
        struct csn_parked parked = parked_of(reading);
        set_rejected(intake, &parked);
    } else {
        park(intake, reading);
        if (reading->is_unread && reading->code != CSN_ENOTFOUND) {
            csn_watch_again(intake->watch); /* no look at the file tells when the cause is gone */
        }
    }
    csn_input_unref(reading->input);
    csn_input_unref(reading->released);
    free(reading);
    if (intake->is_again) {
        intake->is_again = false;
        start_reading(intake);
    }
}

static void start_reading(struct csn_intake *intake)
{
    struct reading *reading = csn_calloc(1, sizeof(*reading));
    reading->intake = intake;
    reading->orders = intake->settings.orders;
    reading->released_generation = intake->released_generation;
    reading->released_serial = intake->released_serial;
    reading->released = intake->released ? csn_input_ref(intake->released) : NULL;
    intake->is_reading = true;
    struct csn_lane *lane = csn_watch_size(intake->watch) > BIG_SIZE ? intake->settings.lane : NULL;
    csn_job_run_in(lane, intake->settings.loop, 1, work, done, reading);
}

static void on_ready(void *arg)
{
    struct csn_intake *intake = arg;
    if (intake->is_reading) {
        intake->is_again = true;
    } else {
        start_reading(intake);
    }
}

int csn_intake_new(const struct csn_intake_settings *settings, struct csn_intake **ret_intake, struct csn_reason *reason)
{
    struct csn_intake *intake = csn_calloc(1, sizeof(*intake));
    intake->settings = *settings;
    int code = csn_watch_new(settings->watcher, settings->zone->input, on_ready, intake, &intake->watch, reason);
    if (code != CSN_OK) {
        free(intake);
        return code;
    }
    *ret_intake = intake;
    return CSN_OK;
}

void csn_intake_set_released(struct csn_intake *intake, struct csn_input *input, uint32_t generation, uint32_t serial)
{
    if (intake == NULL) {
        return;
    }
    intake->released_generation = generation;
    intake->released_serial = serial;
    struct csn_input *old = intake->released;
    intake->released = input ? csn_input_ref(input) : NULL;
    csn_input_unref(old);
}

static void reject(void *arg)
{
    struct csn_intake *intake = arg;
    if (is_rejected(intake, intake->parked.has_serial, &intake->parked.received)) {
        struct csn_parked parked = intake->parked;
        set_rejected(intake, &parked);
    }
}

void csn_intake_obey(struct csn_intake *intake, const struct csn_intake_orders *orders)
{
    if (intake == NULL) {
        return;
    }
    bool is_new_generation = orders->generation != intake->settings.orders.generation;
    bool is_new_approval = !csn_digest_equal(&orders->approved, &intake->settings.orders.approved);
    intake->settings.orders = *orders;
    /* What is being read now may be what was approved. */
    bool is_kept_back = intake->parked.has_serial || intake->rejected.has_serial;
    if (is_new_generation || (is_new_approval && (intake->is_reading || is_kept_back))) {
        on_ready(intake);
    }
    csn_job_later(intake->settings.loop, 0, reject, intake);
}

const struct csn_parked *csn_intake_parked(const struct csn_intake *intake)
{
    return &intake->parked;
}

const struct csn_parked *csn_intake_rejected(const struct csn_intake *intake)
{
    return intake != NULL && intake->rejected.has_serial ? &intake->rejected : NULL;
}
