#include "persist.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/sha.h"
#include "job.h"

#define SECOND_SIZE_MAX ((size_t)64 * 1024 * 1024)

/* A copy of a PERSIST effect. */
struct write {
    struct write *next; /* owns */
    uint64_t id;
    struct csn_arena arena; /* owns the octets */
    struct csn_vote_expect expects[CSN_WRITES_MAX];
    struct csn_vote_write writes[CSN_WRITES_MAX];
    size_t expect_count, write_count;
    struct csn_record_pair second;
    int code;
};

struct second {
    struct second *next; /* owns */
    struct csn_buf key, value;
};

struct csn_persister {
    uv_loop_t *loop;         /* borrows */
    struct csn_store *store; /* borrows */
    char *second_path;       /* owns */
    struct second *seconds;  /* owns; touched by the running write alone */
    csn_persisted_fn *fn;
    void *arg; /* borrows */
    struct write *first, **end; /* owns */
    bool is_running, is_failed;
    bool is_second_lost;
};

struct csn_persister *csn_persister_new(uv_loop_t *loop, struct csn_store *store, const char *second_path, csn_persisted_fn *fn,
                                        void *arg)
{
    struct csn_persister *persister = csn_calloc(1, sizeof(*persister));
    persister->loop = loop;
    persister->store = store;
    persister->second_path = csn_strdup(second_path);
    persister->fn = fn;
    persister->arg = arg;
    persister->end = &persister->first;
    return persister;
}

static void set_second(struct csn_persister *persister, const struct csn_record_pair *pair)
{
    struct second *second = persister->seconds;
    while (second != NULL && !csn_bytes_equal(csn_buf_view(&second->key), pair->key)) {
        second = second->next;
    }
    if (second == NULL) {
        second = csn_calloc(1, sizeof(*second));
        csn_buf_put_bytes(&second->key, pair->key);
        second->next = persister->seconds;
        persister->seconds = second;
    }
    csn_buf_clear(&second->value);
    csn_buf_put_bytes(&second->value, pair->value);
}

/* SHA-384 of the rest | n x (key size u16 | key | value size u32 | value). */
static int write_seconds(const struct csn_persister *persister)
{
    struct csn_buf body = {0}, file = {0};
    for (const struct second *second = persister->seconds; second != NULL; second = second->next) {
        csn_buf_put_u16(&body, (uint16_t)second->key.size);
        csn_buf_put_bytes(&body, csn_buf_view(&second->key));
        csn_buf_put_u32(&body, (uint32_t)second->value.size);
        csn_buf_put_bytes(&body, csn_buf_view(&second->value));
    }
    struct csn_digest digest;
    csn_sha384(csn_buf_view(&body), &digest);
    csn_buf_put(&file, digest.octets, sizeof(digest.octets));
    csn_buf_put_bytes(&file, csn_buf_view(&body));
    int code = csn_fs_write(persister->second_path, csn_buf_view(&file), 0600, NULL);
    csn_buf_fini(&body);
    csn_buf_fini(&file);
    return code;
}

int csn_persister_load(const char *second_path, struct csn_buf *buf, struct csn_record_pair *ret_pairs, size_t pairs_max,
                       size_t *ret_count, struct csn_reason *reason)
{
    *ret_count = 0;
    int code = csn_fs_read(second_path, SECOND_SIZE_MAX, buf, reason);
    if (code != CSN_OK) {
        return code == CSN_ENOTFOUND ? CSN_OK : code;
    }
    struct csn_reader reader = csn_reader(csn_buf_view(buf));
    struct csn_digest said, digest;
    csn_read_copy(&reader, said.octets, sizeof(said.octets));
    csn_sha384(csn_bytes(reader.at, csn_reader_left(&reader)), &digest);
    size_t count = 0;
    while (!reader.failed && reader.at < reader.end && count < pairs_max) {
        ret_pairs[count].key = csn_read_bytes(&reader, csn_read_u16(&reader));
        ret_pairs[count].value = csn_read_bytes(&reader, csn_read_u32(&reader));
        count++;
    }
    if (!csn_reader_done(&reader) || !csn_digest_equal(&said, &digest)) {
        return csn_reason_set(reason, CSN_EDAMAGED, "%s: the second copy of the last votes is damaged", second_path);
    }
    *ret_count = count;
    return CSN_OK;
}

void csn_persister_keep(struct csn_persister *persister, const struct csn_record_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        set_second(persister, &pairs[i]);
    }
}

void csn_persister_lose_second(struct csn_persister *persister)
{
    persister->is_second_lost = true;
}

static struct csn_bytes copy(struct csn_arena *arena, struct csn_bytes octets)
{
    return octets.data == NULL ? octets : csn_bytes(csn_arena_copy(arena, octets.data, octets.size), octets.size);
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct csn_persister *persister = arg;
    struct write *write = persister->first;
    if (write->second.key.data != NULL && !persister->is_second_lost) {
        set_second(persister, &write->second);
        write->code = write_seconds(persister);
    }
    if (write->code == CSN_OK) {
        write->code = csn_store_write_votes(persister->store, write->expects, write->expect_count, write->writes,
                                            write->write_count);
    }
}

static void run_next(struct csn_persister *persister);

static void done(void *arg)
{
    struct csn_persister *persister = arg;
    struct write *write = persister->first;
    persister->first = write->next;
    if (persister->first == NULL) {
        persister->end = &persister->first;
    }
    persister->is_running = false;
    persister->is_failed = write->code != CSN_OK;
    uint64_t id = write->id;
    int code = write->code;
    csn_arena_fini(&write->arena);
    free(write);
    persister->fn(persister->arg, id, code);
    run_next(persister);
}

static void run_next(struct csn_persister *persister)
{
    if (persister->first != NULL && !persister->is_running && !persister->is_failed) {
        persister->is_running = true;
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
