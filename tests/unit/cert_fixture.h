/* cert_fixture.h: a daemon's answer to `cert show`: a certificate of zone ch. by two sites, and no other zone. */
#ifndef CSN_TESTS_CERT_FIXTURE_H
#define CSN_TESTS_CERT_FIXTURE_H

#include "ops/control.h"

/* For csn_control_handlers; `arg` is not used. */
int show_cert(void *arg, const char *zone, struct csn_cert_view *ret_view, struct csn_reason *reason);

#endif
