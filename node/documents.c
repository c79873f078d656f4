#include "documents.h"

#include "config/cluster.h"

/* Key of a copy's blob: "d" | digest. */
static void put_key(const struct csn_digest *digest, struct csn_buf *buf)
{
    csn_buf_put_u8(buf, 'd');
    csn_buf_put(buf, digest->octets, sizeof(digest->octets));
}

int csn_documents_keep(struct csn_daemon *daemon, struct csn_reason *reason)
{
    const struct csn_document *document = &daemon->config->cluster_document;
    struct csn_buf key = {0}, old = {0};
    put_key(&document->digest, &key);
    int code = csn_store_get_blob(daemon->store, csn_buf_view(&key), &old);
    bool is_same = code == CSN_OK && csn_bytes_equal(csn_buf_view(&old), csn_buf_view(&document->octets));
    if (code == CSN_ENOTFOUND || (code == CSN_OK && !is_same)) { /* or emptied, for it was damaged */
        code = csn_store_put_blob(daemon->store, csn_buf_view(&key), csn_buf_view(&document->octets));
    }
    csn_buf_fini(&key);
    csn_buf_fini(&old);
    return csn_reason_set(reason, code, "the cluster document cannot be kept in the store: %s", csn_error_text(code));
}

static int load(struct csn_daemon *daemon, const struct csn_digest *digest, struct csn_cluster *ret_cluster, struct csn_reason *reason)
{
    struct csn_buf key = {0}, octets = {0};
    put_key(digest, &key);
    int code = csn_store_get_blob(daemon->store, csn_buf_view(&key), &octets);
    if (code == CSN_OK) {
        code = csn_cluster_parse(csn_buf_view(&octets), "stored cluster document", ret_cluster, reason);
    } else {
        csn_reason_set(reason, code, "its cluster document is not in the store");
    }
    csn_buf_fini(&key);
    csn_buf_fini(&octets);
    return code;
}

int csn_documents_check(struct csn_daemon *daemon, const struct csn_certificate *certificate, struct csn_reason *reason)
{
    const struct csn_digest *digest = &certificate->held.proposal.epoch_digest;
    const struct csn_cluster *current = &daemon->config->cluster;
    struct csn_cluster stored;
    if (csn_digest_equal(digest, &current->digest)) {
        return csn_certificate_check(certificate, current, csn_ed25519_verify, NULL, reason);
    }
    int code = load(daemon, digest, &stored, reason);
    return code == CSN_OK ? csn_certificate_check(certificate, &stored, csn_ed25519_verify, NULL, reason) : code;
}
