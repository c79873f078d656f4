#include "second_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/sha.h"

#define FILE_SIZE_MAX ((size_t)1024 * 1024 * 1024)
#define SLACK ((size_t)1024 * 1024) /* octets no longer in force that are not worth a new file */
#define SLOTS_LEAST 64
#define HEAD_SIZE (sizeof(uint64_t) + sizeof(uint32_t) + CSN_DIGEST_SIZE) /* of a batch */
#define MARK_ROOM ((size_t)4096) /* a write that is torn garbles one mark at most */
#define MARKS 2
#define CLOSE_SIZE 8

static const char magic[4] = {'C', 'S', 'N', '3'};

struct entry {
    struct csn_buf octets; /* owns; key, then value */
    size_t key_size;
};

struct csn_second_copy {
    char *path;            /* owns */
    int fd;                /* -1: this process has written nothing yet */
    struct entry *entries; /* owns */
    size_t count, entry_max;
    uint32_t *slots; /* owns; index + 1 by the key's hash, 0: free */
    size_t slot_count;
    struct csn_buf batch;    /* owns; what was put since the last write, behind room for its head */
    uint64_t number;         /* of the last batch; 0: none */
    struct csn_digest chain; /* its digest */
    bool is_lost;
    size_t file_size, live_size; /* octets written; octets in force */
};

struct csn_second_copy *csn_second_copy_new(const char *path)
{
    struct csn_second_copy *copy = csn_calloc(1, sizeof(*copy));
    copy->path = csn_strdup(path);
    copy->fd = -1;
    return copy;
}

void csn_second_copy_free(struct csn_second_copy *take_copy)
{
    if (take_copy == NULL) {
        return;
    }
    for (size_t i = 0; i < take_copy->count; i++) {
        csn_buf_fini(&take_copy->entries[i].octets);
    }
    if (take_copy->fd >= 0) {
        close(take_copy->fd);
    }
    csn_buf_fini(&take_copy->batch);
    free(take_copy->entries);
    free(take_copy->slots);
    free(take_copy->path);
    free(take_copy);
}

size_t csn_second_copy_count(const struct csn_second_copy *copy)
{
    return copy->count;
}

struct csn_record_pair csn_second_copy_get(const struct csn_second_copy *copy, size_t index)
{
    const struct entry *entry = &copy->entries[index];
    return (struct csn_record_pair){
        .key = csn_bytes(entry->octets.data, entry->key_size),
        .value = csn_bytes(entry->octets.data + entry->key_size, entry->octets.size - entry->key_size)};
}

/* --- the newest of each key */

static uint32_t hash(struct csn_bytes key) /* FNV-1a; keys are the own zones' */
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < key.size; i++) {
        hash = (hash ^ key.data[i]) * 16777619u;
    }
    return hash;
}

static uint32_t *slot_of(const struct csn_second_copy *copy, struct csn_bytes key)
{
    size_t at = hash(key) & (copy->slot_count - 1);
    while (copy->slots[at] != 0 && !csn_bytes_equal(csn_second_copy_get(copy, copy->slots[at] - 1).key, key)) {
        at = (at + 1) & (copy->slot_count - 1);
    }
    return &copy->slots[at];
}

static void grow(struct csn_second_copy *copy)
{
    free(copy->slots);
    copy->slot_count = copy->slot_count == 0 ? SLOTS_LEAST : 2 * copy->slot_count;
    copy->slots = csn_calloc(copy->slot_count, sizeof(copy->slots[0]));
    copy->entry_max = copy->slot_count / 2;
    copy->entries = csn_realloc(copy->entries, copy->entry_max, sizeof(copy->entries[0]));
    for (size_t i = 0; i < copy->count; i++) {
        *slot_of(copy, csn_second_copy_get(copy, i).key) = (uint32_t)i + 1;
    }
}

static size_t entry_size(const struct entry *entry)
{
    return sizeof(uint16_t) + sizeof(uint32_t) + entry->octets.size;
}

static void set(struct csn_second_copy *copy, struct csn_record_pair pair)
{
    if (copy->count == copy->entry_max) {
        grow(copy);
    }
    uint32_t *slot = slot_of(copy, pair.key);
    if (*slot == 0) {
        copy->entries[copy->count++] = (struct entry){.key_size = pair.key.size};
        *slot = (uint32_t)copy->count;
    } else {
        copy->live_size -= entry_size(&copy->entries[*slot - 1]);
    }
    struct entry *entry = &copy->entries[*slot - 1];
    csn_buf_clear(&entry->octets);
    csn_buf_put_bytes(&entry->octets, pair.key);
    csn_buf_put_bytes(&entry->octets, pair.value);
    copy->live_size += entry_size(entry);
}

void csn_second_copy_lose(struct csn_second_copy *copy)
{
    copy->is_lost = true;
}

/* --- batches */

static void begin_batch(struct csn_buf *batch)
{
    static const uint8_t room[HEAD_SIZE];
    csn_buf_clear(batch);
    csn_buf_put(batch, room, sizeof(room));
}

static void put_pair(struct csn_buf *batch, struct csn_record_pair pair)
{
    csn_buf_put_u16(batch, (uint16_t)pair.key.size);
    csn_buf_put_bytes(batch, pair.key);
    csn_buf_put_u32(batch, (uint32_t)pair.value.size);
    csn_buf_put_bytes(batch, pair.value);
}

static void batch_digest(const struct csn_digest *chain, uint64_t number, struct csn_bytes rest, struct csn_digest *ret_digest)
{
    struct csn_buf all = {0};
    csn_buf_put(&all, chain->octets, sizeof(chain->octets));
    csn_buf_put_u64(&all, number);
    csn_buf_put_u32(&all, (uint32_t)rest.size);
    csn_buf_put_bytes(&all, rest);
    csn_sha384(csn_buf_view(&all), ret_digest);
    csn_buf_fini(&all);
}

/* Fills the head in; the chain goes on. */
static void end_batch(struct csn_second_copy *copy, struct csn_buf *batch)
{
    struct csn_buf head = {0};
    struct csn_bytes rest = csn_bytes(batch->data + HEAD_SIZE, batch->size - HEAD_SIZE);
    copy->number++;
    batch_digest(&copy->chain, copy->number, rest, &copy->chain);
    csn_buf_put_u64(&head, copy->number);
    csn_buf_put_u32(&head, (uint32_t)rest.size);
    csn_buf_put(&head, copy->chain.octets, sizeof(copy->chain.octets));
    memcpy(batch->data, head.data, head.size);
    csn_buf_fini(&head);
}

void csn_second_copy_put(struct csn_second_copy *copy, struct csn_record_pair pair)
{
    if (copy->batch.size == 0) {
        begin_batch(&copy->batch);
    }
    put_pair(&copy->batch, pair);
    set(copy, pair);
}

/* --- marks */

static void put_mark(struct csn_buf *buf, uint64_t number)
{
    struct csn_digest digest;
    struct csn_buf mark = {0};
    csn_buf_put(&mark, magic, sizeof(magic));
    csn_buf_put_u64(&mark, number);
    csn_sha384(csn_buf_view(&mark), &digest);
    csn_buf_put_bytes(buf, csn_buf_view(&mark));
    csn_buf_put(buf, digest.octets, CLOSE_SIZE);
    csn_buf_fini(&mark);
}

/* 0: it was torn, or is damaged. */
static uint64_t read_mark(struct csn_bytes octets)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_buf wanted = {0};
    csn_read_bytes(&reader, sizeof(magic));
    uint64_t number = csn_read_u64(&reader);
    put_mark(&wanted, number);
    bool is_good = octets.size >= wanted.size && memcmp(octets.data, wanted.data, wanted.size) == 0;
    csn_buf_fini(&wanted);
    return is_good ? number : 0;
}

/* The later counts: one is written while the other stands. */
static uint64_t read_marks(struct csn_reader *reader)
{
    uint64_t newest = 0;
    for (unsigned i = 0; i < MARKS; i++) {
        uint64_t number = read_mark(csn_read_bytes(reader, MARK_ROOM));
        newest = number > newest ? number : newest;
    }
    return newest;
}

/* --- reading */

static bool read_pairs(struct csn_second_copy *copy, struct csn_bytes rest)
{
    struct csn_reader reader = csn_reader(rest);
    while (!reader.failed && reader.at < reader.end) {
        struct csn_record_pair pair;
        pair.key = csn_read_bytes(&reader, csn_read_u16(&reader));
        pair.value = csn_read_bytes(&reader, csn_read_u32(&reader));
        if (!reader.failed) {
            set(copy, pair);
        }
    }
    return !reader.failed;
}

/* Takes the batch that begins here; false at the first that is not whole, which `ret_is_last` when nothing can follow it. */
static bool read_batch(struct csn_second_copy *copy, struct csn_reader *reader, bool *ret_is_last)
{
    struct csn_digest said, digest;
    uint64_t number = csn_read_u64(reader);
    uint32_t size = csn_read_u32(reader);
    csn_read_copy(reader, said.octets, sizeof(said.octets));
    struct csn_bytes rest = csn_read_bytes(reader, size);
    *ret_is_last = reader->failed || reader->at == reader->end;
    if (reader->failed) {
        return false;
    }
    batch_digest(&copy->chain, number, rest, &digest);
    bool is_next = number > 0 && (copy->number == 0 || number == copy->number + 1);
    if (!is_next || !csn_digest_equal(&said, &digest)) {
        return false;
    }
    copy->number = number;
    copy->chain = digest;
    return read_pairs(copy, rest);
}

/* What the file says of itself. */
struct finding {
    bool is_damaged;
    bool has_tail;   /* behind the last batch: one that a crash cut off, or that rotted */
    uint64_t marked; /* the highest number of a batch that is known to have been synced; 0: no mark can be read */
};

static struct finding read_file(struct csn_second_copy *copy, struct csn_bytes file)
{
    struct csn_reader reader = csn_reader(file);
    struct finding finding = {.marked = read_marks(&reader)};
    bool is_whole = !reader.failed && reader.at < reader.end, is_last = false;
    while (is_whole && reader.at < reader.end) {
        is_whole = read_batch(copy, &reader, &is_last);
    }
    /* The first batch came with the file, renamed into place when it was whole. */
    finding.has_tail = !is_whole && is_last && copy->number > 0;
    finding.is_damaged = finding.marked == 0 || copy->number < finding.marked || (!is_whole && !finding.has_tail);
    return finding;
}

/* What the store kept of the last write that it knows of. */
struct stored {
    uint64_t number; /* 0: it keeps nothing */
    struct csn_digest digest;
};

static struct stored read_stored(struct csn_bytes octets)
{
    struct stored stored = {0};
    struct csn_reader reader = csn_reader(octets);
    if (octets.size > 0) {
        stored.number = csn_read_u64(&reader);
        csn_read_copy(&reader, stored.digest.octets, sizeof(stored.digest.octets));
    }
    return stored;
}

/* The table of docs/adr/0035. The transaction of a batch ends before the next batch begins: a store that does not know of all
 * but the last is an older one, put back. */
static const char *judge(const struct csn_second_copy *copy, const struct finding *finding, const struct stored *stored,
                         bool *ret_is_ahead)
{
    uint64_t begun = finding->marked > copy->number ? finding->marked : copy->number;
    bool is_same = stored->number != copy->number || csn_digest_equal(&stored->digest, &copy->chain);
    bool is_cut = finding->has_tail && stored->number < copy->number;
    *ret_is_ahead = (finding->is_damaged || is_cut) && stored->number < begun;
    if (finding->is_damaged) {
        return "the second copy of the last votes is damaged";
    }
    if (stored->number > copy->number) {
        return copy->number == 0 ? "the second copy of the last votes is gone"
                                 : "the second copy of the last votes is older than the store, or its end is damaged";
    }
    if (!is_same) {
        return "the second copy is not of this store";
    }
    return is_cut ? "the end of the second copy cannot be read, and the store is older than the rest: a backup was put back" : NULL;
}

int csn_second_copy_load(struct csn_second_copy *copy, struct csn_bytes stored, bool *ret_is_ahead, struct csn_reason *reason)
{
    struct csn_buf file = {0};
    struct finding finding = {0};
    *ret_is_ahead = false;
    int code = csn_fs_read(copy->path, FILE_SIZE_MAX, &file, reason);
    if (code == CSN_OK) {
        finding = read_file(copy, csn_buf_view(&file));
    }
    csn_buf_fini(&file);
    if (code != CSN_OK && code != CSN_ENOTFOUND) {
        return code;
    }
    struct stored kept = read_stored(stored);
    const char *what = judge(copy, &finding, &kept, ret_is_ahead);
    return what == NULL ? CSN_OK : csn_reason_set(reason, CSN_EDAMAGED, "%s: %s", copy->path, what);
}

/* --- writing */

static int code_of(int error)
{
    return error == ENOSPC || error == EDQUOT ? CSN_EFULL : CSN_EIO;
}

static int write_at(int fd, size_t at, struct csn_bytes left)
{
    while (left.size > 0) {
        ssize_t put = pwrite(fd, left.data, left.size, (off_t)at);
        if (put < 0 && errno != EINTR) {
            return code_of(errno);
        }
        size_t size = put > 0 ? (size_t)put : 0;
        left = csn_bytes(left.data + size, left.size - size);
        at += size;
    }
    return CSN_OK;
}

/* All that is in force, as the first batch of a new file. */
static int write_anew(struct csn_second_copy *copy)
{
    struct csn_buf file = {0}, batch = {0};
    copy->chain = (struct csn_digest){{0}};
    begin_batch(&batch);
    for (size_t i = 0; i < copy->count; i++) {
        put_pair(&batch, csn_second_copy_get(copy, i));
    }
    end_batch(copy, &batch);
    for (size_t end = MARK_ROOM; end <= MARKS * MARK_ROOM; end += MARK_ROOM) {
        put_mark(&file, copy->number);
        memset(csn_buf_reserve(&file, end - file.size), 0, end - file.size);
        file.size = end;
    }
    csn_buf_put_bytes(&file, csn_buf_view(&batch));
    int code = csn_fs_write(copy->path, csn_buf_view(&file), 0600, NULL);
    copy->file_size = file.size;
    csn_buf_fini(&batch);
    csn_buf_fini(&file);
    if (copy->fd >= 0) {
        close(copy->fd);
    }
    copy->fd = code == CSN_OK ? open(copy->path, O_WRONLY | O_CLOEXEC) : -1;
    return code == CSN_OK && copy->fd < 0 ? code_of(errno) : code;
}

/* The mark is of a batch that is durable, so it follows the sync. It is not waited for: the next sync, or the system within
 * seconds, takes it along. */
static int append(struct csn_second_copy *copy)
{
    struct csn_buf mark = {0};
    end_batch(copy, &copy->batch);
    int code = write_at(copy->fd, copy->file_size, csn_buf_view(&copy->batch));
    if (code == CSN_OK && fdatasync(copy->fd) != 0) {
        code = code_of(errno);
    }
    if (code == CSN_OK) {
        put_mark(&mark, copy->number);
        code = write_at(copy->fd, copy->number % MARKS * MARK_ROOM, csn_buf_view(&mark));
    }
    csn_buf_fini(&mark);
    copy->file_size += copy->batch.size;
    return code;
}

int csn_second_copy_write(struct csn_second_copy *copy, struct csn_buf *ret_stored)
{
    csn_buf_clear(ret_stored);
    if (copy->batch.size == 0 || copy->is_lost) {
        return CSN_OK;
    }
    bool is_anew = copy->fd < 0 || copy->file_size + copy->batch.size > 2 * copy->live_size + SLACK;
    int code = is_anew ? write_anew(copy) : append(copy);
    csn_buf_clear(&copy->batch);
    csn_buf_put_u64(ret_stored, copy->number);
    csn_buf_put(ret_stored, copy->chain.octets, sizeof(copy->chain.octets));
    return code;
}
