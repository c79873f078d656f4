/* Linked into a consign-node of the tests in place of the real functions (ld --wrap): an input that ends the process, with the
 * word `poison-read` when its file is parsed, with an owner `poison-compute` when its content is. */
#include <stdlib.h>
#include <string.h>

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

void __real_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out);
void __wrap_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out);

void __wrap_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out)
{
    for (size_t i = 0; i < zone->count; i++) {
        if (memcmp(zone->rrsets[i].owner, "\x0e" "poison-compute", 15) == 0) {
            abort();
        }
    }
    __real_csn_nsec_chain(zone, apex_types, apex_types_count, out);
}
