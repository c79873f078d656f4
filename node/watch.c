#include "watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

#define STILL_MS 2000
#define LOOK_MS 250   /* while the file is changing */
#define IDLE_MS 5000  /* otherwise: for file systems that send no events */

/* What tells one state of the file from another. */
struct look {
    bool is_there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct csn_watch {
    uv_loop_t *loop; /* borrows */
    uv_poll_t poll;
    uv_timer_t timer;
    int inotify_fd;
    char *path; /* owns */
    char *base; /* owns; the file's name in its folder */
    struct look last;     /* as seen by the latest look */
    struct look taken;    /* as it was when fn was last called */
    bool is_due;          /* fn is to be called again though nothing changed */
    uint64_t still_since_ms;
    int open_handles;
    csn_watch_fn *fn;
    void *arg; /* borrows */
};

static struct look look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return (struct look){0};
    }
    if (!S_ISREG(st.st_mode)) { /* another cause than nothing there */
        return (struct look){.device = st.st_dev, .inode = st.st_ino};
    }
    return (struct look){true, st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool is_same(const struct look *a, const struct look *b)
{
    return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void on_timer(uv_timer_t *timer);

static void look_again_in(struct csn_watch *watch, uint64_t delay_ms)
{
    uv_timer_start(&watch->timer, on_timer, delay_ms, 0);
}

static void take(struct csn_watch *watch)
{
    watch->taken = watch->last;
    watch->is_due = false;
    watch->fn(watch->arg);
    look_again_in(watch, IDLE_MS);
}

static void on_timer(uv_timer_t *timer)
{
    struct csn_watch *watch = timer->data;
    struct look now = look_at(watch->path);
    if (!is_same(&now, &watch->last)) {
        watch->last = now;
        watch->still_since_ms = uv_now(watch->loop);
    }
    if (!watch->is_due && is_same(&now, &watch->taken)) {
        look_again_in(watch, IDLE_MS);
    } else if (uv_now(watch->loop) - watch->still_since_ms >= STILL_MS) {
        take(watch);
    } else {
        look_again_in(watch, LOOK_MS);
    }
}

static void on_event(struct csn_watch *watch, const struct inotify_event *event)
{
    bool is_lost = (event->mask & IN_Q_OVERFLOW) != 0;
    if (!is_lost && (event->len == 0 || strcmp(event->name, watch->base) != 0)) {
        return;
    }
    if (event->mask & IN_MOVED_TO) {
        watch->last = look_at(watch->path);
        take(watch);
    } else {
        look_again_in(watch, LOOK_MS);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct csn_watch *watch = poll->data;
    _Alignas(struct inotify_event) char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    ssize_t got = read(watch->inotify_fd, buffer, sizeof(buffer));
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
        on_event(watch, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

static int add_folder(struct csn_watch *watch, struct csn_reason *reason)
{
    char *copy = csn_strdup(watch->path);
    const char *folder = dirname(copy);
    int code = CSN_OK;
    const uint32_t events =
        IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_DELETE;
    if (inotify_add_watch(watch->inotify_fd, folder, events) < 0) {
        code = csn_reason_set(reason, CSN_EIO, "%s: cannot be watched: %s", folder, strerror(errno));
    }
    free(copy);
    return code;
}

static char *base_of(const char *path)
{
    char *copy = csn_strdup(path);
    char *base = csn_strdup(basename(copy));
    free(copy);
    return base;
}

int csn_watch_new(uv_loop_t *loop, const char *path, csn_watch_fn *fn, void *arg, struct csn_watch **ret_watch,
                  struct csn_reason *reason)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return csn_reason_set(reason, CSN_EIO, "inotify: %s", strerror(errno));
    }
    struct csn_watch *watch = csn_calloc(1, sizeof(*watch));
    *watch = (struct csn_watch){
        .loop = loop, .inotify_fd = fd, .path = csn_strdup(path), .base = base_of(path), .fn = fn, .arg = arg};
    int code = add_folder(watch, reason);
    if (code != CSN_OK) {
        close(fd);
        free(watch->path);
        free(watch->base);
        free(watch);
        return code;
    }
    uv_poll_init(loop, &watch->poll, fd);
    uv_timer_init(loop, &watch->timer);
    watch->open_handles = 2;
    watch->poll.data = watch->timer.data = watch;
    uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    watch->last = look_at(path);
    /* A file whose mtime is old stood still before this process began. */
    uint64_t age_ms = (uint64_t)(time(NULL) - watch->last.changed.tv_sec) * 1000;
    bool is_old = watch->last.is_there && time(NULL) > watch->last.changed.tv_sec && age_ms > STILL_MS;
    watch->still_since_ms = uv_now(loop) - (is_old && uv_now(loop) > STILL_MS ? STILL_MS : 0);
    look_again_in(watch, 0);
    *ret_watch = watch;
    return CSN_OK;
}

void csn_watch_again(struct csn_watch *watch)
{
    watch->is_due = true;
    watch->still_since_ms = uv_now(watch->loop);
    look_again_in(watch, LOOK_MS);
}

static void on_closed(uv_handle_t *handle)
{
    struct csn_watch *watch = handle->data;
    if (--watch->open_handles == 0) {
        close(watch->inotify_fd);
        free(watch->path);
        free(watch->base);
        free(watch);
    }
}

void csn_watch_close(struct csn_watch *take_watch)
{
    if (take_watch != NULL) {
        uv_close((uv_handle_t *)&take_watch->poll, on_closed);
        uv_close((uv_handle_t *)&take_watch->timer, on_closed);
    }
}
