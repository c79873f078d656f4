#include "round/certificate.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/text.h"
#include "round/fields.h"

static const uint8_t magic[5] = {'C', 'S', 'N', 'C', 1};

void csn_certificate_encode(const struct csn_certificate *certificate, struct csn_buf *buf)
{
    struct csn_buf body = {0};
    csn_put_held(&body, &certificate->held);
    csn_buf_put(buf, magic, sizeof(magic));
    csn_buf_put_u32(buf, (uint32_t)body.size);
    csn_buf_put_bytes(buf, csn_buf_view(&body));
    csn_buf_put_u8(buf, certificate->vote_count);
    for (unsigned i = 0; i < certificate->vote_count; i++) {
        const struct csn_certificate_vote *vote = &certificate->votes[i];
        csn_buf_put_u16(buf, vote->site);
        csn_buf_put_u32(buf, vote->incarnation);
        csn_buf_put(buf, vote->signature, sizeof(vote->signature));
    }
    csn_buf_fini(&body);
}

static void read_votes(struct csn_reader *reader, struct csn_certificate *certificate)
{
    uint16_t last = 0;
    certificate->vote_count = csn_read_range(reader, 1, CSN_MEMBERS_MAX);
    for (unsigned i = 0; i < certificate->vote_count; i++) {
        struct csn_certificate_vote *vote = &certificate->votes[i];
        vote->site = csn_read_u16(reader);
        vote->incarnation = csn_read_u32(reader);
        csn_read_copy(reader, vote->signature, sizeof(vote->signature));
        reader->failed |= vote->site <= last; /* twice, descending, or nobody */
        last = vote->site;
    }
}

int csn_certificate_decode(struct csn_bytes octets, struct csn_certificate *ret_certificate)
{
    struct csn_reader reader = csn_reader(octets);
    reader.failed = octets.size > CSN_CERTIFICATE_MAX;
    struct csn_bytes head = csn_read_bytes(&reader, sizeof(magic));
    if (!csn_bytes_equal(head, csn_bytes(magic, sizeof(magic)))) {
        return CSN_EFORMAT;
    }
    struct csn_certificate certificate = {0};
    uint32_t size = csn_read_u32(&reader);
    if (csn_body_held_decode(csn_read_bytes(&reader, size), &certificate.held) != CSN_OK) {
        return CSN_EFORMAT;
    }
    read_votes(&reader, &certificate);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_certificate = certificate;
    return CSN_OK;
}

int csn_certificate_read(struct csn_bytes file, struct csn_certificate *ret_certificate,
                         struct csn_reason *reason)
{
    char hex[2 * CSN_CERTIFICATE_MAX + 1];
    uint8_t octets[CSN_CERTIFICATE_MAX];
    size_t size = 0;
    if (file.size < 4 || memcmp(file.data, magic, 4) != 0) { /* "CSNC" */
        for (size_t i = 0; i < file.size && size < sizeof(hex); i++) {
            if (memchr(" \t\r\n", file.data[i], 4) == NULL) {
                hex[size++] = (char)file.data[i];
            }
        }
        if (size == sizeof(hex)) {
            return csn_reason_set(reason, CSN_EFORMAT, "not a certificate: too long");
        }
        hex[size] = '\0';
        if (csn_hex_decode(hex, octets, size / 2) != CSN_OK) {
            return csn_reason_set(reason, CSN_EFORMAT,
                                  "not a certificate: neither its octets nor hex");
        }
        file = csn_bytes(octets, size / 2);
    }
    if (csn_certificate_decode(file, ret_certificate) != CSN_OK) {
        return csn_reason_set(reason, CSN_EFORMAT, "not a certificate: malformed");
    }
    return CSN_OK;
}

bool csn_ed25519_verify(void *arg, const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
                        const uint8_t signature[CSN_SIGNATURE_SIZE])
{
    (void)arg;
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, CSN_ED25519_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good =
        public != NULL && context != NULL &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
        EVP_DigestVerify(context, signature, CSN_SIGNATURE_SIZE, message.data, message.size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    return is_good;
}

static int check_vote(const struct csn_certificate_vote *vote, struct csn_bytes body,
                      const struct csn_cluster *cluster, csn_verify_fn *verify, void *arg,
                      struct csn_reason *reason)
{
    const struct csn_member *member = csn_cluster_member(cluster, vote->site);
    if (member == NULL) {
        return csn_reason_set(reason, CSN_EREFUSED, "site %u is no member of the cluster",
                              vote->site);
    }
    if (member->incarnation != vote->incarnation) {
        return csn_reason_set(
            reason, CSN_EREFUSED,
            "vote of %s (site %u) is of incarnation %u, the cluster document has %u", member->name,
            vote->site, vote->incarnation, member->incarnation);
    }
    struct csn_buf message = {0};
    csn_statement_signed(CSN_STATEMENT_HELD, vote->site, vote->incarnation, body, &message);
    bool is_good = verify(arg, member->key, csn_buf_view(&message), vote->signature);
    csn_buf_fini(&message);
    if (!is_good) {
        return csn_reason_set(reason, CSN_ESIGNATURE, "signature of %s (site %u) does not verify",
                              member->name, vote->site);
    }
    return CSN_OK;
}

static int check_cluster(const struct csn_certificate *certificate,
                         const struct csn_cluster *cluster, struct csn_reason *reason)
{
    const struct csn_proposal *proposal = &certificate->held.proposal;
    if (memcmp(proposal->cluster, cluster->id, sizeof(cluster->id)) != 0 ||
        proposal->environment != cluster->environment) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "certificate of another cluster or environment");
    }
    if (proposal->epoch != cluster->epoch) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "certificate of epoch %u, the cluster document given is of epoch %u",
                              proposal->epoch, cluster->epoch);
    }
    if (!csn_digest_equal(&proposal->epoch_digest, &cluster->digest)) {
        char certified[9], given[9];
        csn_hex_encode(csn_bytes(proposal->epoch_digest.octets, 4), certified);
        csn_hex_encode(csn_bytes(cluster->digest.octets, 4), given);
        return csn_reason_set(reason, CSN_EREFUSED,
                              "certificate of another cluster document of epoch %u: its SHA-384 "
                              "begins with %s, that of the one given with %s; each octet counts",
                              proposal->epoch, certified, given);
    }
    if (certificate->vote_count != cluster->quorum) {
        return csn_reason_set(reason, CSN_EREFUSED, "%u votes, the quorum is %u",
                              certificate->vote_count, cluster->quorum);
    }
    return CSN_OK;
}

int csn_certificate_check(const struct csn_certificate *certificate,
                          const struct csn_cluster *cluster, csn_verify_fn *verify, void *arg,
                          struct csn_reason *reason)
{
    int code = check_cluster(certificate, cluster, reason);
    struct csn_buf body = {0};
    csn_put_held(&body, &certificate->held);
    for (unsigned i = 0; code == CSN_OK && i < certificate->vote_count; i++) {
        code =
            check_vote(&certificate->votes[i], csn_buf_view(&body), cluster, verify, arg, reason);
    }
    csn_buf_fini(&body);
    return code;
}

bool csn_certificate_has_vote(const struct csn_certificate *certificate, const struct csn_member *member)
{
    bool has = false;
    for (uint8_t i = 0; i < certificate->vote_count; i++) {
        const struct csn_certificate_vote *vote = &certificate->votes[i];
        has = has || (vote->site == member->number && vote->incarnation == member->incarnation);
    }
    return has;
}
