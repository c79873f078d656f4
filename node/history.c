#include "history.h"

#include <stdlib.h>

#include "daemon.h"
#include "job.h"

#define FROM_MAX 2 /* the parent, what was served */

/* --- making one */

struct make {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_buf certificate;  /* owns; octets */
    struct csn_digest to;
    struct csn_digest from[FROM_MAX];
    unsigned from_count;
    struct csn_lineage made; /* owns */
    uint64_t zone_size;
    int code;
    csn_history_fn *done;
    void *arg;
};

static void make_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct make *make = arg;
    for (unsigned i = 0; i < make->from_count && make->code != CSN_EIO && make->code != CSN_EFULL; i++) {
        struct csn_delta_name name = {.from = make->from[i], .to = make->to};
        int code = csn_lineage_make(make->zone->daemon->store, make->zone->config->zone, &name, csn_buf_view(&make->certificate),
                                    &make->made, &make->zone_size);
        make->code = code != CSN_OK && code != CSN_ENOTFOUND ? code : make->code;
    }
    if (make->zone_size == 0) {
        make->zone_size = csn_lineage_zone_size(make->zone->daemon->store, make->zone->config->zone, &make->to);
    }
}

/* Without a delta secondaries get the zone whole; only a disk that takes nothing more is a matter for the release. */
static void make_done(void *arg)
{
    struct make *make = arg;
    struct csn_zone_shell *zone = make->zone;
    bool is_full = make->code == CSN_EIO || make->code == CSN_EFULL;
    if (make->code != CSN_OK && !is_full) {
        csn_log(&zone->daemon->log, CSN_WARNING, "history.failed", "zone %s: no difference to the new version could be made: %s",
                zone->name, csn_error_text(make->code));
    }
    csn_lineage_join(&zone->history.lineage, &make->made);
    zone->history.zone_size = make->zone_size;
    make->done(make->arg, is_full ? make->code : CSN_OK);
    csn_buf_fini(&make->certificate);
    csn_lineage_fini(&make->made);
    free(make);
}

static void make_from(struct make *make, const struct csn_digest *from)
{
    struct csn_delta_name name = {.from = *from, .to = make->to};
    bool is_twice = make->from_count > 0 && csn_digest_equal(&make->from[0], from);
    if (!csn_digest_is_zero(from) && !csn_digest_equal(from, &make->to) && !is_twice &&
        !csn_lineage_has(&make->zone->history.lineage, &name)) {
        make->from[make->from_count++] = *from;
    }
}

void csn_history_make(struct csn_zone_shell *zone, const struct csn_certificate *certificate, struct csn_bytes octets,
                      csn_history_fn *done, void *arg)
{
    struct make *make = csn_calloc(1, sizeof(*make));
    make->zone = zone;
    make->to = certificate->held.full_root;
    make->done = done;
    make->arg = arg;
    csn_buf_put_bytes(&make->certificate, octets);
    make_from(make, &certificate->held.proposal.parent.full_root);
    if (zone->serving.is_ready) {
        make_from(make, &zone->serving.full_root);
    }
    csn_shell_run(zone, 1, make_work, make_done, make);
}

/* --- forgetting */

struct forget {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_delta_name *names; /* owns */
    size_t count;
    int code;
};

static void forget_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct forget *forget = arg;
    forget->code = csn_store_del_deltas(forget->zone->daemon->store, forget->zone->config->zone, forget->names, forget->count);
}

static void forget_done(void *arg)
{
    struct forget *forget = arg;
    if (forget->code == CSN_EIO || forget->code == CSN_EFULL) {
        csn_daemon_die(forget->zone->daemon, forget->code, "old differences cannot be deleted");
    }
    free(forget->names);
    free(forget);
}

static void forget(struct csn_zone_shell *zone, struct csn_delta_name *take_names, size_t count)
{
    if (count == 0) {
        free(take_names);
        return;
    }
    struct forget *forget = csn_calloc(1, sizeof(*forget));
    *forget = (struct forget){.zone = zone, .names = take_names, .count = count};
    csn_shell_run(zone, 1, forget_work, forget_done, forget);
}

void csn_history_prune(struct csn_zone_shell *zone)
{
    struct csn_delta_name *names;
    size_t count = csn_lineage_prune(&zone->history.lineage, &zone->serving.full_root, zone->history.zone_size, &names);
    forget(zone, names, count);
}

/* --- what the store has */

struct load {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_digest served;
    struct csn_lineage found;       /* owns */
    uint64_t zone_size;
    struct csn_delta_name *damaged; /* owns */
    size_t damaged_count;
    int code;
};

static int load_one(void *arg, int code, const struct csn_stored_delta *stored)
{
    struct load *load = arg;
    code = code == CSN_OK ? csn_lineage_note(&load->found, stored) : code;
    if (code == CSN_EDAMAGED) {
        load->damaged = csn_realloc(load->damaged, load->damaged_count + 1, sizeof(load->damaged[0]));
        load->damaged[load->damaged_count++] = stored->name;
    }
    return code == CSN_EDAMAGED ? CSN_OK : code;
}

static void load_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct load *load = arg;
    load->code = csn_store_list_deltas(load->zone->daemon->store, load->zone->config->zone, load_one, load);
    load->zone_size = csn_lineage_zone_size(load->zone->daemon->store, load->zone->config->zone, &load->served);
}

static void load_done(void *arg)
{
    struct load *load = arg;
    struct csn_zone_shell *zone = load->zone;
    const struct csn_log *log = &zone->daemon->log;
    csn_lineage_join(&zone->history.lineage, &load->found);
    if (csn_digest_equal(&load->served, &zone->serving.full_root)) {
        zone->history.zone_size = load->zone_size;
    }
    if (load->damaged_count > 0 || load->code != CSN_OK) {
        csn_log(log, CSN_ERROR, "history.damaged",
                "zone %s: %zu stored differences between versions are damaged and deleted; secondaries that are far behind get the "
                "zone whole; check this site's disk",
                zone->name, load->damaged_count);
    }
    forget(zone, load->damaged, load->damaged_count);
    zone->history.is_loaded = true;
    csn_history_prune(zone);
    csn_history_want(zone);
    csn_log(log, CSN_INFO, "history.loaded", "zone %s: %zu differences between versions are kept", zone->name,
            zone->history.lineage.count);
    csn_lineage_fini(&load->found);
    free(load);
}

void csn_history_serve(struct csn_zone_shell *zone, const struct csn_certificate *certificate)
{
    zone->history.has_parent = !csn_round_is_none(certificate->held.proposal.parent.round);
    if (zone->history.is_loaded) {
        csn_history_prune(zone);
        if (csn_lineage_to(&zone->history.lineage, &zone->serving.full_root) == NULL) {
            csn_history_want(zone);
        }
    } else if (!zone->history.is_loading) {
        struct load *load = csn_calloc(1, sizeof(*load));
        load->zone = zone;
        load->served = zone->serving.full_root;
        zone->history.is_loading = true;
        csn_shell_run(zone, 1, load_work, load_done, load);
    }
}
