#include "persist.h"

#include <stdlib.h>
#include <string.h>

#include "job.h"

#define BATCH_MAX 1024 /* writes of one transaction; the others go with the next */

/* A copy of a PERSIST effect. */
struct write {
    struct write *next; /* owns */
    uint64_t id;
    struct csn_arena arena; /* owns the octets */
    struct csn_vote_expect expects[CSN_WRITES_MAX];
    struct csn_vote_write writes[CSN_WRITES_MAX];
    size_t expect_count, write_count;
    struct csn_record_pair second;
};

struct csn_persister {
    uv_loop_t *loop;                /* borrows */
    struct csn_store *store;        /* borrows */
    struct csn_second_copy *second; /* owns; touched by the running batch alone */
    csn_persisted_fn *fn;
    void *arg; /* borrows */
    struct write *first, **end; /* owns */
    struct csn_vote_batch batch[1 + BATCH_MAX]; /* of the running transaction: the mark, the first writes of the queue */
    struct csn_vote_write mark;                 /* what the second copy gave to keep */
    struct csn_buf stored;                      /* owns; its value */
    size_t batch_count, done_count;             /* writes in it; of these, durable */
    int code;                               /* of the one after the durable ones, if there is one */
    bool is_running, is_failed;
};

struct csn_persister *csn_persister_new(uv_loop_t *loop, struct csn_store *store, struct csn_second_copy *take_second,
                                        csn_persisted_fn *fn, void *arg)
{
    struct csn_persister *persister = csn_calloc(1, sizeof(*persister));
    persister->loop = loop;
    persister->store = store;
    persister->second = take_second;
    persister->fn = fn;
    persister->arg = arg;
    persister->end = &persister->first;
    persister->mark.key = csn_bytes(CSN_SECOND_STORED_KEY, strlen(CSN_SECOND_STORED_KEY));
    persister->batch[0] = (struct csn_vote_batch){.writes = &persister->mark, .write_count = 1};
    return persister;
}

static struct csn_bytes copy(struct csn_arena *arena, struct csn_bytes octets)
{
    return octets.data == NULL ? octets : csn_bytes(csn_arena_copy(arena, octets.data, octets.size), octets.size);
}

/* The second copies first: a crash between the two finds them newer, never older. */
static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct csn_persister *persister = arg;
    persister->done_count = 0;
    persister->code = csn_second_copy_write(persister->second, &persister->stored);
    if (persister->code != CSN_OK) {
        return;
    }
    size_t done, marks = persister->stored.size > 0 ? 1 : 0;
    persister->mark.value = csn_buf_view(&persister->stored);
    persister->code = csn_store_write_batch(persister->store, persister->batch + 1 - marks, persister->batch_count + marks, &done);
    persister->done_count = done > marks ? done - marks : 0;
}

static void run_next(struct csn_persister *persister);

/* Takes the first write out of the queue and says what came of it. */
static void tell(struct csn_persister *persister, int code)
{
    struct write *write = persister->first;
    uint64_t id = write->id;
    persister->first = write->next;
    if (persister->first == NULL) {
        persister->end = &persister->first;
    }
    csn_arena_fini(&write->arena);
    free(write);
    persister->fn(persister->arg, id, code);
}

static void done(void *arg)
{
    struct csn_persister *persister = arg;
    size_t done_count = persister->done_count;
    int code = persister->code;
    persister->is_failed = code != CSN_OK;
    for (size_t i = 0; i < done_count; i++) {
        tell(persister, CSN_OK);
    }
    if (code != CSN_OK) {
        tell(persister, code);
    }
    persister->is_running = false;
    run_next(persister);
}

/* Records and second copies begin with two letters, then the zone's name. */
static bool is_of_zone(struct csn_bytes key, struct csn_bytes second)
{
    size_t size = second.size - 2;
    return key.size >= second.size &&
           csn_bytes_equal(csn_bytes(key.data + 2, size), csn_bytes(second.data + 2, size));
}

/* A second copy is written before the transaction, so it must not build on what only this transaction brings: a release whose
 * certificate the store does not know is, after a crash between the two, that of a store put back (amnesia). */
static bool must_wait(const struct csn_persister *persister, const struct write *write)
{
    struct csn_bytes second = write->second.key;
    for (size_t i = 0; second.data != NULL && second.size > 2 && i < persister->batch_count; i++) {
        const struct csn_vote_batch *batch = &persister->batch[1 + i];
        for (size_t k = 0; k < batch->write_count; k++) {
            if (is_of_zone(batch->writes[k].key, second)) {
                return true;
            }
        }
    }
    return false;
}

static void fill_batch(struct csn_persister *persister)
{
    persister->batch_count = 0;
    for (const struct write *write = persister->first;
         write != NULL && persister->batch_count < BATCH_MAX && !must_wait(persister, write); write = write->next) {
        persister->batch[1 + persister->batch_count++] = (struct csn_vote_batch){
            .expects = write->expects, .expect_count = write->expect_count, .writes = write->writes, .write_count = write->write_count};
        if (write->second.key.data != NULL) {
            csn_second_copy_put(persister->second, write->second);
        }
    }
}

static void run_next(struct csn_persister *persister)
{
    if (persister->first != NULL && !persister->is_running && !persister->is_failed) {
        persister->is_running = true;
        fill_batch(persister);
        csn_job_run(persister->loop, 1, work, done, persister);
    }
}

void csn_persister_add(struct csn_persister *persister, const struct csn_effect *effect)
{
    struct write *write = csn_calloc(1, sizeof(*write));
    write->id = effect->persist.id;
    write->expect_count = effect->persist.expect_count;
    write->write_count = effect->persist.write_count;
    for (size_t i = 0; i < write->expect_count; i++) {
        write->expects[i].key = copy(&write->arena, effect->persist.expects[i].key);
        write->expects[i].value = copy(&write->arena, effect->persist.expects[i].value);
    }
    for (size_t i = 0; i < write->write_count; i++) {
        write->writes[i].key = copy(&write->arena, effect->persist.writes[i].key);
        write->writes[i].value = copy(&write->arena, effect->persist.writes[i].value);
    }
    write->second.key = copy(&write->arena, effect->persist.second.key);
    write->second.value = copy(&write->arena, effect->persist.second.value);
    *persister->end = write;
    persister->end = &write->next;
    run_next(persister);
}
