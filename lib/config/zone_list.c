#include "config/zone_list.h"

#include <string.h>

#include "base/fs.h"
#include "base/text.h"

#define LISTING_SIZE_MAX ((size_t)8 * 1024 * 1024)
#define BLANKS " \t\r"

static const char mark[] = "{zone}";
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/* A line without its comment and blanks around it; ends in NUL. */
static char *trim(char *line)
{
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, BLANKS);
    size_t size = strlen(line);
    while (size > 0 && strchr(BLANKS, line[size - 1]) != NULL) {
        line[--size] = '\0';
    }
    return line;
}

/* A final dot is not needed. */
static bool read_name(const char *text, uint8_t ret_zone[CSN_NAME_MAX])
{
    char name[CSN_NAME_TEXT_MAX];
    size_t size = strlen(text);
    if (size == 0 || size + 2 > sizeof(name) || text[strspn(text, plain)] != '\0' || strcmp(text, ".") == 0) {
        return false;
    }
    memcpy(name, text, size + 1);
    if (name[size - 1] != '.') {
        memcpy(name + size, ".", 2);
    }
    return csn_name_parse(name, ret_zone) == CSN_OK;
}

static int add(const struct csn_schema_reader *reader, const struct csn_yaml_node *node, const char *path, size_t number,
               const char *name, size_t most, struct csn_zone_list *list)
{
    if (!read_name(name, list->zones[list->count])) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "%s:%zu: expected the name of a zone, of letters, digits, '-', '_' and '.', not '%.40s'; others "
                               "stand in 'zones'",
                               path, number, name);
    }
    if (list->count == most) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_ELIMIT, "%s:%zu: more than %zu zones", path, number, most);
    }
    csn_name_lower(list->zones[list->count++]);
    return CSN_OK;
}

int csn_zone_list_read(const struct csn_schema_reader *reader, const struct csn_yaml_node *node, const char *path, size_t most,
                       struct csn_zone_list *ret_list)
{
    struct csn_buf text = {0};
    struct csn_reason cause;
    int code = csn_fs_read(path, LISTING_SIZE_MAX, &text, &cause);
    if (code != CSN_OK) {
        csn_buf_fini(&text);
        return csn_yaml_refuse(reader->yaml, node, reader->reason, code, "%s", cause.text);
    }
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) { /* what stands behind it would not be seen */
        csn_buf_fini(&text);
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT, "%s: an octet 0: no text", path);
    }
    size_t lines = csn_line_count(csn_buf_view(&text));
    csn_buf_put_u8(&text, '\0');
    *ret_list = (struct csn_zone_list){0};
    ret_list->zones = csn_arena_alloc(reader->arena, (lines < most ? lines : most + 1) * CSN_NAME_MAX, 1);
    size_t number = 0;
    for (char *line = (char *)text.data, *next; code == CSN_OK && line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        number++;
        const char *name = trim(line);
        code = *name == '\0' ? CSN_OK : add(reader, node, path, number, name, most, ret_list);
    }
    csn_buf_fini(&text);
    return code;
}

const char *csn_zone_list_path(struct csn_arena *arena, const char *pattern, const uint8_t *zone)
{
    char name[CSN_NAME_TEXT_MAX];
    struct csn_buf path = {0};
    csn_name_text(zone, name);
    name[strlen(name) - 1] = '\0'; /* the final dot */
    for (const char *at = pattern, *next; at != NULL; at = next) {
        const char *found = strstr(at, mark);
        csn_buf_put(&path, at, found != NULL ? (size_t)(found - at) : strlen(at) + 1);
        if (found != NULL) {
            csn_buf_put(&path, name, strlen(name));
        }
        next = found != NULL ? found + strlen(mark) : NULL;
    }
    const char *copy = csn_arena_copy(arena, path.data, path.size);
    csn_buf_fini(&path);
    return copy;
}
