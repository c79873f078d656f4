/* killpoint.c: for LD_PRELOAD into a daemon under test: ends its process by SIGKILL at a line of its own log, so that tests kill
 * at points drawn from the trace without a switch in our programs.
 *
 * The file KILLPOINT_FILE says where: `COUNT WHEN TEXT`. The process dies at the COUNT-th line, from when the file was written
 * on, that holds TEXT: `at` once the line is written, `after` once the next one is, whichever that is. The file is read again
 * when its inode changes, so rename a new one into place. Without it nothing happens. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT_MAX 128

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static ino_t inode; /* of the file last read; 0: none */
static long left;   /* lines with the text until death; 0: disarmed */
static bool is_after, is_due;
static char text[TEXT_MAX];

static ssize_t write_real(int fd, const void *octets, size_t size)
{
    return syscall(SYS_write, fd, octets, size);
}

static void arm(const char *path)
{
    char line[TEXT_MAX + 32] = "", when[8] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC), at = 0;
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    left = 0;
    if (sscanf(line, "%ld %7s %n", &left, when, &at) == 2) {
        is_after = strcmp(when, "after") == 0;
        is_due = false;
        snprintf(text, sizeof(text), "%s", line + at);
    }
}

static void look(void)
{
    const char *path = getenv("KILLPOINT_FILE");
    struct stat st;
    if (path != NULL && stat(path, &st) == 0 && st.st_ino != inode) {
        inode = st.st_ino;
        arm(path);
    }
}

/* Whether the process dies behind this line. */
static bool is_deadly(const char *line, size_t size)
{
    if (is_due) {
        return true;
    }
    if (left == 0 || memmem(line, size, text, strlen(text)) == NULL || --left > 0) {
        return false;
    }
    is_due = is_after;
    return !is_after;
}

ssize_t write(int fd, const void *octets, size_t size)
{
    ssize_t written = write_real(fd, octets, size);
    if (fd == STDERR_FILENO) {
        pthread_mutex_lock(&mutex);
        look();
        if (is_deadly(octets, size)) {
            kill(getpid(), SIGKILL);
        }
        pthread_mutex_unlock(&mutex);
    }
    return written;
}
