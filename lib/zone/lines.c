#include "zone/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/descriptor.h>
#include <libknot/rrset-dump.h>
#include <libknot/rrset.h>

#include "base/error.h"
#include "dns/name.h"

/* Presentation needs at most 4 characters an octet (\DDD), numbers and spaces come on top. */
#define TEXT_MAX ((size_t)5 * 65536 + 1024)

static void put_text(struct csn_buf *buf, const char *text)
{
    csn_buf_put(buf, text, strlen(text));
}

/* A negative code of libknot's when it cannot read the RDATA. */
static int dump(knot_rrset_t *rrset, bool is_generic, bool is_cut, char *text)
{
    knot_dump_style_t style = KNOT_DUMP_STYLE_DEFAULT;
    style.generic = is_generic;
    style.hide_crypto = is_cut;
    return knot_rrset_txt_dump_data(rrset, 0, text, TEXT_MAX, &style);
}

static void put_rdata(struct csn_buf *buf, const struct csn_rrset *rrset, struct csn_bytes rdata, bool is_cut, char *text)
{
    knot_rrset_t one;
    struct csn_buf octets = {0};
    csn_buf_put_bytes(&octets, rdata);
    if (is_cut) {
        csn_buf_put_u8(&octets, 0); /* libknot refuses an empty signature; what stands there is hidden */
    }
    uint8_t owner[CSN_NAME_MAX];
    memcpy(owner, rrset->owner, csn_name_size(rrset->owner));
    knot_rrset_init(&one, owner, rrset->type, KNOT_CLASS_IN, rrset->ttl);
    INSIST(knot_rrset_add_rdata(&one, octets.data, (uint16_t)octets.size, NULL) == 0);
    if (dump(&one, false, is_cut, text) >= 0 || dump(&one, true, false, text) >= 0) {
        put_text(buf, text);
    }
    knot_rdataset_clear(&one.rrs, NULL);
    csn_buf_fini(&octets);
}

static void put_record(struct csn_buf *buf, char sign, const struct csn_rrset *rrset, struct csn_bytes rdata, bool is_cut, char *text)
{
    char owner[CSN_NAME_TEXT_MAX], type[16], ttl[16];
    csn_name_text(rrset->owner, owner);
    csn_type_text(rrset->type, type);
    snprintf(ttl, sizeof(ttl), " %u IN ", rrset->ttl);
    csn_buf_put_u8(buf, (uint8_t)sign);
    csn_buf_put_u8(buf, ' ');
    put_text(buf, owner);
    put_text(buf, ttl);
    put_text(buf, type);
    csn_buf_put_u8(buf, ' ');
    put_rdata(buf, rrset, rdata, is_cut && rdata.size < UINT16_MAX, text);
    csn_buf_put_u8(buf, '\n');
}

/* Whether the walk over another RRset's records, ascending as these are, comes by `rdata`. */
static bool comes_by(struct csn_reader *others, struct csn_bytes *other, struct csn_bytes rdata)
{
    while (other->data != NULL && csn_bytes_compare(*other, rdata) < 0) {
        if (!csn_rdata_next(others, other)) {
            other->data = NULL;
        }
    }
    return other->data != NULL && csn_bytes_equal(*other, rdata);
}

/* The records of `rrset` that `other` has not. */
static void put_own(struct csn_buf *buf, char sign, const struct csn_rrset *rrset, const struct csn_rrset *other, bool is_cut)
{
    char *text = csn_alloc(TEXT_MAX);
    struct csn_reader reader = csn_rdata_first(rrset), others = {0};
    struct csn_bytes rdata, theirs = {0};
    if (other != NULL && other->ttl == rrset->ttl) {
        others = csn_rdata_first(other);
        csn_rdata_next(&others, &theirs);
    }
    while (csn_rdata_next(&reader, &rdata)) {
        if (!comes_by(&others, &theirs, rdata)) {
            put_record(buf, sign, rrset, rdata, is_cut, text);
        }
    }
    free(text);
}

void csn_lines_differ(struct csn_buf *buf, const struct csn_rrset *a, const struct csn_rrset *b, bool is_cut)
{
    if (a != NULL) {
        put_own(buf, '-', a, b, is_cut);
    }
    if (b != NULL) {
        put_own(buf, '+', b, a, is_cut);
    }
}
