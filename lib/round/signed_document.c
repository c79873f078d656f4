#include "round/signed_document.h"

#include "round/fields.h"

static const uint8_t document_magic[5] = {'C', 'S', 'N', 'D', 1};
static const uint8_t link_magic[5] = {'C', 'S', 'N', 'L', 1};

void csn_document_signed(uint16_t officer, struct csn_bytes document, struct csn_buf *buf)
{
    csn_signed_put("document", officer, 0, document, buf);
}

static void put_sized(struct csn_buf *buf, struct csn_bytes octets)
{
    csn_buf_put_u32(buf, (uint32_t)octets.size);
    csn_buf_put_bytes(buf, octets);
}

/* More than `size_max`, or nothing: failed. */
static struct csn_bytes read_sized(struct csn_reader *reader, size_t size_max)
{
    uint32_t size = csn_read_u32(reader);
    reader->failed |= size == 0 || size > size_max;
    return csn_read_bytes(reader, size);
}

void csn_signed_document_encode(const struct csn_signed_document *document, struct csn_buf *buf)
{
    csn_buf_put(buf, document_magic, sizeof(document_magic));
    put_sized(buf, document->document);
    csn_buf_put_u8(buf, document->count);
    for (unsigned i = 0; i < document->count; i++) {
        csn_buf_put_u16(buf, document->signatures[i].officer);
        csn_buf_put(buf, document->signatures[i].signature, CSN_SIGNATURE_SIZE);
    }
}

int csn_signed_document_decode(struct csn_bytes octets, struct csn_signed_document *ret_document)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_bytes head = csn_read_bytes(&reader, sizeof(document_magic));
    if (!csn_bytes_equal(head, csn_bytes(document_magic, sizeof(document_magic)))) {
        return CSN_EFORMAT;
    }
    struct csn_signed_document document = {
        .document = read_sized(&reader, CSN_CLUSTER_DOCUMENT_MAX)};
    document.count = csn_read_range(&reader, 1, CSN_MEMBERS_MAX);
    uint16_t last = 0;
    for (unsigned i = 0; i < document.count; i++) {
        struct csn_officer_signature *signature = &document.signatures[i];
        signature->officer = csn_read_u16(&reader);
        csn_read_copy(&reader, signature->signature, sizeof(signature->signature));
        reader.failed |= signature->officer <= last; /* twice, descending, or nobody */
        last = signature->officer;
    }
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_document = document;
    return CSN_OK;
}

static int check_signature(const struct csn_officer_signature *signature, struct csn_bytes document,
                           const struct csn_officers *officers, csn_verify_fn *verify, void *arg,
                           struct csn_reason *reason)
{
    if (signature->officer > officers->count) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "signed by officer %u, the document before names %u officers",
                              signature->officer, officers->count);
    }
    const struct csn_officer_id *officer = &officers->keys[signature->officer - 1];
    struct csn_buf message = {0};
    csn_document_signed(signature->officer, document, &message);
    bool is_good = verify(arg, officer->key, csn_buf_view(&message), signature->signature);
    csn_buf_fini(&message);
    return is_good ? CSN_OK
                   : csn_reason_set(reason, CSN_ESIGNATURE,
                                    "the signature of officer %s does not verify over this document",
                                    officer->name);
}

int csn_signed_document_check(const struct csn_signed_document *document,
                              const struct csn_officers *officers, csn_verify_fn *verify, void *arg,
                              struct csn_reason *reason)
{
    if (officers->count == 0) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the document before names no officers: its members cannot change");
    }
    if (document->count < officers->needed) {
        return csn_reason_set(reason, CSN_EREFUSED, "signed by %u officers, %u of %u are needed",
                              document->count, officers->needed, officers->count);
    }
    int code = CSN_OK;
    for (unsigned i = 0; code == CSN_OK && i < document->count; i++) {
        code = check_signature(&document->signatures[i], document->document, officers, verify, arg,
                               reason);
    }
    return code;
}

void csn_link_encode(const struct csn_link *link, struct csn_buf *buf)
{
    csn_buf_put(buf, link_magic, sizeof(link_magic));
    put_sized(buf, link->document);
    put_sized(buf, link->certificate);
}

int csn_link_decode(struct csn_bytes octets, struct csn_link *ret_link)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_bytes head = csn_read_bytes(&reader, sizeof(link_magic));
    if (!csn_bytes_equal(head, csn_bytes(link_magic, sizeof(link_magic)))) {
        return CSN_EFORMAT;
    }
    struct csn_link link = {.document = read_sized(&reader, CSN_SIGNED_DOCUMENT_MAX)};
    link.certificate = read_sized(&reader, CSN_LINK_MAX);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_link = link;
    return CSN_OK;
}
