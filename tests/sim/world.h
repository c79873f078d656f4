/* world.h: a cluster in one process under virtual time: N sites and M coordinators that run the
 * production step code, and the world around them: links, disks, HSMs, sources of zones, clocks.
 * Everything that happens is drawn from one seed, so a seed is a run; the trace hash says whether
 * two runs were the same.
 *
 *   world.c    time, queue, life and death of actors     network.c  links
 *   shell.c    a step and its effects, in order          disk.c     records, second copies, PERSIST
 *   seam.h     zones, by symbols (zones.c) or real       fetch.c    bulk requests
 *   hsm.c      HSMs                                      plan.c     what a seed draws
 *   workload.c inputs and documents                      episodes.c faults that last
 *   epochs.c   documents of members, links, machines     liars.c    a member that lies
 *   rogue.c    a coordinator that proposes nonsense      run.c      all of it, then I7
 *   checker.c  I1-I6, with code of its own               secondaries.c  what name servers outside see
 *
 * One thread. A fault that a run injects is counted by its kind. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdio.h>

#include "round/leader.h"
#include "round/node.h"
#include "sim/random.h"
#include "sim/symbol.h"

#define SIM_SITES_MAX 5
#define SIM_COORDINATORS_MAX 5
#define SIM_ACTORS_MAX (SIM_SITES_MAX + SIM_COORDINATORS_MAX)
#define SIM_ZONES_MAX 3
#define SIM_DOCUMENTS_MAX 200 /* versions of a policy or key set; more are not issued */

#define SIM_EPOCHS_MAX 8       /* documents of a run; no more are issued */
#define SIM_CHANGES_MAX 8      /* kinds of a change of members (epochs.h) */
#define SIM_STANDINGS_MAX 8    /* where a node stands in its epoch (epochs.h) */
#define SIM_HALTS_MAX 8

#define SIM_MS UINT64_C(1000) /* virtual time is in microseconds */
#define SIM_S UINT64_C(1000000)

/* X(name, words) */
#define SIM_FAULTS(X)                                                                              \
    X(LOSS, "message lost")                                                                        \
    X(LOSS_OF_KIND, "message of one kind lost")                                                    \
    X(DUPLICATE, "message twice, the second late")                                                 \
    X(REORDER, "message overtaken")                                                                \
    X(GARBLE, "message garbled")                                                                   \
    X(CUT, "link cut one way")                                                                     \
    X(CLOG, "link clogged: all comes at once, late")                                               \
    X(ISOLATE, "actor cut off")                                                                    \
    X(CRASH_NODE, "node crashed")                                                                  \
    X(CRASH_LEADER, "coordinator crashed")                                                         \
    X(CRASH_INSIDE, "crash between two effects of a step")                                         \
    X(CRASH_DISK, "crash while a vote is being written")                                           \
    X(PERSIST_LOST, "crash before the commit")                                                     \
    X(SECOND_ONLY, "crash between second copy and commit")                                         \
    X(EVENT_LOST, "crash between commit and PERSISTED")                                            \
    X(DISK_SLOW, "disk slow")                                                                      \
    X(DISK_FULL, "write refused by a full disk")                                                   \
    X(FREEZE, "process frozen for a while")                                                        \
    X(CLOCK_FROZEN, "wall clock stands still")                                                     \
    X(CLOCK_RATE, "monotonic clock fast or slow")                                                  \
    X(CLOCK_STEP, "clock stepped by seconds")                                                      \
    X(CLOCK_OFF, "clock off by minutes or hours")                                                  \
    X(HSM_SLOW, "HSM slow")                                                                        \
    X(HSM_DEAD, "HSM dead")                                                                        \
    X(HSM_WRONG, "HSM signs wrongly")                                                              \
    X(COMPUTE_FAILED, "COMPUTE failed")                                                            \
    X(DIVERGED, "site computes other content")                                                     \
    X(STAGE_FAILED, "STAGE failed")                                                                \
    X(ROT, "version rotten on disk")                                                               \
    X(FETCH_FAILED, "bulk request failed")                                                         \
    X(INPUT_LATE, "input late at a site")                                                          \
    X(INPUT_MISSING, "input never at a site")                                                      \
    X(INPUT_CONFLICT, "other content under one serial")                                            \
    X(INPUT_GARBAGE, "input is garbage at a site: parked")                                         \
    X(INPUT_RETRACTED, "input retracted while it spreads")                                         \
    X(DOCUMENT_LATE, "document late at a site")                                                    \
    X(ROGUE, "coordinator proposes another P")                                                     \
    X(RESTORED, "old store put back, second copy stays or is put back too")                        \
    X(RESTORED_ALONE, "old store put back, second copy gone")                                      \
    X(ORDER_HOLD, "operator holds a zone, later resumes it")                                       \
    X(ORDER_MAINTENANCE, "operator puts a zone or site into maintenance")                          \
    X(ORDER_AUTHORITY, "operator moves the lead")                                                  \
    X(ORDER_GENERATION, "operator orders a new generation of inputs")                              \
    X(INPUT_PARKED, "input parked until an operator approves or rejects it")                       \
    X(LIE_EARLY, "liar votes for bytes before there are any")                                      \
    X(LIE_VOTE, "liar votes for other bytes than it has")                                          \
    X(LIE_CLAIM, "liar claims a newer certificate or hold")                                        \
    X(LIE_OFFER, "liar offers each site other signatures")                                         \
    X(HSM_KEY, "HSM has another key under the same name")                                          \
    X(LIE_OLD, "liar says that it knows of no certificate")

enum sim_fault {
#define SIM_FAULT_ENUM(name, text) SIM_##name,
    SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULT_COUNT,
};
const char *sim_fault_text(enum sim_fault fault);

struct sim_world;
struct sim_actor;
struct sim_checker;
struct sim_secondaries;

/* --- time */

struct sim_task;
typedef void sim_task_fn(struct sim_world *world, struct sim_task *task);
struct sim_task {
    uint64_t at_us, order; /* equal times run in the order they were made */
    sim_task_fn *run;
    struct sim_actor *actor;
    unsigned life; /* of the actor; a task of an earlier life is dropped. 0: of the world */
    uint64_t number;
    void *data; /* owns, one block; NULL: none */
};
/* Runs after `delay_us`. */
struct sim_task *sim_after(struct sim_world *world, uint64_t delay_us, sim_task_fn *run,
                           struct sim_actor *actor, void *take_data);
/* As after, but only in this life of the actor. */
struct sim_task *sim_after_alive(struct sim_world *world, uint64_t delay_us, sim_task_fn *run,
                                 struct sim_actor *actor, void *take_data);

/* --- disks */

struct sim_record {
    struct csn_buf key, value;
};
struct sim_records {
    struct sim_record *items; /* owns */
    size_t count;
};
struct sim_version {
    unsigned zone;
    struct csn_digest full_root, content, parent;
    unsigned share_count;
    struct csn_digest shares[CSN_MEMBERS_MAX];
    bool has_bad_share;
    bool is_rotten;
    uint64_t earliest_expiry_s;
};
struct sim_input {
    unsigned zone;
    struct csn_input_id id;
    bool is_confirmed;
};
struct sim_share {
    struct csn_digest hash; /* H(P) */
    uint16_t author;
    struct csn_digest b;
    bool is_good;
};
#define SIM_SHARES_MAX                                                                             \
    256 /* kept at a site; the oldest go: far more than a run's rounds that matter */
struct sim_disk {
    struct sim_records records, seconds;
    struct sim_version *versions; /* owns */
    size_t version_count;
    struct sim_input *inputs; /* owns */
    size_t input_count;
    struct sim_share *shares; /* owns */
    size_t share_count;
};
/* The value; data NULL: absent. */
struct csn_bytes sim_records_get(const struct sim_records *records, struct csn_bytes key);
/* value.data NULL: deleted. */
void sim_records_put(struct sim_records *records, struct csn_bytes key, struct csn_bytes value);
/* Where a value of no octets stands for NULL. */
struct csn_bytes sim_record_value(const struct sim_record *record);
void sim_records_apply(struct sim_records *records, const struct sim_records *writes);
void sim_records_fini(struct sim_records *records);
struct sim_version *sim_disk_version(const struct sim_disk *disk, unsigned zone,
                                     const struct csn_digest *full_root);
void sim_disk_put_version(struct sim_disk *disk, const struct sim_version *version);
void sim_disk_delete_version(struct sim_disk *disk, unsigned zone,
                             const struct csn_digest *full_root);
struct sim_input *sim_disk_input(const struct sim_disk *disk, unsigned zone,
                                 const struct csn_digest *prepared);
void sim_disk_put_input(struct sim_disk *disk, unsigned zone, const struct csn_input_id *id,
                        bool is_confirmed);
void sim_disk_delete_input(struct sim_disk *disk, unsigned zone, const struct csn_digest *prepared);
struct sim_share *sim_disk_share(const struct sim_disk *disk, const struct csn_digest *hash,
                                 uint16_t author);
void sim_disk_put_share(struct sim_disk *disk, const struct sim_share *share);
void sim_disk_copy(struct sim_disk *ret_disk, const struct sim_disk *disk);
/* As the backup, and back again, but for second copies and inputs. */
void sim_disk_back_up(struct sim_actor *actor);
void sim_disk_put_back(struct sim_actor *actor);
/* The second copies too. */
void sim_disk_put_back_seconds(struct sim_actor *actor);
void sim_disk_fini(struct sim_disk *disk);

/* PERSIST on its way: second copy, commit, PERSISTED; the next begins after the commit. */
struct sim_persist {
    uint64_t id;
    struct sim_records expects, writes; /* a value of no octets stands for NULL */
    struct sim_record second;           /* key of no octets: none */
    bool has_second_written;
};

/* --- actors */

enum sim_hsm_mode {
    SIM_HSM_GOOD,
    SIM_HSM_IS_SLOW,
    SIM_HSM_IS_DEAD,
    SIM_HSM_IS_WRONG,
    SIM_HSM_HAS_OTHER_KEY, /* the canary is asked as soon as the token is there */
};

struct sim_actor {
    unsigned index;
    bool is_node;
    bool is_verifier; /* a node without HSM */
    uint16_t number; /* site, or coordinator */
    unsigned life;   /* 1.. counts the starts */
    bool is_up;
    struct csn_node *node;     /* owns; NULL while down */
    struct csn_leader *leader; /* owns; NULL while down */
    struct csn_effects effects;

    int64_t clock_offset_s;
    int32_t clock_drift_ppm;
    uint64_t mono_base_ms, mono_since_us; /* what it showed, and when */
    int32_t mono_ppm;                     /* runs so much fast */
    uint64_t wall_frozen_us;              /* stands at what it showed then; 0: runs */
    uint64_t frozen_until_us;             /* the process does nothing until then */

    /* durable */
    uint32_t epoch, next_known; /* it lives in; the next document that it has, 0: none */
    uint32_t incarnation;
    bool has_link; /* it can prove that its epoch has begun; not of the first */
    unsigned standing;             /* of this life; epochs.h */
    bool has_entered, has_left;    /* in this life */
    struct csn_round_zone configs[SIM_ZONES_MAX]; /* newest documents approved here */
    struct sim_disk disk;
    struct csn_input_id
        newest_input[SIM_ZONES_MAX]; /* from the own source: the gates park what is not newer */

    struct sim_persist *persists; /* owns; FIFO */
    size_t persist_count;
    unsigned persisted_out; /* committed, PERSISTED not delivered */
    uint64_t persisted_us;  /* when the last of them will be */
    uint32_t disk_factor;   /* 1: as fast as ever */
    bool is_disk_full;
    bool is_refused; /* a write failed in this life: none comes after it (R7) */

    enum sim_hsm_mode hsm;
    unsigned diverged;          /* 0: computes as all do */
    enum sim_hsm_mode hsm_seen; /* by the last canary */
    struct sim_computed {
        struct csn_digest hash;
        struct csn_roots roots;
    } computed[SIM_ZONES_MAX]; /* what COMPUTE gave last; STAGE builds on it */
    struct sim_store *store;   /* owns; of worlds with real zones, else NULL */
    struct sim_disk *backup;   /* owns; what was copied last; NULL: nothing yet */
    uint32_t backup_epoch, backup_incarnation; /* of the store that was copied */
    bool backup_has_link;
    struct sim_store *backup_store; /* owns; its part with real zones */

    struct csn_buf shown; /* owns; a certificate with its vote that it forgot: what it hears first in each life; empty: none */

    /* what the operators' orders say of inputs, as the core told it */
    uint32_t generation[SIM_ZONES_MAX];
    struct csn_digest approved[SIM_ZONES_MAX], rejected[SIM_ZONES_MAX]; /* D(received) */
    struct csn_input_id parked[SIM_ZONES_MAX]; /* durable: the file is still there; generation 0: none */
    struct sim_file {
        uint32_t serial; /* 0: nothing yet */
        unsigned variant;
        uint64_t issued; /* the how manieth input */
    } file[SIM_ZONES_MAX]; /* what the own source shows: read again under another generation */
};

/* Messages of one kind from an actor never reach some others; of scenarios. */
struct sim_muffle {
    bool is_set;
    enum csn_statement_kind kind;
    uint32_t from, to; /* bits of actors' indices */
};

struct sim_link {
    uint64_t latency_us, jitter_us;
    uint64_t cut_until_us, clogged_until_us;
};

/* --- what a run is made of */

struct sim_options {
    uint64_t seed;
    unsigned sites, coordinators, zones, quorum, faults;
    uint16_t verifier, liar; /* sites; 0: none */
    unsigned spare;                   /* of the sites, the last: no members at first */
    uint64_t change_us;               /* mean pause between two changes of members; 0: none */
    uint64_t serial_us;               /* when an operator approves a far serial; 0: never */
    unsigned serial_zone;
    uint32_t serial_step;             /* from what is released then */
    uint64_t emergency_us;            /* when sites are lost until officers take them back; 0: never */
    uint64_t duration_us;             /* of the faults */
    uint64_t settle_us;               /* then all must be well within */
    uint64_t episode_us;              /* mean pause between two episodes; 0: none */
    uint64_t input_us;                /* mean pause between two inputs of a zone; 0: none */
    uint64_t document_us;             /* of documents; 0: none */
    uint32_t chance[SIM_FAULT_COUNT]; /* per million: of an operation, or 1000000 where an episode
                                         is enabled */
    struct csn_round_zone zone[SIM_ZONES_MAX];
    enum csn_statement_kind lossy_kind; /* which LOSS_OF_KIND strikes; 0: certificates */
    uint32_t quiet_s;    /* after T, at most, until the schedule changes a signature */
    uint64_t latency_us; /* of a link, at most */
    uint64_t compute_us, sign_us, stage_us, disk_us; /* at most */
};

#define SIM_WORK_STATES (CSN_WORK_HELD + 1)
#define SIM_ADOPT_STATES (CSN_ADOPT_SWITCHING + 1)
#define SIM_LEADER_STATES (CSN_LEADER_RESTING + 1)
#define SIM_TESTS_MAX 64
#define SIM_TRACES_MAX 32
#define SIM_ENDS_MAX 16
/* Counters only: two are added field by field. */
struct sim_stats {
    uint64_t steps, messages, certified, served, transfers, virtual_us, settle_us_max;
    uint64_t faults[SIM_FAULT_COUNT];
    uint64_t work[SIM_WORK_STATES][SIM_WORK_STATES];
    uint64_t adopt[SIM_ADOPT_STATES][SIM_ADOPT_STATES];
    uint64_t leader[SIM_LEADER_STATES][SIM_LEADER_STATES];
    uint64_t refused[SIM_TESTS_MAX];
    uint64_t traces[SIM_TRACES_MAX];
    uint64_t ends[SIM_ENDS_MAX];
    uint64_t changes[SIM_CHANGES_MAX];
    uint64_t emergencies, returns;
    uint64_t walks, walked; /* trees compared, and in how many RRsets they differed (kv_walk.c) */
    uint64_t jumps; /* of a serial, approved and certified */
    uint64_t apart; /* pairs of certified versions of which neither branch of an emergency knew the other's */
    uint64_t standings[SIM_STANDINGS_MAX][SIM_STANDINGS_MAX];
    uint64_t halts[SIM_HALTS_MAX];
};
void sim_stats_add(struct sim_stats *stats, const struct sim_stats *more);

struct sim_epoch {
    struct csn_cluster document;
    bool has_link; /* it is in force */
    struct csn_epoch_certificate link;
};

#define SIM_ROTTEN_MAX 64 /* versions of which a copy rots in a run; then no more do */
struct sim_world {
    struct sim_options options;
    struct sim_random random;
    uint64_t now_us;
    struct sim_task **heap; /* owns; by (at_us, order) */
    size_t task_count, task_max;
    uint64_t task_order;
    uint64_t busy_second, busy_count; /* tasks run in the second of now */

    struct csn_cluster cluster; /* the first document */
    struct sim_epoch epochs[SIM_EPOCHS_MAX];
    uint32_t epoch_count;
    unsigned actor_count; /* nodes first */
    struct sim_actor actors[SIM_ACTORS_MAX];
    struct sim_link links[SIM_ACTORS_MAX][SIM_ACTORS_MAX]; /* from, to */
    struct sim_muffle muffle;
    bool is_faulty; /* faults are drawn */

    struct csn_input_id inputs[SIM_ZONES_MAX]; /* the last that was issued */
    uint64_t issued;                           /* how many */
    uint32_t policy[SIM_ZONES_MAX], keyset[SIM_ZONES_MAX];
    uint32_t generation[SIM_ZONES_MAX]; /* the newest that was ordered */
    uint64_t generation_number[SIM_ZONES_MAX]; /* of that order */
    uint64_t order_number; /* of the last order */
    struct csn_serial_approval announced; /* last */
    unsigned serial_tries;
    bool has_approved_serial;
    uint32_t restored;     /* bits: sites that got an old store back, and may vote no more */
    uint32_t retracted[SIM_ZONES_MAX]; /* what is still on its way of this serial never arrives */
    bool is_last_input;                /* no more are issued */

    struct csn_digest rotten[SIM_ROTTEN_MAX]; /* full roots of which a copy has rotted */
    unsigned rotten_count;

    struct sim_checker *checker;         /* owns */
    struct sim_secondaries *secondaries; /* owns */
    struct sim_stats stats;
    struct sim_mixer hash; /* of all that happened */
    FILE *trace;           /* borrows; NULL: none */
    bool has_failed;
    char failure[512]; /* the first violation */
};

/* --- world.c */
struct sim_world *sim_world_new(const struct sim_options *options, FILE *trace);
void sim_world_free(struct sim_world *take_world);
/* Runs what is due until then, or until the first violation. */
void sim_run_until(struct sim_world *world, uint64_t at_us);
/* The next task; false: there is none, or the run has failed. */
bool sim_run_one(struct sim_world *world);
void sim_start(struct sim_world *world, struct sim_actor *actor);
/* All that is not durable is gone; it stays down. */
void sim_crash(struct sim_world *world, struct sim_actor *actor);
void sim_restart_later(struct sim_world *world, struct sim_actor *actor);
/* What it showed stays; from now on it runs so much fast. */
void sim_set_rate(struct sim_world *world, struct sim_actor *actor, int32_t ppm);
void sim_set_clock(struct sim_world *world, struct sim_actor *actor, int64_t offset_s);
struct csn_now sim_now(const struct sim_world *world, const struct sim_actor *actor);
/* Keeps the first text; the run ends. */
void sim_fail(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sim_log(struct sim_world *world, const struct sim_actor *actor, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sim_count(struct sim_world *world, enum sim_fault fault);
/* True, and counted, when the fault is to happen now. */
bool sim_draw(struct sim_world *world, enum sim_fault fault);
uint64_t sim_delay(struct sim_world *world, uint64_t most_us);
struct sim_actor *sim_site(struct sim_world *world, uint16_t site);
struct sim_actor *sim_coordinator(struct sim_world *world, uint16_t number);
/* The index, or zones of the options. */
unsigned sim_zone_index(const struct sim_world *world, const uint8_t *zone);
/* For messages in the trace. */
const char *sim_hex(const void *octets, char ret_text[17]);

/* --- shell.c */
/* One event: the machine steps, and what comes out is done. */
void sim_step(struct sim_world *world, struct sim_actor *actor, struct csn_event *event);

/* --- network.c */
void sim_broadcast_statement(struct sim_world *world, struct sim_actor *from,
                             enum csn_statement_kind kind, struct csn_bytes body);
/* Another's statement, as it came. */
void sim_forward(struct sim_world *world, struct sim_actor *from, const struct csn_effect *effect);
void sim_broadcast_certificate(struct sim_world *world, struct sim_actor *from,
                               struct csn_bytes octets);
bool sim_is_cut(const struct sim_world *world, const struct sim_actor *from,
                const struct sim_actor *to);
void sim_cut(struct sim_world *world, struct sim_actor *from, struct sim_actor *to,
             uint64_t for_us);
void sim_isolate(struct sim_world *world, struct sim_actor *actor, uint64_t for_us);
void sim_heal(struct sim_world *world);
/* Signed by `from`, to these actors alone (bits of indices). */
void sim_say(struct sim_world *world, struct sim_actor *from, uint32_t to,
             enum csn_statement_kind kind, struct csn_bytes body);
/* Octets to a certificate checked as production does; false: it would be dropped. */
bool sim_take_certificate(const struct sim_world *world, const struct sim_actor *actor,
                          struct csn_bytes octets,
                          struct csn_certificate *ret_certificate);

/* --- disk.c */
void sim_persist_begin(struct sim_world *world, struct sim_actor *actor,
                       const struct csn_effect *effect);
/* What a crash does to the persists that are out. */
void sim_persist_crash(struct sim_world *world, struct sim_actor *actor);

/* --- hsm.c */
void sim_prove(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect);
void sim_set_hsm(struct sim_world *world, struct sim_actor *actor, enum sim_hsm_mode mode);
enum csn_hsm_state sim_hsm_state(const struct sim_actor *actor);
/* A completion event after `delay_us`; the durable part must be done already. */
void sim_complete(struct sim_world *world, struct sim_actor *actor, uint64_t delay_us,
                  const struct csn_event *event);
/* A little later: a crash fits between. */
void sim_finish(struct sim_world *world, struct sim_actor *actor, const struct csn_event *event);

/* --- fetch.c */
void sim_fetch(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect);

/* --- operators.c */
/* Orders of this kind begin, or a backup is put back. */
void sim_operate(struct sim_world *world, enum sim_fault fault, uint64_t for_us);
/* The core tells of an order about inputs. */
void sim_obey(struct sim_world *world, struct sim_actor *actor, const struct csn_order *order);
/* An operator decides about this parked input in a while. */
void sim_decide_later(struct sim_world *world, unsigned zone, const struct csn_digest *received);
/* As its own operator's tool hands it in: signed, and checked already. Fills in cluster, zone and reason. */
void sim_give_order(struct sim_world *world, struct sim_actor *actor, unsigned zone, struct csn_order *order);
/* No order keeps a zone back, and every site has heard of its generation. */
void sim_orders_end(struct sim_world *world);
/* Another site shows it the vote that it forgot, if it did. */
void sim_show(struct sim_world *world, struct sim_actor *actor);
/* Copies every store from time to time. */
void sim_back_up_begin(struct sim_world *world);

#endif
