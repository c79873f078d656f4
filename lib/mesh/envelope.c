#include "mesh/envelope.h"

#include <string.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "mesh.pb-c.h"

/* Memory for one decoded message: its octets, and rows of 2 octets that take a struct each. */
#define ENVELOPE_DECODED_MAX ((size_t)1024 * 1024)
#define BULK_DECODED_MAX (2 * CSN_MESH_REPLY_MAX)

static struct csn_bytes borrow(ProtobufCBinaryData data)
{
    return csn_bytes(data.data, data.len);
}

/* The allocator dies here: what it handed out is plain malloc memory, which `unpacked_free` gives
 * back. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *descriptor,
                                struct csn_bytes octets, size_t memory_max)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, memory_max);
    return protobuf_c_message_unpack(descriptor, &bounded.allocator, octets.size, octets.data);
}

static void unpacked_free(void **take_message)
{
    protobuf_c_message_free_unpacked(*take_message, NULL);
    *take_message = NULL;
}

static void put_sender(const struct csn_sender *sender, Csn__Mesh__Sender *ret_message)
{
    csn__mesh__sender__init(ret_message);
    ret_message->has_cluster_id = ret_message->has_environment = ret_message->has_number = true;
    ret_message->has_incarnation = ret_message->has_proof = true;
    ret_message->cluster_id = csn_pack_bytes(csn_bytes(sender->cluster_id, sizeof(sender->cluster_id)));
    ret_message->environment = sender->environment;
    ret_message->number = sender->peer.number;
    ret_message->incarnation = sender->peer.incarnation;
    ret_message->proof = csn_pack_bytes(csn_bytes(sender->proof, sizeof(sender->proof)));
    ret_message->has_heard = sender->heard != 0;
    ret_message->heard = sender->heard;
}

static int take_sender(const Csn__Mesh__Sender *message, struct csn_sender *ret_sender)
{
    if (message == NULL || message->cluster_id.len != sizeof(ret_sender->cluster_id) ||
        !message->has_environment || message->environment > UINT8_MAX || !message->has_number ||
        message->number > UINT16_MAX || !message->has_incarnation ||
        message->proof.len != sizeof(ret_sender->proof)) {
        return CSN_EFORMAT;
    }
    memcpy(ret_sender->cluster_id, message->cluster_id.data, sizeof(ret_sender->cluster_id));
    memcpy(ret_sender->proof, message->proof.data, sizeof(ret_sender->proof));
    ret_sender->environment = (uint8_t)message->environment;
    ret_sender->heard = message->heard;
    ret_sender->peer = (struct csn_mesh_peer){.number = (uint16_t)message->number,
                                              .incarnation = message->incarnation};
    return CSN_OK;
}

static void put_statement(const struct csn_mesh_statement *statement,
                          Csn__Mesh__Statement *ret_message)
{
    csn__mesh__statement__init(ret_message);
    ret_message->has_kind = ret_message->has_signer = ret_message->has_incarnation = true;
    ret_message->has_body = ret_message->has_signature = true;
    ret_message->kind = (uint32_t)statement->kind;
    ret_message->signer = statement->signer.number;
    ret_message->incarnation = statement->signer.incarnation;
    ret_message->body = csn_pack_bytes(statement->body);
    ret_message->signature = csn_pack_bytes(csn_bytes(statement->signature, sizeof(statement->signature)));
}

static int take_statement(const Csn__Mesh__Statement *message,
                          struct csn_mesh_statement *ret_statement)
{
    if (!message->has_kind || message->kind > UINT8_MAX || !message->has_signer ||
        message->signer > UINT16_MAX || !message->has_incarnation || !message->has_body ||
        message->signature.len != CSN_SIGNATURE_SIZE) {
        return CSN_EFORMAT;
    }
    ret_statement->kind = (enum csn_statement_kind)message->kind;
    ret_statement->signer = (struct csn_mesh_peer){.number = (uint16_t)message->signer,
                                                   .incarnation = message->incarnation};
    ret_statement->body = borrow(message->body);
    memcpy(ret_statement->signature, message->signature.data, CSN_SIGNATURE_SIZE);
    return CSN_OK;
}

void csn_envelope_encode(const struct csn_envelope *envelope, struct csn_buf *buf)
{
    Csn__Mesh__Envelope message = CSN__MESH__ENVELOPE__INIT;
    Csn__Mesh__Sender sender;
    Csn__Mesh__Statement statements[CSN_ENVELOPE_STATEMENTS_MAX];
    Csn__Mesh__Statement *rows[CSN_ENVELOPE_STATEMENTS_MAX];
    ProtobufCBinaryData certificates[CSN_ENVELOPE_CERTIFICATES_MAX];
    put_sender(&envelope->sender, &sender);
    message.sender = &sender;
    for (size_t i = 0; i < envelope->statement_count; i++) {
        put_statement(&envelope->statements[i], &statements[i]);
        rows[i] = &statements[i];
    }
    message.n_statements = envelope->statement_count;
    message.statements = rows;
    for (size_t i = 0; i < envelope->certificate_count; i++) {
        certificates[i] = csn_pack_bytes(envelope->certificates[i]);
    }
    message.n_certificates = envelope->certificate_count;
    message.certificates = certificates;
    csn_pack(&message.base, buf);
}

static int take_envelope(const Csn__Mesh__Envelope *message, struct csn_envelope *ret_envelope)
{
    if (take_sender(message->sender, &ret_envelope->sender) != CSN_OK) {
        return CSN_EFORMAT;
    }
    if (message->n_statements > CSN_ENVELOPE_STATEMENTS_MAX ||
        message->n_certificates > CSN_ENVELOPE_CERTIFICATES_MAX) {
        return CSN_ELIMIT;
    }
    for (size_t i = 0; i < message->n_statements; i++) {
        if (take_statement(message->statements[i], &ret_envelope->statements[i]) != CSN_OK) {
            return CSN_EFORMAT;
        }
    }
    for (size_t i = 0; i < message->n_certificates; i++) {
        ret_envelope->certificates[i] = borrow(message->certificates[i]);
    }
    ret_envelope->statement_count = message->n_statements;
    ret_envelope->certificate_count = message->n_certificates;
    return CSN_OK;
}

int csn_envelope_decode(struct csn_bytes octets, struct csn_envelope *ret_envelope)
{
    void *message = unpack(&csn__mesh__envelope__descriptor, octets, ENVELOPE_DECODED_MAX);
    if (message == NULL) {
        return CSN_EFORMAT;
    }
    ret_envelope->statement_count = ret_envelope->certificate_count = 0;
    ret_envelope->message = NULL;
    int code = take_envelope(message, ret_envelope);
    if (code == CSN_OK && octets.size > CSN_ENVELOPE_MAX) {
        code = CSN_ELIMIT;
    }
    if (code != CSN_OK) {
        unpacked_free(&message);
    }
    ret_envelope->message = message;
    return code;
}

void csn_envelope_fini(struct csn_envelope *envelope)
{
    unpacked_free(&envelope->message);
}

void csn_ask_encode(const struct csn_ask *ask, struct csn_buf *buf)
{
    Csn__Mesh__Ask message = CSN__MESH__ASK__INIT;
    Csn__Mesh__Sender sender;
    put_sender(&ask->sender, &sender);
    message.sender = &sender;
    message.has_id = message.has_request = true;
    message.id = ask->id;
    message.request = csn_pack_bytes(ask->request);
    csn_pack(&message.base, buf);
}

int csn_ask_decode(struct csn_bytes octets, struct csn_ask *ret_ask)
{
    void *unpacked = unpack(&csn__mesh__ask__descriptor, octets, BULK_DECODED_MAX);
    const Csn__Mesh__Ask *message = unpacked;
    if (message == NULL || !message->has_id || !message->has_request ||
        take_sender(message->sender, &ret_ask->sender) != CSN_OK) {
        unpacked_free(&unpacked);
        return CSN_EFORMAT;
    }
    ret_ask->id = message->id;
    ret_ask->request = borrow(message->request);
    ret_ask->message = unpacked;
    return CSN_OK;
}

void csn_ask_fini(struct csn_ask *ask)
{
    unpacked_free(&ask->message);
}

void csn_answer_encode(const struct csn_answer *answer, struct csn_buf *buf)
{
    Csn__Mesh__Answer message = CSN__MESH__ANSWER__INIT;
    message.has_id = message.has_code = true;
    message.id = answer->id;
    message.code = answer->code;
    message.has_reply = answer->code == CSN_OK;
    message.reply = csn_pack_bytes(answer->reply);
    csn_pack(&message.base, buf);
}

int csn_answer_decode(struct csn_bytes octets, struct csn_answer *ret_answer)
{
    void *unpacked = unpack(&csn__mesh__answer__descriptor, octets, BULK_DECODED_MAX);
    const Csn__Mesh__Answer *message = unpacked;
    if (message == NULL || !message->has_id || !message->has_code || message->code > 0 ||
        message->has_reply != (message->code == CSN_OK)) {
        unpacked_free(&unpacked);
        return CSN_EFORMAT;
    }
    ret_answer->id = message->id;
    ret_answer->code = message->code;
    ret_answer->reply = message->has_reply ? borrow(message->reply) : csn_bytes(NULL, 0);
    ret_answer->message = unpacked;
    return CSN_OK;
}

void csn_answer_fini(struct csn_answer *answer)
{
    unpacked_free(&answer->message);
}
