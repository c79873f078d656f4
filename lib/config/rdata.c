#include "config/rdata.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define DNSKEY_FIXED 4 /* flags, protocol, algorithm: RFC 4034 2.1 */
#define MODULUS_MIN 128
#define MODULUS_MAX 512

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static int sextet(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

/* Four characters to one to three octets; `pads` of them are '='. Bits that no octet takes must be
 * zero, so that one value has one spelling. */
static bool put_group(const uint8_t sextets[4], unsigned pads, struct csn_buf *buf)
{
    uint32_t bits = (uint32_t)sextets[0] << 18 | (uint32_t)sextets[1] << 12 |
                    (uint32_t)sextets[2] << 6 | sextets[3];
    if (pads > 2 || (bits & ((UINT32_C(1) << (8 * pads)) - 1)) != 0) {
        return false;
    }
    for (unsigned i = 0; i < 3 - pads; i++) {
        csn_buf_put_u8(buf, (uint8_t)(bits >> (16 - 8 * i)));
    }
    return true;
}

int csn_base64_decode(const char *text, struct csn_buf *buf)
{
    size_t before = buf->size;
    uint8_t group[4] = {0};
    unsigned count = 0, pads = 0;
    bool is_bad = false;
    for (; *text != '\0' && !is_bad; text++) {
        if (is_space(*text)) {
            continue;
        }
        int value = *text == '=' ? 0 : sextet(*text);
        is_bad = value < 0 || (pads > 0 && *text != '=');
        pads += *text == '=';
        group[count++] = (uint8_t)(value & 63);
        if (count == 4 && !is_bad) {
            is_bad = !put_group(group, pads, buf);
            count = 0;
        }
    }
    if (is_bad || count != 0) {
        buf->size = before;
        return CSN_EFORMAT;
    }
    return CSN_OK;
}

/* The next word as a number of at most `max`; moves `text` behind it. */
static bool next_number(const char **text, uint64_t max, uint64_t *ret_number)
{
    char word[8];
    size_t size = 0;
    while (is_space(**text)) {
        (*text)++;
    }
    for (; **text != '\0' && !is_space(**text); (*text)++) {
        if (size + 1 >= sizeof(word)) {
            return false;
        }
        word[size++] = **text;
    }
    word[size] = '\0';
    return csn_number_parse(word, max, ret_number) == CSN_OK;
}

int csn_rdata_parse_key(const char *text, struct csn_buf *buf)
{
    size_t before = buf->size;
    uint64_t flags, protocol, algorithm;
    if (!next_number(&text, UINT16_MAX, &flags) || !next_number(&text, UINT8_MAX, &protocol) ||
        !next_number(&text, UINT8_MAX, &algorithm)) {
        return CSN_EFORMAT;
    }
    csn_buf_put_u16(buf, (uint16_t)flags);
    csn_buf_put_u8(buf, (uint8_t)protocol);
    csn_buf_put_u8(buf, (uint8_t)algorithm);
    size_t head = buf->size;
    if (csn_base64_decode(text, buf) != CSN_OK || buf->size == head) {
        buf->size = before;
        return CSN_EFORMAT;
    }
    return CSN_OK;
}

/* Hex to the end of the text; no digits are refused. */
static bool put_hex(const char *text, struct csn_buf *buf)
{
    char pair[3] = "";
    size_t count = 0, before = buf->size;
    for (; *text != '\0'; text++) {
        uint8_t octet;
        if (is_space(*text)) {
            continue;
        }
        pair[count++] = *text;
        if (count == 2) {
            if (csn_hex_decode(pair, &octet, 1) != CSN_OK) {
                return false;
            }
            csn_buf_put_u8(buf, octet);
            count = 0;
        }
    }
    return count == 0 && buf->size > before;
}

int csn_rdata_parse_ds(const char *text, struct csn_buf *buf)
{
    size_t before = buf->size;
    uint64_t tag, algorithm, digest_type;
    if (!next_number(&text, UINT16_MAX, &tag) || !next_number(&text, UINT8_MAX, &algorithm) ||
        !next_number(&text, UINT8_MAX, &digest_type)) {
        return CSN_EFORMAT;
    }
    csn_buf_put_u16(buf, (uint16_t)tag);
    csn_buf_put_u8(buf, (uint8_t)algorithm);
    csn_buf_put_u8(buf, (uint8_t)digest_type);
    if (!put_hex(text, buf)) {
        buf->size = before;
        return CSN_EFORMAT;
    }
    return CSN_OK;
}

/* RFC 3110 2: the exponent's length in one octet, or in two after a zero; exponent; modulus. Neither
 * begins with a zero octet. */
static bool is_rsa_key(struct csn_bytes key)
{
    size_t head = key.size > 0 && key.data[0] == 0 ? 3 : 1;
    if (key.size < head) {
        return false;
    }
    size_t exponent = head == 3 ? csn_get_u16(key.data + 1) : key.data[0];
    if (exponent == 0 || key.size < head + exponent + MODULUS_MIN ||
        key.size > head + exponent + MODULUS_MAX) {
        return false;
    }
    return key.data[head] != 0 && key.data[head + exponent] != 0;
}

bool csn_rdata_key_fits(struct csn_bytes dnskey)
{
    if (dnskey.size <= DNSKEY_FIXED) {
        return false;
    }
    struct csn_bytes key = csn_bytes(dnskey.data + DNSKEY_FIXED, dnskey.size - DNSKEY_FIXED);
    switch (dnskey.data[3]) {
    case 8:
    case 10:
        return is_rsa_key(key);
    case 13:
        return key.size == 64;
    case 14:
        return key.size == 96;
    case 15:
        return key.size == 32;
    case 16:
        return key.size == 57;
    default:
        return true;
    }
}
