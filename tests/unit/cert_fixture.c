#include "cert_fixture.h"

#include <string.h>

int show_cert(void *arg, const char *zone, struct csn_cert_view *ret_view, struct csn_reason *reason)
{
    (void)arg;
    if (strcmp(zone, "ch.") != 0) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "zone %s is not configured here", zone);
    }
    ret_view->zone = "ch.";
    ret_view->serial = 2026112104;
    ret_view->input = (struct csn_status_input){.generation = 1, .serial = 77};
    ret_view->policy = 3;
    ret_view->keyset = 5;
    ret_view->round_counter = UINT64_MAX;
    ret_view->signer_count = 2;
    ret_view->signers[0] = (struct csn_cert_signer){.number = 1, .name = "zrh", .incarnation = 1};
    ret_view->signers[1] = (struct csn_cert_signer){.number = 3, .name = "sin", .incarnation = 2};
    ret_view->certificate = csn_bytes("CSNC", 4);
    return CSN_OK;
}
