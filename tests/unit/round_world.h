/* round_world.h: three nodes and a coordinator in one process, with a clock that jumps to the next
 * event: a shell in the small, for unit tests of the round machines. Zones are symbols: roots are
 * digests of what a real site would compute from. A statement is signed with a digest. Faults are
 * knobs. */
#ifndef CSN_TESTS_ROUND_WORLD_H
#define CSN_TESTS_ROUND_WORLD_H

#include "round/leader.h"
#include "round/node.h"

#define WORLD_SITES 3
#define WORLD_LEADER WORLD_SITES /* as a target */
#define WORLD_START_S 1795000000

struct world_blob {
    struct csn_buf key, value;
};
struct world_map {
    struct world_blob *items;
    size_t count;
};

/* What a site keeps over a restart. */
struct world_disk {
    struct world_map records, seconds;
    struct world_map versions; /* full root -> "" */
    struct world_map shares;   /* H(P) | site -> B root */
    struct world_map inputs;   /* encoded id -> u8 confirmed */
};

struct world_site {
    struct csn_node *node; /* NULL: down */
    unsigned boot;         /* events of an earlier life are dropped */
    struct world_disk disk;
    /* knobs */
    char flavour;         /* 0, or the class letter that this site computes differently */
    bool is_sign_failing; /* SIGN fails */
    bool is_sign_silent;  /* SIGN never comes back */
    bool is_cut_off;      /* hears and is heard by nobody */
    bool is_stage_failing;
    enum csn_hsm_state hsm;
    int64_t clock_ahead_s;
    bool has_other; /* configured with a second zone, of which there is no input; from its next start on */
    /* its place along the chain of epochs: durable too */
    bool has_next; /* knows world.next */
    bool is_next;  /* lives in it */
    bool has_link;
    bool wants_restart;
    /* what it shows */
    struct csn_release serving;
    uint32_t serving_serial;
    unsigned serve_count;
};

struct world_item;
struct world {
    struct csn_cluster cluster, next;
    struct csn_epoch_certificate link; /* from one to the other; made by the first that could */
    bool has_link;
    struct csn_round_zone zone, other;
    struct world_site sites[WORLD_SITES];
    struct csn_leader *leader; /* NULL: down */
    bool is_leader_next;       /* its document is world.next */
    unsigned leader_boot;
    uint64_t now_ms; /* since WORLD_START_S */
    uint64_t ticked_ms;
    struct world_item **queue; /* in order of time, then arrival */
    size_t queue_count;
    bool is_deaf_to[CSN_STATEMENT_ENTRY + 1]; /* statements of these kinds are lost */
    unsigned sent[CSN_STATEMENT_ENTRY + 1];
    unsigned traces[64];
    unsigned counts[16];
    struct csn_trace last[64]; /* by kind */
    unsigned deleted_inputs;
    unsigned certificates;     /* that came out of machines, repeats too */
    struct csn_release certified[256];
    uint32_t certified_serials[256];
    size_t certified_count;       /* different ones */
    struct csn_proposal proposal; /* the last one sent */
    unsigned proposals;
    struct csn_body_refused refused; /* the last */
};

void world_init(struct world *world);
void world_fini(struct world *world);
/* On the heap. */
struct world *world_new(void);
/* And three sites up, a leader, one release. */
struct world *world_new_released(void);
void world_free(struct world *take_world);

void world_start_site(struct world *world, unsigned site);
void world_stop_site(struct world *world, unsigned site); /* with everything under way */
void world_start_leader(struct world *world);
void world_stop_leader(struct world *world);
void world_start_all(struct world *world);

/* An input with this serial; `content` makes another content of the same serial. */
struct csn_input_id world_input(uint32_t serial, char content);
void world_give_input(struct world *world, unsigned site, const struct csn_input_id *id);
void world_give_all(struct world *world, uint32_t serial);
void world_set_hsm(struct world *world, unsigned site, enum csn_hsm_state hsm);
void world_set_documents(struct world *world, unsigned site, const struct csn_round_zone *zone);

/* The next epoch's document reaches a site. */
void world_give_next(struct world *world, unsigned site);
/* The certificate of its epoch does: as by another site. */
void world_give_link(struct world *world, unsigned site);
/* The site is another machine, with nothing, in the next document. Down. */
void world_replace_site(struct world *world, unsigned site);
/* A deep copy of what it keeps, to be put back. */
void world_copy_records(const struct world_disk *disk, struct world_map *ret_copy);
void world_put_back(struct world *world, unsigned site, struct world_map *take_records);

void world_run(struct world *world, uint64_t span_ms);
/* Runs until so many different certificates exist and all sites that are up and not cut off serve
 * the newest; false after `span_ms`. */
bool world_run_until(struct world *world, size_t certified, uint64_t span_ms);

/* A statement of a coordinator or site made by a test, at once to one target. */
void world_inject(struct world *world, unsigned target, enum csn_statement_kind kind,
                  uint16_t signer, struct csn_bytes body);
void world_node_zone(const struct world *world, unsigned site,
                     struct csn_node_zone_status *ret_status);
struct csn_now world_now(const struct world *world, unsigned target);

#endif
