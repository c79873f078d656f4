/* Linked into a consign-node of the tests in place of the real functions (ld --wrap): an input that ends the process, with the
 * word `poison-read` when its file is parsed, with an owner `poison-compute` when its content is; and one that is never done,
 * with an owner `endless-compute`. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/zonefile.h"
#include "zone/denial.h"

int __real_csn_zonefile_read(struct csn_bytes text, const char *file, const uint8_t *origin, csn_record_fn *add, void *arg,
                             struct csn_reason *reason);
int __wrap_csn_zonefile_read(struct csn_bytes text, const char *file, const uint8_t *origin, csn_record_fn *add, void *arg,
                             struct csn_reason *reason);

int __wrap_csn_zonefile_read(struct csn_bytes text, const char *file, const uint8_t *origin, csn_record_fn *add, void *arg,
                             struct csn_reason *reason)
{
    static const char word[] = "poison-read";
    for (size_t i = 0; i + sizeof(word) - 1 <= text.size; i++) {
        if (memcmp(text.data + i, word, sizeof(word) - 1) == 0) {
            abort();
        }
    }
    return __real_csn_zonefile_read(text, file, origin, add, arg, reason);
}

static bool has_owner(const struct csn_zone *zone, const char *label)
{
    for (size_t i = 0; i < zone->count; i++) {
        const uint8_t *owner = zone->rrsets[i].owner;
        if (owner[0] == strlen(label) && memcmp(owner + 1, label, owner[0]) == 0) {
            return true;
        }
    }
    return false;
}

static void never_end(void)
{
    static const char said[] = "endless-compute begun\n";
    (void)!write(STDERR_FILENO, said, sizeof(said) - 1);
    for (;;) {
        pause();
    }
}

void __real_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out);
void __wrap_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out);

void __wrap_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out)
{
    if (has_owner(zone, "poison-compute")) {
        abort();
    }
    if (has_owner(zone, "endless-compute")) {
        never_end();
    }
    __real_csn_nsec_chain(zone, apex_types, apex_types_count, out);
}
