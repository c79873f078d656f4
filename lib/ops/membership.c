#include "ops/membership.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void csn_membership_fini(struct csn_membership *membership)
{
    csn_arena_fini(&membership->arena);
    *membership = (struct csn_membership){.epoch = 0};
}

bool csn_membership_add(struct csn_membership *membership, const struct csn_membership_row *row)
{
    if (membership->member_count == CSN_STATUS_SITES_MAX) {
        return false;
    }
    membership->members[membership->member_count++] =
        (struct csn_membership_row){.number = row->number,
                                    .name = csn_arena_copy(&membership->arena, row->name, strlen(row->name) + 1),
                                    .role = csn_arena_copy(&membership->arena, row->role, strlen(row->role) + 1),
                                    .incarnation = row->incarnation};
    return true;
}

static void put(struct csn_buf *text, const char *words)
{
    csn_buf_put(text, words, strlen(words));
}

/* Of the document in force. */
static void put_standing(const struct csn_membership *membership, struct csn_buf *text)
{
    char time[CSN_TIME_TEXT_SIZE];
    put(text, membership->is_unconfirmed ? "it has not begun as far as this site knows\n" : "");
    if (membership->emergency_until_s != 0) {
        csn_time_text(membership->emergency_until_s, time);
        put(text, "EMERGENCY until ");
        put(text, time);
        put(text, ": ");
        put(text, membership->emergency_reason != NULL ? membership->emergency_reason : "");
        put(text, "\n");
    }
}

static void put_waiting(const struct csn_membership *membership, struct csn_buf *text)
{
    char line[80];
    if (membership->begun_epoch != 0) {
        snprintf(line, sizeof(line), "epoch %" PRIu32 " has begun without this site: it votes no more\n", membership->begun_epoch);
        put(text, line);
    }
    if (membership->next_epoch != 0) {
        put(text, "next, when a quorum has it:\n");
        put(text, membership->change != NULL ? membership->change : "");
    }
    if (membership->why_not != NULL) {
        put(text, "it cannot begin here: ");
        put(text, membership->why_not);
        put(text, "\n");
    }
}

void csn_membership_write_notes(const struct csn_membership *membership, struct csn_buf *text)
{
    put_standing(membership, text);
    put_waiting(membership, text);
}

void csn_membership_write(const struct csn_membership *membership, struct csn_buf *text)
{
    char line[256], hex[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(membership->document.octets, CSN_DIGEST_SIZE), hex);
    snprintf(line, sizeof(line), "epoch %" PRIu32 ", %u of %" PRIu32 " members agree; SHA-384 of its document: %s\n", membership->epoch,
             membership->quorum, membership->member_count, hex);
    put(text, line);
    put_standing(membership, text);
    for (uint32_t i = 0; i < membership->member_count; i++) {
        const struct csn_membership_row *row = &membership->members[i];
        snprintf(line, sizeof(line), "  %u %s, %s, incarnation %" PRIu32 "\n", row->number, row->name, row->role, row->incarnation);
        put(text, line);
    }
    put_waiting(membership, text);
}
