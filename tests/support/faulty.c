/* Linked into a consign-node of the tests in place of the real function (ld --wrap): a fault of the software at one site. Its
 * NSEC at the apex says that a type is there which is not: its content differs from the other sites' in one RRset of class N. */
#include "zone/denial.h"

#define NOT_THERE 65280

void __real_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out);
void __wrap_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out);

void __wrap_csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count,
                           struct csn_zone *out)
{
    static const uint16_t wrong[] = {NOT_THERE};
    (void)apex_types;
    (void)apex_types_count;
    __real_csn_nsec_chain(zone, wrong, 1, out);
}
