#include "fetch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "bulk.h"
#include "bulk.pb-c.h"
#include "difference.h"
#include "forward.h"
#include "job.h"
#include "kept/inputs.h"
#include "kept/share.h"
#include "kept/version.h"
#include "progress.h"
#include "reply.h"
#include "zone/rows.h"

struct fetch {
    struct fetch *next;          /* owns; of those that wait for the same site */
    struct fetch *next_input;    /* borrows; INPUT: another under way */
    struct csn_zone_shell *zone; /* borrows */
    uint64_t corr;
    enum csn_object_kind object;
    struct csn_digest digest;
    uint16_t author;
    struct csn_round above;
    uint16_t sites[CSN_MEMBERS_MAX];
    uint8_t site_count, site_at;
    uint16_t again[CSN_MEMBERS_MAX]; /* sites that were too slow or gave too much */
    uint8_t again_count;
    bool was_slow, was_much;
    unsigned patience, room; /* progress.h */
    uint64_t records_max; /* VERSION: what its certificate says */
    /* from the site being asked */
    struct csn_progress progress;
    Consign__BulkReply *reply; /* owns; the piece in a worker's hands */
    struct csn_buf octets;     /* owns; rows of an input, a share */
    struct csn_buf meta;       /* owns */
    struct csn_buf after;      /* owns; VERSION and INPUT: owner and type of the last row */
    struct csn_table_writer *writer; /* owns; VERSION */
    struct csn_rooter *rooter;       /* owns; VERSION */
    struct csn_version_meta numbers; /* VERSION */
    uint64_t received, records;
    bool is_here;  /* the store has it already */
    bool is_whole; /* VERSION: what differs was asked for, and the whole is less */
    int code;
};

static void ask(struct fetch *fetch);
static int request(struct fetch *fetch);

/* Drops what the last site sent. */
static void forget(struct fetch *fetch)
{
    if (fetch->writer != NULL) {
        csn_table_abandon(fetch->writer);
        fetch->writer = NULL;
    }
    csn_rooter_free(fetch->rooter);
    fetch->rooter = NULL;
    csn_buf_clear(&fetch->octets);
    csn_buf_clear(&fetch->meta);
    csn_buf_clear(&fetch->after);
    fetch->received = fetch->records = 0;
    fetch->is_whole = false;
    csn_progress_begin(&fetch->progress, fetch->patience, csn_progress_octets_max(fetch->zone->history.zone_size, fetch->room));
}

/* --- inputs under way: a proposal that takes the place of one that waits for an input mostly wants the same, and one that is half
 * here is not begun anew beside */

struct csn_fetch_list {
    struct fetch *first; /* borrows */
};

static struct fetch *find_input_fetch(const struct csn_zone_shell *zone, const struct csn_digest *digest)
{
    struct fetch *fetch = zone->daemon->input_fetches->first;
    while (fetch != NULL && (fetch->zone != zone || !csn_digest_equal(&fetch->digest, digest))) {
        fetch = fetch->next_input;
    }
    return fetch;
}

static void note_input_fetch(struct fetch *fetch)
{
    struct csn_fetch_list *list = fetch->zone->daemon->input_fetches;
    fetch->next_input = list->first;
    list->first = fetch;
}

static void forget_input_fetch(const struct fetch *fetch)
{
    struct fetch **at = &fetch->zone->daemon->input_fetches->first;
    while (*at != fetch) {
        at = &(*at)->next_input;
    }
    *at = fetch->next_input;
}

static void end(void *arg)
{
    struct fetch *fetch = arg;
    if (fetch->object == CSN_OBJECT_INPUT) {
        forget_input_fetch(fetch);
    }
    struct csn_daemon *daemon = fetch->zone->daemon;
    struct csn_event event = {.kind = CSN_EVENT_FETCHED, .corr = fetch->corr, .code = fetch->code};
    forget(fetch);
    csn_buf_fini(&fetch->octets);
    csn_buf_fini(&fetch->meta);
    csn_buf_fini(&fetch->after);
    free(fetch);
    if (event.code == CSN_EIO || event.code == CSN_EFULL) {
        csn_daemon_die(daemon, event.code, "what a peer sent cannot be kept");
    }
    csn_daemon_event(daemon, &event);
}

static void note_code(struct fetch *fetch, int code)
{
    if (code == CSN_ESLOW || code == CSN_ELIMIT) {
        fetch->was_slow = fetch->was_slow || code == CSN_ESLOW;
        fetch->was_much = fetch->was_much || code == CSN_ELIMIT;
        fetch->again[fetch->again_count++] = fetch->sites[fetch->site_at];
    }
}

static void next_site(struct fetch *fetch, int code)
{
    static const char *const names[] = {"input", "share", "version", "certificates"};
    csn_log(&fetch->zone->daemon->log, CSN_INFO, "fetch.failed", "zone %s: %s not from site %u: %s", fetch->zone->name,
            names[fetch->object], fetch->sites[fetch->site_at], csn_error_text(code));
    note_code(fetch, code);
    forget(fetch);
    fetch->code = code;
    fetch->site_at++;
    ask(fetch);
}

/* --- waiting: a site is asked a few things at a time, and with thousands of zones many more are wanted */

struct csn_fetch_queue {
    struct fetch *first, **end; /* owns */
};

void csn_fetch_start(struct csn_daemon *daemon)
{
    daemon->fetches = csn_calloc(daemon->config->cluster.member_count, sizeof(*daemon->fetches));
    daemon->input_fetches = csn_calloc(1, sizeof(*daemon->input_fetches));
    for (unsigned i = 0; i < daemon->config->cluster.member_count; i++) {
        daemon->fetches[i].end = &daemon->fetches[i].first;
    }
}

static struct csn_fetch_queue *queue_of(struct csn_daemon *daemon, uint16_t site)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    return &daemon->fetches[csn_cluster_member(cluster, site) - cluster->members];
}

static void wait(struct fetch *fetch)
{
    struct csn_fetch_queue *queue = queue_of(fetch->zone->daemon, fetch->sites[fetch->site_at]);
    fetch->next = NULL;
    *queue->end = fetch;
    queue->end = &fetch->next;
}

static struct fetch *take_first(struct csn_fetch_queue *queue)
{
    struct fetch *fetch = queue->first;
    queue->first = fetch->next;
    if (queue->first == NULL) {
        queue->end = &queue->first;
    }
    return fetch;
}

static void resume(struct csn_fetch_queue *queue)
{
    int code = CSN_OK;
    while (queue->first != NULL && code != CSN_EBUSY) {
        code = request(queue->first);
        if (code != CSN_EBUSY) {
            struct fetch *fetch = take_first(queue);
            if (code != CSN_OK) {
                next_site(fetch, code);
            }
        }
    }
}

void csn_fetch_tick(struct csn_daemon *daemon)
{
    for (unsigned i = 0; i < daemon->config->cluster.member_count; i++) {
        resume(&daemon->fetches[i]);
    }
}

/* --- pieces, in a worker thread */

static void note_last_row(struct fetch *fetch, const struct csn_entry *entry)
{
    csn_buf_clear(&fetch->after);
    csn_buf_put(&fetch->after, entry->rrset.owner, csn_name_size(entry->rrset.owner));
    csn_buf_put_u16(&fetch->after, entry->rrset.type);
}

static int begin_version(struct fetch *fetch)
{
    struct csn_bytes meta = csn_bytes(fetch->reply->meta.data, fetch->reply->meta.len);
    int code = csn_version_meta_decode(meta, &fetch->numbers);
    if (code == CSN_OK) {
        csn_buf_put_bytes(&fetch->meta, meta);
        fetch->rooter = csn_rooter_new(fetch->zone->config->zone, fetch->numbers.time_s);
        code = csn_table_begin(fetch->zone->daemon->store, CSN_TABLE_VERSION, fetch->zone->config->zone, &fetch->digest,
                               &fetch->writer);
    }
    if (code == CSN_EEXISTS) {
        fetch->is_here = true;
        code = CSN_OK;
    }
    return code;
}

static bool is_after_last(const struct fetch *fetch, const struct csn_entry *entry)
{
    if (fetch->after.size == 0) {
        return true;
    }
    struct csn_rrset last = {.owner = fetch->after.data, .type = csn_get_u16(fetch->after.data + fetch->after.size - 2)};
    return csn_rrset_compare(&last, &entry->rrset) < 0;
}

static int add_rows(struct fetch *fetch, struct csn_bytes octets)
{
    struct csn_reader rows = csn_reader(octets);
    struct csn_entry entry;
    int code;
    while ((code = csn_rows_next(&rows, &entry)) == CSN_OK) {
        if (!csn_name_is_under(entry.rrset.owner, fetch->zone->config->zone) || !is_after_last(fetch, &entry)) {
            return CSN_EFORMAT;
        }
        note_last_row(fetch, &entry);
        fetch->records += entry.rrset.count + entry.rrsigs.count;
        if (fetch->object == CSN_OBJECT_VERSION) {
            code = fetch->records > fetch->records_max ? CSN_EMISMATCH : csn_rooter_add(fetch->rooter, &entry, NULL);
            code = code == CSN_OK ? csn_table_add(fetch->writer, &entry) : code;
        }
        if (code != CSN_OK) {
            return code;
        }
    }
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

/* The version is complete only if the whole of it has the root that was asked for. */
static int complete_version(struct fetch *fetch)
{
    struct csn_zone_roots roots;
    int code = csn_rooter_finish(fetch->rooter, fetch->numbers.serial, &roots, NULL);
    if (code == CSN_OK && !csn_digest_equal(&roots.full, &fetch->digest)) {
        code = CSN_EMISMATCH;
    }
    if (code == CSN_OK) {
        code = csn_table_complete(fetch->writer, csn_buf_view(&fetch->meta));
        fetch->writer = NULL;
    }
    return code;
}

static int complete_input(struct fetch *fetch)
{
    struct csn_input *input;
    int code = csn_input_from_rows(fetch->zone->config->zone, &fetch->digest, csn_buf_view(&fetch->meta),
                                   csn_buf_view(&fetch->octets), &input);
    if (code == CSN_OK) {
        code = csn_input_store(fetch->zone->daemon->store, input);
        csn_input_unref(input);
    }
    return code;
}

static int complete_share(struct fetch *fetch)
{
    struct csn_buf key = {0};
    csn_share_key(fetch->zone->config->zone, &fetch->digest, fetch->author, &key);
    int code = csn_store_put_blob(fetch->zone->daemon->store, csn_buf_view(&key), csn_buf_view(&fetch->octets));
    csn_buf_fini(&key);
    return code;
}

static int complete(struct fetch *fetch)
{
    switch (fetch->object) {
    case CSN_OBJECT_VERSION:
        return complete_version(fetch);
    case CSN_OBJECT_INPUT:
        return complete_input(fetch);
    default:
        return complete_share(fetch);
    }
}

static int take_piece(struct fetch *fetch)
{
    struct csn_bytes octets = csn_bytes(fetch->reply->octets.data, fetch->reply->octets.len);
    int code = CSN_OK;
    if (fetch->received == 0 && fetch->object == CSN_OBJECT_VERSION) {
        code = begin_version(fetch);
    } else if (fetch->received == 0) {
        csn_buf_put(&fetch->meta, fetch->reply->meta.data, fetch->reply->meta.len);
    }
    if (code != CSN_OK || fetch->is_here) {
        return code;
    }
    if (fetch->object != CSN_OBJECT_SHARE) {
        code = add_rows(fetch, octets);
    }
    if (fetch->object != CSN_OBJECT_VERSION) {
        csn_buf_put_bytes(&fetch->octets, octets);
    }
    fetch->received += octets.size;
    return code == CSN_OK && fetch->reply->is_last ? complete(fetch) : code;
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct fetch *fetch = arg;
    fetch->code = take_piece(fetch);
}

static void say_whole(const struct fetch *fetch)
{
    if (fetch->object == CSN_OBJECT_VERSION && !fetch->is_here) {
        csn_log(&fetch->zone->daemon->log, CSN_INFO, "fetch.whole", "zone %s serial %" PRIu32 " from site %u: %" PRIu64 " octets",
                fetch->zone->name, fetch->numbers.serial, fetch->sites[fetch->site_at], fetch->received);
    }
}

static void after_piece(void *arg)
{
    struct fetch *fetch = arg;
    bool is_last = fetch->reply->is_last || fetch->is_here;
    csn_reply_free(&fetch->reply);
    if (fetch->code == CSN_OK && is_last) {
        say_whole(fetch);
        end(fetch);
    } else if (fetch->code == CSN_OK) {
        ask(fetch);
    } else if (fetch->code == CSN_EIO || fetch->code == CSN_EFULL) {
        end(fetch);
    } else {
        next_site(fetch, fetch->code);
    }
}

/* --- certificates, in the loop */

static bool is_above(const struct fetch *fetch, const struct csn_proposal *proposal)
{
    return csn_name_equal(proposal->zone, fetch->zone->config->zone) && csn_round_compare(proposal->round, fetch->above) > 0;
}

static int take_certificate(struct fetch *fetch, ProtobufCBinaryData octets, bool *ret_is_above)
{
    struct csn_daemon *daemon = fetch->zone->daemon;
    struct csn_certificate certificate;
    struct csn_reason reason;
    struct csn_bytes view = csn_bytes(octets.data, octets.len);
    int code = csn_certificate_decode(view, &certificate);
    code = code == CSN_OK ? csn_epochs_check(daemon, &certificate, &reason) : code;
    if (code != CSN_OK) {
        csn_log(&daemon->log, CSN_WARNING, "certificate.bad", "zone %s: site %u gave a certificate that does not verify",
                fetch->zone->name, fetch->sites[fetch->site_at]);
        return code;
    }
    *ret_is_above = is_above(fetch, &certificate.held.proposal);
    struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE, .certificate = {.certificate = &certificate, .octets = view}};
    csn_daemon_event(daemon, &event);
    return CSN_OK;
}

/* A site that gives a bad one, or none that is of use - an old one is not -, is followed by the next. One of an epoch that is not
 * known here yet hides no others. */
static void take_certificates(struct fetch *fetch)
{
    int code = CSN_OK;
    bool is_any = false;
    for (size_t i = fetch->reply->n_certificates; code == CSN_OK && i > 0; i--) { /* the newest first: its version is what is fetched */
        bool is_new = false;
        code = take_certificate(fetch, fetch->reply->certificates[i - 1], &is_new);
        is_any = is_any || is_new;
        code = code == CSN_EREFUSED ? CSN_OK : code;
    }
    csn_reply_free(&fetch->reply);
    if (code != CSN_OK || !is_any) {
        next_site(fetch, code != CSN_OK ? code : CSN_ENOTFOUND);
        return;
    }
    fetch->code = CSN_OK;
    end(fetch);
}

/* --- asking */

static bool is_answer_to(const struct fetch *fetch, const Consign__BulkReply *reply)
{
    if (fetch->object == CSN_OBJECT_CERTIFICATES) {
        return reply->n_certificates <= CSN_BULK_CERTIFICATES_MAX;
    }
    return reply->digest.len == CSN_DIGEST_SIZE && memcmp(reply->digest.data, fetch->digest.octets, CSN_DIGEST_SIZE) == 0 &&
           csn_bytes_equal(csn_bytes(reply->after.data, reply->after.len), csn_buf_view(&fetch->after)) &&
           (fetch->object != CSN_OBJECT_SHARE || reply->offset == fetch->received);
}

static void on_reply(void *arg, int code, struct csn_bytes reply)
{
    struct fetch *fetch = arg;
    csn_progress_answered(&fetch->progress, csn_daemon_now(fetch->zone->daemon).mono_ms);
    resume(queue_of(fetch->zone->daemon, fetch->sites[fetch->site_at]));
    if (code != CSN_OK) {
        next_site(fetch, csn_progress_code(&fetch->progress, code));
        return;
    }
    fetch->reply = csn_reply_unpack(reply);
    bool is_good = fetch->reply != NULL && is_answer_to(fetch, fetch->reply);
    if (!is_good || fetch->reply->status != CONSIGN__BULK_STATUS__BULK_OK) {
        csn_reply_free(&fetch->reply);
        next_site(fetch, is_good ? CSN_ENOTFOUND : CSN_EFORMAT);
        return;
    }
    if (fetch->object == CSN_OBJECT_CERTIFICATES) {
        take_certificates(fetch);
        return;
    }
    code = csn_progress_take(&fetch->progress, fetch->reply->octets.len, fetch->reply->is_last);
    if (code != CSN_OK) {
        csn_reply_free(&fetch->reply);
        next_site(fetch, code);
        return;
    }
    csn_shell_run(fetch->zone, 1, work, after_piece, fetch);
}

static void pack_request(struct fetch *fetch, struct csn_buf *buf)
{
    static const Consign__BulkKind kinds[] = {CONSIGN__BULK_KIND__BULK_INPUT, CONSIGN__BULK_KIND__BULK_SHARE,
                                              CONSIGN__BULK_KIND__BULK_VERSION, CONSIGN__BULK_KIND__BULK_CERTIFICATES};
    uint8_t zone[CSN_NAME_MAX], round[CSN_ROUND_SIZE];
    size_t zone_size = csn_name_size(fetch->zone->config->zone);
    memcpy(zone, fetch->zone->config->zone, zone_size);
    csn_round_encode(fetch->above, round);
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    request.kind = kinds[fetch->object];
    request.zone = (ProtobufCBinaryData){.len = zone_size, .data = zone};
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = fetch->digest.octets};
    request.site = fetch->author;
    request.after = (ProtobufCBinaryData){.len = fetch->after.size, .data = fetch->after.data};
    request.offset = fetch->object == CSN_OBJECT_SHARE ? fetch->received : 0;
    request.round = (ProtobufCBinaryData){.len = CSN_ROUND_SIZE, .data = round};
    request.takes_zstd = true;
    csn_pack(&request.base, buf);
}

/* --- a version by what differs */

static void after_difference(void *arg, int code, const char *why);

/* Whatever was wrong, the walk decides whether it was the site. */
static void after_forward(void *arg, int code, const char *why)
{
    struct fetch *fetch = arg;
    (void)why;
    fetch->code = code;
    if (code == CSN_OK || code == CSN_EIO || code == CSN_EFULL) {
        end(fetch);
    } else if (code == CSN_ESLOW) {
        next_site(fetch, code);
    } else {
        csn_log(&fetch->zone->daemon->log, CSN_DEBUG, "fetch.forward", "zone %s: not by its history from site %u: %s",
                fetch->zone->name, fetch->sites[fetch->site_at], csn_error_text(code));
        csn_difference_fetch(fetch->zone, fetch->sites[fetch->site_at], &fetch->digest, fetch->patience, after_difference, fetch);
    }
}

static void after_difference(void *arg, int code, const char *why)
{
    struct fetch *fetch = arg;
    fetch->code = code;
    if (code == CSN_OK || code == CSN_EIO || code == CSN_EFULL) {
        end(fetch);
    } else if (code == CSN_ELIMIT) {
        csn_log(&fetch->zone->daemon->log, CSN_DEBUG, "fetch.whole", "zone %s: asked whole from site %u: %s", fetch->zone->name,
                fetch->sites[fetch->site_at], why);
        fetch->is_whole = true;
        ask(fetch);
    } else {
        next_site(fetch, code);
    }
}

/* Nobody is left to ask. */
static void give_up(struct fetch *fetch)
{
    fetch->code = fetch->code == CSN_OK ? CSN_ENOTFOUND : fetch->code;
    csn_job_later(fetch->zone->daemon->loop, 0, end, fetch);
}

/* From the site whose turn it is. */
static int request(struct fetch *fetch)
{
    struct csn_buf request = {0};
    pack_request(fetch, &request);
    int code = csn_mesh_request(fetch->zone->daemon->mesh, fetch->sites[fetch->site_at], csn_buf_view(&request),
                                csn_progress_deadline_ms(&fetch->progress), on_reply, fetch);
    csn_buf_fini(&request);
    if (code == CSN_OK) {
        csn_progress_asked(&fetch->progress, csn_daemon_now(fetch->zone->daemon).mono_ms);
    }
    return code;
}

/* All sites once more, as some may have it by now; first those that cost no time. False: nobody was too slow or gave too much, or
 * they had all patience and room. */
static bool begin_again(struct fetch *fetch)
{
    bool is_slow = fetch->was_slow && fetch->patience < CSN_PROGRESS_PATIENCE_MAX;
    bool is_much = fetch->was_much && fetch->room < CSN_PROGRESS_ROOM_MAX;
    uint8_t count = 0;
    if (!is_slow && !is_much) {
        return false;
    }
    for (uint8_t i = 0; i < fetch->site_count; i++) {
        bool is_again = false;
        for (uint8_t j = 0; j < fetch->again_count; j++) {
            is_again = is_again || fetch->again[j] == fetch->sites[i];
        }
        if (!is_again) {
            fetch->sites[count++] = fetch->sites[i];
        }
    }
    memcpy(fetch->sites + count, fetch->again, fetch->again_count * sizeof(fetch->again[0]));
    fetch->patience += is_slow;
    fetch->room += is_much;
    fetch->was_slow = fetch->was_much = false;
    fetch->again_count = fetch->site_at = 0;
    forget(fetch);
    return true;
}

static void ask(struct fetch *fetch)
{
    if (fetch->site_at == fetch->site_count && !begin_again(fetch)) {
        give_up(fetch);
        return;
    }
    uint16_t site = fetch->sites[fetch->site_at];
    if (fetch->object == CSN_OBJECT_VERSION && !fetch->is_whole) {
        csn_forward_fetch(fetch->zone, site, &fetch->digest, fetch->patience, after_forward, fetch);
        return;
    }
    bool is_first = queue_of(fetch->zone->daemon, site)->first == NULL;
    int code = is_first ? request(fetch) : CSN_EBUSY;
    if (code == CSN_EBUSY) {
        wait(fetch);
    } else if (code != CSN_OK) {
        fetch->code = code;
        forget(fetch);
        fetch->site_at++;
        ask(fetch);
    }
}

void csn_fetch(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    bool is_input = effect->fetch.object == CSN_OBJECT_INPUT;
    struct fetch *fetch = is_input ? find_input_fetch(zone, &effect->fetch.digest) : NULL;
    if (fetch != NULL) {
        fetch->corr = effect->corr; /* who waited for it before does no more: a zone has one proposal at a time */
        return;
    }
    fetch = csn_calloc(1, sizeof(*fetch));
    fetch->zone = zone;
    fetch->corr = effect->corr;
    fetch->object = effect->fetch.object;
    fetch->digest = effect->fetch.digest;
    fetch->author = effect->fetch.author;
    fetch->above = effect->fetch.above;
    fetch->site_count = effect->fetch.site_count;
    memcpy(fetch->sites, effect->fetch.sites, sizeof(fetch->sites));
    fetch->records_max = effect->fetch.certificate != NULL ? effect->fetch.certificate->held.records : UINT64_MAX;
    if (is_input) {
        note_input_fetch(fetch);
    }
    forget(fetch);
    ask(fetch);
}
