#include "config/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/cluster.h"
#include "round/signed_document.h"

static const uint8_t magic[5] = {'C', 'S', 'N', 'K', 1};

static void free_epoch(struct csn_chain_epoch *epoch)
{
    csn_buf_fini(&epoch->document);
    csn_buf_fini(&epoch->link);
    free(epoch);
}

static void add(struct csn_chain *chain, struct csn_chain_epoch *take_epoch)
{
    chain->epochs = csn_realloc(chain->epochs, chain->count + 1, sizeof(chain->epochs[0]));
    chain->epochs[chain->count++] = take_epoch;
}

int csn_chain_begin(struct csn_chain *chain, struct csn_bytes document, const char *file, struct csn_reason *reason)
{
    struct csn_chain_epoch *epoch = csn_calloc(1, sizeof(*epoch));
    int code = csn_cluster_parse(document, file, &epoch->cluster, reason);
    if (code != CSN_OK) {
        free_epoch(epoch);
        return code;
    }
    csn_buf_put_bytes(&epoch->document, document);
    add(chain, epoch);
    return CSN_OK;
}

/* The last document before the emergency that the chain ends in; NULL: not here. */
static const struct csn_cluster *find_before(const struct csn_chain *chain)
{
    for (size_t i = chain->count; i > 0; i--) {
        if (!chain->epochs[i - 1]->cluster.is_emergency) {
            return &chain->epochs[i - 1]->cluster;
        }
    }
    return NULL;
}

/* The document of a link, whose officers and rules hold. */
static int check_signed(const struct csn_chain *chain, const struct csn_signed_document *document, const char *file,
                        struct csn_cluster *ret_next, struct csn_reason *reason)
{
    const struct csn_cluster *now = &csn_chain_last(chain)->cluster;
    int code = csn_cluster_parse(document->document, file, ret_next, reason);
    if (code == CSN_OK) {
        code = csn_epoch_check_next(now, ret_next, reason);
    }
    if (code == CSN_OK) {
        code = csn_epoch_check_return(find_before(chain), now, ret_next, reason);
    }
    return code == CSN_OK ? csn_signed_document_check(document, &now->officers, csn_ed25519_verify, NULL, reason) : code;
}

static int full(struct csn_reason *reason)
{
    return csn_reason_set(reason, CSN_ELIMIT, "a chain has at most %u epochs", CSN_CHAIN_EPOCHS_MAX);
}

int csn_chain_check_next(const struct csn_chain *chain, struct csn_bytes signed_document, const char *file,
                         struct csn_cluster *ret_next, struct csn_reason *reason)
{
    struct csn_signed_document document;
    if (chain->count == CSN_CHAIN_EPOCHS_MAX) { /* said before anybody seals for it */
        return full(reason);
    }
    if (csn_signed_document_decode(signed_document, &document) != CSN_OK) {
        return csn_reason_set(reason, CSN_EFORMAT, "%s: not a signed document; consign-ceremony officer combine writes it", file);
    }
    return check_signed(chain, &document, file, ret_next, reason);
}

static int read_link(const struct csn_chain *chain, struct csn_chain_epoch *epoch, struct csn_reason *reason)
{
    const struct csn_cluster *now = &csn_chain_last(chain)->cluster;
    struct csn_link link;
    struct csn_signed_document document;
    if (csn_link_decode(csn_buf_view(&epoch->link), &link) != CSN_OK ||
        csn_signed_document_decode(link.document, &document) != CSN_OK ||
        csn_epoch_certificate_decode(link.certificate, &epoch->certificate) != CSN_OK) {
        return csn_reason_set(reason, CSN_EFORMAT, "the link from epoch %u on is malformed", now->epoch);
    }
    csn_buf_put_bytes(&epoch->document, document.document);
    int code = check_signed(chain, &document, "the next cluster document", &epoch->cluster, reason);
    return code == CSN_OK ? csn_epoch_certificate_check(&epoch->certificate, now, &epoch->cluster, csn_ed25519_verify, NULL, reason)
                          : code;
}

int csn_chain_append(struct csn_chain *chain, struct csn_bytes link, struct csn_reason *reason)
{
    if (chain->count == CSN_CHAIN_EPOCHS_MAX) {
        return full(reason);
    }
    struct csn_chain_epoch *epoch = csn_calloc(1, sizeof(*epoch));
    csn_buf_put_bytes(&epoch->link, link);
    int code = read_link(chain, epoch, reason);
    if (code != CSN_OK) {
        free_epoch(epoch);
        return code;
    }
    add(chain, epoch);
    return CSN_OK;
}

void csn_chain_fini(struct csn_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        free_epoch(chain->epochs[i]);
    }
    free(chain->epochs);
    *chain = (struct csn_chain){0};
}

const struct csn_chain_epoch *csn_chain_last(const struct csn_chain *chain)
{
    return chain->count > 0 ? chain->epochs[chain->count - 1] : NULL;
}

const struct csn_chain_epoch *csn_chain_find(const struct csn_chain *chain, uint32_t epoch)
{
    uint32_t first = chain->count > 0 ? chain->epochs[0]->cluster.epoch : 0;
    return chain->count > 0 && epoch >= first && epoch - first < chain->count ? chain->epochs[epoch - first] : NULL;
}

bool csn_chain_holds(const struct csn_chain *chain, const struct csn_cluster *cluster)
{
    const struct csn_chain_epoch *epoch = csn_chain_find(chain, cluster->epoch);
    return epoch != NULL && csn_digest_equal(&epoch->cluster.digest, &cluster->digest);
}

int csn_chain_check_certificate(const struct csn_chain *chain, const struct csn_certificate *certificate,
                                struct csn_reason *reason)
{
    const struct csn_chain_epoch *epoch = csn_chain_find(chain, certificate->held.proposal.epoch);
    return epoch != NULL ? csn_certificate_check(certificate, &epoch->cluster, csn_ed25519_verify, NULL, reason)
                         : csn_reason_set(reason, CSN_EREFUSED, "certificate of epoch %u, whose cluster document is not known here",
                                          certificate->held.proposal.epoch);
}

/* --- as octets */

void csn_chain_encode(const struct csn_chain *chain, struct csn_buf *buf)
{
    csn_buf_put(buf, magic, sizeof(magic));
    for (size_t i = 0; i < chain->count; i++) {
        const struct csn_buf *octets = i == 0 ? &chain->epochs[i]->document : &chain->epochs[i]->link;
        csn_buf_put_u32(buf, (uint32_t)octets->size);
        csn_buf_put_bytes(buf, csn_buf_view(octets));
    }
}

static int decode(struct csn_bytes octets, const char *file, struct csn_chain *chain, struct csn_reason *reason)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_bytes head = csn_read_bytes(&reader, sizeof(magic));
    if (!csn_bytes_equal(head, csn_bytes(magic, sizeof(magic)))) {
        return csn_reason_set(reason, CSN_EFORMAT, "%s: not a chain of epochs; consignctl membership chain writes it", file);
    }
    struct csn_bytes first = csn_read_bytes(&reader, csn_read_u32(&reader));
    int code = reader.failed ? csn_reason_set(reason, CSN_EFORMAT, "%s: cut off", file) : csn_chain_begin(chain, first, file, reason);
    while (code == CSN_OK && !reader.failed && csn_reader_left(&reader) > 0) {
        struct csn_reason why = {{0}};
        struct csn_bytes link = csn_read_bytes(&reader, csn_read_u32(&reader));
        code = reader.failed ? CSN_EFORMAT : csn_chain_append(chain, link, &why);
        if (code != CSN_OK) {
            csn_reason_set(reason, code, "%s: %.400s", file, why.text[0] != '\0' ? why.text : "cut off");
        }
    }
    return code;
}

static int decode_hex(struct csn_bytes text, struct csn_buf *octets)
{
    struct csn_buf hex = {0};
    for (size_t i = 0; i < text.size; i++) {
        if (memchr(" \t\r\n", text.data[i], 4) == NULL) {
            csn_buf_put_u8(&hex, text.data[i]);
        }
    }
    csn_buf_put_u8(&hex, 0);
    size_t size = hex.size / 2;
    int code = csn_hex_decode((const char *)hex.data, csn_buf_reserve(octets, size), size);
    octets->size = code == CSN_OK ? size : 0;
    csn_buf_fini(&hex);
    return code;
}

int csn_chain_decode(struct csn_bytes octets, const char *file, struct csn_chain *ret_chain, struct csn_reason *reason)
{
    struct csn_chain chain = {0};
    struct csn_buf from_hex = {0};
    if (octets.size < sizeof(magic) || memcmp(octets.data, magic, sizeof(magic)) != 0) {
        octets = decode_hex(octets, &from_hex) == CSN_OK ? csn_buf_view(&from_hex) : octets;
    }
    int code = decode(octets, file, &chain, reason);
    csn_buf_fini(&from_hex);
    if (code != CSN_OK) {
        csn_chain_fini(&chain);
        return code;
    }
    *ret_chain = chain;
    return CSN_OK;
}

/* --- as a file */

static int check_configured(const struct csn_chain *chain, const struct csn_cluster *configured, const char *path,
                            const char *document_path, struct csn_reason *reason)
{
    const struct csn_cluster *last = &csn_chain_last(chain)->cluster;
    if (memcmp(last->id, configured->id, sizeof(last->id)) != 0 || last->environment != configured->environment) {
        return csn_reason_set(reason, CSN_EMISMATCH, "%s: of another cluster than what is kept in %s", document_path, path);
    }
    if (!csn_chain_holds(chain, configured) && configured->epoch <= last->epoch) {
        csn_reason_set(reason, CSN_EMISMATCH,
                       "%s: another document of epoch %u than the one that is in force and kept in %s; it is not used, officers "
                       "sign what changes; put that one back: consignctl membership show",
                       document_path, configured->epoch, path);
    }
    return CSN_OK;
}

/* What is kept is damaged, and `reason` says how. */
static int begin_anew(struct csn_chain *chain, struct csn_bytes document, const char *document_path, struct csn_reason *reason)
{
    struct csn_reason why = *reason;
    csn_reason_set(reason, CSN_EDAMAGED, "%s; peers are asked for the links", why.text);
    return csn_chain_begin(chain, document, document_path, NULL);
}

int csn_chain_open(const char *path, const struct csn_cluster *configured, struct csn_bytes document, const char *document_path,
                   struct csn_chain *ret_chain, struct csn_reason *reason)
{
    struct csn_buf octets = {0};
    struct csn_chain chain = {0};
    struct csn_reason why = {{0}};
    int code = csn_fs_read(path, CSN_CHAIN_MAX, &octets, &why);
    if (code == CSN_ENOTFOUND) {
        code = csn_chain_begin(&chain, document, document_path, reason);
    } else if (code == CSN_OK) {
        code = csn_chain_decode(csn_buf_view(&octets), path, &chain, reason) == CSN_OK
                   ? check_configured(&chain, configured, path, document_path, reason)
                   : begin_anew(&chain, document, document_path, reason);
    } else {
        csn_reason_set(reason, code, "%s", why.text);
        code = code == CSN_EIO || code == CSN_ELIMIT ? begin_anew(&chain, document, document_path, reason) : code;
    }
    csn_buf_fini(&octets);
    if (code != CSN_OK) {
        csn_chain_fini(&chain);
        return code;
    }
    *ret_chain = chain;
    return CSN_OK;
}

int csn_chain_keep(const struct csn_chain *chain, const char *path, struct csn_reason *reason)
{
    struct csn_buf octets = {0};
    csn_chain_encode(chain, &octets);
    int code = csn_fs_write(path, csn_buf_view(&octets), 0600, reason);
    csn_buf_fini(&octets);
    return code;
}
