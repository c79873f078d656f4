#include "xfr/tsig.h"

#include <string.h>

#include <libknot/errcode.h>
#include <libknot/tsig-op.h>

static dnssec_tsig_algorithm_t algorithm_of(const struct csn_tsig_config *key)
{
    switch (key->algorithm) {
    case CSN_TSIG_SHA384:
        return DNSSEC_TSIG_HMAC_SHA384;
    case CSN_TSIG_SHA512:
        return DNSSEC_TSIG_HMAC_SHA512;
    case CSN_TSIG_SHA256:
        break;
    }
    return DNSSEC_TSIG_HMAC_SHA256;
}

/* libknot's form of the key; borrows all. */
static knot_tsig_key_t knot_key(const struct csn_tsig_config *key)
{
    return (knot_tsig_key_t){.algorithm = algorithm_of(key),
                             .name = (knot_dname_t *)key->name,
                             .secret = {.size = key->secret.size, .data = key->secret.data}};
}

static const struct csn_tsig_config *find_key(const struct csn_transfer_config *config,
                                              const knot_rrset_t *tsig_rr)
{
    for (size_t i = 0; i < config->tsig_count; i++) {
        const struct csn_tsig_config *key = &config->tsig[i];
        if (knot_dname_is_case_equal(key->name, tsig_rr->owner) &&
            algorithm_of(key) == knot_tsig_rdata_alg(tsig_rr)) {
            return key;
        }
    }
    return NULL;
}

static uint16_t error_of(int code)
{
    switch (code) {
    case KNOT_EOK:
        return KNOT_RCODE_NOERROR;
    case KNOT_TSIG_EBADTIME:
        return KNOT_RCODE_BADTIME;
    case KNOT_TSIG_EBADKEY:
        return KNOT_RCODE_BADKEY;
    case KNOT_TSIG_EBADTRUNC:
        return KNOT_RCODE_BADTRUNC;
    default:
        return KNOT_RCODE_BADSIG;
    }
}

void csn_tsig_check(const struct csn_transfer_config *config, const knot_pkt_t *query,
                    struct csn_tsig *ret_tsig)
{
    *ret_tsig = (struct csn_tsig){0};
    if (!knot_pkt_has_tsig(query)) {
        return;
    }
    const knot_rrset_t *tsig_rr = query->tsig_rr;
    ret_tsig->key = find_key(config, tsig_rr);
    ret_tsig->time_signed = knot_tsig_rdata_time_signed(tsig_rr);
    if (ret_tsig->key == NULL) {
        ret_tsig->error = KNOT_RCODE_BADKEY;
        return;
    }
    knot_tsig_key_t key = knot_key(ret_tsig->key);
    size_t mac_size = knot_tsig_rdata_mac_length(tsig_rr);
    if (mac_size != dnssec_tsig_algorithm_size(key.algorithm)) {
        ret_tsig->error = mac_size < dnssec_tsig_algorithm_size(key.algorithm) ? KNOT_RCODE_BADTRUNC
                                                                               : KNOT_RCODE_BADSIG;
        return;
    }
    memcpy(ret_tsig->mac, knot_tsig_rdata_mac(tsig_rr), mac_size);
    ret_tsig->mac_size = mac_size;
    ret_tsig->error = error_of(knot_tsig_server_check(tsig_rr, query->wire, query->size, &key));
}

size_t csn_tsig_size(const struct csn_tsig *tsig)
{
    if (tsig->key == NULL) {
        return 0;
    }
    knot_tsig_key_t key = knot_key(tsig->key);
    return knot_tsig_wire_maxsize(&key);
}

/* The first message is bound to the request, each later one to the one before (RFC 8945 5.3.1). */
static int sign(struct csn_tsig *tsig, uint8_t *message, size_t *size, size_t size_max)
{
    knot_tsig_key_t key = knot_key(tsig->key);
    size_t mac_size = sizeof tsig->mac;
    int code;
    if (tsig->signed_count == 0) {
        code = knot_tsig_sign(message, size, size_max, tsig->mac, tsig->mac_size, tsig->mac,
                              &mac_size, &key, tsig->error, tsig->time_signed);
    } else {
        code = knot_tsig_sign_next(message, size, size_max, tsig->mac, tsig->mac_size, tsig->mac,
                                   &mac_size, &key, message, *size);
    }
    tsig->mac_size = mac_size;
    tsig->signed_count++;
    return code;
}

int csn_tsig_sign(struct csn_tsig *tsig, const knot_rrset_t *query_tsig, struct csn_buf *buf,
                  size_t start)
{
    int code = KNOT_EOK;
    csn_buf_reserve(buf, CSN_TSIG_SIZE_MAX);
    size_t size = buf->size - start;
    size_t size_max = size + CSN_TSIG_SIZE_MAX;
    if (tsig->key != NULL && knot_tsig_can_sign(tsig->error)) {
        code = sign(tsig, buf->data + start, &size, size_max);
    } else if (tsig->error != 0) {
        /* Not signed: the error with an empty MAC (RFC 8945 5.2.1, 5.2.2). */
        code = knot_tsig_add(buf->data + start, &size, size_max, tsig->error, query_tsig);
    }
    if (code != KNOT_EOK) {
        return CSN_ECRYPTO;
    }
    buf->size = start + size;
    return CSN_OK;
}

int csn_tsig_sign_request(struct csn_tsig *tsig, const struct csn_tsig_config *key,
                          struct csn_buf *buf)
{
    *tsig = (struct csn_tsig){.key = key};
    if (key == NULL) {
        return CSN_OK;
    }
    knot_tsig_key_t knot = knot_key(key);
    size_t size = buf->size;
    tsig->mac_size = sizeof tsig->mac;
    csn_buf_reserve(buf, CSN_TSIG_SIZE_MAX);
    if (knot_tsig_sign(buf->data, &size, size + CSN_TSIG_SIZE_MAX, NULL, 0, tsig->mac,
                       &tsig->mac_size, &knot, 0, 0) != KNOT_EOK) {
        return CSN_ECRYPTO;
    }
    buf->size = size;
    return CSN_OK;
}

int csn_tsig_check_answer(const struct csn_tsig *tsig, const knot_pkt_t *answer)
{
    if (tsig->key == NULL) {
        return CSN_OK;
    }
    knot_tsig_key_t key = knot_key(tsig->key);
    if (!knot_pkt_has_tsig(answer) ||
        knot_tsig_rdata_mac_length(answer->tsig_rr) != dnssec_tsig_algorithm_size(key.algorithm) ||
        knot_tsig_client_check(answer->tsig_rr, answer->wire, answer->size, tsig->mac,
                               tsig->mac_size, &key, 0) != KNOT_EOK) {
        return CSN_ESIGNATURE;
    }
    return CSN_OK;
}
