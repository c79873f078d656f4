#include "mesh/strangers.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CSN_STRANGERS_PORTS_MAX 64

struct link {
    uint32_t id;
    struct csn_endpoint local, remote;
};

/* A connection at one of our addresses. The cookie is its own for ever, where a descriptor and even
 * a remote port may be another's the next time. */
struct seen {
    uint64_t cookie;
    uint64_t since_ms; /* it was last known to be a link, or first seen */
    int fd;
    bool is_link, is_cut;
    bool is_dialled; /* by this process, anywhere */
};

/* Where this process listens, at whatever address: what is connected there was not dialled. */
struct ports {
    uint8_t items[CSN_STRANGERS_PORTS_MAX][2]; /* network order */
    size_t count;
};

struct seens {
    struct seen *items; /* owns; by cookie between two looks */
    size_t count, room;
};

struct csn_strangers {
    struct csn_endpoint listeners[CSN_STRANGERS_LISTENERS_MAX];
    size_t listener_count;
    DIR *files; /* owns: /proc/self/fd */
    /* owns: a place among the files. A descriptor is laid on it to be sure whose it is, since nng
     * may close and reuse the number at any time; that takes no further file. */
    int pin;
    struct seens before, now;
    bool watches_dials;
    struct ports listening_before, listening; /* of the last look, and of this one */
    pthread_t thread;
    bool is_started;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t ending;
    bool is_ending;
    struct link *links; /* owns */
    size_t link_count, link_room;
    size_t cut_count; /* not yet taken */
    struct csn_endpoint from;
};

/* --- endpoints */

struct csn_endpoint csn_endpoint_v6(const void *address, const void *port)
{
    struct csn_endpoint endpoint;
    memcpy(endpoint.address, address, sizeof(endpoint.address));
    memcpy(endpoint.port, port, sizeof(endpoint.port));
    return endpoint;
}

struct csn_endpoint csn_endpoint_v4(const void *address, const void *port)
{
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    memcpy(mapped + 12, address, 4);
    return csn_endpoint_v6(mapped, port);
}

static bool is_same(const struct csn_endpoint *a, const struct csn_endpoint *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

typedef int name_fn(int fd, struct sockaddr *address, socklen_t *size);

/* By getsockname or getpeername. */
static bool get_end(int fd, name_fn *name, struct csn_endpoint *ret_end)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t size = sizeof(address);
    if (name(fd, &address.any, &size) != 0) {
        return false;
    }
    if (address.any.sa_family == AF_INET) {
        *ret_end = csn_endpoint_v4(&address.v4.sin_addr, &address.v4.sin_port);
    } else if (address.any.sa_family == AF_INET6) {
        *ret_end = csn_endpoint_v6(&address.v6.sin6_addr, &address.v6.sin6_port);
    } else {
        return false;
    }
    return true;
}

static void print_end(const struct csn_endpoint *end, char text[CSN_ENDPOINT_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char address[INET6_ADDRSTRLEN];
    bool is_v4 = memcmp(end->address, mapped, sizeof(mapped)) == 0;
    inet_ntop(is_v4 ? AF_INET : AF_INET6, end->address + (is_v4 ? 12 : 0), address,
              sizeof(address));
    snprintf(text, CSN_ENDPOINT_TEXT_MAX, "%s port %d", address, end->port[0] << 8 | end->port[1]);
}

static bool is_unspecified(const struct csn_endpoint *end)
{
    static const uint8_t none[16] = {0}, none_v4[16] = {[10] = 0xff, [11] = 0xff};
    return memcmp(end->address, none, 16) == 0 || memcmp(end->address, none_v4, 16) == 0;
}

static bool is_ours(const struct csn_strangers *strangers, const struct csn_endpoint *local)
{
    for (size_t i = 0; i < strangers->listener_count; i++) {
        const struct csn_endpoint *listener = &strangers->listeners[i];
        if (memcmp(listener->port, local->port, sizeof(local->port)) == 0 &&
            (is_unspecified(listener) || is_same(listener, local))) {
            return true;
        }
    }
    return false;
}

/* --- life */

int csn_strangers_new(struct csn_strangers **ret_strangers, struct csn_reason *reason)
{
    DIR *files = opendir("/proc/self/fd");
    int pin = files != NULL ? fcntl(dirfd(files), F_DUPFD_CLOEXEC, 0) : -1;
    if (pin < 0) {
        int code = csn_reason_set(reason, CSN_EIO, "/proc/self/fd: %s", strerror(errno));
        if (files != NULL) {
            closedir(files);
        }
        return code;
    }
    struct csn_strangers *strangers = csn_calloc(1, sizeof(*strangers));
    strangers->files = files;
    strangers->pin = pin;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&strangers->ending, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&strangers->lock, NULL);
    *ret_strangers = strangers;
    return CSN_OK;
}

static void end_thread(struct csn_strangers *strangers)
{
    pthread_mutex_lock(&strangers->lock);
    strangers->is_ending = true;
    pthread_cond_signal(&strangers->ending);
    pthread_mutex_unlock(&strangers->lock);
    pthread_join(strangers->thread, NULL);
}

void csn_strangers_free(struct csn_strangers *take_strangers)
{
    if (take_strangers == NULL) {
        return;
    }
    if (take_strangers->is_started) {
        end_thread(take_strangers);
    }
    closedir(take_strangers->files);
    close(take_strangers->pin);
    free(take_strangers->before.items);
    free(take_strangers->now.items);
    free(take_strangers->links);
    pthread_cond_destroy(&take_strangers->ending);
    pthread_mutex_destroy(&take_strangers->lock);
    free(take_strangers);
}

void csn_strangers_watch(struct csn_strangers *strangers, struct csn_endpoint listener)
{
    REQUIRE(strangers->listener_count < CSN_STRANGERS_LISTENERS_MAX);
    strangers->listeners[strangers->listener_count++] = listener;
}

void csn_strangers_watch_dials(struct csn_strangers *strangers)
{
    strangers->watches_dials = true;
}

/* --- links */

void csn_strangers_passed(struct csn_strangers *strangers, uint32_t id, struct csn_endpoint local,
                          struct csn_endpoint remote)
{
    pthread_mutex_lock(&strangers->lock);
    if (strangers->link_count == strangers->link_room) {
        strangers->link_room = 2 * strangers->link_room + 16;
        strangers->links =
            csn_realloc(strangers->links, strangers->link_room, sizeof(*strangers->links));
    }
    strangers->links[strangers->link_count++] =
        (struct link){.id = id, .local = local, .remote = remote};
    pthread_mutex_unlock(&strangers->lock);
}

void csn_strangers_fell(struct csn_strangers *strangers, uint32_t id)
{
    pthread_mutex_lock(&strangers->lock);
    for (size_t i = 0; i < strangers->link_count; i++) {
        if (strangers->links[i].id == id) {
            strangers->links[i] = strangers->links[--strangers->link_count];
            break;
        }
    }
    pthread_mutex_unlock(&strangers->lock);
}

/* The lock is held. */
static bool has_link(const struct csn_strangers *strangers, const struct csn_endpoint *local,
                     const struct csn_endpoint *remote)
{
    for (size_t i = 0; i < strangers->link_count; i++) {
        if (is_same(&strangers->links[i].remote, remote) &&
            is_same(&strangers->links[i].local, local)) {
            return true;
        }
    }
    return false;
}

/* --- looking */

static int by_cookie(const void *a, const void *b)
{
    const struct seen *one = a, *two = b;
    return (one->cookie > two->cookie) - (one->cookie < two->cookie);
}

/* Those to be cut first come first. */
static int by_age(const void *a, const void *b)
{
    const struct seen *one = a, *two = b;
    return (one->since_ms > two->since_ms) - (one->since_ms < two->since_ms);
}

static bool get_cookie(int fd, uint64_t *ret_cookie)
{
    socklen_t size = sizeof(*ret_cookie);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &size) == 0;
}

static void add_seen(struct seens *seens, const struct seen *seen)
{
    if (seens->count == seens->room) {
        seens->room = 2 * seens->room + 64;
        seens->items = csn_realloc(seens->items, seens->room, sizeof(*seens->items));
    }
    seens->items[seens->count++] = *seen;
}

static bool has_option(int fd, int option, int value)
{
    int is = 0;
    socklen_t size = sizeof(is);
    return getsockopt(fd, SOL_SOCKET, option, &is, &size) == 0 && is == value;
}

static void note_port(struct ports *ports, const struct csn_endpoint *local)
{
    if (ports->count < CSN_STRANGERS_PORTS_MAX) {
        memcpy(ports->items[ports->count++], local->port, sizeof(local->port));
    }
}

static bool has_port(const struct ports *ports, const struct csn_endpoint *local)
{
    for (size_t i = 0; i < ports->count; i++) {
        if (memcmp(ports->items[i], local->port, sizeof(local->port)) == 0) {
            return true;
        }
    }
    return false;
}

/* A stream from a port at which nobody here listens. Where there are more ports than are remembered, nothing is. */
static bool is_dialled(const struct csn_strangers *strangers, int fd, const struct csn_endpoint *local)
{
    const struct ports *ports = &strangers->listening_before;
    return strangers->watches_dials && ports->count < CSN_STRANGERS_PORTS_MAX && has_option(fd, SO_TYPE, SOCK_STREAM) &&
           !has_port(ports, local);
}

/* A descriptor that is a connection at one of our addresses, or was dialled, is remembered. */
static void look_at(struct csn_strangers *strangers, int fd, uint64_t now_ms)
{
    struct seen seen = {.fd = fd, .since_ms = now_ms};
    struct csn_endpoint local, remote;
    if (!get_end(fd, getsockname, &local)) {
        return;
    }
    if (has_option(fd, SO_ACCEPTCONN, 1)) {
        note_port(&strangers->listening, &local);
        return;
    }
    seen.is_dialled = !is_ours(strangers, &local) && is_dialled(strangers, fd, &local);
    if ((!seen.is_dialled && !is_ours(strangers, &local)) || !get_end(fd, getpeername, &remote) ||
        !get_cookie(fd, &seen.cookie)) {
        return; /* also what is not connected yet, or closed on both sides */
    }
    const struct seen *before =
        strangers->before.count == 0
            ? NULL
            : bsearch(&seen, strangers->before.items, strangers->before.count,
                      sizeof(*strangers->before.items), by_cookie);
    pthread_mutex_lock(&strangers->lock);
    seen.is_link = has_link(strangers, &local, &remote);
    pthread_mutex_unlock(&strangers->lock);
    if (before != NULL) {
        seen.is_cut = before->is_cut;
        /* A link that falls has its time to disappear. */
        seen.since_ms = seen.is_link ? now_ms : before->since_ms;
    }
    add_seen(&strangers->now, &seen);
}

/* All files of the process; how many there are. */
static size_t look(struct csn_strangers *strangers, uint64_t now_ms)
{
    size_t count = 0;
    const struct dirent *entry;
    struct seens before = strangers->before;
    strangers->before = strangers->now;
    strangers->now = before;
    strangers->now.count = 0;
    strangers->listening_before = strangers->listening;
    strangers->listening.count = 0;
    if (strangers->before.count > 0) {
        qsort(strangers->before.items, strangers->before.count, sizeof(*before.items), by_cookie);
    }
    rewinddir(strangers->files);
    while ((entry = readdir(strangers->files)) != NULL) {
        if (entry->d_name[0] != '.') {
            look_at(strangers, (int)strtol(entry->d_name, NULL, 10), now_ms);
            count++;
        }
    }
    return count;
}

/* --- cutting */

static size_t files_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)limit.rlim_cur : SIZE_MAX;
}

bool csn_strangers_is_short(const struct csn_strangers *strangers)
{
    /* The lowest free descriptor is near the limit only when all below it are taken. */
    int lowest = fcntl(strangers->pin, F_DUPFD_CLOEXEC, 0);
    if (lowest < 0) {
        return errno == EMFILE;
    }
    close(lowest);
    return (size_t)lowest + CSN_STRANGERS_FREE_MIN >= files_max();
}

/* It is laid on the pin, so that it is this very connection that is judged and shut down. */
static void cut(struct csn_strangers *strangers, struct seen *seen)
{
    struct csn_endpoint local, remote;
    uint64_t cookie;
    if (dup3(seen->fd, strangers->pin, O_CLOEXEC) < 0) {
        return;
    }
    if (get_cookie(strangers->pin, &cookie) && cookie == seen->cookie &&
        get_end(strangers->pin, getsockname, &local) &&
        get_end(strangers->pin, getpeername, &remote)) {
        pthread_mutex_lock(&strangers->lock);
        if (!has_link(strangers, &local, &remote) && shutdown(strangers->pin, SHUT_RDWR) == 0) {
            seen->is_cut = true;
            strangers->from = strangers->cut_count == 0 && !seen->is_dialled ? remote : strangers->from;
            strangers->cut_count += !seen->is_dialled;
        }
        pthread_mutex_unlock(&strangers->lock);
    }
    dup3(dirfd(strangers->files), strangers->pin, O_CLOEXEC);
}

static bool is_waiting(const struct seen *seen)
{
    return !seen->is_link && !seen->is_cut;
}

static size_t count_waiting(const struct seens *seens)
{
    size_t count = 0;
    for (size_t i = 0; i < seens->count; i++) {
        count += is_waiting(&seens->items[i]) && !seens->items[i].is_dialled;
    }
    return count;
}

/* How many of those that wait may stay, if they are young. */
static size_t allow(size_t waiting, size_t files)
{
    size_t max = files_max();
    size_t others = files - waiting + CSN_STRANGERS_FREE_MIN;
    size_t left = max > others ? max - others : 0;
    return left < CSN_STRANGERS_MAX ? left : CSN_STRANGERS_MAX;
}

void csn_strangers_cut(struct csn_strangers *strangers, uint64_t now_ms)
{
    size_t files = look(strangers, now_ms);
    if (strangers->now.count == 0) {
        return;
    }
    size_t waiting = count_waiting(&strangers->now);
    size_t allowed = allow(waiting, files);
    qsort(strangers->now.items, strangers->now.count, sizeof(*strangers->now.items), by_age);
    for (size_t i = 0; i < strangers->now.count; i++) {
        struct seen *seen = &strangers->now.items[i];
        uint64_t wait_ms = seen->is_dialled ? CSN_STRANGERS_DIAL_MS : CSN_STRANGERS_WAIT_MS;
        bool is_surplus = is_waiting(seen) && !seen->is_dialled && waiting-- > allowed;
        if (is_waiting(seen) && (is_surplus || now_ms >= seen->since_ms + wait_ms)) {
            cut(strangers, seen);
        }
    }
}

size_t csn_strangers_take(struct csn_strangers *strangers, char ret_from[CSN_ENDPOINT_TEXT_MAX])
{
    pthread_mutex_lock(&strangers->lock);
    size_t count = strangers->cut_count;
    strangers->cut_count = 0;
    if (count > 0) {
        print_end(&strangers->from, ret_from);
    }
    pthread_mutex_unlock(&strangers->lock);
    return count;
}

/* --- the thread */

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* True: the end has come. */
static bool wait_until(struct csn_strangers *strangers, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    int result = 0;
    pthread_mutex_lock(&strangers->lock);
    while (!strangers->is_ending && result == 0) {
        result = pthread_cond_timedwait(&strangers->ending, &strangers->lock, &until);
    }
    bool is_ending = strangers->is_ending;
    pthread_mutex_unlock(&strangers->lock);
    return is_ending;
}

static void *run(void *arg)
{
    struct csn_strangers *strangers = arg;
    uint64_t look_ms = now() + CSN_STRANGERS_LOOK_MS;
    uint64_t pause_ms = CSN_STRANGERS_CHECK_MS;
    while (!wait_until(strangers, now() + pause_ms)) {
        uint64_t now_ms = now();
        bool is_short = csn_strangers_is_short(strangers);
        if (is_short || now_ms >= look_ms) {
            csn_strangers_cut(strangers, now_ms);
            look_ms = now_ms + CSN_STRANGERS_LOOK_MS;
        }
        pause_ms = is_short ? CSN_STRANGERS_SHORT_MS : CSN_STRANGERS_CHECK_MS;
    }
    return NULL;
}

int csn_strangers_start(struct csn_strangers *strangers, struct csn_reason *reason)
{
    int result = pthread_create(&strangers->thread, NULL, run, strangers);
    strangers->is_started = result == 0;
    return result == 0 ? CSN_OK
                       : csn_reason_set(reason, CSN_EIO, "mesh: no thread: %s", strerror(result));
}
