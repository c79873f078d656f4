#include "hsm/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/worker.h"

extern char **environ;

#define READ_SIZE 65536

struct csn_hsm_process {
    uv_process_t child;
    uv_pipe_t pipe;
    struct csn_hsm_process_handler handler;
    bool is_killed, is_reaped;
    unsigned handles; /* open ones; the process is freed with the last */
    struct csn_buf in;
};

struct writing {
    uv_write_t request;
    const uint8_t *frame; /* owns */
};

static void on_close(uv_handle_t *handle)
{
    struct csn_hsm_process *process = handle->data;
    if (--process->handles == 0) {
        csn_buf_fini(&process->in);
        free(process);
    }
}

static void end(struct csn_hsm_process *process, const char *why)
{
    if (!process->is_killed) {
        process->handler.end(process->handler.arg, why);
    }
}

static void on_exit_status(uv_process_t *child, int64_t status, int sent_signal)
{
    struct csn_hsm_process *process = child->data;
    char why[96];
    process->is_reaped = true;
    snprintf(why, sizeof(why), "consign-hsm ended with %s %d",
             sent_signal != 0 ? "signal" : "status", sent_signal != 0 ? sent_signal : (int)status);
    uv_close((uv_handle_t *)child, on_close);
    end(process, why);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct csn_hsm_process *process = handle->data;
    *ret_buf = uv_buf_init((char *)csn_buf_reserve(&process->in, READ_SIZE), READ_SIZE);
}

static void hand_out(struct csn_hsm_process *process)
{
    size_t at = 0;
    while (!process->is_killed && process->in.size - at >= 4) {
        size_t size = csn_get_u32(process->in.data + at);
        if (size > CSN_HSM_MESSAGE_MAX) {
            end(process, "consign-hsm sent an answer longer than a message may be");
            return;
        }
        if (process->in.size - at - 4 < size) {
            break;
        }
        process->handler.frame(process->handler.arg, csn_bytes(process->in.data + at + 4, size));
        at += 4 + size;
    }
    memmove(process->in.data, process->in.data + at, process->in.size - at);
    process->in.size -= at;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct csn_hsm_process *process = stream->data;
    if (got < 0) {
        end(process, "consign-hsm closed its side");
    } else if (got > 0) {
        process->in.size += (size_t)got;
        hand_out(process);
    }
}

static bool names_same(const char *a, const char *b)
{
    size_t size = strcspn(a, "=");
    return strncmp(a, b, size) == 0 && b[size] == '=';
}

/* The process's own environment, each variable replaced by the setting of the same name. */
static char **environment_of(const struct csn_hsm_settings *settings)
{
    size_t own = 0, more = 0, count = 0;
    while (environ[own] != NULL) {
        own++;
    }
    while (settings->environment != NULL && settings->environment[more] != NULL) {
        more++;
    }
    char **all = csn_calloc(own + more + 1, sizeof(*all));
    for (size_t i = 0; i < more; i++) {
        all[count++] = (char *)(uintptr_t)settings->environment[i];
    }
    for (size_t i = 0; i < own; i++) {
        bool is_replaced = false;
        for (size_t j = 0; j < more; j++) {
            is_replaced = is_replaced || names_same(settings->environment[j], environ[i]);
        }
        if (!is_replaced) {
            all[count++] = environ[i];
        }
    }
    return all;
}

/* libuv writes without MSG_NOSIGNAL: a worker that dies before it has read would take its client
 * with it. A handler that the program set for itself stays. */
static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &now, NULL);
    }
}

static int spawn(struct csn_hsm_process *process, uv_loop_t *loop,
                 const struct csn_hsm_settings *settings)
{
    char *args[] = {(char *)(uintptr_t)settings->worker, NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&process->pipe},
    };
    char **environment = environment_of(settings);
    uv_process_options_t options = {
        .file = settings->worker,
        .args = args,
        .env = environment,
        .cwd = settings->folder,
        .exit_cb = on_exit_status,
        .stdio = stdio,
        .stdio_count = 4,
    };
    int bad = uv_spawn(loop, &process->child, &options);
    free(environment);
    return bad;
}

struct csn_hsm_process *csn_hsm_process_new(uv_loop_t *loop,
                                            const struct csn_hsm_settings *settings,
                                            const struct csn_hsm_process_handler *handler,
                                            struct csn_reason *reason)
{
    struct csn_hsm_process *process = csn_calloc(1, sizeof(*process));
    ignore_sigpipe();
    process->handler = *handler;
    process->handles = 2;
    uv_pipe_init(loop, &process->pipe, 0);
    process->pipe.data = process;
    int bad = spawn(process, loop, settings);
    process->child.data = process;
    if (bad == 0) {
        bad = uv_read_start((uv_stream_t *)&process->pipe, on_alloc, on_read);
        if (bad == 0) {
            return process;
        }
        csn_hsm_process_kill(process);
    } else {
        uv_close((uv_handle_t *)&process->child, on_close);
        uv_close((uv_handle_t *)&process->pipe, on_close);
    }
    csn_reason_set(reason, CSN_EHSM, "%s cannot be started: %s", settings->worker,
                   uv_strerror(bad));
    return NULL;
}

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a broken stream also ends in on_read */
    struct writing *writing = request->data;
    free((void *)(uintptr_t)writing->frame);
    free(writing);
}

void csn_hsm_process_send(struct csn_hsm_process *process, struct csn_bytes take_frame)
{
    struct writing *writing = csn_calloc(1, sizeof(*writing));
    writing->request.data = writing;
    writing->frame = take_frame.data;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)take_frame.data, (unsigned)take_frame.size);
    if (uv_write(&writing->request, (uv_stream_t *)&process->pipe, &buf, 1, on_written) != 0) {
        on_written(&writing->request, 0);
    }
}

void csn_hsm_process_kill(struct csn_hsm_process *take_process)
{
    take_process->is_killed = true;
    if (!take_process->is_reaped) {
        uv_process_kill(&take_process->child, SIGKILL); /* on_exit_status closes the handle */
    }
    uv_close((uv_handle_t *)&take_process->pipe, on_close);
}
