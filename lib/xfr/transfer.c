#include "xfr/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "dns/name.h"

/* FIRST -> BODY -> LAST -> END */
enum phase { FIRST, BODY, LAST, END };

struct csn_transfer {
    struct csn_transfer_request request;
    uint8_t zone[CSN_NAME_MAX];
    struct csn_buf question;   /* owns */
    void *reader;              /* owns, by source->close or close_changes */
    struct csn_buf soa_rdatas; /* owns */
    struct csn_rrset soa;
    enum phase phase;
    struct csn_entry entry; /* BODY: borrows from the reader */
    bool is_in_rrsigs;
    struct csn_rrset rrset; /* what `rdata` belongs to */
    struct csn_reader rdatas;
    struct csn_bytes rdata; /* the record to be written next */
    uint32_t serial;
    uint64_t messages, records, octets;
};

int csn_apex_entry(const struct csn_xfr_source *source, void *reader, const uint8_t *zone,
                   uint16_t type, struct csn_entry *ret_entry)
{
    struct csn_entry entry;
    int code = source->next(reader, &entry);
    while (code == CSN_OK && csn_name_equal(entry.rrset.owner, zone)) {
        if (entry.rrset.type == type) {
            *ret_entry = entry;
            return CSN_OK;
        }
        code = source->next(reader, &entry);
    }
    return code == CSN_OK ? CSN_ENOTFOUND : code;
}

/* The SOA comes first on the wire and not in the store: read it, then begin anew. */
static int read_soa(struct csn_transfer *transfer)
{
    const struct csn_xfr_source *source = transfer->request.source;
    struct csn_entry entry;
    void *reader;
    int code = source->open(source->arg, transfer->zone, &reader);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_apex_entry(source, reader, transfer->zone, CSN_TYPE_SOA, &entry);
    if (code == CSN_OK) {
        csn_buf_put_bytes(&transfer->soa_rdatas, entry.rrset.rdatas);
        transfer->soa = entry.rrset;
        transfer->soa.owner = transfer->zone;
        transfer->soa.rdatas = csn_buf_view(&transfer->soa_rdatas);
    }
    source->close(reader);
    return code == CSN_ENOTFOUND ? CSN_EDAMAGED : code;
}

/* Moves to the first record of `rrset`; CSN_EDAMAGED when it has none. */
static int enter(struct csn_transfer *transfer, const struct csn_rrset *rrset)
{
    transfer->rrset = *rrset;
    transfer->rdatas = csn_rdata_first(rrset);
    return csn_rdata_next(&transfer->rdatas, &transfer->rdata) ? CSN_OK : CSN_EDAMAGED;
}

static int open_reader(struct csn_transfer *transfer)
{
    const struct csn_xfr_source *source = transfer->request.source;
    return transfer->request.is_changes
               ? source->open_changes(source->arg, transfer->zone, transfer->request.from_serial,
                                      &transfer->reader)
               : source->open(source->arg, transfer->zone, &transfer->reader);
}

static void close_reader(struct csn_transfer *transfer)
{
    const struct csn_xfr_source *source = transfer->request.source;
    if (transfer->reader != NULL && transfer->request.is_changes) {
        source->close_changes(transfer->reader);
    } else if (transfer->reader != NULL) {
        source->close(transfer->reader);
    }
}

int csn_transfer_new(const struct csn_transfer_request *request, struct csn_transfer **ret_transfer)
{
    struct csn_transfer *transfer = csn_calloc(1, sizeof *transfer);
    struct csn_soa fields;
    transfer->request = *request;
    memcpy(transfer->zone, request->zone, csn_name_size(request->zone));
    csn_buf_put_bytes(&transfer->question, request->question);
    int code = read_soa(transfer);
    if (code == CSN_OK) {
        code = enter(transfer, &transfer->soa);
    }
    if (code == CSN_OK) {
        code = open_reader(transfer);
    }
    if (code != CSN_OK) {
        csn_transfer_free(transfer);
        return code;
    }
    csn_soa_fields(transfer->rdata, &fields);
    transfer->serial = fields.serial;
    if (fields.expire < transfer->request.edns.expire_s) {
        transfer->request.edns.expire_s = fields.expire;
    }
    *ret_transfer = transfer;
    return CSN_OK;
}

void csn_transfer_free(struct csn_transfer *take_transfer)
{
    if (take_transfer == NULL) {
        return;
    }
    close_reader(take_transfer);
    csn_buf_fini(&take_transfer->question);
    csn_buf_fini(&take_transfer->soa_rdatas);
    free(take_transfer);
}

struct csn_transfer_progress csn_transfer_progress(const struct csn_transfer *transfer)
{
    return (struct csn_transfer_progress){.zone = transfer->zone,
                                          .serial = transfer->serial,
                                          .is_changes = transfer->request.is_changes,
                                          .from_serial = transfer->request.from_serial,
                                          .messages = transfer->messages,
                                          .records = transfer->records,
                                          .octets = transfer->octets};
}

static bool is_soa(const struct csn_transfer *transfer, const struct csn_rrset *rrset)
{
    return rrset->type == CSN_TYPE_SOA && csn_name_equal(rrset->owner, transfer->zone);
}

/* The SOA itself stands at both ends only; its RRSIGs stand here, in their place. */
static int enter_entry(struct csn_transfer *transfer)
{
    const struct csn_xfr_source *source = transfer->request.source;
    int code = source->next(transfer->reader, &transfer->entry);
    if (code == CSN_ENOTFOUND) {
        transfer->phase = LAST;
        return enter(transfer, &transfer->soa);
    }
    if (code != CSN_OK) {
        return code;
    }
    transfer->is_in_rrsigs = is_soa(transfer, &transfer->entry.rrset);
    if (!transfer->is_in_rrsigs) {
        return enter(transfer, &transfer->entry.rrset);
    }
    if (!csn_bytes_equal(transfer->entry.rrset.rdatas, transfer->soa.rdatas)) {
        return CSN_EDAMAGED; /* another state than the first SOA promised */
    }
    return transfer->entry.rrsigs.count > 0 ? enter(transfer, &transfer->entry.rrsigs)
                                            : enter_entry(transfer);
}

/* The SOAs of each difference are among them. */
static int enter_change(struct csn_transfer *transfer)
{
    struct csn_rrset rrset;
    int code = transfer->request.source->next_change(transfer->reader, &rrset);
    if (code == CSN_ENOTFOUND) {
        transfer->phase = LAST;
        rrset = transfer->soa;
        code = CSN_OK;
    }
    return code == CSN_OK ? enter(transfer, &rrset) : code;
}

/* Moves to the next record. */
static int advance(struct csn_transfer *transfer)
{
    if (transfer->phase == LAST) {
        transfer->phase = END;
        return CSN_OK;
    }
    if (csn_rdata_next(&transfer->rdatas, &transfer->rdata)) {
        return CSN_OK;
    }
    if (transfer->phase == BODY && !transfer->is_in_rrsigs && transfer->entry.rrsigs.count > 0) {
        transfer->is_in_rrsigs = true;
        return enter(transfer, &transfer->entry.rrsigs);
    }
    transfer->phase = BODY;
    return transfer->request.is_changes ? enter_change(transfer) : enter_entry(transfer);
}

/* As many records as fit; one at least, which may be as large as `first_max`. */
static int fill(struct csn_transfer *transfer, struct csn_message *message, size_t first_max, size_t size_max)
{
    size_t most = first_max;
    int code = CSN_OK;
    for (bool is_first = true; code == CSN_OK && transfer->phase != END; is_first = false) {
        if (!csn_message_put(message, &transfer->rrset, transfer->rdata, most)) {
            return is_first ? CSN_ELIMIT : CSN_OK;
        }
        transfer->records++;
        most = size_max;
        code = advance(transfer);
    }
    return code;
}

static int make_message(struct csn_transfer *transfer, size_t first_max, size_t size_max, struct csn_buf *buf)
{
    struct csn_message message;
    struct csn_edns none = {0}, *edns = transfer->messages == 0 ? &transfer->request.edns : &none;
    size_t reserved = csn_message_edns_size(edns) + csn_tsig_size(&transfer->request.tsig);
    csn_message_begin(&message, buf, transfer->request.header);
    csn_message_set_authoritative(&message);
    csn_message_put_question(&message, csn_buf_view(&transfer->question), transfer->zone);
    int code = fill(transfer, &message, first_max - reserved, size_max - reserved);
    if (code != CSN_OK) {
        return code;
    }
    csn_message_put_edns(&message, edns);
    code = csn_tsig_sign(&transfer->request.tsig, NULL, buf, message.start);
    transfer->messages++;
    transfer->octets += csn_message_size(&message);
    return code;
}

int csn_transfer_next(struct csn_transfer *transfer, struct csn_buf *buf)
{
    return transfer->phase == END
               ? CSN_ENOTFOUND
               : make_message(transfer, CSN_DNS_MESSAGE_MAX, CSN_TRANSFER_MESSAGE_SIZE, buf);
}

int csn_transfer_whole(struct csn_transfer *transfer, size_t size_max, struct csn_buf *buf)
{
    size_t start = buf->size;
    int code = make_message(transfer, size_max, size_max, buf);
    code = code == CSN_OK && transfer->phase != END ? CSN_ELIMIT : code;
    if (code != CSN_OK) {
        buf->size = start;
    }
    return code;
}
