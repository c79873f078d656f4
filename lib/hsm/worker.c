#include "hsm/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
#include "hsm.pb-c.h"
#include "hsm/backend.h"

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

/* --- requests to the back end */

static int key_of(const Csn__Hsm__Key *key, struct csn_hsm_key *ret_key, struct csn_reason *reason)
{
    *ret_key = (struct csn_hsm_key){.label = key->label};
    if (key->has_id) {
        ret_key->id = csn_bytes(key->id.data, key->id.len);
    }
    bool has_label = key->label != NULL && key->label[0] != '\0';
    if ((!has_label && ret_key->id.size == 0) ||
        (key->label != NULL && strlen(key->label) > CSN_HSM_LABEL_MAX) ||
        ret_key->id.size > CSN_HSM_ID_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "a key is named by a label of 1 to %d or an id of 1 to %d octets",
                              CSN_HSM_LABEL_MAX, CSN_HSM_ID_MAX);
    }
    return CSN_OK;
}

/* For keys that are to be made here. */
static int new_key_of(const Csn__Hsm__Key *key, struct csn_hsm_key *ret_key,
                      struct csn_reason *reason)
{
    int code = key_of(key, ret_key, reason);
    if (code == CSN_OK && (key->label == NULL || !csn_hsm_label_is_good(key->label))) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "a key's label is 1 to %d of A-Z a-z 0-9 . _ - with no dot in front",
                              CSN_HSM_LABEL_MAX);
    }
    return code;
}

static int answer_public(struct helper *helper, const struct csn_hsm_key *key,
                         Csn__Hsm__Answer *answer, struct csn_buf *buf, struct csn_reason *reason)
{
    uint8_t algorithm = 0;
    int code = helper->worker->backend->public_key(helper->session, key, buf, &algorithm, reason);
    answer->has_algorithm = answer->has_public_key = code == CSN_OK;
    answer->algorithm = algorithm;
    answer->public_key = (ProtobufCBinaryData){.data = buf->data, .len = buf->size};
    return code;
}

static int do_public(struct helper *helper, const Csn__Hsm__PublicKey *request,
                     Csn__Hsm__Answer *answer, struct csn_buf *buf, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    int code = key_of(request->key, &key, reason);
    return code == CSN_OK ? answer_public(helper, &key, answer, buf, reason) : code;
}

static int do_generate(struct helper *helper, const Csn__Hsm__Generate *request,
                       Csn__Hsm__Answer *answer, struct csn_buf *buf, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    int code = new_key_of(request->key, &key, reason);
    if (code == CSN_OK && request->kind > CSN_HSM_KIND_TRANSPORT) {
        code = csn_reason_set(reason, CSN_EREFUSED, "unknown kind of key");
    }
    if (code == CSN_OK) {
        code = helper->worker->backend->generate(helper->session, &key,
                                                 (enum csn_hsm_kind)request->kind,
                                                 request->is_exportable, reason);
    }
    return code == CSN_OK ? answer_public(helper, &key, answer, buf, reason) : code;
}

/* --- key transport */

struct transport { /* what an answer to Wrap borrows from */
    struct csn_arena arena;
    struct csn_hsm_wrapped wrapped;
    Csn__Hsm__Wrapped message;
    Csn__Hsm__WrappedKey keys[CSN_HSM_WRAP_MAX], *pointers[CSN_HSM_WRAP_MAX];
    uint32_t mechanisms[2];
};

static int no_transport(struct csn_reason *reason)
{
    return csn_reason_set(reason, CSN_EREFUSED,
                          "software keys are files: there is nothing to wrap");
}

static int do_mechanisms(struct helper *helper, struct transport *transport,
                         Csn__Hsm__Answer *answer, struct csn_reason *reason)
{
    if (helper->worker->backend->mechanisms == NULL) {
        return no_transport(reason);
    }
    answer->mechanisms = transport->mechanisms;
    return helper->worker->backend->mechanisms(helper->session, transport->mechanisms,
                                               &answer->n_mechanisms, reason);
}

static int choose_mechanism(struct helper *helper, const Csn__Hsm__Wrap *request,
                            uint32_t *ret_mechanism, struct csn_reason *reason)
{
    uint32_t ours[2];
    size_t count = 0;
    int code = helper->worker->backend->mechanisms(helper->session, ours, &count, reason);
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        for (size_t j = 0; j < request->n_mechanisms; j++) {
            if (ours[i] == request->mechanisms[j]) {
                *ret_mechanism = ours[i];
                return CSN_OK;
            }
        }
    }
    return code != CSN_OK
               ? code
               : csn_reason_set(reason, CSN_EREFUSED,
                                "the two tokens have no mechanism in common that wraps a key");
}

static ProtobufCBinaryData binary(struct csn_bytes bytes)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)bytes.data, .len = bytes.size};
}

static void put_wrapped(struct transport *transport, Csn__Hsm__Answer *answer)
{
    struct csn_hsm_wrapped *wrapped = &transport->wrapped;
    csn__hsm__wrapped__init(&transport->message);
    transport->message.mechanism = wrapped->mechanism;
    transport->message.aes_key = binary(wrapped->aes_key);
    transport->message.n_keys = wrapped->count;
    transport->message.keys = transport->pointers;
    for (size_t i = 0; i < wrapped->count; i++) {
        Csn__Hsm__WrappedKey *key = transport->pointers[i] = &transport->keys[i];
        csn__hsm__wrapped_key__init(key);
        key->label = wrapped->keys[i].label;
        key->id = binary(wrapped->keys[i].id);
        key->algorithm = wrapped->keys[i].algorithm;
        key->public_key = binary(wrapped->keys[i].public_key);
        key->wrapped = binary(wrapped->keys[i].wrapped);
    }
    answer->wrapped = &transport->message;
}

static int do_wrap(struct helper *helper, const Csn__Hsm__Wrap *request,
                   struct transport *transport, Csn__Hsm__Answer *answer, struct csn_reason *reason)
{
    struct csn_hsm_key keys[CSN_HSM_WRAP_MAX];
    uint32_t mechanism = 0;
    if (helper->worker->backend->wrap == NULL) {
        return no_transport(reason);
    }
    if (request->n_keys == 0 || request->n_keys > CSN_HSM_WRAP_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED, "1 to %d keys travel together",
                              CSN_HSM_WRAP_MAX);
    }
    int code = choose_mechanism(helper, request, &mechanism, reason);
    for (size_t i = 0; code == CSN_OK && i < request->n_keys; i++) {
        code = new_key_of(request->keys[i], &keys[i], reason);
    }
    if (code == CSN_OK) {
        code = helper->worker->backend->wrap(
            helper->session, csn_bytes(request->public_key.data, request->public_key.len),
            mechanism, keys, request->n_keys, &transport->arena, &transport->wrapped, reason);
    }
    if (code == CSN_OK) {
        put_wrapped(transport, answer);
    }
    return code;
}

static int wrapped_key_of(const Csn__Hsm__WrappedKey *from, struct csn_hsm_wrapped_key *ret_key,
                          struct csn_reason *reason)
{
    bool good = csn_hsm_label_is_good(from->label) && from->id.len <= CSN_HSM_ID_MAX &&
                (from->algorithm == CSN_HSM_RSASHA256 || from->algorithm == CSN_HSM_ECDSA_P256 ||
                 from->algorithm == CSN_HSM_ECDSA_P384 || from->algorithm == CSN_HSM_ED25519);
    if (!good) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "a transported key's label, id or algorithm is not in order");
    }
    snprintf(ret_key->label, sizeof(ret_key->label), "%s", from->label);
    ret_key->id = csn_bytes(from->id.data, from->id.len);
    ret_key->algorithm = (uint8_t)from->algorithm;
    ret_key->public_key = csn_bytes(from->public_key.data, from->public_key.len);
    ret_key->wrapped = csn_bytes(from->wrapped.data, from->wrapped.len);
    return CSN_OK;
}

static int do_unwrap(struct helper *helper, const Csn__Hsm__Unwrap *request,
                     struct transport *transport, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    struct csn_hsm_wrapped *wrapped = &transport->wrapped;
    const Csn__Hsm__Wrapped *from = request->wrapped;
    if (helper->worker->backend->unwrap == NULL) {
        return no_transport(reason);
    }
    if (from->n_keys == 0 || from->n_keys > CSN_HSM_WRAP_MAX ||
        (from->mechanism != CSN_HSM_WRAP_KWP && from->mechanism != CSN_HSM_WRAP_PAD)) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "number of keys or mechanism of the transport not in order");
    }
    wrapped->mechanism = from->mechanism;
    wrapped->aes_key = csn_bytes(from->aes_key.data, from->aes_key.len);
    int code = key_of(request->transport, &key, reason);
    for (size_t i = 0; code == CSN_OK && i < from->n_keys; i++) {
        code = wrapped_key_of(from->keys[i], &wrapped->keys[i], reason);
        wrapped->count = i + 1;
    }
    return code == CSN_OK ? helper->worker->backend->unwrap(helper->session, &key, wrapped, reason)
                          : code;
}

static int do_seal(struct helper *helper, const Csn__Hsm__Seal *request, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    if (helper->worker->backend->seal == NULL) {
        return no_transport(reason);
    }
    int code = key_of(request->key, &key, reason);
    return code == CSN_OK ? helper->worker->backend->seal(helper->session, &key, reason) : code;
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
    answer->reason = job->code != CSN_OK ? (char *)(uintptr_t)job->reason.text : NULL;
    send_answer(worker, answer);
}

static void do_single(struct helper *helper, struct job *job)
{
    const Csn__Hsm__Request *request = job->request;
    Csn__Hsm__Answer answer = CSN__HSM__ANSWER__INIT;
    struct transport *transport = csn_calloc(1, sizeof(*transport));
    struct csn_buf buf = {0};
    switch (request->what_case) {
    case CSN__HSM__REQUEST__WHAT_CONFIGURE:
        job->code = do_configure(helper, request->configure, &job->reason);
        break;
    case CSN__HSM__REQUEST__WHAT_PUBLIC_KEY:
        job->code = do_public(helper, request->public_key, &answer, &buf, &job->reason);
        break;
    case CSN__HSM__REQUEST__WHAT_GENERATE:
        job->code = do_generate(helper, request->generate, &answer, &buf, &job->reason);
        break;
    case CSN__HSM__REQUEST__WHAT_MECHANISMS:
        job->code = do_mechanisms(helper, transport, &answer, &job->reason);
        break;
    case CSN__HSM__REQUEST__WHAT_WRAP:
        job->code = do_wrap(helper, request->wrap, transport, &answer, &job->reason);
        break;
    case CSN__HSM__REQUEST__WHAT_UNWRAP:
        job->code = do_unwrap(helper, request->unwrap, transport, &job->reason);
        break;
    case CSN__HSM__REQUEST__WHAT_SEAL:
        job->code = do_seal(helper, request->seal, &job->reason);
        break;
    default:
        leave(helper->worker, "a request of a kind that is not known");
    }
    finish(helper->worker, job, &answer);
    csn_buf_fini(&buf);
    csn_arena_fini(&transport->arena);
    free(transport);
}

static int sign_item(struct helper *helper, const Csn__Hsm__Sign *sign, size_t item,
                     struct csn_backend_signature *ret_signature, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    int code = key_of(sign->key, &key, reason);
    if (code == CSN_OK && sign->algorithm > UINT8_MAX) {
        code = csn_reason_set(reason, CSN_EREFUSED, "no such algorithm");
    }
    return code == CSN_OK ? helper->worker->backend->sign(
                                helper->session, &key, (uint8_t)sign->algorithm,
                                csn_bytes(sign->inputs[item].data, sign->inputs[item].len),
                                ret_signature, reason)
                          : code;
}

static void finish_sign(struct worker *worker, const struct job *job)
{
    Csn__Hsm__Answer answer = CSN__HSM__ANSWER__INIT;
    ProtobufCBinaryData *signatures = csn_calloc(job->count, sizeof(*signatures));
    for (size_t i = 0; job->code == CSN_OK && i < job->count; i++) {
        signatures[i] = binary(csn_bytes(job->signatures[i].octets, job->signatures[i].size));
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
            task.code = sign_item(helper, job->request->sign, task.item,
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
        push_job(&worker, job);
        job = read_job(&worker);
    }
    follow_client(&worker);
}
