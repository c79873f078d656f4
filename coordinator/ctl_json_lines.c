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

/* "epoch 2, 2 of 3 members agree; SHA-384 of its document: 846c…", then "  1 zrh, signer, incarnation 1", then what waits. */
void csn_ctl_json_membership(FILE *out, struct csn_bytes lines, uint64_t now_s)
{
    json_t *json = document(now_s), *members = json_array(), *notes = json_array();
    unsigned epoch = 0, quorum = 0, count = 0, number, incarnation;
    char digest[2 * CSN_DIGEST_SIZE + 1] = "", name[65], role[17], line[512];
    bool is_next = false;
    for (struct csn_bytes octets; next_line(&lines, &octets);) {
        snprintf(line, sizeof(line), "%.*s", (int)(octets.size < sizeof(line) ? octets.size : sizeof(line) - 1), (const char *)octets.data);
        bool is_head = sscanf(line, "epoch %u, %u of %u members agree; SHA-384 of its document: %96[0-9a-f]", &epoch, &quorum, &count,
                              digest) == 4;
        bool is_member = sscanf(line, "  %u %64[^,], %16[a-z], incarnation %u", &number, name, role, &incarnation) == 4;
        is_next |= strncmp(line, "next", 4) == 0; /* from there on it is what changes */
        if (is_member && !is_next) {
            json_array_append_new(members, json_pack("{s:i, s:s, s:s, s:i}", "number", (int)number, "name", name, "role", role,
                                                     "incarnation", (int)incarnation));
        } else if (!is_head) {
            json_array_append_new(notes, text_of(octets));
        }
    }
    json_object_set_new(json, "epoch", json_integer(epoch));
    json_object_set_new(json, "document", json_string(digest));
    json_object_set_new(json, "quorum", json_integer(quorum));
    json_object_set_new(json, "members", members);
    json_object_set_new(json, "notes", notes);
    put(out, json);
}
