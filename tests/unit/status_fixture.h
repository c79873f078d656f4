/* status_fixture.h: a status as a healthy cluster of three sites has it, with one released zone. */
#ifndef CSN_TESTS_STATUS_FIXTURE_H
#define CSN_TESTS_STATUS_FIXTURE_H

#include "ops/status.h"

#define NOW UINT64_C(1795290007) /* 2026-11-21T19:40:07Z */

/* Into an empty one. */
void fill(struct csn_status *status);
/* One site more, heard a moment ago. */
void fill_site(struct csn_status *status, uint16_t number, const char *name);

#endif
