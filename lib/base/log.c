#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_SIZE 2048

/* One write(2) a line, so that lines of several threads do not mix. Control characters from outside cannot forge a line. */
static void emit(char *line, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    ssize_t ignored = write(STDERR_FILENO, line, size);
    (void)ignored;
}

void csn_log(const struct csn_log *log, enum csn_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    static const char *const journal[] = {"<7>", "<6>", "<4>", "<3>"};
    if (level < log->least) {
        return;
    }
    char line[LINE_MAX_SIZE];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    int size = snprintf(line, sizeof(line), "%s%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s %s ",
                        getenv("JOURNAL_STREAM") ? journal[level] : "", utc.tm_year + 1900, utc.tm_mon + 1,
                        utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000, names[level],
                        log->program, event);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + size, sizeof(line) - (size_t)size - 1, format, args);
    va_end(args);
    size_t total = (size_t)size + (size_t)(more > 0 ? more : 0);
    if (total > sizeof(line) - 2) {
        total = sizeof(line) - 2;
    }
    line[total] = '\n';
    emit(line, total + 1);
}
