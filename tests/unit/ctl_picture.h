/* ctl_picture.h: made-up statuses for the tests of consignctl: a healthy cluster of three sites and one zone, and what may be
 * wrong with it. */
#ifndef CSN_TESTS_CTL_PICTURE_H
#define CSN_TESTS_CTL_PICTURE_H

#include <jansson.h>

#include "ops/status.h"

#define NOW UINT64_C(1795290007) /* 2026-11-21T19:40:07Z */

/* Into an empty one. */
void fill(struct csn_status *status, uint64_t now_s);
/* One more. */
struct csn_status_site *add_site(struct csn_status *status, uint16_t number, const char *name);
struct csn_status_zone *add_zone(struct csn_status *status, const char *name, uint32_t serial);
/* A site is silent, another diverged and has a wrong key, a third has an input parked. */
void spoil(struct csn_status *status);

/* The document; to be given to json_decref. */
json_t *parsed(char *take_text);

#endif
