#include "xfr/message.h"

#include <string.h>

#include "dns/name.h"

#define AT_FLAGS 2
#define AT_QUESTIONS 4
#define AT_ANSWERS 6
#define AT_ADDITIONAL 10
#define FLAG_QR 0x80
#define FLAG_AA 0x04
#define FLAG_TC 0x02
#define KEEP_OPCODE_RD 0x79
#define POINTER 0xc000     /* RFC 1035 4.1.4 */
#define POINTER_MAX 0x3fff /* farthest place a pointer reaches */
#define RECORD_FIXED 10    /* type, class, TTL, RDLENGTH */

#define OPTION_NSID 3
#define OPTION_EXPIRE 9
#define OPTION_ERROR 15
#define EDNS_DO 0x8000

static uint8_t *octets(const struct csn_message *message)
{
    return message->buf->data + message->start;
}

static void count_up(struct csn_message *message, size_t at)
{
    csn_set_u16(octets(message) + at, (uint16_t)(csn_get_u16(octets(message) + at) + 1));
}

size_t csn_message_size(const struct csn_message *message)
{
    return message->buf->size - message->start;
}

void csn_message_begin(struct csn_message *message, struct csn_buf *buf, const uint8_t *query)
{
    uint8_t header[CSN_DNS_HEADER_SIZE] = {query[0], query[1],
                                           (uint8_t)((query[2] & KEEP_OPCODE_RD) | FLAG_QR)};
    *message = (struct csn_message){.buf = buf, .start = buf->size};
    csn_buf_put(buf, header, sizeof header);
}

void csn_message_set_rcode(struct csn_message *message, uint16_t rcode)
{
    octets(message)[AT_FLAGS + 1] =
        (uint8_t)((octets(message)[AT_FLAGS + 1] & 0xf0) | (rcode & 0x0f));
}

void csn_message_set_authoritative(struct csn_message *message)
{
    octets(message)[AT_FLAGS] |= FLAG_AA;
}

void csn_message_set_truncated(struct csn_message *message)
{
    octets(message)[AT_FLAGS] |= FLAG_TC;
}

void csn_message_put_question(struct csn_message *message, struct csn_bytes question,
                              const uint8_t *apex)
{
    csn_buf_put_bytes(message->buf, question);
    count_up(message, AT_QUESTIONS);
    /* A question in upper case keeps its spelling (clients compare it), so names may not point to
     * it. The root needs no pointer. */
    if (apex != NULL && *apex != 0 && csn_name_equal(apex, question.data)) {
        message->apex = apex;
    }
}

/* Writes the owner's octets that are not replaced by a pointer, and the pointer, into `ret_name`;
 * the size. */
static size_t compress_owner(const struct csn_message *message, const uint8_t *owner,
                             uint8_t ret_name[CSN_NAME_MAX])
{
    size_t size = csn_name_size(owner);
    if (message->owner != NULL && message->owner_at <= POINTER_MAX &&
        csn_name_equal(owner, message->owner)) {
        csn_set_u16(ret_name, (uint16_t)(POINTER | message->owner_at));
        return 2;
    }
    memcpy(ret_name, owner, size);
    if (message->apex == NULL || !csn_name_is_under(owner, message->apex)) {
        return size;
    }
    size_t head = size - csn_name_size(message->apex);
    csn_set_u16(ret_name + head, POINTER | CSN_DNS_HEADER_SIZE);
    return head + 2;
}

bool csn_message_put(struct csn_message *message, const struct csn_rrset *rrset,
                     struct csn_bytes rdata, size_t size_max)
{
    return csn_message_put_class(message, rrset, CSN_CLASS_IN, rdata, size_max);
}

bool csn_message_put_class(struct csn_message *message, const struct csn_rrset *rrset,
                           uint16_t class, struct csn_bytes rdata, size_t size_max)
{
    uint8_t name[CSN_NAME_MAX + 2];
    size_t name_size = compress_owner(message, rrset->owner, name);
    size_t at = csn_message_size(message);
    if (at + name_size + RECORD_FIXED + rdata.size > size_max) {
        return false;
    }
    csn_buf_put(message->buf, name, name_size);
    csn_buf_put_u16(message->buf, rrset->type);
    csn_buf_put_u16(message->buf, class);
    csn_buf_put_u32(message->buf, rrset->ttl);
    csn_buf_put_u16(message->buf, (uint16_t)rdata.size);
    csn_buf_put_bytes(message->buf, rdata);
    count_up(message, AT_ANSWERS);
    if (name_size > 2 || message->owner == NULL) {
        message->owner = rrset->owner;
        message->owner_at = at;
    }
    return true;
}

size_t csn_message_edns_size(const struct csn_edns *edns)
{
    if (!edns->is_present) {
        return 0;
    }
    size_t size = 1 + RECORD_FIXED;
    size += edns->nsid != NULL ? 4 + strlen(edns->nsid) : 0;
    size += edns->error >= 0 ? 6 + strlen(edns->error_text) : 0;
    size += edns->has_expire ? 8 : 0;
    return size;
}

static void put_option(struct csn_buf *buf, uint16_t code, size_t size)
{
    csn_buf_put_u16(buf, code);
    csn_buf_put_u16(buf, (uint16_t)size);
}

void csn_message_put_edns(struct csn_message *message, const struct csn_edns *edns)
{
    struct csn_buf *buf = message->buf;
    size_t size = csn_message_edns_size(edns);
    if (size == 0) {
        return;
    }
    csn_buf_put_u8(buf, 0);
    csn_buf_put_u16(buf, CSN_TYPE_OPT);
    csn_buf_put_u16(buf, CSN_DNS_EDNS_UDP_SIZE);
    csn_buf_put_u8(buf, (uint8_t)(edns->rcode >> 4));
    csn_buf_put_u8(buf, 0); /* version */
    csn_buf_put_u16(buf, edns->is_dnssec ? EDNS_DO : 0);
    csn_buf_put_u16(buf, (uint16_t)(size - 1 - RECORD_FIXED));
    if (edns->nsid != NULL) {
        put_option(buf, OPTION_NSID, strlen(edns->nsid));
        csn_buf_put(buf, edns->nsid, strlen(edns->nsid));
    }
    if (edns->error >= 0) {
        put_option(buf, OPTION_ERROR, 2 + strlen(edns->error_text));
        csn_buf_put_u16(buf, (uint16_t)edns->error);
        csn_buf_put(buf, edns->error_text, strlen(edns->error_text));
    }
    if (edns->has_expire) {
        put_option(buf, OPTION_EXPIRE, 4);
        csn_buf_put_u32(buf, edns->expire_s);
    }
    count_up(message, AT_ADDITIONAL);
}

void csn_message_drop_answers(struct csn_message *message, size_t question_size)
{
    message->buf->size = message->start + CSN_DNS_HEADER_SIZE + question_size;
    csn_set_u16(octets(message) + AT_ANSWERS, 0);
    message->owner = NULL;
}
