#include "reports.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/sha.h"
#include "dns/name.h"

#define NAME_SHOWN 100 /* characters of a zone's name; the hash tells longer ones apart */
#define REPORT_MAX ((size_t)512 * 1024) /* octets that are shown; what is kept is far smaller */
#define PREFIX_SIZE (NAME_SHOWN + 16)

/* "ch.-0123abcd-": what the names of a zone's reports begin with. Never `.` or a slash. */
static void write_prefix(const uint8_t *zone, char ret_prefix[PREFIX_SIZE])
{
    char text[CSN_NAME_TEXT_MAX];
    struct csn_digest digest;
    csn_name_text(zone, text);
    csn_sha384(csn_bytes(zone, csn_name_size(zone)), &digest);
    text[NAME_SHOWN] = '\0';
    for (char *at = text; *at != '\0'; at++) {
        bool is_plain = isalnum((unsigned char)*at) || *at == '-' || (*at == '.' && at > text);
        *at = is_plain ? *at : '_';
    }
    snprintf(ret_prefix, PREFIX_SIZE, "%.*s-%08" PRIx32 "-", NAME_SHOWN, text, csn_get_u32(digest.octets));
}

static int compare_newest_first(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    return -strcmp(*x, *y);
}

/* Names of the reports with this prefix, newest first. They begin alike and the time has ten digits, so their order is that of
 * time. */
static char **list(const char *folder, const char *prefix, size_t *ret_count)
{
    char **names = NULL;
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            names = csn_realloc(names, count + 1, sizeof(*names));
            names[count++] = csn_strdup(entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (count > 0) {
        qsort(names, count, sizeof(*names), compare_newest_first);
    }
    *ret_count = count;
    return names;
}

static void free_list(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

static void drop_oldest(const char *folder, const char *prefix)
{
    size_t count;
    char path[CSN_REPORT_PATH_MAX];
    char **names = list(folder, prefix, &count);
    for (size_t i = CSN_REPORTS_MAX; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    free_list(names, count);
}

int csn_reports_keep(const char *store, const uint8_t *zone, uint32_t serial, uint64_t time_s, struct csn_bytes text,
                     char ret_path[CSN_REPORT_PATH_MAX], struct csn_reason *reason)
{
    char folder[CSN_REPORT_PATH_MAX - 256], prefix[PREFIX_SIZE];
    write_prefix(zone, prefix);
    snprintf(folder, sizeof(folder), "%s/reports", store);
    snprintf(ret_path, CSN_REPORT_PATH_MAX, "%s/%s%010" PRIu64 "-%" PRIu32 ".txt", folder, prefix, time_s, serial);
    int code = csn_fs_mkdir(folder, reason);
    if (code == CSN_OK) {
        code = csn_fs_write(ret_path, text, 0640, reason);
    }
    if (code == CSN_OK) {
        drop_oldest(folder, prefix);
    }
    return code;
}

void csn_reports_list(const char *store, const uint8_t *zone, struct csn_buf *buf)
{
    char folder[CSN_REPORT_PATH_MAX - 256], prefix[PREFIX_SIZE];
    size_t count;
    write_prefix(zone, prefix);
    snprintf(folder, sizeof(folder), "%s/reports", store);
    char **names = list(folder, prefix, &count);
    for (size_t i = 0; i < count; i++) {
        csn_buf_put(buf, names[i], strlen(names[i]));
        csn_buf_put_u8(buf, '\n');
    }
    free_list(names, count);
}

int csn_reports_read(const char *store, const uint8_t *zone, const char *name, struct csn_buf *buf, struct csn_reason *reason)
{
    char path[CSN_REPORT_PATH_MAX], prefix[PREFIX_SIZE];
    write_prefix(zone, prefix);
    bool is_one = strncmp(name, prefix, strlen(prefix)) == 0 && strchr(name, '/') == NULL; /* nothing beside them is read */
    snprintf(path, sizeof(path), "%s/reports/%s", store, name);
    return is_one
               ? csn_fs_read(path, REPORT_MAX, buf, reason)
               : csn_reason_set(reason, CSN_ENOTFOUND, "%.200s: no report of this zone here; consignctl zone reports lists them", name);
}
