/* transport.h: the two files of a key transport as text: the request that a receiving token makes,
 * and the wrapped keys that answer it. Lines `name: value` in a fixed order, octets in hex; the
 * last line is the SHA-256 of all before it, which two people read to each other. Pure. Files come
 * from outside: whatever is not exactly this form is refused with its line. */
#ifndef CSN_HSM_TRANSPORT_H
#define CSN_HSM_TRANSPORT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/sha.h"
#include "hsm/key.h"

#define CSN_TRANSPORT_FILE_MAX (256u * 1024u)
#define CSN_TRANSPORT_MECHANISMS_MAX 2

struct csn_transport_request {
    char label[CSN_HSM_LABEL_MAX + 1]; /* of the transport key in the receiving token */
    struct csn_bytes id;
    struct csn_bytes public_key; /* RFC 3110 */
    uint32_t mechanisms[CSN_TRANSPORT_MECHANISMS_MAX];
    size_t mechanism_count;
    uint8_t digest[CSN_SHA256_SIZE]; /* written by both directions */
};

struct csn_transport_keys {
    uint8_t request[CSN_SHA256_SIZE];  /* digest of the request that is answered */
    char label[CSN_HSM_LABEL_MAX + 1]; /* of the transport key, from the request */
    struct csn_bytes id;
    struct csn_hsm_wrapped wrapped;
    uint8_t digest[CSN_SHA256_SIZE]; /* written by both directions */
};

void csn_transport_request_encode(struct csn_transport_request *request, struct csn_buf *buf);
void csn_transport_keys_encode(struct csn_transport_keys *keys, struct csn_buf *buf);

/* CSN_EFORMAT with a line, CSN_EMISMATCH for a digest that is not the file's. What is returned
 * borrows from the arena. */
int csn_transport_request_decode(struct csn_bytes text, struct csn_arena *arena,
                                 struct csn_transport_request *ret_request,
                                 struct csn_reason *reason);
int csn_transport_keys_decode(struct csn_bytes text, struct csn_arena *arena,
                              struct csn_transport_keys *ret_keys, struct csn_reason *reason);

#endif
