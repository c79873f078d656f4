#include "hsm/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "hsm/requests.h"

/* Decoding a message of many empty fields takes some sixteen octets for each of its own two. */
#define DECODED_MAX (16u * CSN_HSM_MESSAGE_MAX)

#define LEAVING_S 2 /* at most, for calls to the module to end once the client is gone */

/* A request on its way: `taken` items are with threads, `done` are finished. Only Sign has more
 * than one item. */
struct job {
    struct job *next;
    struct csn_bounded memory;
    Csn__Hsm__Request *request; /* owns, in `memory` */
    size_t count, taken, done;
    int code; /* the first failure */
    struct csn_reason reason;
    struct csn_backend_signature *signatures; /* owns; Sign only */
};

struct worker {
    int fd;
    const struct csn_log *log;
    struct csn_backend_settings settings; /* owns its texts */
    const struct csn_backend *backend;
    pthread_mutex_t lock; /* jobs and their counters */
    pthread_cond_t work, idle;
    struct job *first, **last;
    size_t job_count, busy_count; /* busy: threads with an item */
    pthread_mutex_t write; /* one answer at a time */
};

struct helper { /* a thread and its session */
    struct worker *worker;
    void *session;
};

_Noreturn static void leave(struct worker *worker, const char *why)
{
    csn_log(worker->log, CSN_ERROR, "hsm.leave", "%s", why);
    _exit(1);
}

/* --- frames */

static bool read_exact(int fd, uint8_t *ret_data, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, ret_data, size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        ret_data += got;
        size -= (size_t)got;
    }
    return true;
}

static bool write_exact(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        data += put;
        size -= (size_t)put;
    }
    return true;
}

static void send_answer(struct worker *worker, const Csn__Hsm__Answer *answer)
{
    size_t size = csn__hsm__answer__get_packed_size(answer);
    if (size > CSN_HSM_MESSAGE_MAX) {
        leave(worker, "an answer is longer than a message may be");
    }
    uint8_t *frame = csn_alloc(4 + size);
    csn_set_u32(frame, (uint32_t)size);
    csn__hsm__answer__pack(answer, frame + 4);
    pthread_mutex_lock(&worker->write);
    if (!write_exact(worker->fd, frame, 4 + size)) {
        _exit(0); /* the client is gone */
    }
    pthread_mutex_unlock(&worker->write);
    free(frame);
}

static void *helper_main(void *arg);

static void job_free(struct job *take_job)
{
    csn__hsm__request__free_unpacked(take_job->request, &take_job->memory.allocator);
    free(take_job->signatures);
    free(take_job);
}

/* --- configuration: done by the first helper, so that the reader still sees the client leave while
 * a module hangs */

static void start_helper(struct worker *worker, struct helper *helper)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, helper_main, helper) != 0) {
        leave(worker, "no more threads: lower the number of sessions");
    }
    pthread_detach(thread);
}

static int open_sessions(struct helper *first, size_t count, struct csn_reason *reason)
{
    struct worker *worker = first->worker;
    void *store = NULL;
    int code = worker->backend->open(&worker->settings, &store, reason);
    if (code == CSN_OK) {
        code = worker->backend->session(store, &first->session, reason);
    }
    for (size_t i = 1; code == CSN_OK && i < count; i++) {
        struct helper *helper = csn_calloc(1, sizeof(*helper)); /* lives as long as the process */
        helper->worker = worker;
        code = worker->backend->session(store, &helper->session, reason);
        if (code != CSN_OK) {
            free(helper);
        } else {
            start_helper(worker, helper);
        }
    }
    return code;
}

static int do_configure(struct helper *helper, const Csn__Hsm__Configure *request,
                        struct csn_reason *reason)
{
    struct worker *worker = helper->worker;
    if (request->sessions < 1 || request->sessions > CSN_HSM_SESSIONS_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED, "sessions: 1 to %d", CSN_HSM_SESSIONS_MAX);
    }
    worker->settings = (struct csn_backend_settings){.module = csn_strdup(request->module),
                                                     .token = csn_strdup(request->token),
                                                     .pin_file = csn_strdup(request->pin_file)};
    worker->backend =
        strncmp(request->token, "software:", 9) == 0 ? &csn_backend_software : &csn_backend_pkcs11;
    return open_sessions(helper, request->sessions, reason);
}

/* --- jobs */

static void finish(struct worker *worker, const struct job *job, Csn__Hsm__Answer *answer)
{
    answer->id = job->request->id;
    answer->code = job->code;
    answer->reason = job->code != CSN_OK ? csn_pack_text(job->reason.text) : NULL;
    send_answer(worker, answer);
}

static struct csn_hsm_door door_of(const struct helper *helper)
{
    return (struct csn_hsm_door){.backend = helper->worker->backend, .session = helper->session};
}

static void do_single(struct helper *helper, struct job *job)
{
    const Csn__Hsm__Request *request = job->request;
    struct csn_hsm_reply *reply = csn_alloc(sizeof(*reply));
    csn_hsm_reply_init(reply);
    if (request->what_case == CSN__HSM__REQUEST__WHAT_CONFIGURE) {
        job->code = do_configure(helper, request->configure, &job->reason);
    } else {
        struct csn_hsm_door door = door_of(helper);
        job->code = csn_hsm_request_do(&door, request, reply, &job->reason);
    }
    finish(helper->worker, job, &reply->answer);
    csn_hsm_reply_fini(reply);
    free(reply);
}

static void finish_sign(struct worker *worker, const struct job *job)
{
    Csn__Hsm__Answer answer = CSN__HSM__ANSWER__INIT;
    ProtobufCBinaryData *signatures = csn_calloc(job->count, sizeof(*signatures));
    for (size_t i = 0; job->code == CSN_OK && i < job->count; i++) {
        signatures[i] = (ProtobufCBinaryData){.data = job->signatures[i].octets,
                                              .len = job->signatures[i].size};
        answer.n_signatures = i + 1;
    }
    answer.signatures = signatures;
    finish(worker, job, &answer);
    free(signatures);
}

/* An item in the hands of a thread. */
struct task {
    struct job *job;
    size_t item;
    int code;
    struct csn_reason reason;
};

/* Waits for an item; a job whose items are all taken leaves the queue. The items of a job that
 * failed are not tried. */
static void take(struct worker *worker, struct task *ret_task)
{
    pthread_mutex_lock(&worker->lock);
    while (worker->first == NULL) {
        pthread_cond_wait(&worker->work, &worker->lock);
    }
    struct job *job = worker->first;
    *ret_task = (struct task){.job = job, .item = job->taken++, .code = job->code};
    if (job->taken == job->count) {
        worker->first = job->next;
        worker->last = worker->first == NULL ? &worker->first : worker->last;
    }
    worker->busy_count++;
    pthread_mutex_unlock(&worker->lock);
}

/* True when it was the job's last item. */
static bool give_back(struct worker *worker, const struct task *task)
{
    struct job *job = task->job;
    pthread_mutex_lock(&worker->lock);
    if (task->code != CSN_OK && job->code == CSN_OK) {
        job->code = task->code;
        job->reason = task->reason;
    }
    bool is_last = ++job->done == job->count;
    worker->job_count -= is_last;
    worker->busy_count--;
    pthread_cond_signal(&worker->idle);
    pthread_mutex_unlock(&worker->lock);
    return is_last;
}

static void *helper_main(void *arg)
{
    struct helper *helper = arg;
    for (;;) {
        struct task task;
        take(helper->worker, &task);
        struct job *job = task.job;
        if (job->signatures == NULL) {
            do_single(helper, job);
        } else if (task.code == CSN_OK) {
            struct csn_hsm_door door = door_of(helper);
            task.code = csn_hsm_request_sign(&door, job->request->sign, task.item,
                                             &job->signatures[task.item], &task.reason);
        }
        if (!give_back(helper->worker, &task)) {
            continue;
        }
        if (job->signatures != NULL) {
            finish_sign(helper->worker, job);
        }
        job_free(job);
    }
    return NULL;
}

/* --- reading */

static struct job *read_job(struct worker *worker)
{
    uint8_t head[4];
    if (!read_exact(worker->fd, head, sizeof(head))) {
        return NULL;
    }
    size_t size = csn_get_u32(head);
    if (size > CSN_HSM_MESSAGE_MAX) {
        leave(worker, "a request is longer than a message may be");
    }
    uint8_t *data = csn_alloc(size + 1);
    struct job *job = csn_calloc(1, sizeof(*job));
    csn_bounded_init(&job->memory, DECODED_MAX);
    if (!read_exact(worker->fd, data, size)) {
        return NULL;
    }
    job->request = csn__hsm__request__unpack(&job->memory.allocator, size, data);
    free(data);
    if (job->request == NULL) {
        leave(worker, "a request is malformed");
    }
    return job;
}

static void push_job(struct worker *worker, struct job *take_job)
{
    bool is_sign = take_job->request->what_case == CSN__HSM__REQUEST__WHAT_SIGN;
    take_job->count = is_sign ? take_job->request->sign->n_inputs : 1;
    if (take_job->count == 0 || take_job->count > CSN_HSM_BATCH_MAX) {
        leave(worker, "a request to sign nothing, or too much at once");
    }
    if (is_sign) {
        take_job->signatures = csn_calloc(take_job->count, sizeof(*take_job->signatures));
    }
    pthread_mutex_lock(&worker->lock);
    bool is_full = ++worker->job_count > CSN_HSM_JOBS_MAX;
    *worker->last = take_job;
    worker->last = &take_job->next;
    pthread_cond_broadcast(&worker->work);
    pthread_mutex_unlock(&worker->lock);
    if (is_full) {
        leave(worker, "more requests at once than are allowed");
    }
}

/* The client is gone, and with it the reason to be here. Calls under way may end first: a module
 * that keeps its token in files (SoftHSM) truncates and rewrites one at each login, and a process
 * that ends in between leaves a token that is lost. */
_Noreturn static void follow_client(struct worker *worker)
{
    struct timespec until;
    int result = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVING_S;
    pthread_mutex_lock(&worker->lock);
    worker->first = NULL;
    worker->last = &worker->first;
    while (worker->busy_count > 0 && result == 0) {
        result = pthread_cond_timedwait(&worker->idle, &worker->lock, &until);
    }
    _exit(0);
}

void csn_hsm_worker_run(int fd, const struct csn_log *log)
{
    struct worker worker = {.fd = fd, .log = log, .last = &worker.first};
    struct helper first = {.worker = &worker};
    struct job *job = read_job(&worker);
    if (job == NULL) {
        _exit(0);
    }
    pthread_mutex_init(&worker.lock, NULL);
    pthread_mutex_init(&worker.write, NULL);
    pthread_cond_init(&worker.work, NULL);
    pthread_cond_init(&worker.idle, NULL);
    start_helper(&worker, &first);
    for (bool is_first = true; job != NULL; is_first = false) {
        if (is_first != (job->request->what_case == CSN__HSM__REQUEST__WHAT_CONFIGURE)) {
            leave(&worker, "the first request, and no other, configures");
        }
        if (job->request->what_case == CSN__HSM__REQUEST__WHAT__NOT_SET) {
            leave(&worker, "a request of a kind that is not known");
        }
        push_job(&worker, job);
        job = read_job(&worker);
    }
    follow_client(&worker);
}
