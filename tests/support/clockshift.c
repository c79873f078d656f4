/* clockshift.c: for LD_PRELOAD into a daemon under test: its calendar clock is off by the seconds that the file CLOCKSHIFT_FILE
 * holds; time that only passes is left alone. Without the file the clock is right. Waits until a time of the calendar, as nng's are,
 * end by that clock too, but those under way do not notice that it was set. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define UPTIME_MAX_S 1000000000 /* what is later is of the calendar */

static long shift(void)
{
    char text[32] = "";
    const char *path = getenv("CLOCKSHIFT_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    return size > 0 ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (result == 0 && clock == CLOCK_REALTIME) {
        ret_time->tv_sec += shift();
    }
    return result;
}

time_t time(time_t *ret_time)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time != NULL) {
        *ret_time = now.tv_sec;
    }
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
    struct timespec until = *deadline;
    bool is_of_calendar = until.tv_sec > UPTIME_MAX_S;
    until.tv_sec -= is_of_calendar ? shift() : 0;
    return pthread_cond_clockwait(cond, mutex, is_of_calendar ? CLOCK_REALTIME : CLOCK_MONOTONIC, &until);
}
