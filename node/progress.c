#include "progress.h"

#define PIECE_DEADLINE_MS 15000
#define START_MS 60000 /* for whatever there is; beyond that a time for each MiB */
#define MIB_MS 2000    /* 4 Mbit/s */
#define SIZE_FLOOR ((uint64_t)64 << 20)
#define SIZE_UNKNOWN ((uint64_t)1 << 30)
#define SIZE_MAX_ALL ((uint64_t)8 << 30)

uint64_t csn_progress_octets_max(uint64_t known, unsigned room)
{
    uint64_t most = known > 0 ? 2 * known + SIZE_FLOOR : SIZE_UNKNOWN;
    bool is_all = room >= CSN_PROGRESS_ROOM_MAX || most > SIZE_MAX_ALL >> (2 * room);
    return is_all ? SIZE_MAX_ALL : most << (2 * room);
}

void csn_progress_begin(struct csn_progress *progress, unsigned patience, uint64_t octets_max)
{
    *progress = (struct csn_progress){.patience = patience, .octets_max = octets_max};
}

uint32_t csn_progress_deadline_ms(const struct csn_progress *progress)
{
    return (uint32_t)PIECE_DEADLINE_MS << progress->patience;
}

void csn_progress_asked(struct csn_progress *progress, uint64_t now_ms)
{
    if (progress->under_way++ == 0) {
        progress->since_ms = now_ms;
    }
}

void csn_progress_answered(struct csn_progress *progress, uint64_t now_ms)
{
    progress->spent_ms += now_ms - progress->since_ms;
    progress->since_ms = now_ms;
    progress->under_way--;
}

int csn_progress_take(struct csn_progress *progress, size_t octets, bool is_last)
{
    progress->octets += octets;
    uint64_t allowed_ms = START_MS + ((progress->octets * MIB_MS) >> 20 << (2 * progress->patience));
    return progress->octets > progress->octets_max ? CSN_ELIMIT
           : is_last                               ? CSN_OK
           : octets == 0                           ? CSN_EFORMAT
           : progress->spent_ms > allowed_ms       ? CSN_ESLOW
                                                   : CSN_OK;
}

int csn_progress_code(const struct csn_progress *progress, int code)
{
    return progress->octets > 0 && (code == CSN_ETIMEOUT || code == CSN_ECLOSED) ? CSN_ESLOW : code;
}
