/* Goal: the next document may follow only where the change is one that R8 lets; a seal, an entry and an epoch
 * certificate decode only whole; a certificate passes only with enough seals and entries of the right sites.
 * Method: a good case of each; then each way to spoil it must be refused. Signatures are a cheap MAC. */
#include "round/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

/* Sites 1 to 4 of document 7, q = 3; document 8 replaces site 4 by site 5. */
static struct csn_cluster now, next;
static struct csn_epoch_certificate good;

static void set_member(struct csn_cluster *cluster, unsigned index, uint16_t number)
{
    cluster->members[index] = (struct csn_member){.number = number, .incarnation = 1};
    memset(cluster->members[index].key, (int)number, CSN_ED25519_SIZE);
}

static void mac(const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
                uint8_t ret_signature[CSN_SIGNATURE_SIZE])
{
    struct csn_buf both = {0};
    struct csn_digest digest;
    csn_buf_put(&both, key, CSN_ED25519_SIZE);
    csn_buf_put_bytes(&both, message);
    csn_sha384(csn_buf_view(&both), &digest);
    memset(ret_signature, 0, CSN_SIGNATURE_SIZE);
    memcpy(ret_signature, digest.octets, CSN_DIGEST_SIZE);
    csn_buf_fini(&both);
}

static bool verify(void *arg, const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
                   const uint8_t signature[CSN_SIGNATURE_SIZE])
{
    uint8_t wanted[CSN_SIGNATURE_SIZE];
    (void)arg;
    mac(key, message, wanted);
    return memcmp(wanted, signature, sizeof(wanted)) == 0;
}

static void sign(enum csn_statement_kind kind, uint16_t site, struct csn_buf *take_body,
                 uint8_t ret_signature[CSN_SIGNATURE_SIZE])
{
    struct csn_buf message = {0};
    csn_statement_signed(kind, site, 1, csn_buf_view(take_body), &message);
    mac(csn_cluster_member(&now, site)->key, csn_buf_view(&message), ret_signature);
    csn_buf_fini(&message);
    csn_buf_fini(take_body);
}

/* With all signatures as the certificate stands. */
static void sign_all(struct csn_epoch_certificate *certificate)
{
    for (unsigned i = 0; i < certificate->seal_count; i++) {
        struct csn_epoch_seal *seal = &certificate->seals[i];
        struct csn_body_seal body;
        struct csn_buf octets = {0};
        csn_epoch_seal_body(certificate, seal, &body);
        csn_body_seal_encode(&body, &octets);
        sign(CSN_STATEMENT_SEAL, seal->site, &octets, seal->signature);
    }
    for (unsigned i = 0; i < certificate->entry_count; i++) {
        struct csn_epoch_entry *entry = &certificate->entries[i];
        struct csn_body_entry body = {.environment = certificate->environment,
                                      .epoch = certificate->next,
                                      .seal_count = entry->seal_count};
        struct csn_buf octets = {0};
        memcpy(body.cluster, certificate->cluster, sizeof(body.cluster));
        for (unsigned k = 0; k < entry->seal_count; k++) {
            body.seals[k] = (struct csn_entry_seal){
                entry->seals[k], csn_epoch_find_seal(certificate, entry->seals[k])->floors};
        }
        csn_body_entry_encode(&body, &octets);
        sign(CSN_STATEMENT_ENTRY, entry->site, &octets, entry->signature);
    }
}

static int setup(void **state)
{
    (void)state;
    now = (struct csn_cluster){.environment = 1, .epoch = 7, .quorum = 3, .member_count = 4};
    memset(now.id, 0xc1, sizeof(now.id));
    memset(&now.digest, 0xd0, sizeof(now.digest));
    for (unsigned i = 0; i < 4; i++) {
        set_member(&now, i, (uint16_t)(i + 1));
    }
    next = now;
    next.epoch = 8;
    next.previous = now.digest;
    memset(&next.digest, 0xd1, sizeof(next.digest));
    set_member(&next, 3, 5);
    good = (struct csn_epoch_certificate){.environment = 1,
                                          .epoch = csn_epoch_version(&now),
                                          .next = csn_epoch_version(&next),
                                          .seal_count = 4,
                                          .entry_count = 3};
    memcpy(good.cluster, now.id, sizeof(good.cluster));
    for (unsigned i = 0; i < 4; i++) {
        good.seals[i] = (struct csn_epoch_seal){
            .site = (uint16_t)(i + 1), .incarnation = 1, .zones = 2, .floors.octets = {(uint8_t)i}};
    }
    for (unsigned i = 0; i < 3; i++) {
        good.entries[i] = (struct csn_epoch_entry){.site = (uint16_t)(i + 1),
                                                   .incarnation = 1,
                                                   .seal_count = 3,
                                                   .seals = {1, (uint16_t)(i < 2 ? 2 : 3), 4}};
    }
    sign_all(&good);
    return 0;
}

/* --- documents */

static void replace_same_number(struct csn_cluster *document)
{
    *document = now;
    document->epoch = 8;
    document->previous = now.digest;
    document->members[3].incarnation = 2;
    document->members[3].key[0] ^= 1;
}
static void replace_old_key(struct csn_cluster *document)
{
    replace_same_number(document);
    document->members[3].key[0] ^= 1;
}
static void replace_old_incarnation(struct csn_cluster *document)
{
    replace_same_number(document);
    document->members[3].incarnation = 1;
}
static void add_one(struct csn_cluster *document)
{
    set_member(document, 3, 4);
    set_member(document, 4, 5);
    document->member_count = 5;
}
static void add_two(struct csn_cluster *document)
{
    add_one(document);
    set_member(document, 5, 6);
    document->member_count = 6;
    document->quorum = 4;
}
static void remove_one(struct csn_cluster *document)
{
    document->member_count = 3;
    document->quorum = 2;
}
static void remove_two(struct csn_cluster *document)
{
    remove_one(document);
    document->member_count = 2;
}
static void replace_two(struct csn_cluster *document)
{
    set_member(document, 2, 6);
}
static void other_cluster(struct csn_cluster *document)
{
    document->id[0] ^= 1;
}
static void other_environment(struct csn_cluster *document)
{
    document->environment = 0;
}
static void skip_an_epoch(struct csn_cluster *document)
{
    document->epoch = 9;
}
static void other_previous(struct csn_cluster *document)
{
    document->previous.octets[0] ^= 1;
}
static void small_quorum(struct csn_cluster *document)
{
    document->quorum = 2;
}
static void large_quorum(struct csn_cluster *document)
{
    document->quorum = 5;
}
static void too_many_faults(struct csn_cluster *document)
{
    document->faults = 2;
}
static void more_than_stay(struct csn_cluster *document)
{
    document->quorum = 4;
}
static void nothing(struct csn_cluster *document)
{
    (void)document;
}
static void emergency(struct csn_cluster *document)
{
    document->member_count = document->quorum = 1;
    document->is_emergency = true;
    document->emergency = (struct csn_emergency){
        .issued_s = 1000, .not_after_s = 1000 + 72 * 3600, .serial_offset = CSN_EMERGENCY_SERIAL_STEP};
}
static void emergency_too_long(struct csn_cluster *document)
{
    emergency(document);
    document->emergency.not_after_s++;
}
static void emergency_over(struct csn_cluster *document)
{
    emergency(document);
    document->emergency.not_after_s = 1000;
}
static void emergency_serial(struct csn_cluster *document)
{
    emergency(document);
    document->emergency.serial_offset++;
}
static void emergency_no_offset(struct csn_cluster *document)
{
    emergency(document);
    document->emergency.serial_offset = 0;
}
static void emergency_adds(struct csn_cluster *document)
{
    emergency(document);
    add_one(document);
    document->quorum = 3;
}

static void test_next_document_changes_one_member(void **state)
{
    static const struct {
        void (*change)(struct csn_cluster *document);
        int code;
    } rows[] = {
        {nothing, CSN_OK},
        {replace_same_number, CSN_OK},
        {replace_old_key, CSN_EREFUSED},
        {replace_old_incarnation, CSN_EREFUSED},
        {add_one, CSN_OK},
        {add_two, CSN_EREFUSED},
        {remove_one, CSN_OK},
        {remove_two, CSN_EREFUSED},
        {replace_two, CSN_EREFUSED},
        {other_cluster, CSN_EREFUSED},
        {other_environment, CSN_EREFUSED},
        {skip_an_epoch, CSN_EREFUSED},
        {other_previous, CSN_EREFUSED},
        {small_quorum, CSN_EREFUSED},
        {large_quorum, CSN_EREFUSED},
        {too_many_faults, CSN_EREFUSED},
        {more_than_stay, CSN_EREFUSED},
        {emergency, CSN_OK},
        {emergency_too_long, CSN_EREFUSED},
        {emergency_over, CSN_EREFUSED},
        {emergency_serial, CSN_EREFUSED},
        {emergency_no_offset, CSN_EREFUSED},
        {emergency_adds, CSN_EREFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_cluster document = next;
        struct csn_reason reason = {0};
        rows[i].change(&document);
        int code = csn_epoch_check_next(&now, &document, &reason);
        if (code != rows[i].code) {
            fail_msg("row %zu: %d, %s", i, code, reason.text);
        }
        assert_true(code == CSN_OK || reason.text[0] != '\0');
    }
}

static void test_return_takes_several_back(void **state)
{
    struct csn_cluster document = now, back = now;
    (void)state;
    emergency(&document);
    document.epoch = 8;
    back.epoch = 9;
    back.previous = document.digest;
    back.quorum = 3;
    assert_int_equal(csn_epoch_check_next(&document, &back, NULL), CSN_OK); /* 1 stays, all that was left */
    assert_int_equal(csn_epoch_entries_needed(&document, &back), 1);
    document.quorum = 2; /* but not fewer than could agree in the emergency */
    assert_int_equal(csn_epoch_entries_needed(&document, &back), 3);
    assert_int_equal(csn_epoch_check_next(&document, &back, NULL), CSN_EREFUSED);
    document.quorum = 1;
    document.member_count = 3;
    assert_int_equal(csn_epoch_entries_needed(&document, &back), 3);
    assert_int_equal(csn_epoch_check_next(&document, &back, NULL), CSN_OK);
    document.member_count = 2;
    back.quorum = 2;
    back.member_count = 3;
    assert_int_equal(csn_epoch_check_next(&document, &back, NULL), CSN_OK);
    document.is_emergency = false;
    back = now;
    back.epoch = 9;
    back.previous = document.digest;
    assert_int_equal(csn_epoch_check_next(&document, &back, NULL), CSN_EREFUSED);
}

/* Sites 1 to 3 of document 7, q = 2; the emergency keeps site 1; `back` takes all back. */
static void make_return(struct csn_cluster *emergency_document, struct csn_cluster *back)
{
    remove_one(&now);
    *emergency_document = now;
    emergency(emergency_document);
    emergency_document->epoch = 8;
    emergency_document->previous = now.digest;
    memset(&emergency_document->digest, 0xd8, sizeof(emergency_document->digest));
    *back = now;
    back->epoch = 9;
    back->previous = emergency_document->digest;
    back->merges = now.digest;
}

static void merges_nothing(struct csn_cluster *back)
{
    back->merges = (struct csn_digest){{0}};
}
static void merges_other(struct csn_cluster *back)
{
    back->merges = back->previous;
}
static void renew_member(struct csn_cluster *back, unsigned index)
{
    back->members[index].incarnation = 2;
    back->members[index].key[0] ^= 1;
}
static void one_of_two_renewed(struct csn_cluster *back)
{
    renew_member(back, 1);
}
static void both_renewed(struct csn_cluster *back)
{
    renew_member(back, 1);
    renew_member(back, 2);
    back->merges = (struct csn_digest){{0}};
}
static void one_comes_back(struct csn_cluster *back)
{
    back->member_count = 2;
}
static void a_new_one_too(struct csn_cluster *back)
{
    set_member(back, 3, 9);
    back->member_count = 4;
    back->quorum = 3;
}
static void two_new_ones_too(struct csn_cluster *back)
{
    a_new_one_too(back);
    set_member(back, 4, 10);
    back->member_count = 5;
}
static void a_liar_more(struct csn_cluster *back)
{
    a_new_one_too(back);
    back->faults = 1;
}

/* Whoever comes back with a key may have voted: the document says so, and its quorums meet those of before. */
static void test_return_forgets_nothing_of_a_branch(void **state)
{
    static const struct {
        void (*change)(struct csn_cluster *back);
        int code;
    } rows[] = {
        {nothing, CSN_OK},
        {merges_nothing, CSN_EREFUSED},
        {merges_other, CSN_EREFUSED},
        {one_of_two_renewed, CSN_EREFUSED}, /* 1 and the new 2 know nothing of what 2 and 3 certified */
        {both_renewed, CSN_OK},
        {one_comes_back, CSN_OK},
        {a_new_one_too, CSN_OK},
        {two_new_ones_too, CSN_EREFUSED},
        {a_liar_more, CSN_EREFUSED},
    };
    (void)state;
    struct csn_cluster document, back, changed;
    make_return(&document, &back);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_reason reason = {0};
        changed = back;
        rows[i].change(&changed);
        int code = csn_epoch_check_return(&now, &document, &changed, &reason);
        if (code != rows[i].code) {
            fail_msg("row %zu: %d, %s", i, code, reason.text);
        }
        assert_true(code == CSN_OK || reason.text[0] != '\0');
        assert_int_equal(csn_epoch_check_return(NULL, &document, &changed, NULL), CSN_EREFUSED);
        assert_int_equal(csn_epoch_check_return(&now, &now, &changed, NULL), CSN_OK);
    }
    assert_int_equal(csn_epoch_check_next(&document, &back, NULL), CSN_OK);
    back.previous = now.digest; /* no return: nothing to merge */
    back.epoch = 8;
    assert_int_equal(csn_epoch_check_next(&now, &back, NULL), CSN_EREFUSED);
    back.merges = (struct csn_digest){{0}};
    assert_int_equal(csn_epoch_check_next(&now, &back, NULL), CSN_OK);
}

/* --- all documents of few members */

#define FEW 5 /* members of before; as many new ones may come */

static bool is_quorum(unsigned set, unsigned of, uint8_t quorum)
{
    return (set & ~of) == 0 && __builtin_popcount(set) == quorum;
}

/* Any q of these and any q of those have more than f in common that kept their keys. */
static bool always_meet(const struct csn_cluster *before, unsigned was, const struct csn_cluster *after, unsigned is)
{
    unsigned faults = before->faults > after->faults ? before->faults : after->faults;
    for (unsigned first = 1; first <= was; first++) {
        for (unsigned second = 1; is_quorum(first, was, before->quorum) && second <= is; second++) {
            if (is_quorum(second, is, after->quorum) &&
                (unsigned)__builtin_popcount(first & second) <= faults) {
                return false;
            }
        }
    }
    return true;
}

static void set_members(struct csn_cluster *document, unsigned set)
{
    document->member_count = 0;
    for (unsigned i = 0; set >> i != 0; i++) {
        if ((set >> i & 1u) != 0) {
            set_member(document, document->member_count++, (uint16_t)(i + 1));
        }
    }
    document->quorum = (uint8_t)((document->member_count + document->faults) / 2 + 1);
}

/* Whatever set may come back is one that no branch can have agreed without. */
static void test_every_return_meets_every_branch(void **state)
{
    unsigned taken = 0, refused = 0;
    (void)state;
    for (unsigned n = 1; n <= FEW; n++) {
        for (uint8_t faults = 0; 2 * faults < n; faults++) {
            struct csn_cluster before = now, document = now, back = now;
            unsigned was = (1u << n) - 1;
            before.faults = back.faults = faults;
            set_members(&before, was);
            set_members(&document, 1);
            document.is_emergency = true;
            back.merges = before.digest;
            for (unsigned is = 1; is < 1u << (n + 2); is += 2) { /* the kept site is always there */
                set_members(&back, is);
                if (back.quorum > back.member_count || before.quorum > n) {
                    continue;
                }
                bool is_taken = csn_epoch_check_return(&before, &document, &back, NULL) == CSN_OK;
                assert_int_equal(is_taken, always_meet(&before, was, &back, is));
                taken += is_taken;
                refused += !is_taken;
            }
        }
    }
    assert_true(taken > 20 && refused > 20);
}

static void test_branches_move_on(void **state)
{
    (void)state;
    struct csn_cluster document, back;
    struct csn_floor floor = {.round = {{5, 1}, 7}, .has_serial = true, .serial = UINT32_MAX};
    make_return(&document, &back);
    csn_epoch_move_on(&now, &floor);
    assert_int_equal(floor.round.term.counter, 5);
    csn_epoch_move_on(&document, &floor);
    assert_true(floor.round.term.counter == 5 + CSN_BRANCH_TERMS);
    assert_int_equal(floor.serial, CSN_EMERGENCY_SERIAL_STEP - 1);
    csn_epoch_move_on(&back, &floor);
    assert_true(floor.round.term.counter == 5 + 2 * CSN_BRANCH_TERMS);
    assert_int_equal(floor.serial, CSN_EMERGENCY_SERIAL_STEP - 1);
    floor = (struct csn_floor){.round.term.counter = CSN_TERM_COUNTER_MAX};
    csn_epoch_move_on(&document, &floor); /* none is left, and no serial is made up */
    assert_true(floor.round.term.counter == CSN_TERM_COUNTER_MAX);
    assert_int_equal(floor.serial, 0);
}

static void test_who_stays_and_who_counts(void **state)
{
    (void)state;
    assert_true(csn_epoch_stays(&now, &next, 3));
    assert_false(csn_epoch_stays(&now, &next, 4));
    assert_false(csn_epoch_stays(&now, &next, 5));
    assert_true(csn_epoch_seal_counts(&now, &next, 4));
    assert_false(csn_epoch_seal_counts(&now, &next, 5));
    assert_int_equal(csn_epoch_seals_needed(&now, &next), 3);
    emergency(&next);
    assert_int_equal(csn_epoch_seals_needed(&now, &next), 1);
    assert_true(csn_epoch_seal_counts(&now, &next, 1));
    assert_false(csn_epoch_seal_counts(&now, &next, 2));
}

/* --- octets */

typedef int again_fn(struct csn_bytes octets, struct csn_buf *out);

static int again_seal(struct csn_bytes octets, struct csn_buf *out)
{
    struct csn_body_seal body;
    int code = csn_body_seal_decode(octets, &body);
    if (code == CSN_OK) {
        csn_body_seal_encode(&body, out);
    }
    return code;
}

static int again_entry(struct csn_bytes octets, struct csn_buf *out)
{
    struct csn_body_entry body;
    int code = csn_body_entry_decode(octets, &body);
    if (code == CSN_OK) {
        csn_body_entry_encode(&body, out);
    }
    return code;
}

static int again_certificate(struct csn_bytes octets, struct csn_buf *out)
{
    struct csn_epoch_certificate certificate;
    int code = csn_epoch_certificate_decode(octets, &certificate);
    if (code == CSN_OK) {
        csn_epoch_certificate_encode(&certificate, out);
    }
    return code;
}

/* Whole: the same octets again; each prefix and one octet more: refused. */
static void expect_whole(again_fn *again, struct csn_buf *octets, size_t size)
{
    struct csn_buf out = {0};
    assert_int_equal(octets->size, size);
    assert_int_equal(again(csn_buf_view(octets), &out), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&out), csn_buf_view(octets)));
    for (size_t i = 0; i < octets->size; i++) {
        assert_int_equal(again(csn_bytes(octets->data, i), &out), CSN_EFORMAT);
    }
    csn_buf_put_u8(octets, 0);
    assert_int_equal(again(csn_buf_view(octets), &out), CSN_EFORMAT);
    csn_buf_fini(&out);
    csn_buf_fini(octets);
}

static void test_bodies_decode_only_whole(void **state)
{
    struct csn_body_seal seal;
    struct csn_body_entry entry = {
        .environment = 1, .epoch = csn_epoch_version(&next), .seal_count = 2, .seals = {{.site = 1}, {.site = 9}}};
    struct csn_buf octets = {0};
    (void)state;
    csn_epoch_seal_body(&good, &good.seals[1], &seal);
    csn_body_seal_encode(&seal, &octets);
    expect_whole(again_seal, &octets, 173);
    csn_body_entry_encode(&entry, &octets);
    expect_whole(again_entry, &octets, 70 + 2 * 50);
    csn_epoch_certificate_encode(&good, &octets);
    expect_whole(again_certificate, &octets, 128 + 4 * 122 + 3 * 77);
}

static void expect_body_refused(const struct csn_body_seal *seal, const struct csn_body_entry *entry)
{
    struct csn_buf octets = {0}, out = {0};
    if (seal != NULL) {
        csn_body_seal_encode(seal, &octets);
        assert_int_equal(again_seal(csn_buf_view(&octets), &out), CSN_EFORMAT);
    } else {
        csn_body_entry_encode(entry, &octets);
        assert_int_equal(again_entry(csn_buf_view(&octets), &out), CSN_EFORMAT);
    }
    csn_buf_fini(&octets);
    csn_buf_fini(&out);
}

static void test_bodies_out_of_range_are_refused(void **state)
{
    struct csn_body_seal seal;
    (void)state;
    csn_epoch_seal_body(&good, &good.seals[1], &seal);
    seal.environment = 2;
    expect_body_refused(&seal, NULL);
    seal.environment = 1;
    seal.next.number++;
    expect_body_refused(&seal, NULL);
    seal.epoch.number = UINT32_MAX;
    seal.next.number = 0;
    expect_body_refused(&seal, NULL);
    struct csn_body_entry entry = {.seal_count = 2, .seals = {{.site = 1}, {.site = 1}}};
    expect_body_refused(NULL, &entry);
    entry.seals[0].site = 0;
    expect_body_refused(NULL, &entry);
    entry.seal_count = 0;
    expect_body_refused(NULL, &entry);
}

/* --- the certificate */

static int check(const struct csn_epoch_certificate *certificate)
{
    return csn_epoch_certificate_check(certificate, &now, &next, verify, NULL, NULL);
}

static int decoded(const struct csn_epoch_certificate *certificate)
{
    struct csn_buf octets = {0}, out = {0};
    csn_epoch_certificate_encode(certificate, &octets);
    int code = again_certificate(csn_buf_view(&octets), &out);
    csn_buf_fini(&octets);
    csn_buf_fini(&out);
    return code;
}

static void test_certificate_needs_seals_and_entries(void **state)
{
    struct csn_epoch_certificate bad = good;
    (void)state;
    assert_int_equal(check(&good), CSN_OK);
    bad.seals[0].signature[0] ^= 1;
    assert_int_equal(check(&bad), CSN_ESIGNATURE);
    bad = good;
    bad.seals[0].floors.octets[0] ^= 1;
    assert_int_equal(check(&bad), CSN_ESIGNATURE);
    bad = good;
    bad.entries[2].signature[0] ^= 1;
    assert_int_equal(check(&bad), CSN_ESIGNATURE);
    bad = good;
    bad.entry_count--;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.entries[1].seal_count--; /* 2 of the 3 that are needed */
    sign_all(&bad);
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.entries[2].site = 4; /* it does not stay */
    sign_all(&bad);
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.seals[3].incarnation = 2;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.next.digest.octets[0] ^= 1;
    sign_all(&bad);
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.cluster[0] ^= 1;
    sign_all(&bad);
    assert_int_equal(check(&bad), CSN_EREFUSED);
}

static void test_certificate_of_a_document_that_may_not_follow_is_refused(void **state)
{
    (void)state;
    set_member(&next, 2, 6);
    assert_int_equal(check(&good), CSN_EREFUSED);
}

static void test_certificate_out_of_form_is_refused(void **state)
{
    struct csn_epoch_certificate bad = good;
    (void)state;
    assert_int_equal(decoded(&good), CSN_OK);
    bad.seals[1].site = 1;
    assert_int_equal(decoded(&bad), CSN_EFORMAT);
    bad = good;
    bad.entries[1].site = 1;
    assert_int_equal(decoded(&bad), CSN_EFORMAT);
    bad = good;
    bad.entries[1].seals[2] = 9; /* no seal of it */
    assert_int_equal(decoded(&bad), CSN_EFORMAT);
    bad = good;
    bad.seal_count = 0;
    assert_int_equal(decoded(&bad), CSN_EFORMAT);
}

/* A change of layout must be seen. */
static void test_certificate_is_the_golden_one(void **state)
{
    char text[33];
    struct csn_buf octets = {0};
    struct csn_digest digest;
    (void)state;
    csn_epoch_certificate_encode(&good, &octets);
    csn_sha384(csn_buf_view(&octets), &digest);
    csn_hex_encode(csn_bytes(digest.octets, 16), text);
    assert_string_equal(text, "50b90ccc4b34c517627a98e082119d1d");
    csn_buf_fini(&octets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_next_document_changes_one_member, setup),
        cmocka_unit_test_setup(test_return_takes_several_back, setup),
        cmocka_unit_test_setup(test_return_forgets_nothing_of_a_branch, setup),
        cmocka_unit_test_setup(test_every_return_meets_every_branch, setup),
        cmocka_unit_test_setup(test_branches_move_on, setup),
        cmocka_unit_test_setup(test_who_stays_and_who_counts, setup),
        cmocka_unit_test_setup(test_bodies_decode_only_whole, setup),
        cmocka_unit_test_setup(test_bodies_out_of_range_are_refused, setup),
        cmocka_unit_test_setup(test_certificate_needs_seals_and_entries, setup),
        cmocka_unit_test_setup(test_certificate_of_a_document_that_may_not_follow_is_refused, setup),
        cmocka_unit_test_setup(test_certificate_out_of_form_is_refused, setup),
        cmocka_unit_test_setup(test_certificate_is_the_golden_one, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
