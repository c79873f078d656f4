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

#define BUCKETS 4096 /* watches by the name of their file: one event concerns few of thousands */

struct csn_watcher {
    uv_loop_t *loop; /* borrows */
    uv_poll_t poll;
    int inotify_fd;
    struct csn_watch *buckets[BUCKETS]; /* borrow */
};

struct csn_watch {
    struct csn_watcher *watcher; /* borrows */
    struct csn_watch *next;      /* borrows; in its bucket */
    uv_timer_t timer;
    int folder; /* inotify's number */
    char *path; /* owns */
    char *base; /* owns; the file's name in its folder */
    struct look last;     /* as seen by the latest look */
    struct look taken;    /* as it was when fn was last called */
    bool is_due;          /* fn is to be called again though nothing changed */
    uint64_t still_since_ms;
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
        watch->still_since_ms = uv_now(watch->watcher->loop);
    }
    if (!watch->is_due && is_same(&now, &watch->taken)) {
        look_again_in(watch, IDLE_MS);
    } else if (uv_now(watch->watcher->loop) - watch->still_since_ms >= STILL_MS) {
        take(watch);
    } else {
        look_again_in(watch, LOOK_MS);
    }
}

/* FNV-1a. */
static struct csn_watch **bucket_of(struct csn_watcher *watcher, const char *base)
{
    uint32_t hash = 2166136261u;
    for (; *base != '\0'; base++) {
        hash = (hash ^ (uint8_t)*base) * 16777619u;
    }
    return &watcher->buckets[hash % BUCKETS];
}

static void look_at_all(struct csn_watcher *watcher)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct csn_watch *watch = watcher->buckets[i]; watch != NULL; watch = watch->next) {
            look_again_in(watch, LOOK_MS);
        }
    }
}

static void on_file_event(struct csn_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_MOVED_TO) {
        watch->last = look_at(watch->path);
        take(watch);
    } else {
        look_again_in(watch, LOOK_MS);
    }
}

static void on_event(struct csn_watcher *watcher, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0) { /* events were lost */
        look_at_all(watcher);
    } else if (event->len > 0) {
        for (struct csn_watch *watch = *bucket_of(watcher, event->name); watch != NULL; watch = watch->next) {
            if (watch->folder == event->wd && strcmp(event->name, watch->base) == 0) {
                on_file_event(watch, event);
            }
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct csn_watcher *watcher = poll->data;
    _Alignas(struct inotify_event) char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    ssize_t got = read(watcher->inotify_fd, buffer, sizeof(buffer));
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
        on_event(watcher, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

int csn_watcher_new(uv_loop_t *loop, struct csn_watcher **ret_watcher, struct csn_reason *reason)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return csn_reason_set(reason, CSN_EIO, "inotify: %s", strerror(errno));
    }
    struct csn_watcher *watcher = csn_calloc(1, sizeof(*watcher));
    watcher->loop = loop;
    watcher->inotify_fd = fd;
    uv_poll_init(loop, &watcher->poll, fd);
    watcher->poll.data = watcher;
    uv_poll_start(&watcher->poll, UV_READABLE, on_readable);
    *ret_watcher = watcher;
    return CSN_OK;
}

/* A folder that is watched already keeps its number. */
static int add_folder(struct csn_watch *watch, struct csn_reason *reason)
{
    char *copy = csn_strdup(watch->path);
    const char *folder = dirname(copy);
    int code = CSN_OK;
    const uint32_t events =
        IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_DELETE;
    watch->folder = inotify_add_watch(watch->watcher->inotify_fd, folder, events);
    if (watch->folder < 0) {
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

int csn_watch_new(struct csn_watcher *watcher, const char *path, csn_watch_fn *fn, void *arg, struct csn_watch **ret_watch,
                  struct csn_reason *reason)
{
    struct csn_watch *watch = csn_calloc(1, sizeof(*watch));
    *watch = (struct csn_watch){.watcher = watcher, .path = csn_strdup(path), .base = base_of(path), .fn = fn, .arg = arg};
    int code = add_folder(watch, reason);
    if (code != CSN_OK) {
        free(watch->path);
        free(watch->base);
        free(watch);
        return code;
    }
    struct csn_watch **bucket = bucket_of(watcher, watch->base);
    watch->next = *bucket;
    *bucket = watch;
    uv_timer_init(watcher->loop, &watch->timer);
    watch->timer.data = watch;
    watch->last = look_at(path);
    /* A file whose mtime is old stood still before this process began. */
    uint64_t now_ms = uv_now(watcher->loop);
    uint64_t age_ms = (uint64_t)(time(NULL) - watch->last.changed.tv_sec) * 1000;
    bool is_old = watch->last.is_there && time(NULL) > watch->last.changed.tv_sec && age_ms > STILL_MS;
    watch->still_since_ms = now_ms - (is_old && now_ms > STILL_MS ? STILL_MS : 0);
    look_again_in(watch, 0);
    *ret_watch = watch;
    return CSN_OK;
}

void csn_watch_again(struct csn_watch *watch)
{
    watch->is_due = true;
    watch->still_since_ms = uv_now(watch->watcher->loop);
    look_again_in(watch, LOOK_MS);
}

uint64_t csn_watch_size(const struct csn_watch *watch)
{
    return (uint64_t)watch->last.size;
}
