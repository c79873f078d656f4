/* What a daemon answers as lines, for scripts: see ctl_render.h. */
#include "ctl_render.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "ops/control.h"

/* As ctl_json.c: anything but printable ASCII and ends of lines is shown as `?`. */
static json_t *text_of(struct csn_bytes octets)
{
    char *clean = csn_alloc(octets.size + 1);
    for (size_t i = 0; i < octets.size; i++) {
        bool is_plain = octets.data[i] == '\n' || (octets.data[i] >= 0x20 && octets.data[i] <= 0x7e);
        clean[i] = is_plain ? (char)octets.data[i] : '?';
    }
    clean[octets.size] = '\0';
    json_t *json = json_string(clean);
    free(clean);
    return json;
}

/* The next line without its end; false: none is left. */
static bool next_line(struct csn_bytes *lines, struct csn_bytes *ret_line)
{
    const uint8_t *end = lines->size > 0 ? memchr(lines->data, '\n', lines->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - lines->data) : lines->size, used = size + (end != NULL);
    bool is_there = lines->size > 0;
    *ret_line = csn_bytes(lines->data, size);
    *lines = csn_bytes(is_there ? lines->data + used : NULL, lines->size - used);
    return is_there;
}

static json_t *document(uint64_t now_s)
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(now_s, time);
    return json_pack("{s:i, s:s}", "schema", CSN_CTL_SCHEMA, "observed_at", time);
}

static void put(FILE *out, json_t *take_json)
{
    json_dumpf(take_json, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(take_json);
}

void csn_ctl_json_diff(FILE *out, const struct csn_control_diff *diff, struct csn_bytes lines, uint64_t now_s)
{
    json_t *first = json_array(), *second = json_array(), *notes = json_array(), *json = document(now_s);
    bool is_equal = lines.size == 0;
    for (struct csn_bytes line; next_line(&lines, &line);) {
        bool is_record = line.size > 2 && (line.data[0] == '-' || line.data[0] == '+') && line.data[1] == ' ';
        json_t *list = !is_record ? notes : line.data[0] == '-' ? first : second;
        json_array_append_new(list, text_of(is_record ? csn_bytes(line.data + 2, line.size - 2) : line));
    }
    json_object_set_new(json, "zone", text_of(csn_bytes(diff->zone, strlen(diff->zone))));
    json_object_set_new(json, "serial", json_integer(diff->serial));
    json_object_set_new(json, "equal", json_boolean(is_equal));
    json_object_set_new(json, "first", json_pack("{s:s, s:o}", "site", diff->first, "only", first));
    json_object_set_new(json, "second", json_pack("{s:s, s:o}", "site", diff->second, "only", second));
    json_object_set_new(json, "notes", notes);
    put(out, json);
}

void csn_ctl_json_reports(FILE *out, const char *zone, const char *name, struct csn_bytes lines, uint64_t now_s)
{
    json_t *json = document(now_s), *names = json_array();
    json_object_set_new(json, "zone", text_of(csn_bytes(zone, strlen(zone))));
    if (name != NULL) {
        json_object_set_new(json, "name", text_of(csn_bytes(name, strlen(name))));
        json_object_set_new(json, "text", text_of(lines));
        json_decref(names);
    } else {
        for (struct csn_bytes line; next_line(&lines, &line);) {
            json_array_append_new(names, text_of(line));
        }
        json_object_set_new(json, "reports", names);
    }
    put(out, json);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? text_of(csn_bytes(text, strlen(text))) : json_null();
}

static json_t *epoch_or_null(uint32_t epoch)
{
    return epoch != 0 ? json_integer(epoch) : json_null();
}

static json_t *time_or_null(uint64_t unix_s)
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(unix_s, time);
    return unix_s != 0 ? json_string(time) : json_null();
}

static json_t *members(const struct csn_membership *membership)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < membership->member_count; i++) {
        const struct csn_membership_row *row = &membership->members[i];
        json_array_append_new(list, json_pack("{s:i, s:o, s:o, s:o}", "number", (int)row->number, "name", text_or_null(row->name),
                                              "role", text_or_null(row->role), "incarnation", json_integer(row->incarnation)));
    }
    return list;
}

/* What the table says beside document and members, a line each. */
static json_t *notes(const struct csn_membership *membership)
{
    json_t *list = json_array();
    struct csn_buf text = {0};
    csn_membership_write_notes(membership, &text);
    struct csn_bytes lines = csn_buf_view(&text);
    for (struct csn_bytes line; next_line(&lines, &line);) {
        json_array_append_new(list, text_of(line));
    }
    csn_buf_fini(&text);
    return list;
}

void csn_ctl_json_membership(FILE *out, const struct csn_membership *membership, uint64_t now_s)
{
    json_t *json = document(now_s);
    char digest[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(membership->document.octets, CSN_DIGEST_SIZE), digest);
    json_object_set_new(json, "epoch", json_integer(membership->epoch));
    json_object_set_new(json, "document", json_string(digest));
    json_object_set_new(json, "quorum", json_integer(membership->quorum));
    json_object_set_new(json, "confirmed", json_boolean(!membership->is_unconfirmed));
    json_object_set_new(json, "emergency_until", time_or_null(membership->emergency_until_s));
    json_object_set_new(json, "emergency_reason", text_or_null(membership->emergency_reason));
    json_object_set_new(json, "begun_epoch", epoch_or_null(membership->begun_epoch));
    json_object_set_new(json, "next_epoch", epoch_or_null(membership->next_epoch));
    json_object_set_new(json, "why_not", text_or_null(membership->why_not));
    json_object_set_new(json, "members", members(membership));
    json_object_set_new(json, "notes", notes(membership));
    put(out, json);
}
