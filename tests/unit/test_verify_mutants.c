/* Goal: each of the two verifiers, alone, refuses every mutant of a right zone, for the reason it
 * was mutated. */
#include "unit/verify_zone.h"

/* --- mutants: after signing */

static void drop_nsec_rrsig(struct zone *zone)
{
    drop(zone, find(zone, "insecure.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_NSEC));
}

static void drop_ds_rrsig(struct zone *zone)
{
    drop(zone, find(zone, "cut.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_DS));
}

static void flip_data(struct zone *zone)
{
    find(zone, "a.b.ent.example.", KNOT_RRTYPE_TXT, 0)->rdata[3] ^= 1;
}

static void flip_denial_signature(struct zone *zone)
{
    struct record *record = find(zone, "cut.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_NSEC);
    record->rdata[record->size - 40] ^= 0x80;
}

static void cut_signature(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX)->size -= 64;
}

static void cut_rrsig(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX)->size = 17;
}

static void sign_twice(struct zone *zone)
{
    zone->keys[1].is_idle = true;
    zone->keys[2].is_idle = false;
    struct record *record = find(zone, "dn.example.", KNOT_RRTYPE_DNAME, 0);
    sign_rrset(zone, record, 1, &zone->keys[2]);
    sort_records(zone);
}

static void sign_twice_one_key(struct zone *zone)
{
    struct record *record = find(zone, "dn.example.", KNOT_RRTYPE_DNAME, 0);
    sign_rrset(zone, record, 1, &zone->keys[1]);
    sort_records(zone);
}

static void change_rrsig_ttl(struct zone *zone)
{
    find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_A)->ttl = 3599;
}

static void change_ttl(struct zone *zone)
{
    find(zone, "a.b.ent.example.", KNOT_RRTYPE_TXT, 0)->ttl = 61;
    find(zone, "a.b.ent.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_TXT)->ttl = 61;
}

static void swap_entries(struct zone *zone)
{
    struct record swap = zone->records[zone->count - 1];
    zone->records[zone->count - 1] = zone->records[zone->count - 3];
    zone->records[zone->count - 3] = swap;
}

static void swap_owners(struct zone *zone)
{
    parse_name("ns.cut.example.", find(zone, "deep.below.cut.example.", KNOT_RRTYPE_TXT, 0)->owner);
    parse_name("deep.below.cut.example.", find(zone, "ns.cut.example.", KNOT_RRTYPE_A, 0)->owner);
}

static void swap_records(struct zone *zone)
{
    struct record *record = find(zone, "ns1.example.", KNOT_RRTYPE_A, 0);
    struct record swap = record[0];
    record[0] = record[1];
    record[1] = swap;
}

static void raise_owner(struct zone *zone)
{
    find(zone, "deep.below.cut.example.", KNOT_RRTYPE_TXT, 0)->owner[1] = 'D';
}

static void cover_another_type(struct zone *zone)
{
    struct record *record = find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_A);
    record->rdata[1] = KNOT_RRTYPE_AAAA; /* and packed with A all the same */
}

static void detach_rrsig(struct zone *zone)
{
    const struct record *record = find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_A);
    add(zone, record->owner, KNOT_RRTYPE_RRSIG, record->ttl, SIGNED, record->rdata, record->size)
        ->covered = 0;
    sort_records(zone);
}

static void drop_record(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0));
}

/* --- mutants: data that is to be signed otherwise than it may be */

static void sign_over(struct zone *zone, const char *owner, uint16_t type)
{
    const struct record *record = find(zone, owner, type, 0);
    sign_rrset(zone, record, 1, &zone->keys[1]);
    sort_records(zone);
}

static void sign_glue(struct zone *zone)
{
    sign_over(zone, "ns.cut.example.", KNOT_RRTYPE_A);
}

static void sign_glue_at_cut(struct zone *zone)
{
    sign_over(zone, "cut.example.", KNOT_RRTYPE_A);
}

static void sign_cut_ns(struct zone *zone)
{
    sign_over(zone, "insecure.example.", KNOT_RRTYPE_NS);
}

static void sign_occluded(struct zone *zone)
{
    sign_over(zone, "deep.below.cut.example.", KNOT_RRTYPE_TXT);
}

static void sign_occluded_at_cut(struct zone *zone)
{
    sign_over(zone, "cut.example.", KNOT_RRTYPE_TXT);
}

static void sign_occluded_ds(struct zone *zone)
{
    sign_over(zone, "inner.cut.example.", KNOT_RRTYPE_DS);
}

static void drop_soa(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_SOA, 0));
}

static void drop_apex_ns(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_NS, 0));
    drop(zone, find(zone, "example.", KNOT_RRTYPE_NS, 0));
}

static void drop_dnskeys(struct zone *zone)
{
    for (size_t i = 0; i < zone->key_count; i++) {
        drop(zone, find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0));
    }
}

static void drop_dnskey(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0));
}

static void change_dnskey(struct zone *zone)
{
    find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0)->rdata[10] ^= 1;
}

static void second_soa(struct zone *zone)
{
    struct record *soa = find(zone, "example.", KNOT_RRTYPE_SOA, 0);
    struct record *copy =
        add(zone, soa->owner, KNOT_RRTYPE_SOA, 3600, SIGNED, soa->rdata, soa->size);
    copy->rdata[copy->size - 1] ^= 1;
}

static void add_text(struct zone *zone, const char *text)
{
    read_text(zone, SIGNED, "example.", text, strlen(text));
}

static void stray_soa(struct zone *zone)
{
    add_text(zone, "ns1.example. 3600 SOA ns1.example. host.example. 1 3600 900 1209600 300\n");
}

static void outside(struct zone *zone)
{
    add_text(zone, "zexample. 3600 A 192.0.2.1\n");
}

static void below_dname(struct zone *zone)
{
    add_text(zone, "below.dn.example. 3600 A 192.0.2.1\n");
}

static void nsec3param(struct zone *zone)
{
    add_text(zone, "example. 300 NSEC3PARAM 1 0 0 -\n");
}

static void meta_type(struct zone *zone)
{
    add_text(zone, "example. 300 TYPE249 \\# 1 00\n");
}

static void upper_rdata(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_MX, 0)->rdata[3] = 'N';
}

static void malformed_rdata(struct zone *zone)
{
    find(zone, "ns1.example.", KNOT_RRTYPE_AAAA, 0)->size = 15;
}

static void pointer_in_rdata(struct zone *zone)
{
    struct record *record = find(zone, "*.wild.example.", KNOT_RRTYPE_MX, 0);
    memcpy(record->rdata + 2, "\xc0\x00", 2);
    record->size = 4;
}

/* --- mutants: denial, signed like the rest */

static struct record *nsec_of(struct zone *zone, const char *owner)
{
    return find(zone, owner, KNOT_RRTYPE_NSEC, 0);
}

static void flip_bit(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "ns1.example.");
    nsec->rdata[nsec->size - 1] ^= 0x08; /* TYPE44 */
}

static void flip_bit_at_cut(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "insecure.example.");
    nsec->rdata[knot_dname_size(nsec->rdata) + 2] ^= 0x40; /* A: it is glue */
}

static void flip_bit_high(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "example.");
    nsec->rdata[nsec->size - 1] ^= 0x01;
}

static void trailing_zeros(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "ns1.example.");
    nsec->rdata = csn_realloc(nsec->rdata, nsec->size + 1, 1);
    nsec->rdata[nsec->size++] = 0;
    nsec->rdata[knot_dname_size(nsec->rdata) + 1]++;
}

static void skip_link(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "insecure.example.");
    struct record *previous = nsec_of(zone, "a.b.ent.example.");
    assert_memory_equal(previous->rdata, nsec->owner, knot_dname_size(nsec->owner));
    size_t head = knot_dname_size(previous->rdata), next = knot_dname_size(nsec->rdata);
    struct csn_buf rdata = {0};
    csn_buf_put(&rdata, nsec->rdata, next);
    csn_buf_put(&rdata, previous->rdata + head, previous->size - head);
    free(previous->rdata);
    previous->size = rdata.size;
    previous->rdata = rdata.data;
}

static void drop_link(struct zone *zone)
{
    skip_link(zone);
    drop(zone, nsec_of(zone, "insecure.example."));
}

static void open_chain(struct zone *zone)
{
    struct record *last = nsec_of(zone, "x.*.wild.example.");
    last->rdata[1] = 'f'; /* "fxample." */
}

static void upper_next(struct zone *zone)
{
    nsec_of(zone, "a.b.ent.example.")->rdata[1] = 'I';
}

static void extra_nsec(struct zone *zone)
{
    uint8_t owner[KNOT_DNAME_MAXLEN], next[KNOT_DNAME_MAXLEN];
    bool has[512] = {[KNOT_RRTYPE_RRSIG] = true, [KNOT_RRTYPE_NSEC] = true};
    parse_name("ent.example.", owner);
    parse_name("a.b.ent.example.", next);
    add_nsec(zone, owner, next, has);
}

static void nsec_below_cut(struct zone *zone)
{
    uint8_t owner[KNOT_DNAME_MAXLEN], next[KNOT_DNAME_MAXLEN];
    bool has[512] = {[KNOT_RRTYPE_A] = true, [KNOT_RRTYPE_RRSIG] = true, [KNOT_RRTYPE_NSEC] = true};
    parse_name("ns.cut.example.", owner);
    parse_name("dn.example.", next);
    add_nsec(zone, owner, next, has);
    find(zone, "ns.cut.example.", KNOT_RRTYPE_NSEC, 0)->kind = UNSIGNED;
}

static void second_nsec(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "dn.example.");
    struct record *copy =
        add(zone, nsec->owner, KNOT_RRTYPE_NSEC, 300, SIGNED, nsec->rdata, nsec->size);
    copy->rdata[copy->size - 1] ^= 0x08;
}

static void nsec_ttl(struct zone *zone)
{
    nsec_of(zone, "dn.example.")->ttl = 301;
}

static void cut_nsec(struct zone *zone)
{
    nsec_of(zone, "dn.example.")->size = 3;
}

/* --- mutants: one field of one signature, signed as it then is */

static void wrong_signer(struct fields *fields)
{
    fields->signer = "other.";
}

static void signer_below(struct fields *fields)
{
    fields->signer = "wild.example.";
}

static void more_labels(struct fields *fields)
{
    fields->labels++;
}

static void fewer_labels(struct fields *fields)
{
    fields->labels--;
}

static void wrong_ttl(struct fields *fields)
{
    fields->ttl++;
}

static void expired_at_margin(struct fields *fields)
{
    fields->expiration = T + LEFT_MIN - 1;
}

static void expired(struct fields *fields)
{
    fields->expiration = T - 1;
}

static void no_order(struct fields *fields)
{
    fields->expiration = T + UINT32_C(0x80000000);
}

static void early_no_order(struct fields *fields)
{
    fields->inception = T + UINT32_C(0x80000000);
}

static void incepted_after(struct fields *fields)
{
    fields->inception = T + 1;
}

static void wrong_tag(struct fields *fields)
{
    fields->tag++;
}

static void wrong_algorithm(struct fields *fields)
{
    fields->algorithm = 14;
}

static const struct mutant mutants[] = {
    {.name = "one RRSIG dropped", .cause = "AAAA: RRSIG is missing", .end = drop_rrsig},
    {.name = "RRSIG of an NSEC dropped", .cause = "NSEC: RRSIG is missing", .end = drop_nsec_rrsig},
    {.name = "RRSIG of a DS dropped", .cause = "DS: RRSIG is missing", .end = drop_ds_rrsig},
    {.name = "RRSIG over glue", .cause = "A: RRSIG over", .end = sign_glue},
    {.name = "RRSIG over glue at a cut", .cause = "A: RRSIG over", .end = sign_glue_at_cut},
    {.name = "RRSIG over cut NS", .cause = "NS: RRSIG over", .end = sign_cut_ns},
    {.name = "RRSIG over occluded data", .cause = "TXT: RRSIG over", .end = sign_occluded},
    {.name = "RRSIG over occluded data at a cut",
     .cause = "TXT: RRSIG over",
     .end = sign_occluded_at_cut},
    {.name = "RRSIG over an occluded DS", .cause = "DS: RRSIG over", .end = sign_occluded_ds},
    {.name = "one bitmap bit wrong", .cause = "bitmap", .denial = flip_bit},
    {.name = "glue in the bitmap of a cut", .cause = "bitmap", .denial = flip_bit_at_cut},
    {.name = "bitmap bit of a high window wrong", .cause = "bitmap", .denial = flip_bit_high},
    {.name = "bitmap with trailing zeros", .cause = "bitmap", .denial = trailing_zeros},
    {.name = "one chain link missing", .cause = "has no NSEC", .denial = drop_link},
    {.name = "the chain skips a name", .cause = "chain is broken", .denial = skip_link},
    {.name = "the chain is open", .cause = "chain is broken", .denial = open_chain},
    {.name = "next name in upper case", .cause = "chain is broken", .denial = upper_next},
    {.name = "NSEC at an empty non-terminal", .cause = "chain is broken", .denial = extra_nsec},
    {.name = "NSEC below a cut", .cause = "NSEC below a cut", .denial = nsec_below_cut},
    {.name = "two NSEC at an owner", .cause = "not exactly one", .denial = second_nsec},
    {.name = "TTL of an NSEC", .cause = "TTL is 301, not 300", .denial = nsec_ttl},
    {.name = "NSEC cut inside its next name", .cause = "dn.example. NSEC", .denial = cut_nsec},
    {.name = "signature bit flipped", .cause = "does not verify", .end = flip_signature},
    {.name = "signature bit of an NSEC flipped",
     .cause = "does not verify",
     .end = flip_denial_signature},
    {.name = "data bit flipped", .cause = "does not verify", .end = flip_data},
    {.name = "empty signature", .cause = "RRSIG is malformed", .end = cut_signature},
    {.name = "short signature", .cause = "MX: RRSIG by key", .end = shorten_signature},
    {.name = "RRSIG cut inside its fields", .cause = "malformed", .end = cut_rrsig},
    {.name = "two RRSIGs of one algorithm", .cause = "more than one RRSIG", .end = sign_twice},
    {.name = "two RRSIGs by one key", .cause = "two RRSIGs by key", .end = sign_twice_one_key},
    {.name = "TTL of an RRSIG", .cause = "another owner or TTL", .end = change_rrsig_ttl},
    {.name = "TTL of an RRset and its RRSIG", .cause = "original TTL", .end = change_ttl},
    {.name = "entries out of order", .cause = "canonical order", .end = swap_entries},
    {.name = "owners out of order", .cause = "canonical order", .end = swap_owners},
    {.name = "records out of order", .cause = "canonical order", .end = swap_records},
    {.name = "upper-case owner", .cause = "lower case", .end = raise_owner},
    {.name = "DNSKEY dropped after signing", .cause = "key set", .end = drop_record},
    {.name = "no SOA", .cause = "the apex lacks", .data = drop_soa},
    {.name = "two SOA", .cause = "not exactly one", .data = second_soa},
    {.name = "SOA below the apex", .cause = "only the apex", .data = stray_soa},
    {.name = "no apex NS", .cause = "the apex lacks", .data = drop_apex_ns},
    {.name = "no DNSKEY", .cause = "the apex lacks", .data = drop_dnskeys},
    {.name = "a DNSKEY is missing", .cause = "key set", .data = drop_dnskey},
    {.name = "another DNSKEY", .cause = "key set", .data = change_dnskey},
    {.name = "owner outside the zone", .cause = "outside the zone", .data = outside},
    {.name = "data below a DNAME", .cause = "below a DNAME", .data = below_dname},
    {.name = "NSEC3PARAM", .cause = "NSEC3 is not verified", .data = nsec3param},
    {.name = "meta-type", .cause = "not a type of zone data", .data = meta_type},
    {.name = "RRSIG over another type",
     .cause = "A: RRSIG covers type 28",
     .end = cover_another_type},
    {.name = "RRSIG that stands alone", .cause = "RRSIG that covers no RRset", .end = detach_rrsig},
    {.name = "RDATA in upper case", .cause = "RDATA is malformed", .data = upper_rdata},
    {.name = "RDATA too short", .cause = "RDATA is malformed", .data = malformed_rdata},
    {.name = "compression pointer in RDATA",
     .cause = "RDATA is malformed",
     .data = pointer_in_rdata},
    {"wrong signer", "signer is not the zone", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     wrong_signer, NULL},
    {"signer below the apex", "signer is not the zone", NULL, NULL, "*.wild.example.",
     KNOT_RRTYPE_MX, signer_below, NULL},
    {"one label too many", "labels field", NULL, NULL, "*.wild.example.", KNOT_RRTYPE_MX,
     more_labels, NULL},
    {"one label too few", "labels field", NULL, NULL, "a.b.ent.example.", KNOT_RRTYPE_TXT,
     fewer_labels, NULL},
    {"wrong original TTL", "original TTL", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A, wrong_ttl,
     NULL},
    {"expires inside the margin", "expires too early", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     expired_at_margin, NULL},
    {"expired", "expires too early", NULL, NULL, "dn.example.", KNOT_RRTYPE_NSEC, expired, NULL},
    {"expiration without order", "expires too early", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     no_order, NULL},
    {"inception without order", "not yet valid", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     early_no_order, NULL},
    {"inception after T", "not yet valid", NULL, NULL, "example.", KNOT_RRTYPE_DNSKEY,
     incepted_after, NULL},
    {"tag of no key", "no key of the zone", NULL, NULL, "example.", KNOT_RRTYPE_SOA, wrong_tag,
     NULL},
    {"algorithm of no key", "no key of the zone", NULL, NULL, "cut.example.", KNOT_RRTYPE_DS,
     wrong_algorithm, NULL},
};

static void test_each_verifier_refuses_every_mutant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
        struct setup setup;
        struct zone *zone = usual_zone(T, &mutants[i]);
        make_job(zone, &setup);
        assert_refused(&setup.job, mutants[i].name, mutants[i].cause);
        zone_free(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_verifier_refuses_every_mutant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
