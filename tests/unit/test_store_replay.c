/* Goal: whatever part of a store's writes a power failure leaves on the disk, the store opens, nothing in it is damaged, no
 * announced vote is missing, what is voted for or released is there whole, and it can be written again.
 *
 * Method: a child makes releases of a real zone through lib/zone and lib/kept while recorder.c writes down every write and sync
 * of the store's files, and says after each step what it would announce now. A crash after every call is then played back: what
 * was synced is there; of what was not, all that was written so far, the last of it torn after 512 or 4096 octets, or some of it
 * drawn by chance. Each is opened by the production code and checked. The same with syncs left out must fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kept/inputs.h"
#include "kept/share.h"
#include "kept/version.h"
#include "sim/kv_zone.h"
#include "support/recorder.h"

#define MIB ((size_t)1 << 20)
#define RELEASES 20
#define NOW UINT64_C(1800000000)
#define DRAWN 3 /* parts of what is pending, at each call */
#define ROUND_OF(number) ((struct csn_round){.term = {.counter = 1, .coordinator = 1}, .seq = (number)})

enum mark { MARK_STAGED, MARK_VOTED, MARK_RELEASED, MARKS };

/* What a vote and the pointer of the release say. */
struct note {
    uint32_t number;
    struct csn_digest full_root;
};

/* --- the child: releases */

static struct csn_bytes text(const char *chars)
{
    return csn_bytes(chars, strlen(chars));
}

static void mark(enum mark kind, uint32_t number)
{
    struct recorded record = {.kind = RECORDED_MARK, .file = (uint8_t)kind, .offset = number};
    int fd = open(getenv("RECORDER_FILE"), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, &record, sizeof(record)) != sizeof(record)) {
        _exit(10);
    }
    close(fd);
}

static void must(int code)
{
    if (code != CSN_OK) {
        fprintf(stderr, "replay: %s\n", csn_error_text(code));
        _exit(11);
    }
}

static void sign(struct csn_content *content, uint32_t number)
{
    for (size_t i = 0; i < content->signature_count; i++) {
        uint8_t octets[64];
        memset(octets, (int)(number + i), sizeof(octets));
        if (!content->signatures[i].is_carried) {
            csn_signature_set(content, &content->signatures[i], csn_bytes(octets, sizeof(octets)));
        }
    }
}

static struct csn_bytes note_view(const struct note *note)
{
    return csn_bytes(note, sizeof(*note));
}

/* A record of each kind that a vote writes, all with the same note, in one transaction that expects the last. */
static void vote(struct csn_store *store, const struct note *last, const struct note *note)
{
    uint8_t filler[700] = {0};
    struct csn_vote_expect expect = {.key = text("rF"),
                                     .value = last->number > 0 ? note_view(last) : csn_bytes(NULL, 0)};
    struct csn_vote_write writes[] = {{.key = text("rF"), .value = note_view(note)},
                                      {.key = text("rH"), .value = note_view(note)},
                                      {.key = text("rX"), .value = csn_bytes(filler, 20 + note->number * 131 % 680)}};
    must(csn_store_write_votes(store, &expect, 1, writes, 3));
}

static void keep_share(struct csn_store *store, const struct csn_content *content, uint32_t number)
{
    struct csn_proposal proposal = {.round = ROUND_OF(number)};
    struct csn_digest hash = {{(uint8_t)number}};
    struct csn_share_name name = {.proposal = &proposal, .hash = &hash, .site = 1};
    memcpy(proposal.zone, content->zone->apex, csn_name_size(content->zone->apex));
    must(csn_share_store(store, &name, content));
}

static void leave_staging(struct csn_store *store, const struct csn_input *input, uint32_t number)
{
    struct csn_digest name = {{0xee, (uint8_t)number}};
    struct csn_entry entry = {.rrset = input->zone->rrsets[0]};
    struct csn_table_writer *writer;
    must(csn_table_begin(store, CSN_TABLE_VERSION, input->zone->apex, &name, &writer));
    must(csn_table_add(writer, &entry));
    csn_table_abandon(writer);
}

struct chain {
    struct note notes[RELEASES + 1];
    struct csn_digest inputs[RELEASES + 1];
};

static void release(struct csn_store *store, const struct kv_documents *documents, struct chain *chain, uint32_t number)
{
    struct csn_content_params params = {.serial = number, .time_s = NOW + 60 * number, .schedule_s = NOW + 60 * number};
    struct csn_input *input = kv_input(0, 1, number, 0);
    struct csn_content *content;
    struct note *note = &chain->notes[number];
    struct csn_digest b;
    const uint8_t *apex = input->zone->apex;
    must(csn_input_store(store, input));
    must(csn_content_new(input, &documents->policy, &documents->keyset, &params, &content, NULL));
    must(csn_content_plan(content, 0, content->zone->count, NULL));
    must(csn_content_finish(content, NULL));
    if (number > 1) {
        must(csn_version_carry(content, store, apex, &chain->notes[number - 1].full_root));
    }
    csn_content_authors(content, 1);
    sign(content, number);
    keep_share(store, content, number);
    csn_content_full_root(content, &b, &note->full_root);
    must(csn_version_write(store, content, &note->full_root));
    mark(MARK_STAGED, number);
    note->number = number;
    chain->inputs[number] = input->prepared;
    vote(store, &chain->notes[number - 1], note);
    mark(MARK_VOTED, number);
    must(csn_store_write_votes(store, NULL, 0, &(struct csn_vote_write){.key = text("rR"), .value = note_view(note)}, 1));
    mark(MARK_RELEASED, number);
    must(csn_share_prune(store, apex, ROUND_OF(number)));
    leave_staging(store, input, number);
    if (number > 2) {
        must(csn_table_delete(store, CSN_TABLE_VERSION, apex, &chain->notes[number - 2].full_root));
        must(csn_table_delete(store, CSN_TABLE_INPUT, apex, &chain->inputs[number - 2]));
    }
    csn_content_free(content);
    csn_input_unref(input);
}

static int work(const char *folder)
{
    struct csn_store *store;
    struct csn_round_zone config = {.refresh_interval_s = 10};
    struct kv_documents *documents = kv_documents_new(&config, 0, 1, 1, 0);
    struct chain *chain = csn_calloc(1, sizeof(*chain));
    must(csn_store_open(folder, MIB, 8 * MIB, &store, NULL));
    for (uint32_t number = 1; number <= RELEASES; number++) {
        release(store, documents, chain, number);
    }
    csn_store_close(store);
    free(chain);
    free(documents);
    return 0;
}

/* --- a recording */

struct call {
    struct recorded head;
    const uint8_t *octets; /* borrows from the file */
};

struct recording {
    struct csn_buf file; /* owns */
    struct call *calls;  /* owns */
    size_t count;
};

static void load(const char *path, struct recording *ret_recording)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    *ret_recording = (struct recording){0};
    struct csn_buf *file = &ret_recording->file;
    assert_int_equal(read(fd, csn_buf_reserve(file, (size_t)st.st_size), (size_t)st.st_size), st.st_size);
    file->size = (size_t)st.st_size;
    close(fd);
    for (size_t at = 0; at < file->size;) {
        struct call call;
        memcpy(&call.head, file->data + at, sizeof(call.head));
        call.octets = file->data + at + sizeof(call.head);
        at += sizeof(call.head) + call.head.size;
        ret_recording->calls = csn_realloc(ret_recording->calls, ret_recording->count + 1, sizeof(call));
        ret_recording->calls[ret_recording->count++] = call;
    }
}

static void recording_fini(struct recording *recording)
{
    free(recording->calls);
    csn_buf_fini(&recording->file);
}

/* --- a disk as a crash leaves it */

struct image {
    bool exists;
    struct csn_buf octets;
};

struct disk {
    struct image files[RECORDED_FILE_COUNT];
};

static void apply(struct disk *disk, const struct call *call, size_t size)
{
    struct csn_buf *octets = &disk->files[call->head.file].octets;
    size_t at = (size_t)call->head.offset, end = call->head.kind == RECORDED_TRUNCATE ? at : at + size;
    disk->files[call->head.file].exists = true;
    if (end > octets->size) {
        memset(csn_buf_reserve(octets, end - octets->size), 0, end - octets->size);
        octets->size = end;
    }
    if (call->head.kind == RECORDED_TRUNCATE) {
        octets->size = end;
    } else {
        memcpy(octets->data + at, call->octets, size);
    }
}

static void disk_copy(struct disk *to, const struct disk *from)
{
    for (unsigned i = 0; i < RECORDED_FILE_COUNT; i++) {
        to->files[i].exists = from->files[i].exists;
        csn_buf_clear(&to->files[i].octets);
        csn_buf_put_bytes(&to->files[i].octets, csn_buf_view(&from->files[i].octets));
    }
}

static void disk_fini(struct disk *disk)
{
    for (unsigned i = 0; i < RECORDED_FILE_COUNT; i++) {
        csn_buf_fini(&disk->files[i].octets);
    }
}

static void path_of(const char *folder, unsigned file, char ret_path[PATH_MAX])
{
    static const char *const names[] = {
#define RECORDED_FILE_PATH(name, path) path,
        RECORDED_FILES(RECORDED_FILE_PATH)
#undef RECORDED_FILE_PATH
    };
    snprintf(ret_path, PATH_MAX, "%s/%s", folder, names[file]);
}

static void write_out(const struct disk *disk, const char *folder)
{
    char path[PATH_MAX];
    for (unsigned i = 0; i < RECORDED_FILE_COUNT; i++) {
        path_of(folder, i, path);
        unlink(path);
        if (disk->files[i].exists) {
            int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            const struct csn_buf *octets = &disk->files[i].octets;
            if (fd < 0 || (octets->size > 0 && write(fd, octets->data, octets->size) != (ssize_t)octets->size)) {
                _exit(12);
            }
            close(fd);
        }
    }
}

/* --- what must hold after any crash */

static int find_note(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct note *notes = arg; /* of rF, rH, rR */
    static const char letters[] = "FHR";
    const char *letter = memchr(letters, key.data[1], 3);
    if (letter != NULL && value.size == sizeof(*notes)) {
        memcpy(&notes[letter - letters], value.data, sizeof(*notes));
    }
    return CSN_OK;
}

static int check_table(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                       struct csn_bytes meta)
{
    struct csn_input *input;
    (void)meta;
    if (kind == CSN_TABLE_VERSION) {
        return csn_version_is_whole(arg, zone, name) ? CSN_OK : CSN_EDAMAGED;
    }
    int code = csn_input_load(arg, zone, name, &input);
    if (code == CSN_OK) {
        csn_input_unref(input);
    }
    return code;
}

static int check_blob(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct csn_buf share = {0};
    (void)value;
    int code = csn_store_get_blob(arg, key, &share);
    csn_buf_fini(&share);
    return code;
}

static const char *check_store(struct csn_store *store, const uint32_t marks[MARKS])
{
    uint8_t apex[4];
    struct note notes[3] = {{0}};
    struct csn_reason reason = {0};
    kv_apex(0, apex);
    if (csn_store_damage(store) != NULL || csn_store_read_votes(store, csn_bytes(NULL, 0), find_note, notes) != CSN_OK) {
        return "damaged";
    }
    uint32_t voted = notes[0].number, released = notes[2].number;
    if (voted != notes[1].number) {
        return "half a transaction";
    }
    if (voted < marks[MARK_VOTED] || released < marks[MARK_RELEASED]) {
        return "behind what was announced";
    }
    if ((voted > 0 && !csn_version_is_whole(store, apex, &notes[0].full_root)) ||
        (released > 0 && !csn_version_is_whole(store, apex, &notes[2].full_root))) {
        return "a version that is voted for or released is not whole";
    }
    if (csn_table_list(store, check_table, store) != CSN_OK) {
        return "a table is not whole";
    }
    if (csn_store_list_blobs(store, csn_bytes(NULL, 0), check_blob, store) != CSN_OK) {
        return "a share is damaged";
    }
    return csn_store_probe(store, &reason) == CSN_OK ? NULL : "cannot be written";
}

/* NULL: all is well. */
static const char *check_crash(const struct disk *disk, const char *folder, const uint32_t marks[MARKS])
{
    static char said[sizeof(struct csn_reason) + 32];
    struct csn_store *store;
    struct csn_reason reason = {0};
    write_out(disk, folder);
    int code = csn_store_open(folder, MIB, 8 * MIB, &store, &reason);
    if (code != CSN_OK) {
        snprintf(said, sizeof(said), "does not open: %s", reason.text);
        return said;
    }
    const char *wrong = check_store(store, marks);
    csn_store_close(store);
    return wrong;
}

/* --- playing it back */

struct play {
    const struct recording *recording;
    const char *folder;
    uint8_t ignored; /* bits: 1 the syncs, 2 O_DSYNC */
    uint64_t random;
    struct disk durable, crashed;
    size_t pending[4096]; /* calls that may be lost, in their order */
    size_t pending_count;
    uint32_t marks[MARKS];
};

/* Shared with the child that plays: where it is, and what it found. */
struct report {
    uint64_t crashes;
    size_t call;
    char wrong[512];
};

static uint64_t next(struct play *play)
{
    play->random = play->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return play->random >> 33;
}

static bool look(struct play *play, struct report *report)
{
    const char *wrong = check_crash(&play->crashed, play->folder, play->marks);
    report->crashes++;
    if (wrong != NULL) {
        snprintf(report->wrong, sizeof(report->wrong), "%s", wrong);
    }
    return wrong == NULL;
}

static void lay(struct play *play, size_t count, size_t last_size)
{
    disk_copy(&play->crashed, &play->durable);
    for (size_t i = 0; i < count; i++) {
        const struct call *call = &play->recording->calls[play->pending[i]];
        apply(&play->crashed, call, i + 1 == count && call->head.size > last_size ? last_size : call->head.size);
    }
}

static void lay_some(struct play *play)
{
    disk_copy(&play->crashed, &play->durable);
    for (size_t i = 0; i < play->pending_count; i++) {
        const struct call *call = &play->recording->calls[play->pending[i]];
        if (next(play) % 2 == 0) {
            apply(&play->crashed, call, call->head.size);
        }
    }
}

/* After a call: all that is pending came through; its last write is torn; any of it came through, in no order. */
static bool crash_here(struct play *play, struct report *report)
{
    static const size_t sizes[] = {SIZE_MAX, 512, 4096};
    const struct call *last = &play->recording->calls[report->call];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        bool is_torn = sizes[i] != SIZE_MAX;
        if (is_torn && (last->head.kind != RECORDED_WRITE || last->head.size <= sizes[i])) {
            continue;
        }
        lay(play, play->pending_count, sizes[i]);
        if (!look(play, report)) {
            return false;
        }
    }
    for (unsigned i = 0; play->pending_count > 1 && i < DRAWN; i++) {
        lay_some(play);
        if (!look(play, report)) {
            return false;
        }
    }
    return true;
}

static void settle(struct play *play, uint8_t file)
{
    size_t kept = 0;
    for (size_t i = 0; i < play->pending_count; i++) {
        const struct call *call = &play->recording->calls[play->pending[i]];
        if (call->head.file == file) {
            apply(&play->durable, call, call->head.size);
        } else {
            play->pending[kept++] = play->pending[i];
        }
    }
    play->pending_count = kept;
}

static bool take(struct play *play, struct report *report)
{
    const struct call *call = &play->recording->calls[report->call];
    if (call->head.kind == RECORDED_MARK) {
        play->marks[call->head.file] = (uint32_t)call->head.offset;
        return true;
    }
    if (call->head.kind == RECORDED_SYNC) {
        if ((play->ignored & 1) == 0) {
            settle(play, call->head.file);
        }
        return crash_here(play, report);
    }
    if (play->pending_count == sizeof(play->pending) / sizeof(play->pending[0])) {
        settle(play, call->head.file); /* only where syncs are left out: such a disk keeps the oldest */
    }
    play->durable.files[call->head.file].exists = true; /* the folder is older than its content */
    play->pending[play->pending_count++] = report->call;
    bool is_good = crash_here(play, report);
    if (call->head.is_durable && (play->ignored & 2) == 0) {
        play->pending_count--;
        apply(&play->durable, call, call->head.size);
        is_good = is_good && crash_here(play, report);
    }
    return is_good;
}

static void play_all(struct play *play, struct report *report)
{
    for (report->call = 0; report->call < play->recording->count; report->call++) {
        if (!take(play, report)) {
            break;
        }
    }
}

/* --- tests */

struct fixture {
    char folder[PATH_MAX];
    struct recording recording;
};

/* On a disk in memory where there is one: what is synced here is not what is tested. */
static int make_folder(char ret_folder[PATH_MAX])
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    static const char *const names[] = {"/votes", "/zones"};
    char path[PATH_MAX + 8];
    snprintf(ret_folder, PATH_MAX, "%s/consign-replay-XXXXXX", base);
    if (mkdtemp(ret_folder) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s%s", ret_folder, names[i]);
        mkdir(path, 0700);
    }
    return 0;
}

static void clear_folder(const char *folder)
{
    static const char *const names[] = {"votes/data.mdb", "votes/data.mdb.damaged", "votes/lock.mdb", "votes/owner", "votes", "zones/data.mdb",
                                        "zones/data.mdb.damaged", "zones/lock.mdb", "zones/owner", "zones", "record", ""};
    char path[PATH_MAX + 32];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
}

static int record_all(void **state)
{
    struct fixture *f = csn_calloc(1, sizeof(*f));
    char path[PATH_MAX + 8];
    int status;
    *state = f;
    if (make_folder(f->folder) != 0) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/record", f->folder);
    pid_t child = fork();
    if (child == 0) {
        setenv("RECORDER_FOLDER", f->folder, 1);
        setenv("RECORDER_FILE", path, 1);
        setenv("LD_PRELOAD", RECORDER, 1);
        setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 0);
        execl("/proc/self/exe", "test_store_replay", "work", f->folder, (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return -1;
    }
    load(path, &f->recording);
    return 0;
}

static int forget_all(void **state)
{
    struct fixture *f = *state;
    recording_fini(&f->recording);
    clear_folder(f->folder);
    free(f);
    return 0;
}

/* In a child: LMDB ends a process that reads what is broken. */
static void play_in_child(const struct fixture *f, uint8_t ignored, struct report *ret_report)
{
    struct report *report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(report != MAP_FAILED);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct play *play = csn_calloc(1, sizeof(*play));
        *play = (struct play){
            .recording = &f->recording, .folder = f->folder, .ignored = ignored, .random = 20261122};
        play_all(play, report);
        disk_fini(&play->durable);
        disk_fini(&play->crashed);
        free(play);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    *ret_report = *report;
    munmap(report, sizeof(*report));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(ret_report->wrong, sizeof(ret_report->wrong), "the process that opened it has ended");
    }
}

static void test_the_recording_is_of_a_store_at_work(void **state)
{
    const struct fixture *f = *state;
    size_t kinds[RECORDED_MARK + 1] = {0}, durable = 0, big = 0;
    for (size_t i = 0; i < f->recording.count; i++) {
        const struct recorded *head = &f->recording.calls[i].head;
        kinds[head->kind]++;
        durable += head->is_durable;
        big += head->size > 4096;
    }
    print_message("%zu writes (%zu with O_DSYNC, %zu of several pages), %zu syncs, %zu marks\n", kinds[RECORDED_WRITE], durable,
                  big, kinds[RECORDED_SYNC], kinds[RECORDED_MARK]);
    assert_int_equal(kinds[RECORDED_MARK], 3 * RELEASES);
    assert_true(kinds[RECORDED_SYNC] > 4 * RELEASES && durable > 4 * RELEASES && big > 0);
}

static void test_every_crash_leaves_a_store_that_keeps_its_word(void **state)
{
    const struct fixture *f = *state;
    struct report report;
    play_in_child(f, 0, &report);
    print_message("%llu crashes\n", (unsigned long long)report.crashes);
    if (report.wrong[0] != '\0') {
        fail_msg("a crash after call %zu of %zu: %s", report.call, f->recording.count, report.wrong);
    }
    assert_true(report.crashes > f->recording.count);
}

/* The check has teeth: a disk that does not do what it is asked breaks the store, and that is seen. */
static void test_a_disk_that_does_not_sync_is_seen(void **state)
{
    static const struct {
        uint8_t ignored;
        const char *what;
    } rows[] = {{1, "fdatasync"}, {2, "O_DSYNC"}, {3, "both"}};
    const struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct report report;
        play_in_child(f, rows[i].ignored, &report);
        print_message("without %s: %s\n", rows[i].what, report.wrong);
        assert_true(report.wrong[0] != '\0');
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_recording_is_of_a_store_at_work),
        cmocka_unit_test(test_every_crash_leaves_a_store_that_keeps_its_word),
        cmocka_unit_test(test_a_disk_that_does_not_sync_is_seen),
    };
    if (argc == 3 && strcmp(argv[1], "work") == 0) {
        return work(argv[2]);
    }
    return cmocka_run_group_tests(tests, record_all, forget_all);
}
