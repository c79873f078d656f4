#include "diff.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare.h"
#include "reports.h"
#include "sign/content.h"
#include "work.h"
#include "zone/lines.h"
#include "zone/walk.h"

#define RETRY_MS 1000
#define TRIES_MAX 20
#define LINES_LOGGED 5

struct diff {
    struct csn_zone_shell *zone; /* borrows */
    uint32_t serial;
    struct csn_diff_side sides[2];
    bool is_sure[2]; /* what a side is was signed, or certified */
    struct csn_diff_result result;
    struct csn_buf text; /* owns */
    csn_diff_fn *done;
    void *arg;
};

/* --- what is believed */

/* The full root binds everything; is it the certified one? */
struct certified {
    uint32_t serial;
    const struct csn_digest *full_root;
};
static bool is_certified(const void *arg, const struct csn_certificate *certificate)
{
    const struct certified *certified = arg;
    return certificate->held.proposal.serial == certified->serial &&
           csn_digest_equal(&certificate->held.full_root, certified->full_root);
}

static bool has_version_root(struct diff *diff, const struct csn_compare *compare, const struct csn_compare_side *side)
{
    struct csn_certificate certificate;
    struct certified certified = {.serial = side->serial, .full_root = &side->name.digest};
    diff->is_sure[side->number] = csn_trees_certificate(diff->zone, is_certified, &certified, &certificate);
    return csn_compare_has_full_root(compare, side->number) && side->serial == diff->serial;
}

static bool has_signed_roots(struct diff *diff, const struct csn_compare_side *side, const struct csn_roots *roots)
{
    const struct csn_diff_side *wanted = &diff->sides[side->number];
    struct csn_roots own = wanted->roots;
    bool is_sure = wanted->has_roots || csn_node_computed(diff->zone->daemon->core, wanted->site, &side->name.digest, &own);
    diff->is_sure[side->number] = is_sure;
    return (!is_sure || csn_roots_equal(roots, &own)) && side->serial == diff->serial;
}

/* A site that reported this input as its own signed the report. */
static bool is_reported_input(const struct diff *diff, const struct csn_compare_side *side)
{
    struct csn_node_zone_status core;
    const struct csn_daemon *daemon = diff->zone->daemon;
    csn_node_get_zone(daemon->core, (size_t)(diff->zone - daemon->zones), csn_daemon_now(daemon), &core);
    const struct csn_row *row = side->site == daemon->config->member->number
                                    ? &core.row
                                    : csn_node_peer_row(daemon->core, side->site, diff->zone->config->zone);
    for (unsigned i = 0; row != NULL && i < row->input_count; i++) {
        if (csn_digest_equal(&row->inputs[i].prepared, &side->name.digest)) {
            return true;
        }
    }
    return false;
}

static bool is_believed(void *arg, struct csn_compare *compare, unsigned number)
{
    struct diff *diff = arg;
    struct csn_roots roots;
    struct csn_digest b;
    const struct csn_compare_side *side = &compare->sides[number];
    const struct csn_tree_name *wanted = &side->wanted;
    csn_compare_roots(compare, number, &roots, &b);
    if (wanted->kind != CSN_TREE_NONE && (wanted->kind != side->name.kind || !csn_digest_equal(&wanted->digest, &side->name.digest))) {
        return false;
    }
    switch (side->name.kind) {
    case CSN_TREE_INPUT:
        diff->is_sure[number] = is_reported_input(diff, side);
        return csn_digest_equal(&roots.d, &side->name.digest);
    case CSN_TREE_VERSION:
        return has_version_root(diff, compare, side);
    case CSN_TREE_COMPUTED:
        return has_signed_roots(diff, side, &roots);
    default:
        return false;
    }
}

/* --- the text */

__attribute__((format(printf, 2, 3))) static void put(struct csn_buf *buf, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    csn_buf_put(buf, line, size < (int)sizeof(line) ? (size_t)size : sizeof(line) - 1);
}

static void put_side(const struct diff *diff, const struct csn_compare_side *side, struct csn_buf *buf)
{
    char digest[2 * 8 + 1];
    csn_hex_encode(csn_bytes(side->name.digest.octets, 8), digest);
    const char *what = side->name.kind == CSN_TREE_INPUT     ? "the input of its own source, D"
                       : side->name.kind == CSN_TREE_VERSION ? "the version with full root"
                                                             : "its own content for proposal";
    const char *doubt = diff->is_sure[side->number]              ? ""
                        : side->name.kind == CSN_TREE_VERSION     ? " (no certificate of it is known here)"
                                                                  : " (it signed that too long ago to be compared)";
    put(buf, "# %c %s: %s %s%s\n", side->number == 0 ? '-' : '+', csn_compare_site_name(diff->zone->daemon, side->site),
        what, digest, doubt);
}

static void put_counts(const struct csn_walk *walk, const struct csn_walk_difference *differences, size_t count, struct csn_buf *buf)
{
    unsigned common = csn_walk_classes(walk, 0) & csn_walk_classes(walk, 1);
    size_t counts[CSN_TREE_CLASSES] = {0};
    bool is_systematic = csn_walk_is_systematic(walk);
    for (size_t i = 0; i < count; i++) {
        counts[csn_tree_class_place((uint8_t)differences[i].class)]++;
    }
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        if ((common >> place & 1) != 0) {
            put(buf, "# class %c: %zu RRset%s differ%s%s\n", csn_tree_class(place), counts[place], counts[place] == 1 ? "" : "s",
                counts[place] == 1 ? "s" : "", is_systematic ? " in the sample" : "");
        }
    }
    if (is_systematic) {
        put(buf, "# systematic: %zu buckets differ; one in each branch was looked into\n", csn_walk_differing(walk));
    }
}

/* Lines of whole records until one of the limits; true: all are there. */
static bool put_lines(const struct csn_walk_difference *differences, size_t count, struct csn_buf *buf)
{
    size_t lines = 0;
    struct csn_buf one = {0};
    bool has_all = true;
    for (size_t i = 0; has_all && i < count; i++) {
        csn_buf_clear(&one);
        csn_lines_differ(&one, differences[i].sides[0], differences[i].sides[1], differences[i].class == CSN_CLASS_R);
        for (size_t at = 0, end; has_all && at < one.size; at = end) {
            end = (size_t)((const uint8_t *)memchr(one.data + at, '\n', one.size - at) - one.data) + 1;
            has_all = lines++ < CSN_DIFF_LINES_MAX && buf->size + (end - at) <= CSN_DIFF_TEXT_MAX;
            if (has_all) {
                csn_buf_put(buf, one.data + at, end - at);
            }
        }
    }
    csn_buf_fini(&one);
    return has_all;
}

static void write_text(struct diff *diff, struct csn_compare *compare)
{
    const struct csn_walk_difference *differences;
    struct csn_buf lines = {0};
    size_t count = csn_walk_finish(compare->walk, &differences);
    put(&diff->text, "# zone %s serial %" PRIu32 "\n", diff->zone->name, diff->serial);
    put_side(diff, &compare->sides[0], &diff->text);
    put_side(diff, &compare->sides[1], &diff->text);
    put_counts(compare->walk, differences, count, &diff->text);
    if (!put_lines(differences, count, &lines)) {
        put(&diff->text, "# only the first lines are shown\n");
    }
    diff->result.summary_size = diff->text.size;
    csn_buf_put_bytes(&diff->text, csn_buf_view(&lines));
    csn_buf_fini(&lines);
}

static void on_compared(void *arg, struct csn_compare *compare)
{
    struct diff *diff = arg;
    diff->result.code = compare->code;
    diff->result.reason = compare->reason;
    diff->result.is_equal = compare->is_equal;
    if (compare->code == CSN_OK && !compare->is_equal) {
        write_text(diff, compare);
    }
    diff->result.text = csn_buf_view(&diff->text);
    diff->done(diff->arg, &diff->result);
    csn_buf_fini(&diff->text);
    free(diff);
}

void csn_diff_run(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_side sides[2], csn_diff_fn *done, void *arg)
{
    struct diff *diff = csn_calloc(1, sizeof(*diff));
    *diff = (struct diff){.zone = zone, .serial = serial, .sides = {sides[0], sides[1]}, .done = done, .arg = arg};
    const uint16_t sites[2] = {sides[0].site, sides[1].site};
    const struct csn_tree_name names[2] = {sides[0].name, sides[1].name};
    struct csn_compare_settings settings = {.serial = serial,
                                            .classes = CSN_TREE_ALL,
                                            .buckets_max = CSN_WALK_BUCKETS_MAX,
                                            .patience = CSN_PROGRESS_PATIENCE_MAX,
                                            .is_believed = is_believed,
                                            .done = on_compared,
                                            .arg = diff};
    csn_compare_run(zone, sites, names, &settings);
}

/* --- by itself */

void csn_diff_refused(struct csn_zone_shell *zone, const struct csn_digest *hash)
{
    struct csn_divergence *own = &zone->divergence;
    if (csn_work_content(zone->work) == NULL || !csn_digest_equal(csn_work_hash(zone->work), hash)) {
        return;
    }
    if (own->work != zone->work) {
        csn_work_unref(own->work);
        own->work = csn_work_ref(zone->work);
    }
    own->is_computed_due = true;
    own->tries = 0;
    own->retry_ms = 0;
}

void csn_diff_diverged(struct csn_zone_shell *zone, uint8_t classes)
{
    struct csn_divergence *own = &zone->divergence;
    own->is_input_due = own->is_input_due || (classes & CSN_CLASS_BIT_D) != 0;
    own->tries = 0;
    own->retry_ms = 0;
}

void csn_diff_rejoined(struct csn_zone_shell *zone)
{
    struct csn_divergence *own = &zone->divergence;
    csn_work_unref(own->work);
    own->work = NULL;
    own->is_computed_due = own->is_input_due = false;
    own->reported = (struct csn_digest){{0}};
}

/* The text under the time, as a file; and its first lines in the log. */
static void report(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_result *result)
{
    const struct csn_log *log = &zone->daemon->log;
    char path[CSN_REPORT_PATH_MAX];
    struct csn_reason reason;
    const uint8_t *at = result->text.data + result->summary_size, *end = result->text.data + result->text.size;
    int code = csn_reports_keep(zone->daemon->config->store, zone->config->zone, serial, csn_daemon_now(zone->daemon).wall_s,
                                result->text, path, &reason);
    csn_log(log, CSN_ERROR, "diff.report", "zone %s serial %" PRIu32 ": what differs here (+) from the quorum (-): %s%s", zone->name,
            serial, code == CSN_OK ? path : "no file: ", code == CSN_OK ? "" : reason.text);
    for (unsigned i = 0; i < LINES_LOGGED && at < end; i++) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        int size = line_end - at < 400 ? (int)(line_end - at) : 400;
        csn_log(log, CSN_ERROR, "diff.line", "zone %s: %.*s", zone->name, size, (const char *)at);
        at = line_end + 1;
    }
}

/* What was being compared by itself. */
struct own {
    struct csn_zone_shell *zone; /* borrows */
    uint32_t serial;
    bool is_input;
};

static void on_own_done(void *arg, const struct csn_diff_result *result)
{
    struct own *own = arg;
    struct csn_zone_shell *zone = own->zone;
    struct csn_divergence *divergence = &zone->divergence;
    bool *is_due = own->is_input ? &divergence->is_input_due : &divergence->is_computed_due;
    divergence->is_running = false;
    divergence->retry_ms = csn_daemon_now(zone->daemon).mono_ms + RETRY_MS;
    if (result->code == CSN_OK) {
        struct csn_digest lines;
        csn_sha384(csn_bytes(result->is_equal ? NULL : result->text.data + result->summary_size,
                             result->text.size - result->summary_size),
                   &lines);
        *is_due = false;
        if (!result->is_equal && !csn_digest_equal(&lines, &divergence->reported)) {
            divergence->reported = lines;
            report(zone, own->serial, result);
        }
    } else if (++divergence->tries >= TRIES_MAX) {
        *is_due = false;
        csn_log(&zone->daemon->log, CSN_WARNING, "diff.failed", "zone %s serial %" PRIu32 ": what differs could not be found out: %s",
                zone->name, own->serial, result->reason.text);
    }
    free(own);
}

static void run_own(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_side sides[2])
{
    struct own *own = csn_calloc(1, sizeof(*own));
    own->zone = zone;
    own->serial = serial;
    own->is_input = sides[1].name.kind == CSN_TREE_INPUT;
    zone->divergence.is_running = true;
    csn_diff_run(zone, serial, sides, on_own_done, own);
}

/* A site that voted for it; another one at each try. */
static uint16_t pick_voter(const struct csn_zone_shell *zone, const struct csn_certificate *certificate)
{
    uint16_t self = zone->daemon->config->member->number;
    for (unsigned i = 0; i < certificate->vote_count; i++) {
        uint16_t site = certificate->votes[(zone->divergence.tries + i) % certificate->vote_count].site;
        if (site != self) {
            return site;
        }
    }
    return 0;
}

static bool is_of_hash(const void *arg, const struct csn_certificate *certificate)
{
    struct csn_digest hash;
    csn_proposal_hash(&certificate->held.proposal, &hash);
    return csn_digest_equal(arg, &hash);
}

/* A site whose signed roots are not this site's: while nothing is certified. */
static bool pick_other(const struct csn_zone_shell *zone, const struct csn_work *work, struct csn_diff_side *ret_side)
{
    const struct csn_cluster *cluster = &zone->daemon->config->cluster;
    const struct csn_roots *own = &csn_work_content(work)->roots;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        uint16_t site = cluster->members[(zone->divergence.tries + i) % cluster->member_count].number;
        struct csn_diff_side side = {.site = site, .name = {.kind = CSN_TREE_COMPUTED, .digest = *csn_work_hash(work)}, .has_roots = true};
        if (csn_node_computed(zone->daemon->core, site, csn_work_hash(work), &side.roots) && !csn_roots_equal(&side.roots, own)) {
            *ret_side = side;
            return true;
        }
    }
    return false;
}

static void compare_computed(struct csn_zone_shell *zone)
{
    struct csn_work *work = zone->divergence.work;
    struct csn_certificate certificate;
    struct csn_diff_side sides[2] = {{.site = 0}, {.site = zone->daemon->config->member->number}};
    sides[1].name = (struct csn_tree_name){.kind = CSN_TREE_COMPUTED, .digest = *csn_work_hash(work)};
    sides[1].has_roots = true;
    sides[1].roots = csn_work_content(work)->roots;
    if (csn_trees_certificate(zone, is_of_hash, csn_work_hash(work), &certificate)) {
        sides[0].site = pick_voter(zone, &certificate);
        sides[0].name = (struct csn_tree_name){.kind = CSN_TREE_VERSION, .digest = certificate.held.full_root};
    } else if (!pick_other(zone, work, &sides[0])) {
        return; /* not known any more, or not yet */
    }
    run_own(zone, csn_work_proposal(work)->serial, sides);
}

static bool has_conflict(const void *arg, const struct csn_certificate *certificate)
{
    struct csn_digest own;
    return csn_trees_conflict(arg, &certificate->held.proposal.input, &own);
}

/* Nothing was computed here: the input that the others certified is refused for this site's own. */
static void compare_input(struct csn_zone_shell *zone)
{
    struct csn_certificate certificate;
    struct csn_diff_side sides[2] = {{.site = 0}, {.site = zone->daemon->config->member->number}};
    if (!csn_trees_certificate(zone, has_conflict, zone, &certificate)) {
        return; /* until it is certified */
    }
    sides[1].name.kind = CSN_TREE_INPUT;
    csn_trees_conflict(zone, &certificate.held.proposal.input, &sides[1].name.digest);
    sides[0].site = pick_voter(zone, &certificate);
    sides[0].name = (struct csn_tree_name){.kind = CSN_TREE_VERSION, .digest = certificate.held.full_root};
    run_own(zone, certificate.held.proposal.serial, sides);
}

void csn_diff_tick(struct csn_zone_shell *zone)
{
    struct csn_divergence *own = &zone->divergence;
    uint64_t now_ms = csn_daemon_now(zone->daemon).mono_ms;
    if (own->is_running || now_ms < own->retry_ms || (!own->is_computed_due && !own->is_input_due)) {
        return;
    }
    own->retry_ms = now_ms + RETRY_MS;
    if (own->is_computed_due) {
        compare_computed(zone);
    } else {
        compare_input(zone);
    }
}
