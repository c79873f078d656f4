/* Goal: a chain of epochs grows only by links whose document enough officers signed and enough members entered; what is kept and
 * what is configured must be of one history; a document written out is read back the same.
 * Method: a cluster of three with keys of fixed seeds gets a fourth member and loses one; each link is spoilt in turn. */
#include "config/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/cluster.h"
#include "config/cluster_text.h"
#include "round/signed_document.h"

#define OFFICER_SEED 0x40 /* officers' seeds begin here, members' at 1 */

static EVP_PKEY *make_key(unsigned seed, uint8_t ret_public[CSN_ED25519_SIZE])
{
    uint8_t octets[32];
    size_t size = CSN_ED25519_SIZE;
    memset(octets, (int)seed, sizeof(octets));
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, octets, sizeof(octets));
    assert_int_equal(EVP_PKEY_get_raw_public_key(key, ret_public, &size), 1);
    return key;
}

static void sign(unsigned seed, struct csn_buf *take_message, uint8_t ret_signature[CSN_SIGNATURE_SIZE])
{
    uint8_t public[CSN_ED25519_SIZE];
    size_t size = CSN_SIGNATURE_SIZE;
    EVP_PKEY *key = make_key(seed, public);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, ret_signature, &size, take_message->data, take_message->size), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    csn_buf_fini(take_message);
}

static void add_member(struct csn_cluster *cluster, unsigned number)
{
    struct csn_member *member = &cluster->members[cluster->member_count++];
    *member = (struct csn_member){.number = (uint16_t)number, .incarnation = 1};
    snprintf(member->name, sizeof(member->name), "site%u", number);
    snprintf(member->mesh, sizeof(member->mesh), "tls+tcp://127.0.0.1:%u", 1000 + number);
    snprintf(member->bulk, sizeof(member->bulk), "tls+tcp://127.0.0.1:%u", 2000 + number);
    EVP_PKEY_free(make_key(number, member->key));
}

/* Sites 1 to 3, q = 2, three officers of whom two are needed. */
static struct csn_cluster first_cluster(void)
{
    struct csn_cluster cluster = {.environment = 1, .epoch = 1, .quorum = 2, .coordinator_count = 1};
    memset(cluster.id, 0xc1, sizeof(cluster.id));
    for (unsigned i = 1; i <= 3; i++) {
        add_member(&cluster, i);
    }
    cluster.coordinators[0].number = 1;
    snprintf(cluster.coordinators[0].name, sizeof(cluster.coordinators[0].name), "lead");
    EVP_PKEY_free(make_key(0x30, cluster.coordinators[0].key));
    cluster.officers.needed = 2;
    for (unsigned i = 0; i < 3; i++) {
        struct csn_officer_id *officer = &cluster.officers.keys[cluster.officers.count++];
        snprintf(officer->name, sizeof(officer->name), "officer%u", i);
        EVP_PKEY_free(make_key(OFFICER_SEED + i, officer->key));
    }
    return cluster;
}

/* Writes it out and takes the digest of that. */
static struct csn_buf write_cluster(struct csn_cluster *cluster)
{
    struct csn_buf text = {0};
    csn_cluster_write(cluster, &text);
    csn_sha384(csn_buf_view(&text), &cluster->digest);
    return text;
}

static struct csn_buf sign_document(const struct csn_buf *text, unsigned officers)
{
    struct csn_signed_document document = {.document = csn_buf_view(text)};
    struct csn_buf octets = {0};
    for (unsigned i = 0; i < officers; i++) {
        struct csn_buf message = {0};
        csn_document_signed((uint16_t)(i + 1), document.document, &message);
        document.signatures[i].officer = (uint16_t)(i + 1);
        sign(OFFICER_SEED + i, &message, document.signatures[i].signature);
        document.count++;
    }
    csn_signed_document_encode(&document, &octets);
    return octets;
}

static void sign_seal(const struct csn_epoch_certificate *certificate, struct csn_epoch_seal *seal)
{
    struct csn_body_seal body;
    struct csn_buf octets = {0}, message = {0};
    csn_epoch_seal_body(certificate, seal, &body);
    csn_body_seal_encode(&body, &octets);
    csn_statement_signed(CSN_STATEMENT_SEAL, seal->site, 1, csn_buf_view(&octets), &message);
    sign(seal->site, &message, seal->signature);
    csn_buf_fini(&octets);
}

static void sign_entry(const struct csn_epoch_certificate *certificate, struct csn_epoch_entry *entry)
{
    struct csn_body_entry body = {.environment = certificate->environment, .epoch = certificate->next, .seal_count = entry->seal_count};
    struct csn_buf octets = {0}, message = {0};
    memcpy(body.cluster, certificate->cluster, sizeof(body.cluster));
    for (unsigned i = 0; i < entry->seal_count; i++) {
        body.seals[i] = (struct csn_entry_seal){entry->seals[i], csn_epoch_find_seal(certificate, entry->seals[i])->floors};
    }
    csn_body_entry_encode(&body, &octets);
    csn_statement_signed(CSN_STATEMENT_ENTRY, entry->site, 1, csn_buf_view(&octets), &message);
    sign(entry->site, &message, entry->signature);
    csn_buf_fini(&octets);
}

/* Sites 1 to n seal; as many as the next quorum enter. */
static struct csn_buf certify(const struct csn_cluster *now, const struct csn_cluster *next, uint8_t n)
{
    uint8_t entries = n < next->quorum ? n : next->quorum;
    struct csn_epoch_certificate certificate = {
        .environment = now->environment, .epoch = csn_epoch_version(now), .next = csn_epoch_version(next), .seal_count = n, .entry_count = entries};
    struct csn_buf octets = {0};
    memcpy(certificate.cluster, now->id, sizeof(certificate.cluster));
    for (unsigned i = 0; i < n; i++) {
        certificate.seals[i] = (struct csn_epoch_seal){.site = (uint16_t)(i + 1), .incarnation = 1, .zones = 1, .floors.octets = {1}};
        sign_seal(&certificate, &certificate.seals[i]);
    }
    for (unsigned i = 0; i < entries; i++) {
        certificate.entries[i] = (struct csn_epoch_entry){.site = (uint16_t)(i + 1), .incarnation = 1, .seal_count = n};
        for (unsigned k = 0; k < n; k++) {
            certificate.entries[i].seals[k] = (uint16_t)(k + 1);
        }
        sign_entry(&certificate, &certificate.entries[i]);
    }
    csn_epoch_certificate_encode(&certificate, &octets);
    return octets;
}

static struct csn_buf link_of(const struct csn_cluster *now, struct csn_cluster *next, unsigned officers, uint8_t voters)
{
    struct csn_buf text = write_cluster(next), document = sign_document(&text, officers), certificate = certify(now, next, voters);
    struct csn_buf octets = {0};
    csn_link_encode(&(struct csn_link){csn_buf_view(&document), csn_buf_view(&certificate)}, &octets);
    csn_buf_fini(&text);
    csn_buf_fini(&document);
    csn_buf_fini(&certificate);
    return octets;
}

static struct csn_cluster follow(const struct csn_cluster *now)
{
    struct csn_cluster next = *now;
    next.epoch++;
    next.previous = now->digest;
    return next;
}

/* Three epochs: a fourth site comes, then site 3 goes. */
struct history {
    struct csn_cluster clusters[3];
    struct csn_buf first, links[3]; /* own; links[0] is empty */
};
static struct history history;

static int setup(void **state)
{
    (void)state;
    struct csn_cluster *c = history.clusters;
    c[0] = first_cluster();
    history.first = write_cluster(&c[0]);
    c[1] = follow(&c[0]);
    add_member(&c[1], 4);
    c[1].quorum = 3;
    history.links[1] = link_of(&c[0], &c[1], 2, 3);
    c[2] = follow(&c[1]);
    c[2].members[2] = c[2].members[3];
    c[2].member_count = 3;
    c[2].quorum = 2;
    history.links[2] = link_of(&c[1], &c[2], 3, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    csn_buf_fini(&history.first);
    csn_buf_fini(&history.links[1]);
    csn_buf_fini(&history.links[2]);
    return 0;
}

static struct csn_chain make_chain(void)
{
    struct csn_chain chain = {0};
    assert_int_equal(csn_chain_begin(&chain, csn_buf_view(&history.first), "first", NULL), CSN_OK);
    return chain;
}

static void test_document_written_out_is_read_back_the_same(void **state)
{
    (void)state;
    struct csn_cluster cluster = history.clusters[1], read, *heap = &cluster;
    struct csn_buf again = {0};
    cluster.is_emergency = true;
    snprintf(cluster.emergency.reason, sizeof(cluster.emergency.reason), "two \"sites\" and a \\ are: lost # gone");
    snprintf(cluster.emergency.fenced, sizeof(cluster.emergency.fenced), "yes");
    cluster.emergency.issued_s = 1795000000;
    cluster.emergency.not_after_s = 1795003600;
    cluster.emergency.serial_offset = CSN_EMERGENCY_SERIAL_STEP;
    cluster.emergency.base_count = 1;
    memcpy(cluster.emergency.bases[0].zone, "\2xc", 4);
    cluster.merges.octets[0] = 7;
    struct csn_buf text = write_cluster(heap);
    assert_int_equal(csn_cluster_parse(csn_buf_view(&text), "c", &read, NULL), CSN_OK);
    assert_string_equal(read.emergency.reason, cluster.emergency.reason);
    csn_cluster_write(&read, &again);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_buf_view(&again)));
    csn_buf_fini(&text);
    csn_buf_fini(&again);
}

static void test_chain_grows_and_comes_back_from_octets_and_hex(void **state)
{
    (void)state;
    struct csn_chain chain = make_chain(), again;
    struct csn_buf octets = {0};
    assert_int_equal(csn_chain_append(&chain, csn_buf_view(&history.links[1]), NULL), CSN_OK);
    assert_int_equal(csn_chain_append(&chain, csn_buf_view(&history.links[2]), NULL), CSN_OK);
    assert_int_equal(csn_chain_last(&chain)->cluster.epoch, 3);
    assert_true(csn_chain_holds(&chain, &history.clusters[1]));
    csn_chain_encode(&chain, &octets);
    char *hex = csn_alloc(2 * octets.size + 1);
    csn_hex_encode(csn_buf_view(&octets), hex);
    hex[2 * octets.size] = '\n';
    assert_int_equal(csn_chain_decode(csn_bytes((uint8_t *)hex, 2 * octets.size + 1), "hex", &again, NULL), CSN_OK);
    assert_int_equal(again.count, 3);
    csn_chain_fini(&again);
    assert_int_equal(csn_chain_decode(csn_bytes(octets.data, octets.size - 1), "cut", &again, NULL), CSN_EFORMAT);
    assert_null(csn_chain_find(&chain, 0));
    assert_null(csn_chain_find(&chain, 4));
    free(hex);
    csn_buf_fini(&octets);
    csn_chain_fini(&chain);
}

static void assert_not_linked(struct csn_cluster *next, unsigned officers, uint8_t voters, const char *word)
{
    struct csn_chain chain = make_chain();
    struct csn_reason reason = {{0}};
    struct csn_buf link = link_of(&history.clusters[0], next, officers, voters);
    assert_true(csn_chain_append(&chain, csn_buf_view(&link), &reason) < 0);
    assert_non_null(strstr(reason.text, word));
    assert_int_equal(chain.count, 1);
    csn_buf_fini(&link);
    csn_chain_fini(&chain);
}

static void test_link_is_refused_without_officers_members_or_order(void **state)
{
    (void)state;
    struct csn_cluster next = follow(&history.clusters[0]);
    assert_not_linked(&next, 1, 3, "2 of 3 are needed");
    assert_not_linked(&next, 2, 1, "seal");
    next.epoch = 3;
    assert_not_linked(&next, 2, 3, "epoch");
    next = follow(&history.clusters[0]);
    next.previous.octets[3] ^= 1;
    assert_not_linked(&next, 2, 3, "previous");
    next = follow(&history.clusters[0]);
    add_member(&next, 4);
    add_member(&next, 5);
    next.quorum = 3;
    assert_not_linked(&next, 2, 3, "one");
}

static void test_document_is_refused_when_its_link_would_have_no_room(void **state)
{
    (void)state;
    struct csn_chain chain = make_chain();
    struct csn_cluster next = follow(&csn_chain_last(&chain)->cluster), read;
    struct csn_buf text = write_cluster(&next), document = sign_document(&text, 2);
    struct csn_reason reason = {{0}};
    assert_int_equal(csn_chain_check_next(&chain, csn_buf_view(&document), "f", &read, &reason), CSN_OK);
    size_t count = chain.count;
    chain.epochs = csn_realloc(chain.epochs, CSN_CHAIN_EPOCHS_MAX, sizeof(chain.epochs[0]));
    chain.epochs[CSN_CHAIN_EPOCHS_MAX - 1] = chain.epochs[count - 1];
    chain.count = CSN_CHAIN_EPOCHS_MAX;
    assert_int_equal(csn_chain_check_next(&chain, csn_buf_view(&document), "f", &read, &reason), CSN_ELIMIT);
    chain.count = count;
    csn_buf_fini(&text);
    csn_buf_fini(&document);
    csn_chain_fini(&chain);
}

static void test_certificate_is_checked_against_the_document_of_its_epoch(void **state)
{
    (void)state;
    struct csn_chain chain = make_chain();
    struct csn_certificate certificate = {.held.proposal.epoch = 2};
    struct csn_reason reason;
    assert_int_equal(csn_chain_check_certificate(&chain, &certificate, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "epoch 2, whose"));
    assert_int_equal(csn_chain_append(&chain, csn_buf_view(&history.links[1]), NULL), CSN_OK);
    assert_int_equal(csn_chain_check_certificate(&chain, &certificate, &reason), CSN_EREFUSED);
    assert_null(strstr(reason.text, "whose"));
    csn_chain_fini(&chain);
}

static int open_with(const char *path, const struct csn_cluster *configured, struct csn_chain *chain, struct csn_reason *reason)
{
    struct csn_cluster copy = *configured;
    struct csn_buf document = write_cluster(&copy);
    *reason = (struct csn_reason){{0}};
    int code = csn_chain_open(path, &copy, csn_buf_view(&document), "configured", chain, reason);
    csn_buf_fini(&document);
    return code;
}

static void test_kept_and_configured_are_of_one_history(void **state)
{
    (void)state;
    char path[] = "/tmp/consign-chain.XXXXXX";
    struct csn_chain chain = make_chain(), opened;
    struct csn_reason reason;
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(open_with(path, &history.clusters[2], &opened, &reason), CSN_OK);
    assert_int_equal(opened.count, 1);
    csn_chain_fini(&opened);
    assert_int_equal(csn_chain_append(&chain, csn_buf_view(&history.links[1]), NULL), CSN_OK);
    assert_int_equal(csn_chain_keep(&chain, path, NULL), CSN_OK);
    for (unsigned i = 0; i < 3; i++) { /* the third is later than what is kept */
        assert_int_equal(open_with(path, &history.clusters[i], &opened, &reason), CSN_OK);
        assert_true(opened.count == 2 && reason.text[0] == '\0');
        csn_chain_fini(&opened);
    }
    struct csn_cluster other = history.clusters[1];
    other.quorum = 4;
    assert_int_equal(open_with(path, &other, &opened, &reason), CSN_OK); /* what is kept stands */
    assert_non_null(strstr(reason.text, "another document of epoch 2"));
    assert_int_equal(opened.count, 2);
    assert_int_equal(csn_chain_last(&opened)->cluster.quorum, history.clusters[1].quorum);
    csn_chain_fini(&opened);
    other = history.clusters[2];
    other.id[0] ^= 1;
    assert_int_equal(open_with(path, &other, &opened, &reason), CSN_EMISMATCH);
    assert_non_null(strstr(reason.text, "another cluster"));
    assert_int_equal(csn_fs_write(path, csn_bytes("CSNK", 4), 0600, NULL), CSN_OK);
    assert_int_equal(open_with(path, &history.clusters[1], &opened, &reason), CSN_OK);
    assert_true(opened.count == 1 && reason.text[0] != '\0');
    csn_chain_fini(&opened);
    csn_chain_fini(&chain);
    unlink(path);
}

/* No file of a chain can be so long; a folder gives EIO. Peers have what was there. */
static void test_a_chain_that_cannot_be_read_is_lost(void **state)
{
    (void)state;
    char path[] = "/tmp/consign-chain-XXXXXX";
    for (int is_folder = 0; is_folder < 2; is_folder++) {
        struct csn_chain opened;
        struct csn_reason reason;
        if (is_folder) {
            unlink(path);
            assert_int_equal(mkdir(path, 0700), 0);
        } else {
            int fd = mkstemp(path);
            assert_int_equal(ftruncate(fd, (off_t)CSN_CHAIN_MAX + 1), 0); /* without a block on the disk */
            close(fd);
        }
        assert_int_equal(open_with(path, &history.clusters[1], &opened, &reason), CSN_OK);
        assert_int_equal(opened.count, 1);
        assert_non_null(strstr(reason.text, "peers are asked"));
        csn_chain_fini(&opened);
    }
    rmdir(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document_written_out_is_read_back_the_same),
        cmocka_unit_test(test_chain_grows_and_comes_back_from_octets_and_hex),
        cmocka_unit_test(test_link_is_refused_without_officers_members_or_order),
        cmocka_unit_test(test_document_is_refused_when_its_link_would_have_no_room),
        cmocka_unit_test(test_certificate_is_checked_against_the_document_of_its_epoch),
        cmocka_unit_test(test_kept_and_configured_are_of_one_history),
        cmocka_unit_test(test_a_chain_that_cannot_be_read_is_lost),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
