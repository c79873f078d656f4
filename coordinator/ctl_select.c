/* Which part of a status is shown, and how again and again: see ctl_render.h. */
#include "ctl_render.h"

#include <string.h>

static bool is_named(const struct csn_status_zone *zone, const char *name)
{
    size_t size = strlen(name);
    return strncmp(zone->zone, name, size) == 0 &&
           (zone->zone[size] == '\0' || (strcmp(zone->zone + size, ".") == 0 && size > 0 && name[size - 1] != '.'));
}

uint32_t csn_ctl_select(struct csn_status *status, const char *zone, bool is_not_well)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        struct csn_status_zone *row = status->zones[i];
        bool is_wanted = (zone == NULL || is_named(row, zone)) && (!is_not_well || row->level != CSN_HEALTH_OK);
        row->is_hidden = !is_wanted;
        shown += is_wanted;
    }
    return shown;
}

/* No text of a document holds an end of line, so that each is between two tokens. */
static void put_line(FILE *out, const char *text)
{
    for (bool is_indent = false; *text != '\0'; text++) {
        is_indent = *text == '\n' || (is_indent && *text == ' ');
        if (!is_indent) {
            fputc(*text, out);
        }
    }
    fputc('\n', out);
}

bool csn_ctl_put_again(FILE *out, const char *text, bool is_over)
{
    if (is_over) {
        fprintf(out, "\033[H\033[2J%s", text);
    } else {
        put_line(out, text);
    }
    return fflush(out) == 0;
}
