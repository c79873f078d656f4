/* envelope.h: the messages of proto/mesh.proto to and from plain structs. Encoders append to `buf`.
 * Decoders refuse what is malformed or lacks a field (CSN_EFORMAT); what they give borrows from a
 * decoded message that `fini` frees. They judge form only: who speaks and whether it is true is
 * guard.h's. One thread a message. */
#ifndef CSN_MESH_ENVELOPE_H
#define CSN_MESH_ENVELOPE_H

#include "mesh/guard.h"

/* Above it nng closes the link and does not say whose it was. */
#define CSN_ENVELOPE_WIRE_MAX ((size_t)64 * 1024)
/* So ours is lower: above it the sender is counted; we send no larger one. */
#define CSN_ENVELOPE_MAX ((size_t)60 * 1024)
#define CSN_ENVELOPE_STATEMENTS_MAX 64
#define CSN_ENVELOPE_CERTIFICATES_MAX 7 /* of 8 KiB */
/* Of a statement beside its body, of a certificate beside its octets, at most. */
#define CSN_ENVELOPE_ROW_OVERHEAD 128

struct csn_envelope {
    struct csn_sender sender;
    struct csn_mesh_statement statements[CSN_ENVELOPE_STATEMENTS_MAX];
    size_t statement_count;
    struct csn_bytes certificates[CSN_ENVELOPE_CERTIFICATES_MAX];
    size_t certificate_count;
    void *message; /* owns; NULL in one to be encoded */
};

void csn_envelope_encode(const struct csn_envelope *envelope, struct csn_buf *buf);
/* Also CSN_ELIMIT: more than an envelope may hold; then `sender` alone is filled, and nothing is to
 * be freed. */
int csn_envelope_decode(struct csn_bytes octets, struct csn_envelope *ret_envelope);
void csn_envelope_fini(struct csn_envelope *envelope);

struct csn_ask {
    struct csn_sender sender;
    uint64_t id;
    struct csn_bytes request;
    void *message; /* owns */
};
void csn_ask_encode(const struct csn_ask *ask, struct csn_buf *buf);
int csn_ask_decode(struct csn_bytes octets, struct csn_ask *ret_ask);
void csn_ask_fini(struct csn_ask *ask);

struct csn_answer {
    uint64_t id;
    int code;
    struct csn_bytes reply;
    void *message; /* owns */
};
void csn_answer_encode(const struct csn_answer *answer, struct csn_buf *buf);
int csn_answer_decode(struct csn_bytes octets, struct csn_answer *ret_answer);
void csn_answer_fini(struct csn_answer *answer);

#endif
