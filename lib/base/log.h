/* log.h: one line a fact on standard error, `time level program event key=value… message`, also with journald's level
 * prefix when standard error is the journal. The core never logs: it emits trace records, and the shell turns them into lines.
 * Secrets never enter. Any thread. */
#ifndef CSN_BASE_LOG_H
#define CSN_BASE_LOG_H

enum csn_level { CSN_DEBUG, CSN_INFO, CSN_WARNING, CSN_ERROR };

/* What a process logs as: kept by its main and handed down. */
struct csn_log {
    const char *program; /* borrows: "consign-node zrh" */
    enum csn_level least;
};

/* `event` is a short fixed word such as "round.certified"; the message names zone, serial, site, cause and what to do. */
void csn_log(const struct csn_log *log, enum csn_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
