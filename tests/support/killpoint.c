/* killpoint.c: for LD_PRELOAD into a daemon under test: ends its process by SIGKILL at a line of its own log, so that tests kill
 * at points drawn from the trace without a switch in our programs. A file that is renamed is a line too: `rename PATH`; so is
 * one that was appended to and synced: `fdatasync PATH`.
 *
 * The file KILLPOINT_FILE says where: `COUNT WHEN PATTERN`. The process dies at the COUNT-th line, from when the file was written
 * on, that holds PATTERN (of the shell's kind, anywhere in the line): `at` once the line is written, `after` once the next one
 * is, whichever that is. With `children` its children die in its place, once the line is written. The file is read again when
 * its inode changes, so rename a new one into place. Without it nothing happens. */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
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
#define LINE_MAX_SIZE 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static ino_t inode; /* of the file last read; 0: none */
static long left;   /* lines with the pattern until death; 0: disarmed */
static bool is_after, is_due, is_for_children;
static char pattern[TEXT_MAX + 4];

static ssize_t write_real(int fd, const void *octets, size_t size)
{
    return syscall(SYS_write, fd, octets, size);
}

static void arm(const char *path)
{
    char line[TEXT_MAX + 32] = "", when[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC), at = 0;
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    left = 0;
    if (sscanf(line, "%ld %15s %n", &left, when, &at) == 2) {
        is_after = strcmp(when, "after") == 0;
        is_for_children = strcmp(when, "children") == 0;
        is_due = false;
        snprintf(pattern, sizeof(pattern), "*%.*s*", TEXT_MAX, line + at);
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

static bool matches(const char *octets, size_t size)
{
    char line[LINE_MAX_SIZE];
    snprintf(line, sizeof(line), "%.*s", (int)size, octets);
    return fnmatch(pattern, line, 0) == 0;
}

/* Whether the process dies behind this line. */
static bool is_deadly(const char *line, size_t size)
{
    if (is_due) {
        return true;
    }
    if (left == 0 || !matches(line, size) || --left > 0) {
        return false;
    }
    is_due = is_after;
    return !is_after;
}

static void kill_children_of(const char *task)
{
    char path[sizeof("/proc/self/task//children") + NAME_MAX];
    snprintf(path, sizeof(path), "/proc/self/task/%s/children", task);
    FILE *file = fopen(path, "re");
    int pid;
    while (file != NULL && fscanf(file, "%d", &pid) == 1) {
        kill(pid, SIGKILL);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void kill_children(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] != '.') {
            kill_children_of(entry->d_name);
        }
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
}

static void pass(const char *line, size_t size)
{
    pthread_mutex_lock(&mutex);
    look();
    bool is_end = is_deadly(line, size);
    if (is_end && is_for_children) {
        kill_children();
    } else if (is_end) {
        kill(getpid(), SIGKILL);
    }
    pthread_mutex_unlock(&mutex);
}

ssize_t write(int fd, const void *octets, size_t size)
{
    ssize_t written = write_real(fd, octets, size);
    if (fd == STDERR_FILENO) {
        pass(octets, size);
    }
    return written;
}

int fdatasync(int fd)
{
    char link[64], path[LINE_MAX_SIZE / 2] = "", line[LINE_MAX_SIZE];
    int result = (int)syscall(SYS_fdatasync, fd);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    pass(line, (size_t)snprintf(line, sizeof(line), "fdatasync %.*s", size > 0 ? (int)size : 0, path));
    return result;
}

int rename(const char *from, const char *to)
{
    char line[LINE_MAX_SIZE];
    int result = renameat(AT_FDCWD, from, AT_FDCWD, to);
    pass(line, (size_t)snprintf(line, sizeof(line), "rename %.*s", LINE_MAX_SIZE / 2, to));
    return result;
}
