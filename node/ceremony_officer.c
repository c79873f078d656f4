#include "ceremony_officer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/chain.h"
#include "config/cluster.h"
#include "config/cluster_text.h"
#include "mesh/identity.h"
#include "round/epoch.h"
#include "round/signed_document.h"

#define CERTIFICATE_FILE_MAX ((size_t)64 * 1024) /* hex with line ends */

/* The present document and the one to come. */
struct change {
    struct csn_cluster now, next;
    struct csn_buf document; /* owns; the octets of next */
};

static int load_cluster(const char *path, struct csn_buf *octets, struct csn_cluster *ret_cluster, struct csn_reason *reason)
{
    int code = csn_fs_read(path, CSN_CLUSTER_DOCUMENT_MAX, octets, reason);
    return code == CSN_OK ? csn_cluster_parse(csn_buf_view(octets), path, ret_cluster, reason) : code;
}

static int load_present(const char *path, struct csn_cluster *ret_cluster, struct csn_reason *reason)
{
    struct csn_buf octets = {0};
    int code = load_cluster(path, &octets, ret_cluster, reason);
    csn_buf_fini(&octets);
    return code;
}

/* Nobody signs what no site would take. */
static int load_change(const struct csn_officer_arguments *arguments, struct change *change, struct csn_reason *reason)
{
    struct csn_reason why = {{0}};
    int code = load_present(arguments->cluster, &change->now, reason);
    if (code == CSN_OK) {
        code = load_cluster(arguments->document, &change->document, &change->next, reason);
    }
    if (code == CSN_OK && (code = csn_epoch_check_next(&change->now, &change->next, &why)) != CSN_OK) {
        csn_reason_set(reason, code, "%s: cannot follow %s: %.300s", arguments->document, arguments->cluster, why.text);
    }
    return code;
}

static void show_change(const struct change *change, FILE *out)
{
    struct csn_buf text = {0};
    char hex[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(change->next.digest.octets, sizeof(change->next.digest.octets)), hex);
    csn_cluster_write_change(&change->now, &change->next, &text);
    fwrite(text.data, 1, text.size, out);
    fprintf(out, "SHA-384 of the document: %s\n", hex);
    csn_buf_fini(&text);
}

/* --- officer new */

int csn_officer_new(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason)
{
    struct csn_site_key *key;
    char hex[2 * CSN_IDENTITY_KEY_SIZE + 1];
    int code = csn_identity_make(arguments->out, &key, reason);
    if (code == CSN_OK) {
        csn_hex_encode(csn_bytes(csn_identity_key(key), CSN_IDENTITY_KEY_SIZE), hex);
        fprintf(out, "    - name: %s\n      key: %s\n", arguments->name, hex);
        csn_identity_free(key);
    }
    return code;
}

/* --- officer sign */

static int find_officer(const struct csn_officers *officers, const struct csn_site_key *key, uint16_t *ret_number)
{
    for (uint8_t i = 0; i < officers->count; i++) {
        if (memcmp(officers->keys[i].key, csn_identity_key(key), CSN_IDENTITY_KEY_SIZE) == 0) {
            *ret_number = (uint16_t)(i + 1);
            return CSN_OK;
        }
    }
    return CSN_ENOTFOUND;
}

static int write_signed(const char *path, const struct csn_signed_document *document, struct csn_reason *reason)
{
    struct csn_buf octets = {0};
    csn_signed_document_encode(document, &octets);
    int code = csn_fs_write(path, csn_buf_view(&octets), 0644, reason);
    csn_buf_fini(&octets);
    return code;
}

static int sign(const struct csn_officer_arguments *arguments, const struct change *change, const struct csn_site_key *key,
                struct csn_reason *reason)
{
    struct csn_signed_document document = {.document = csn_buf_view(&change->document), .count = 1};
    struct csn_officer_signature *signature = &document.signatures[0];
    if (find_officer(&change->now.officers, key, &signature->officer) != CSN_OK) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s: not the key of an officer in %s; officers of the present document sign the next",
                              arguments->key, arguments->cluster);
    }
    struct csn_buf message = {0};
    csn_document_signed(signature->officer, document.document, &message);
    int code = csn_identity_sign(key, csn_buf_view(&message), signature->signature);
    csn_buf_fini(&message);
    return code == CSN_OK ? write_signed(arguments->out, &document, reason)
                          : csn_reason_set(reason, code, "%s: it cannot sign", arguments->key);
}

int csn_officer_sign(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason)
{
    struct change *change = csn_calloc(1, sizeof(*change));
    struct csn_site_key *key = NULL;
    int code = load_change(arguments, change, reason);
    if (code == CSN_OK) {
        code = csn_identity_load(arguments->key, &key, reason);
    }
    if (code == CSN_OK) {
        code = sign(arguments, change, key, reason);
    }
    if (code == CSN_OK) {
        show_change(change, out);
        fprintf(out, "signed: %s; %u of the %u officers have to\n", arguments->out, change->now.officers.needed,
                change->now.officers.count);
    }
    csn_identity_free(key);
    csn_buf_fini(&change->document);
    free(change);
    return code;
}

/* --- officer combine */

static void put_in_order(struct csn_signed_document *all, const struct csn_officer_signature *signature)
{
    unsigned at = 0;
    while (at < all->count && all->signatures[at].officer < signature->officer) {
        at++;
    }
    if ((at < all->count && all->signatures[at].officer == signature->officer) || all->count == CSN_MEMBERS_MAX) {
        return; /* the same officer twice is one */
    }
    memmove(&all->signatures[at + 1], &all->signatures[at], (all->count - at) * sizeof(*signature));
    all->signatures[at] = *signature;
    all->count++;
}

static int add_signatures(const char *path, struct csn_signed_document *all, struct csn_reason *reason)
{
    struct csn_buf octets = {0};
    struct csn_signed_document one;
    int code = csn_fs_read(path, CSN_SIGNED_DOCUMENT_MAX, &octets, reason);
    if (code == CSN_OK && csn_signed_document_decode(csn_buf_view(&octets), &one) != CSN_OK) {
        code = csn_reason_set(reason, CSN_EFORMAT, "%s: not what `officer sign` writes", path);
    }
    if (code == CSN_OK && !csn_bytes_equal(one.document, all->document)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "%s: signs another document; each octet counts: let the officer sign this one", path);
    }
    for (unsigned i = 0; code == CSN_OK && i < one.count; i++) {
        put_in_order(all, &one.signatures[i]);
    }
    csn_buf_fini(&octets);
    return code;
}

static int combine(const struct csn_officer_arguments *arguments, const struct change *change, struct csn_reason *reason)
{
    struct csn_signed_document all = {.document = csn_buf_view(&change->document)};
    struct csn_reason why = {{0}};
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < arguments->file_count; i++) {
        code = add_signatures(arguments->files[i], &all, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    code = csn_signed_document_check(&all, &change->now.officers, csn_ed25519_verify, NULL, &why);
    return code == CSN_OK ? write_signed(arguments->out, &all, reason)
                          : csn_reason_set(reason, code, "%s: %.300s", arguments->document, why.text);
}

int csn_officer_combine(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason)
{
    struct change *change = csn_calloc(1, sizeof(*change));
    int code = load_change(arguments, change, reason);
    if (code == CSN_OK) {
        code = combine(arguments, change, reason);
    }
    if (code == CSN_OK) {
        show_change(change, out);
        fprintf(out, "complete: %s; next, at any site: consignctl membership propose %s\n", arguments->out, arguments->out);
    }
    csn_buf_fini(&change->document);
    free(change);
    return code;
}

/* --- emergency new */

/* `keep` is names with commas between them. */
static int keep_members(const char *keep, const struct csn_cluster *now, struct csn_cluster *next, struct csn_reason *reason)
{
    char *names = csn_strdup(keep), *save = NULL;
    bool stays[CSN_MEMBERS_MAX] = {false};
    int code = CSN_OK;
    for (char *name = strtok_r(names, ",", &save); code == CSN_OK && name != NULL; name = strtok_r(NULL, ",", &save)) {
        const struct csn_member *member = csn_cluster_member_named(now, name);
        if (member == NULL) {
            code = csn_reason_set(reason, CSN_ENOTFOUND, "--keep: %s is no member of the present document", name);
        } else {
            stays[member - now->members] = true;
        }
    }
    free(names);
    bool has_signer = false;
    next->member_count = 0;
    for (unsigned i = 0; i < now->member_count; i++) {
        if (stays[i]) {
            has_signer |= now->members[i].role == CSN_MEMBER_SIGNER; /* a verifier has no keys */
            next->members[next->member_count++] = now->members[i];
        }
    }
    return code != CSN_OK || has_signer
               ? code
               : csn_reason_set(reason, CSN_EREFUSED, "--keep: names no signer; nothing could be signed anew");
}

/* Of the present epoch; with a chain of any: a zone need not have been released since the last change. */
static int check_base(const struct csn_certificate *certificate, const struct csn_cluster *now, const struct csn_chain *chain,
                      struct csn_reason *reason)
{
    uint32_t epoch = certificate->held.proposal.epoch;
    if (chain->count > 0) {
        return csn_chain_check_certificate(chain, certificate, reason);
    }
    return epoch == now->epoch ? csn_certificate_check(certificate, now, csn_ed25519_verify, NULL, reason)
                               : csn_reason_set(reason, CSN_EMISMATCH,
                                                "certificate of epoch %" PRIu32 ", the cluster document given is of epoch %" PRIu32
                                                "; give --chain too (consignctl membership chain)",
                                                epoch, now->epoch);
}

static int load_chain(const char *path, const struct csn_cluster *now, struct csn_chain *ret_chain, struct csn_reason *reason)
{
    struct csn_buf octets = {0};
    int code = path != NULL ? csn_fs_read(path, CSN_CHAIN_MAX, &octets, reason) : CSN_OK;
    if (code == CSN_OK && path != NULL) {
        code = csn_chain_decode(csn_buf_view(&octets), path, ret_chain, reason);
    }
    if (code == CSN_OK && path != NULL && !csn_chain_holds(ret_chain, now)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "%s: not the chain of the present document", path);
    }
    csn_buf_fini(&octets);
    return code;
}

static int add_base(const char *path, const struct csn_cluster *now, const struct csn_chain *chain, struct csn_emergency *emergency,
                    struct csn_reason *reason)
{
    struct csn_buf file = {0};
    struct csn_certificate certificate;
    struct csn_reason why = {{0}};
    int code = csn_fs_read(path, CERTIFICATE_FILE_MAX, &file, reason);
    if (code == CSN_OK) {
        code = csn_certificate_read(csn_buf_view(&file), &certificate, &why);
        if (code == CSN_OK) {
            code = check_base(&certificate, now, chain, &why);
        }
        if (code != CSN_OK) {
            csn_reason_set(reason, code, "%s: %.300s", path, why.text);
        }
    }
    csn_buf_fini(&file);
    if (code == CSN_OK) {
        struct csn_emergency_base *base = &emergency->bases[emergency->base_count++];
        memcpy(base->zone, certificate.held.proposal.zone, sizeof(base->zone));
        csn_round_encode(certificate.held.proposal.round, base->round);
        base->full_root = certificate.held.full_root;
    }
    return code;
}

/* Another for each epoch and each first member that is kept, so that no two branches of one cluster meet in a serial: of two
 * emergencies after one document, without a member in common, the first members differ; a common one goes with one of them only. */
static uint32_t default_offset(const struct csn_cluster *now, const struct csn_cluster *next)
{
    uint32_t first = 0, windows = CSN_EMERGENCY_SERIAL_MAX / CSN_EMERGENCY_SERIAL_STEP;
    while (now->members[first].number != next->members[0].number) {
        first++;
    }
    return CSN_EMERGENCY_SERIAL_STEP * (1 + ((now->epoch - 1) * CSN_MEMBERS_MAX + first) % windows);
}

static int fill_emergency(const struct csn_officer_arguments *arguments, const struct csn_cluster *now, struct csn_cluster *next,
                          struct csn_reason *reason)
{
    struct csn_emergency *emergency = &next->emergency;
    snprintf(emergency->reason, sizeof(emergency->reason), "%s", arguments->reason);
    snprintf(emergency->fenced, sizeof(emergency->fenced), "%s", arguments->fenced);
    emergency->issued_s = (uint64_t)time(NULL);
    emergency->not_after_s = emergency->issued_s + arguments->hours * 3600;
    emergency->serial_offset = arguments->serial_offset != 0 ? (uint32_t)arguments->serial_offset : default_offset(now, next);
    struct csn_chain chain = {0};
    int code = load_chain(arguments->chain, now, &chain, reason);
    for (size_t i = 0; code == CSN_OK && i < arguments->file_count; i++) {
        code = add_base(arguments->files[i], now, &chain, emergency, reason);
    }
    csn_chain_fini(&chain);
    return code;
}

/* The octets of the next document, which may follow as it stands there; written and shown. */
static int write_next(const struct csn_officer_arguments *arguments, struct change *change, FILE *out, struct csn_reason *reason)
{
    csn_cluster_write(&change->next, &change->document);
    int code = csn_cluster_parse(csn_buf_view(&change->document), arguments->out, &change->next, reason);
    if (code == CSN_OK) {
        code = csn_epoch_check_next(&change->now, &change->next, reason);
    }
    if (code == CSN_OK) {
        code = csn_fs_write(arguments->out, csn_buf_view(&change->document), 0644, reason);
    }
    if (code == CSN_OK) {
        show_change(change, out);
        fprintf(out, "written: %s; next: %u of %u officers sign it (officer sign)\n", arguments->out, change->now.officers.needed,
                change->now.officers.count);
    }
    return code;
}

static void drop_change(struct change *take_change)
{
    csn_buf_fini(&take_change->document);
    free(take_change);
}

/* All members of before; whoever else speaks stays as now. */
static void take_back(struct change *change, const struct csn_cluster *before)
{
    struct csn_cluster *next = &change->next;
    *next = change->now;
    next->epoch++;
    next->previous = change->now.digest;
    next->merges = before->digest;
    next->quorum = before->quorum;
    next->faults = before->faults;
    memcpy(next->members, before->members, sizeof(next->members));
    next->member_count = before->member_count;
    next->is_emergency = false;
    memset(&next->emergency, 0, sizeof(next->emergency));
}

int csn_officer_end_emergency(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason)
{
    struct change *change = csn_calloc(1, sizeof(*change));
    struct csn_cluster *before = csn_calloc(1, sizeof(*before));
    int code = load_present(arguments->cluster, &change->now, reason);
    if (code == CSN_OK) {
        code = load_present(arguments->before, before, reason);
    }
    if (code == CSN_OK && (!change->now.is_emergency || before->is_emergency)) {
        code = csn_reason_set(reason, CSN_EREFUSED, "--cluster is the emergency's document, --before the last one before it");
    }
    if (code == CSN_OK) {
        take_back(change, before);
        code = csn_epoch_check_return(before, &change->now, &change->next, reason);
    }
    if (code == CSN_OK) {
        code = write_next(arguments, change, out, reason);
    }
    free(before);
    drop_change(change);
    return code;
}

int csn_officer_emergency(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason)
{
    struct change *change = csn_calloc(1, sizeof(*change));
    int code = load_present(arguments->cluster, &change->now, reason);
    struct csn_cluster *next = &change->next;
    *next = change->now;
    if (code == CSN_OK) {
        code = keep_members(arguments->keep, &change->now, next, reason);
    }
    if (code == CSN_OK) {
        next->epoch++;
        next->previous = change->now.digest;
        next->merges = (struct csn_digest){{0}};
        next->quorum = (uint8_t)(next->member_count / 2 + 1);
        next->faults = 0;
        next->is_emergency = true;
        memset(&next->emergency, 0, sizeof(next->emergency));
        code = fill_emergency(arguments, &change->now, next, reason);
    }
    if (code == CSN_OK) {
        code = write_next(arguments, change, out, reason);
    }
    drop_change(change);
    return code;
}
