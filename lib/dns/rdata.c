#include "dns/rdata.h"

#include <libknot/descriptor.h>

#include "dns/name.h"
#include "dns/rrset.h"

#define TYPE_A6 38
#define LAYOUT_TYPES 258 /* one above CAA, the greatest type with a layout */

/* One letter a field:
 *
 *   N name                      S strings to the end, one at least
 *   1 2 4 8 so many octets      x octets to the end
 *   6 sixteen octets            m type bitmap (RFC 4034 4.1.2)
 *   s string                    V SVCB parameters (RFC 9460 2.2)
 *   p string, not empty         P APL items (RFC 3123)
 *                               Z prefix and name of A6 (RFC 2874)
 *                               G gateway and key of IPSECKEY (RFC 4025)
 *
 * libknot's descriptors hold the places of names only: they let an empty DS or a TXT cut short
 * pass. */
static const char *const layouts[LAYOUT_TYPES] = {
    [KNOT_RRTYPE_A] = "4",
    [KNOT_RRTYPE_NS] = "N",
    [KNOT_RRTYPE_MD] = "N",
    [KNOT_RRTYPE_MF] = "N",
    [KNOT_RRTYPE_CNAME] = "N",
    [KNOT_RRTYPE_SOA] = "NN44444",
    [KNOT_RRTYPE_MB] = "N",
    [KNOT_RRTYPE_MG] = "N",
    [KNOT_RRTYPE_MR] = "N",
    [KNOT_RRTYPE_PTR] = "N",
    [KNOT_RRTYPE_HINFO] = "ss",
    [KNOT_RRTYPE_MINFO] = "NN",
    [KNOT_RRTYPE_MX] = "2N",
    [KNOT_RRTYPE_TXT] = "S",
    [KNOT_RRTYPE_RP] = "NN",
    [KNOT_RRTYPE_AFSDB] = "2N",
    [KNOT_RRTYPE_RT] = "2N",
    [KNOT_RRTYPE_SIG] = "2114442Nx",
    [KNOT_RRTYPE_KEY] = "211x",
    [KNOT_RRTYPE_PX] = "2NN",
    [KNOT_RRTYPE_AAAA] = "6",
    [KNOT_RRTYPE_LOC] = "1111444",
    [KNOT_RRTYPE_NXT] = "Nx",
    [KNOT_RRTYPE_SRV] = "222N",
    [KNOT_RRTYPE_NAPTR] = "22sssN",
    [KNOT_RRTYPE_KX] = "2N",
    [KNOT_RRTYPE_CERT] = "221x",
    [TYPE_A6] = "Z",
    [KNOT_RRTYPE_DNAME] = "N",
    [KNOT_RRTYPE_APL] = "P",
    [KNOT_RRTYPE_DS] = "211x",
    [KNOT_RRTYPE_SSHFP] = "11x",
    [KNOT_RRTYPE_IPSECKEY] = "G",
    [KNOT_RRTYPE_RRSIG] = "2114442Nx",
    [KNOT_RRTYPE_NSEC] = "Nm",
    [KNOT_RRTYPE_DNSKEY] = "211x",
    [KNOT_RRTYPE_DHCID] = "x",
    [KNOT_RRTYPE_NSEC3] = "112ssm",
    [KNOT_RRTYPE_NSEC3PARAM] = "112s",
    [KNOT_RRTYPE_TLSA] = "111x",
    [KNOT_RRTYPE_SMIMEA] = "111x",
    [KNOT_RRTYPE_CDS] = "211x",
    [KNOT_RRTYPE_CDNSKEY] = "211x",
    [KNOT_RRTYPE_OPENPGPKEY] = "x",
    [KNOT_RRTYPE_CSYNC] = "42m",
    [KNOT_RRTYPE_ZONEMD] = "411x",
    [KNOT_RRTYPE_SVCB] = "2NV",
    [KNOT_RRTYPE_HTTPS] = "2NV",
    [KNOT_RRTYPE_SPF] = "S",
    [KNOT_RRTYPE_NID] = "28",
    [KNOT_RRTYPE_L32] = "24",
    [KNOT_RRTYPE_L64] = "28",
    [KNOT_RRTYPE_LP] = "2N",
    [KNOT_RRTYPE_EUI48] = "42",
    [KNOT_RRTYPE_EUI64] = "8",
    [KNOT_RRTYPE_URI] = "22x",
    [KNOT_RRTYPE_CAA] = "1px",
};

static const char *layout_of(uint16_t type)
{
    return type < LAYOUT_TYPES && layouts[type] != NULL ? layouts[type] : "x";
}

bool csn_type_is_meta(uint16_t type)
{
    return type == 0 || type == CSN_TYPE_OPT || (type >= 128 && type <= 255);
}

/* Not libknot's list: it lacks A6, and ours must not move with its versions. */
bool csn_type_has_lower_names(uint16_t type)
{
    switch (type) {
    case KNOT_RRTYPE_NS:
    case KNOT_RRTYPE_MD:
    case KNOT_RRTYPE_MF:
    case KNOT_RRTYPE_CNAME:
    case KNOT_RRTYPE_SOA:
    case KNOT_RRTYPE_MB:
    case KNOT_RRTYPE_MG:
    case KNOT_RRTYPE_MR:
    case KNOT_RRTYPE_PTR:
    case KNOT_RRTYPE_MINFO:
    case KNOT_RRTYPE_MX:
    case KNOT_RRTYPE_RP:
    case KNOT_RRTYPE_AFSDB:
    case KNOT_RRTYPE_RT:
    case KNOT_RRTYPE_SIG:
    case KNOT_RRTYPE_PX:
    case KNOT_RRTYPE_NXT:
    case KNOT_RRTYPE_NAPTR:
    case KNOT_RRTYPE_KX:
    case KNOT_RRTYPE_SRV:
    case KNOT_RRTYPE_DNAME:
    case TYPE_A6:
        return true;
    default:
        return false;
    }
}

/* Why RDATA is refused; NULL is well-formed. */
typedef const char *verdict;
static const char too_short[] = "rdata: cut short";
static const char too_long[] = "rdata: octets after the last field";
static const char bad_name[] = "rdata: a compression pointer or a label over 63 octets in a name";
static const char long_name[] = "name-length: a name over 255 octets";
static const char bad_field[] = "rdata: a field is malformed";

static verdict skip(struct csn_reader *reader, size_t size)
{
    csn_read_bytes(reader, size);
    return reader->failed ? too_short : NULL;
}

static verdict skip_name(struct csn_reader *reader)
{
    const uint8_t *start = reader->at;
    for (;;) {
        uint8_t size = csn_read_u8(reader);
        if (reader->failed) {
            return too_short;
        }
        if (size == 0) {
            return reader->at - start > CSN_NAME_MAX ? long_name : NULL;
        }
        if (size > CSN_LABEL_MAX) {
            return bad_name;
        }
        csn_read_bytes(reader, size);
    }
}

static verdict skip_string(struct csn_reader *reader, uint8_t least)
{
    uint8_t size = csn_read_u8(reader);
    verdict cut = skip(reader, size);
    return cut == NULL && size < least ? bad_field : cut;
}

static verdict skip_strings(struct csn_reader *reader)
{
    verdict bad;
    do {
        bad = skip_string(reader, 0);
    } while (bad == NULL && csn_reader_left(reader) > 0);
    return bad;
}

static verdict skip_bitmap(struct csn_reader *reader)
{
    for (int last = -1; csn_reader_left(reader) > 0;) {
        int window = csn_read_u8(reader);
        uint8_t size = csn_read_u8(reader);
        struct csn_bytes bits = csn_read_bytes(reader, size);
        if (reader->failed) {
            return too_short;
        }
        if (window <= last || size == 0 || size > 32 || bits.data[size - 1] == 0) {
            return bad_field;
        }
        last = window;
    }
    return NULL;
}

static verdict skip_svcb_params(struct csn_reader *reader)
{
    for (int last = -1; csn_reader_left(reader) > 0;) {
        int key = csn_read_u16(reader);
        if (skip(reader, csn_read_u16(reader)) != NULL) {
            return too_short;
        }
        if (key <= last) {
            return bad_field;
        }
        last = key;
    }
    return NULL;
}

static verdict skip_apl_items(struct csn_reader *reader)
{
    while (csn_reader_left(reader) > 0) {
        csn_read_bytes(reader, 3); /* family, prefix */
        if (skip(reader, csn_read_u8(reader) & 0x7f) != NULL) {
            return too_short;
        }
    }
    return NULL;
}

/* Prefix length, the suffix's octets, and a name unless the length is 0. */
static verdict skip_a6_suffix(struct csn_reader *reader, uint8_t *ret_prefix)
{
    uint8_t prefix = csn_read_u8(reader);
    *ret_prefix = prefix;
    if (prefix > 128) {
        return bad_field;
    }
    return skip(reader, (128u - prefix + 7) / 8);
}

static verdict skip_a6(struct csn_reader *reader)
{
    uint8_t prefix;
    verdict bad = skip_a6_suffix(reader, &prefix);
    return bad != NULL || prefix == 0 ? bad : skip_name(reader);
}

static verdict skip_ipseckey(struct csn_reader *reader)
{
    static const uint8_t address_sizes[] = {0, 4, 16};
    csn_read_u8(reader); /* precedence */
    uint8_t gateway = csn_read_u8(reader);
    csn_read_u8(reader); /* algorithm */
    if (reader->failed) {
        return too_short;
    }
    if (gateway > 3) {
        return bad_field;
    }
    verdict bad = gateway == 3 ? skip_name(reader) : skip(reader, address_sizes[gateway]);
    return bad != NULL ? bad : skip(reader, csn_reader_left(reader));
}

static verdict skip_field(char field, struct csn_reader *reader)
{
    switch (field) {
    case 'N':
        return skip_name(reader);
    case '1':
    case '2':
    case '4':
    case '8':
        return skip(reader, (size_t)(field - '0'));
    case '6':
        return skip(reader, 16);
    case 's':
        return skip_string(reader, 0);
    case 'p':
        return skip_string(reader, 1);
    case 'S':
        return skip_strings(reader);
    case 'm':
        return skip_bitmap(reader);
    case 'V':
        return skip_svcb_params(reader);
    case 'P':
        return skip_apl_items(reader);
    case 'Z':
        return skip_a6(reader);
    case 'G':
        return skip_ipseckey(reader);
    default:
        return skip(reader, csn_reader_left(reader));
    }
}

int csn_rdata_check(uint16_t type, struct csn_bytes rdata, struct csn_reason *reason)
{
    struct csn_reader reader = csn_reader(rdata);
    verdict bad = NULL;
    for (const char *field = layout_of(type); *field != '\0' && bad == NULL; field++) {
        bad = skip_field(*field, &reader);
    }
    if (bad == NULL && csn_reader_left(&reader) > 0) {
        bad = too_long;
    }
    if (bad == NULL) {
        return CSN_OK;
    }
    char name[16];
    csn_type_text(type, name);
    return csn_reason_set(reason, CSN_EREFUSED, "%s, type %s", bad, name);
}

void csn_rdata_lower(uint16_t type, uint8_t *rdata, size_t size)
{
    if (!csn_type_has_lower_names(type)) {
        return;
    }
    struct csn_reader reader = csn_reader(csn_bytes(rdata, size));
    for (const char *field = layout_of(type); *field != '\0'; field++) {
        if (*field == 'Z') {
            uint8_t prefix;
            skip_a6_suffix(&reader, &prefix);
        }
        if ((*field == 'N' || *field == 'Z') && csn_reader_left(&reader) > 0) {
            csn_name_lower(rdata + (reader.at - rdata));
        }
        skip_field(*field == 'Z' ? 'N' : *field, &reader);
    }
}
