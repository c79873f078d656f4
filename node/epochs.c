#include "epochs.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/cluster.h"
#include "config/cluster_text.h"
#include "daemon.h"
#include "job.h"
#include "remaining.h"
#include "round/epoch.h"
#include "round/signed_document.h"

/* What was said last leaves first, so that the others need not ask for it; a site that goes hears it now or never. */
#define LEAVE_MS 300
#define CLOCKS_S 3600 /* that officers' clocks may be ahead of this site's */
#define HEX_LINE 64 /* octets of the chain in a line */

static const char *path_in(const struct csn_node_config *config, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", config->store, name);
    return path;
}

/* --- at the start */

static bool is_member(const struct csn_cluster *cluster, const char *site, const uint8_t *key)
{
    const struct csn_member *member = csn_cluster_member_named(cluster, site);
    return member != NULL && (key == NULL || memcmp(member->key, key, sizeof(member->key)) == 0);
}

/* The newest epoch of which the site is a member with its key: one that was removed, or replaced, keeps what it was. */
static const struct csn_chain_epoch *find_present(const struct csn_chain *chain, const char *site, const uint8_t *key)
{
    for (size_t i = chain->count; i > 0; i--) {
        if (is_member(&chain->epochs[i - 1]->cluster, site, key)) {
            return chain->epochs[i - 1];
        }
    }
    return NULL;
}

/* A document that can be the next no more is dropped: its epoch has begun, with it or with another. */
static int load_next(struct csn_epochs *epochs, const struct csn_node_config *config, struct csn_reason *reason)
{
    char path[PATH_MAX];
    struct csn_reason why = {{0}};
    int code = csn_fs_read(path_in(config, "next", path), CSN_SIGNED_DOCUMENT_MAX, &epochs->next, &why);
    bool is_lost = code == CSN_ENOTFOUND || code == CSN_EIO || code == CSN_ELIMIT; /* peers have it */
    if (code != CSN_OK && !is_lost) {
        return csn_reason_set(reason, code, "%s", why.text);
    }
    if (is_lost || csn_chain_check_next(&epochs->chain, csn_buf_view(&epochs->next), path, &epochs->next_cluster, &why) != CSN_OK) {
        csn_buf_clear(&epochs->next);
    }
    return CSN_OK;
}

/* With another key than any document has, the name must do: who looks at the key says what is wrong. */
static int set_present(const struct csn_epochs *epochs, struct csn_node_config *config, const uint8_t *key, struct csn_reason *reason)
{
    const struct csn_chain_epoch *newest = find_present(&epochs->chain, config->site, key);
    newest = newest != NULL ? newest : find_present(&epochs->chain, config->site, NULL);
    if (newest == NULL) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "%s: this store is of a time when %s was no member; a site that comes back has a new key and an empty "
                              "store",
                              config->store, config->site);
    }
    config->cluster = newest->cluster;
    config->member = csn_cluster_member_named(&config->cluster, config->site);
    return CSN_OK;
}

int csn_epochs_load(struct csn_epochs *epochs, struct csn_node_config *config, struct csn_reason *reason)
{
    char path[PATH_MAX];
    int code = csn_chain_open(path_in(config, "chain", path), &config->cluster, csn_buf_view(&config->cluster_document.octets),
                              config->cluster_path, &epochs->chain, reason);
    if (code == CSN_OK) {
        code = load_next(epochs, config, reason);
    }
    struct csn_site_key *key = NULL;
    if (code == CSN_OK) {
        code = csn_identity_load(config->identity.key, &key, reason);
    }
    if (code == CSN_OK) {
        code = set_present(epochs, config, csn_identity_key(key), reason);
    }
    csn_identity_free(key);
    epochs->other = code == CSN_OK && reason->text[0] != '\0' ? *reason : (struct csn_reason){{0}};
    return code;
}

void csn_epochs_unload(struct csn_epochs *epochs)
{
    csn_chain_fini(&epochs->chain);
    csn_buf_fini(&epochs->next);
}

static const struct csn_chain_epoch *present(const struct csn_daemon *daemon)
{
    return csn_chain_find(&daemon->epochs.chain, daemon->config->cluster.epoch);
}

const struct csn_epoch_certificate *csn_epochs_link(const struct csn_daemon *daemon)
{
    return present(daemon)->link.size > 0 ? &present(daemon)->certificate : NULL;
}

bool csn_epochs_is_unconfirmed(const struct csn_daemon *daemon)
{
    return daemon->config->cluster.epoch > 1 && csn_epochs_link(daemon) == NULL;
}

static void tell_next(struct csn_daemon *daemon)
{
    struct csn_event event = {.kind = CSN_EVENT_NEXT, .next = &daemon->epochs.next_cluster};
    csn_daemon_event(daemon, &event);
}

/* Only the newest: what it says of floors covers those before. */
static void tell_epoch(struct csn_daemon *daemon)
{
    const struct csn_chain_epoch *last = csn_chain_last(&daemon->epochs.chain);
    struct csn_event event = {.kind = CSN_EVENT_EPOCH, .epoch = {.certificate = &last->certificate, .next = &last->cluster}};
    csn_daemon_event(daemon, &event);
}

static bool is_last(const struct csn_daemon *daemon)
{
    return csn_chain_last(&daemon->epochs.chain) == present(daemon);
}

/* --- the next document */

static bool is_over(const struct csn_daemon *daemon, const struct csn_cluster *next)
{
    return next->is_emergency && next->emergency.not_after_s <= csn_daemon_now(daemon).wall_s;
}

/* One document a number: a site that sealed for one could not seal for another. Until it has, an emergency goes before, and
 * of two the one that was issued later: one whose base is not what the sites know never begins. Anything goes before one that is
 * over while it waits. */
static bool displaces(const struct csn_daemon *daemon, const struct csn_cluster *next)
{
    const struct csn_cluster *waiting = &daemon->epochs.next_cluster;
    struct csn_node_status core;
    csn_node_get_status(daemon->core, csn_daemon_now(daemon), &core);
    bool is_later = !waiting->is_emergency || next->emergency.issued_s > waiting->emergency.issued_s;
    return ((next->is_emergency && is_later) || is_over(daemon, waiting)) && core.state != CSN_NODE_SEALED;
}

/* Officers' word from another day must not stop the zones: in an emergency that is over nothing is signed. */
static int check_emergency(struct csn_daemon *daemon, const struct csn_cluster *next, const char *from, struct csn_reason *reason)
{
    uint64_t now_s = csn_daemon_now(daemon).wall_s, not_after_s = next->emergency.not_after_s;
    char now[CSN_TIME_TEXT_SIZE], end[CSN_TIME_TEXT_SIZE];
    if (!next->is_emergency || (not_after_s > now_s && not_after_s - now_s <= CSN_EMERGENCY_MAX_S + CLOCKS_S)) {
        return CSN_OK;
    }
    csn_time_text(now_s, now);
    csn_time_text(not_after_s, end);
    return csn_reason_set(reason, CSN_EREFUSED,
                          "%s: an emergency until %s, and this site's clock says %s: it would be over already or last longer than 72 h; "
                          "officers issue another, or mend the clock",
                          from, end, now);
}

static int check_next(struct csn_daemon *daemon, struct csn_bytes document, const char *from, struct csn_cluster *ret_next,
                      struct csn_reason *reason)
{
    const struct csn_epochs *epochs = &daemon->epochs;
    struct csn_reason why = {{0}};
    if (!is_last(daemon)) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s: this site is no member any more; give it to one that is", from);
    }
    if (csn_epochs_is_unconfirmed(daemon)) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s: epoch %" PRIu32 " has not begun here; give it to a site that votes", from,
                              daemon->config->cluster.epoch);
    }
    int code = csn_chain_check_next(&epochs->chain, document, from, ret_next, &why);
    if (code != CSN_OK) {
        return csn_reason_set(reason, code, "%s: cannot follow epoch %" PRIu32 ": %.300s", from, daemon->config->cluster.epoch,
                              why.text);
    }
    if (epochs->next.size > 0 && !csn_digest_equal(&epochs->next_cluster.digest, &ret_next->digest) &&
        !displaces(daemon, ret_next)) {
        return csn_reason_set(reason, CSN_EEXISTS,
                              "%s: another document for epoch %" PRIu32 " is here already; let it begin, and issue this one under the "
                              "next number",
                              from, ret_next->epoch);
    }
    return check_emergency(daemon, ret_next, from, reason);
}

/* What a site that is heard, or this one, says of a zone; else NULL. */
static const struct csn_row *row_of(const struct csn_daemon *daemon, const struct csn_node_zone_status *zone,
                                    const struct csn_member *member)
{
    struct csn_peer_status peer;
    if (member == daemon->config->member) {
        return &zone->row;
    }
    bool is_heard = csn_node_get_peer(daemon->core, member->number, &peer) &&
                    csn_daemon_now(daemon).mono_ms - peer.heard_ms <= CSN_SILENT_MS;
    return is_heard ? csn_node_peer_row(daemon->core, member->number, zone->zone) : NULL;
}

static int check_zone_remains(const struct csn_daemon *daemon, size_t index, const struct csn_cluster *next, const char *from,
                              struct csn_reason *reason)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    struct csn_node_zone_status zone;
    csn_node_get_zone(daemon->core, index, csn_daemon_now(daemon), &zone);
    struct csn_remaining members = {.count = cluster->member_count, .released = zone.released};
    bool is_leaving = false;
    uint8_t count = 0;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        members.rows[i] = row_of(daemon, &zone, &cluster->members[i]);
        members.members[i] = &cluster->members[i];
        members.stays[i] = csn_epoch_stays(cluster, next, cluster->members[i].number);
        is_leaving = is_leaving || !members.stays[i];
    }
    if (!is_leaving || !csn_remaining_count(&members, &count) || count >= next->quorum) {
        return CSN_OK;
    }
    return csn_reason_set(reason, CSN_EREFUSED,
                          "%s: the newest release of zone %s is, as far as is heard here, at %u of the members that stay, and should be "
                          "at %u; wait until they have caught up, or give --anyway: one more disk that fails could then lose it",
                          from, daemon->zones[index].name, count, next->quorum);
}

static int check_remains(const struct csn_daemon *daemon, const struct csn_cluster *next, const char *from, struct csn_reason *reason)
{
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < daemon->zone_count; i++) {
        code = check_zone_remains(daemon, i, next, from, reason);
    }
    return code;
}

int csn_epochs_propose(struct csn_daemon *daemon, struct csn_bytes document, bool is_anyway, const char *from,
                       struct csn_reason *reason)
{
    struct csn_reason why = {{0}};
    struct csn_cluster next;
    int code = check_next(daemon, document, from, &next, reason);
    if (code == CSN_OK && (code = csn_node_check_base(daemon->core, &next, &why)) != CSN_OK) {
        csn_reason_set(reason, code, "%s: the emergency cannot begin here: %.300s", from, why.text);
    }
    code = code == CSN_OK && !is_anyway ? check_remains(daemon, &next, from, reason) : code;
    return code == CSN_OK ? csn_epochs_take_next(daemon, document, from, reason) : code;
}

int csn_epochs_take_next(struct csn_daemon *daemon, struct csn_bytes document, const char *from, struct csn_reason *reason)
{
    struct csn_epochs *epochs = &daemon->epochs;
    char path[PATH_MAX];
    struct csn_cluster next;
    if (daemon->unwritable.is_set) {
        return csn_reason_set(reason, CSN_EIO, "%s: this site's disk takes no writes", from);
    }
    int code = check_next(daemon, document, from, &next, reason);
    bool is_here = code == CSN_OK && epochs->next.size > 0 && csn_digest_equal(&epochs->next_cluster.digest, &next.digest);
    if (code != CSN_OK || is_here) {
        return code;
    }
    code = csn_fs_write(path_in(daemon->config, "next", path), document, 0600, reason);
    if (code != CSN_OK) {
        return code;
    }
    csn_buf_clear(&epochs->next);
    csn_buf_put_bytes(&epochs->next, document);
    epochs->next_cluster = next;
    csn_log(&daemon->log, CSN_INFO, "epoch.next", "the document of epoch %" PRIu32 " is here (%s); it begins when a quorum has it",
            next.epoch, from);
    tell_next(daemon);
    return CSN_OK;
}

/* --- an epoch has begun */

static void keep_chain(struct csn_daemon *daemon)
{
    char path[PATH_MAX];
    struct csn_reason reason;
    int code = csn_chain_keep(&daemon->epochs.chain, path_in(daemon->config, "chain", path), &reason);
    if (code != CSN_OK) {
        csn_daemon_die(daemon, code, "the cluster document cannot be kept");
    }
}

/* What is in force is what is kept: a document that is edited later changes nothing, and what was certified can be checked. */
static void keep_first(struct csn_daemon *daemon)
{
    char path[PATH_MAX];
    if (!daemon->unwritable.is_set && access(path_in(daemon->config, "chain", path), F_OK) != 0) {
        keep_chain(daemon);
    }
}

void csn_epochs_start(struct csn_daemon *daemon)
{
    keep_first(daemon);
    if (!is_last(daemon)) {
        tell_epoch(daemon);
    } else if (daemon->epochs.next.size > 0) {
        tell_next(daemon);
    }
    if (csn_epochs_is_unconfirmed(daemon)) {
        csn_log(&daemon->log, CSN_INFO, "epoch.waits",
                "epoch %" PRIu32 " has not begun as far as this site knows; it votes when the members have entered it",
                daemon->config->cluster.epoch);
    }
}

static int append_next(struct csn_daemon *daemon, struct csn_bytes certificate, struct csn_reason *reason)
{
    struct csn_link link = {.document = csn_buf_view(&daemon->epochs.next), .certificate = certificate};
    struct csn_buf octets = {0};
    csn_link_encode(&link, &octets);
    int code = csn_chain_append(&daemon->epochs.chain, csn_buf_view(&octets), reason);
    csn_buf_fini(&octets);
    return code;
}

static void begin_again(void *arg)
{
    csn_daemon_begin_again(arg);
}

void csn_epochs_begun(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    struct csn_reason reason;
    bool is_ours = effect->epoch.certificate.size > 0 &&
                   csn_chain_find(&daemon->epochs.chain, effect->epoch.next.number) == NULL;
    if (is_ours && append_next(daemon, effect->epoch.certificate, &reason) != CSN_OK) {
        csn_log(&daemon->log, CSN_ERROR, "epoch.bad", "epoch %" PRIu32 " cannot begin here: %s", effect->epoch.next.number, reason.text);
        return;
    }
    if (is_ours) {
        keep_chain(daemon);
    }
    if (!is_member(&csn_chain_last(&daemon->epochs.chain)->cluster, daemon->config->site, daemon->config->member->key)) {
        csn_log(&daemon->log, CSN_WARNING, "epoch.removed",
                "epoch %" PRIu32 " has begun without this site: it votes no more, and serves what it has", effect->epoch.next.number);
        return;
    }
    csn_log(&daemon->log, CSN_INFO, "epoch.begun", "epoch %" PRIu32 " has begun; this site begins again with its document",
            effect->epoch.next.number);
    csn_job_later(daemon->loop, LEAVE_MS, begin_again, daemon);
}

/* The configured document, of which no link was known, stands in the chain that a peer gave. */
static int take_chain(struct csn_daemon *daemon, struct csn_bytes first, const struct csn_bytes *links, size_t count,
                      struct csn_reason *reason)
{
    struct csn_chain chain = {0};
    int code = csn_chain_begin(&chain, first, "a peer's first document", reason);
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        code = csn_chain_append(&chain, links[i], reason);
    }
    if (code == CSN_OK && !csn_chain_holds(&chain, &daemon->config->cluster)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "the cluster went through another document of epoch %" PRIu32 " than the one in %s",
                              daemon->config->cluster.epoch, daemon->config->cluster_path);
    }
    if (code == CSN_OK) {
        csn_chain_fini(&daemon->epochs.chain);
        daemon->epochs.chain = chain;
    } else {
        csn_chain_fini(&chain);
    }
    return code;
}

/* A store that is further than its chain was, which damage cut short, is understood at the next start. */
static void go_on(struct csn_daemon *daemon)
{
    struct csn_node_status core;
    csn_node_get_status(daemon->core, csn_daemon_now(daemon), &core);
    if (core.halt == CSN_HALT_EPOCH) {
        csn_log(&daemon->log, CSN_INFO, "epoch.links", "the chain of epochs is here up to epoch %" PRIu32 "; this site begins again",
                csn_chain_last(&daemon->epochs.chain)->cluster.epoch);
        csn_job_later(daemon->loop, LEAVE_MS, begin_again, daemon);
    } else {
        tell_epoch(daemon);
    }
}

int csn_epochs_take_links(struct csn_daemon *daemon, struct csn_bytes first, const struct csn_bytes *links, size_t count,
                          struct csn_reason *reason)
{
    size_t before = daemon->epochs.chain.count;
    bool was_unconfirmed = csn_epochs_is_unconfirmed(daemon);
    int code = CSN_OK;
    if (was_unconfirmed) {
        code = take_chain(daemon, first, links, count, reason);
    }
    for (size_t i = 0; !was_unconfirmed && code == CSN_OK && i < count; i++) {
        code = csn_chain_append(&daemon->epochs.chain, links[i], reason);
    }
    if (daemon->epochs.chain.count > before) { /* the good ones of some count */
        keep_chain(daemon);
        go_on(daemon);
    }
    return code;
}

const uint8_t *csn_epochs_former_key(const struct csn_daemon *daemon, struct csn_mesh_peer peer)
{
    const struct csn_chain *chain = &daemon->epochs.chain;
    for (size_t i = chain->count; i > 0; i--) {
        const struct csn_member *member = csn_cluster_member(&chain->epochs[i - 1]->cluster, peer.number);
        if (member != NULL && member->incarnation == peer.incarnation) {
            return member->key;
        }
    }
    return NULL;
}

/* --- looking */

int csn_epochs_check(const struct csn_daemon *daemon, const struct csn_certificate *certificate, struct csn_reason *reason)
{
    return csn_chain_check_certificate(&daemon->epochs.chain, certificate, reason);
}

static void put_line(struct csn_buf *text, const char *line)
{
    csn_buf_put(text, line, strlen(line));
}

void csn_epochs_show_chain(const struct csn_daemon *daemon, struct csn_buf *text)
{
    struct csn_buf octets = {0};
    char line[2 * HEX_LINE + 2];
    csn_chain_encode(&daemon->epochs.chain, &octets);
    for (size_t at = 0; at < octets.size; at += HEX_LINE) {
        size_t size = octets.size - at < HEX_LINE ? octets.size - at : HEX_LINE;
        csn_hex_encode(csn_bytes(octets.data + at, size), line);
        put_line(text, line);
        put_line(text, "\n");
    }
    csn_buf_fini(&octets);
}

/* What waits to follow the present document. */
static void fill_next(const struct csn_daemon *daemon, struct csn_membership *membership)
{
    const struct csn_epochs *epochs = &daemon->epochs;
    struct csn_buf change = {0};
    struct csn_reason why = {{0}};
    csn_cluster_write_change(&daemon->config->cluster, &epochs->next_cluster, &change);
    csn_buf_put_u8(&change, 0);
    membership->next_epoch = epochs->next_cluster.epoch;
    membership->change = csn_arena_copy(&membership->arena, change.data, change.size);
    if (csn_node_check_base(daemon->core, &epochs->next_cluster, &why) != CSN_OK) {
        membership->why_not = csn_arena_copy(&membership->arena, why.text, strlen(why.text) + 1);
    }
    csn_buf_fini(&change);
}

void csn_epochs_membership(const struct csn_daemon *daemon, struct csn_membership *ret_membership)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    ret_membership->epoch = cluster->epoch;
    ret_membership->quorum = cluster->quorum;
    ret_membership->document = cluster->digest;
    ret_membership->is_unconfirmed = csn_epochs_is_unconfirmed(daemon);
    if (cluster->is_emergency) {
        const char *reason = cluster->emergency.reason;
        ret_membership->emergency_until_s = cluster->emergency.not_after_s;
        ret_membership->emergency_reason = csn_arena_copy(&ret_membership->arena, reason, strlen(reason) + 1);
    }
    for (unsigned i = 0; i < cluster->member_count; i++) {
        const struct csn_member *member = &cluster->members[i];
        struct csn_membership_row row = {.number = member->number,
                                         .name = member->name,
                                         .role = member->role == CSN_MEMBER_VERIFIER ? "verifier" : "signer",
                                         .incarnation = member->incarnation};
        csn_membership_add(ret_membership, &row);
    }
    if (!is_last(daemon)) {
        ret_membership->begun_epoch = csn_chain_last(&daemon->epochs.chain)->cluster.epoch;
    } else if (daemon->epochs.next.size > 0) {
        fill_next(daemon, ret_membership);
    }
}

void csn_epochs_fill(const struct csn_daemon *daemon, struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    struct csn_node_status core;
    csn_node_get_status(daemon->core, csn_daemon_now(daemon), &core);
    status->epoch = cluster->epoch;
    status->next_epoch = is_last(daemon) && daemon->epochs.next.size > 0 ? daemon->epochs.next_cluster.epoch : 0;
    status->is_sealed = core.state == CSN_NODE_SEALED;
    status->emergency_until_s = cluster->is_emergency ? cluster->emergency.not_after_s : 0;
}
