/* Goal: no text makes the intake of zone files do anything but refuse it with a reason or give a
 * prepared zone that is in order and that preparation leaves as it is. Method: read, prepare, and
 * prepare the result again; the same octets as RDATA of each type with a layout, for what a
 * transfer may bring. */
#include <string.h>

#include "dns/rdata.h"
#include "dns/zonefile.h"
#include "fuzz/replay.h"
#include "zone/prepare.h"

const char csn_fuzz_name[] = "zonefile";

static const uint8_t apex[] = "\7example";

static int add(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    INSIST(record->line > 0);
    return csn_prepare_add(arg, record, reason);
}

static void add_again(struct csn_prepare *prepare, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    while (csn_rdata_next(&reader, &rdata)) {
        const struct csn_record record = {.owner =
                                              csn_bytes(rrset->owner, csn_name_size(rrset->owner)),
                                          .rdata = rdata,
                                          .ttl = rrset->ttl,
                                          .class = CSN_CLASS_IN,
                                          .type = rrset->type};
        INSIST(csn_prepare_add(prepare, &record, NULL) == CSN_OK);
    }
    INSIST(csn_reader_done(&reader));
}

static void check_input(const struct csn_input *input)
{
    struct csn_prepare *prepare = csn_prepare_new(apex, NULL, 0);
    struct csn_input *again = NULL;
    for (size_t i = input->zone->count; i > 0; i--) {
        INSIST(i == 1 ||
               csn_rrset_compare(&input->zone->rrsets[i - 2], &input->zone->rrsets[i - 1]) < 0);
        add_again(prepare, &input->zone->rrsets[i - 1]);
    }
    INSIST(csn_prepare_finish(prepare, &again, NULL) == CSN_OK);
    INSIST(again->removed == 0 && csn_digest_equal(&again->received, &input->prepared));
    enum csn_gate expected = input->removed == 0 ? CSN_GATE_NONE : CSN_GATE_SERIAL_SAME;
    INSIST(csn_input_gate(again, input, &(struct csn_gates){0}, NULL) == expected);
    csn_input_unref(again);
    csn_prepare_free(prepare);
}

static void check_text(struct csn_bytes text)
{
    struct csn_prepare *prepare = csn_prepare_new(apex, NULL, 0);
    struct csn_input *input = NULL;
    struct csn_reason reason = {.text = ""};
    int code = csn_zonefile_read(text, "in", apex, add, prepare, &reason);
    INSIST(code == CSN_OK || strncmp(reason.text, "in:", 3) == 0);
    if (code == CSN_OK) {
        code = csn_prepare_finish(prepare, &input, &reason);
        INSIST(code == CSN_OK || strchr(reason.text, ':') != NULL);
    }
    csn_prepare_free(prepare);
    if (code == CSN_OK) {
        check_input(input);
    }
    csn_input_unref(input);
}

static void check_rdata(const uint8_t *data, size_t size)
{
    struct csn_buf copy = {0};
    for (uint16_t type = 0; type < 260; type++) {
        if (csn_rdata_check(type, csn_bytes(data, size), NULL) == CSN_OK) {
            csn_buf_clear(&copy);
            csn_buf_put(&copy, data, size);
            csn_rdata_lower(type, copy.data, size);
            INSIST(csn_rdata_check(type, csn_buf_view(&copy), NULL) == CSN_OK);
        }
    }
    csn_buf_fini(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text(csn_bytes(data, size));
    if (size <= 512) {
        check_rdata(data, size);
    }
    return 0;
}
