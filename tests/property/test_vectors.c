/* Goal: the golden vectors of the independent reference (tests/data/oracle): each signature planned, the chain, every class,
 * content and full root. Method: one test a case; the full root both of the reference's signed zone and of our own Ed25519
 * signatures, which are deterministic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "dns/zonefile.h"
#include "support/zones.h"

#define PATH_SIZE 512

static const char *const cases[] = {
    "01-minimal", "02-ent-nsec", "05-delegations-nsec", "09-occluded-dname", "12-ttl-duplicates", "14-types", "15-roll-window",
    "16-roll-emergency", "17-roll-aborted", "18-algorithm-window", "18b-two-algorithms", "18c-algorithm-end",
    "19-ksk-zsk-revoked", "20-policy-switch", "21-s-behind-t", "22-2038-before", "23-2038-after", "24-2106-before",
    "25-2106-after"};
#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

struct vector {
    const char *name;
    struct csn_plan *plan;
    struct csn_input *input;
    struct csn_content *content;
    json_t *roots; /* roots.json */
};

static void path_of(const struct vector *vector, const char *file, char ret_path[PATH_SIZE])
{
    snprintf(ret_path, PATH_SIZE, "%s/data/oracle/%s/%s", CONSIGN_TESTS, vector->name, file);
}

/* libzscanner and libknot do not know the name of type 26 (PX); case 14 has it. RFC 3597 says how else to write it. */
static const struct {
    const char *from, *to;
} spellings[] = {
    {" PX 10 Map822.example. MapX400.example.",
     " TYPE26 \\# 35 000a064d6170383232076578616d706c6500074d617058343030076578616d706c6500"},
    {" PX 10 map822.example. mapx400.example.",
     " TYPE26 \\# 35 000a066d6170383232076578616d706c6500076d617078343030076578616d706c6500"},
    {" RRSIG PX ", " RRSIG TYPE26 "},
    {" NSEC s.example. PX ", " NSEC s.example. TYPE26 "},
    {"\"type\": \"PX\"", "\"type\": \"TYPE26\""},
};

static void respell(struct csn_buf *text)
{
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        size_t from_size = strlen(spellings[i].from);
        const uint8_t *at = memmem(text->data, text->size, spellings[i].from, from_size);
        if (at == NULL) {
            continue;
        }
        struct csn_buf out = {0};
        csn_buf_put(&out, text->data, (size_t)(at - text->data));
        csn_buf_put(&out, spellings[i].to, strlen(spellings[i].to));
        csn_buf_put(&out, at + from_size, text->size - (size_t)(at - text->data) - from_size);
        csn_buf_fini(text);
        *text = out;
    }
}

static void read_text(const struct vector *vector, const char *file, struct csn_buf *text)
{
    char path[PATH_SIZE];
    path_of(vector, file, path);
    csn_test_read(path, text);
    respell(text);
}

static void load(struct vector *vector, const char *name)
{
    char path[PATH_SIZE];
    struct csn_buf text = {0};
    vector->name = name;
    path_of(vector, "plan.json", path);
    vector->plan = csn_plan_load(path);
    read_text(vector, "zone.zone", &text);
    vector->input = csn_test_input(vector->plan, csn_buf_view(&text));
    vector->content = csn_test_content(vector->plan, vector->input);
    path_of(vector, "roots.json", path);
    vector->roots = json_load_file(path, 0, NULL);
    assert_non_null(vector->roots);
    csn_buf_fini(&text);
}

static void unload(struct vector *vector)
{
    json_decref(vector->roots);
    csn_content_free(vector->content);
    csn_input_unref(vector->input);
    csn_plan_free(vector->plan);
}

static void check_digest(const struct vector *vector, const char *what, const struct csn_digest *found, const json_t *expected)
{
    char text[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(found->octets, CSN_DIGEST_SIZE), text);
    if (!json_is_string(expected) || strcmp(text, json_string_value(expected)) != 0) {
        fail_msg("%s: %s is %s, not %s", vector->name, what, text, json_string_value(expected));
    }
}

static void check_class(const struct vector *vector, const char *class, const struct csn_digest *found)
{
    check_digest(vector, class, found, json_object_get(json_object_get(vector->roots, "class_roots"), class));
}

static void check_number(const struct vector *vector, const char *what, uint64_t found, const json_t *expected)
{
    if (!json_is_integer(expected) || (uint64_t)json_integer_value(expected) != found) {
        fail_msg("%s: %s is %llu, not %lld", vector->name, what, (unsigned long long)found,
                 (long long)json_integer_value(expected));
    }
}

static void check_content_roots(const struct vector *vector)
{
    const struct csn_content *content = vector->content;
    const json_t *removed = json_object_get(vector->roots, "removed");
    check_class(vector, "D", &content->roots.d);
    check_class(vector, "K", &content->roots.k);
    check_class(vector, "N", &content->roots.n);
    check_class(vector, "R", &content->roots.r);
    check_digest(vector, "content root", &content->content_root, json_object_get(vector->roots, "content_root"));
    check_digest(vector, "D(received)", &vector->input->received, json_object_get(vector->roots, "received_D"));
    check_digest(vector, "removed hash", &vector->input->removed_hash, json_object_get(removed, "hash"));
    check_number(vector, "removed", vector->input->removed, json_object_get(removed, "records"));
    check_number(vector, "serial", content->params.serial, json_object_get(vector->roots, "serial"));
    check_number(vector, "signatures", content->signature_count, json_object_get(vector->roots, "signatures"));
}

/* A line of plan.jsonl against the signature: its head, and the 64-bit expiration. */
static void check_planned(const struct vector *vector, const struct csn_signature *signature, const json_t *row)
{
    const struct csn_rrset *rrset = &vector->content->zone->rrsets[signature->rrset];
    const struct csn_key *key = &vector->plan->keyset.keys[signature->key];
    const uint8_t *head = signature->head.data;
    char type[16], id[2 * CSN_SHA256_SIZE + 1];
    uint8_t owner[CSN_NAME_MAX];
    csn_type_text(csn_get_u16(head), type);
    csn_hex_encode(csn_bytes(key->id, CSN_SHA256_SIZE), id);
    assert_int_equal(csn_name_parse(json_string_value(json_object_get(row, "owner")), owner), CSN_OK);
    assert_true(csn_name_equal(owner, rrset->owner));
    assert_int_equal(csn_get_u16(head), rrset->type);
    assert_string_equal(type, json_string_value(json_object_get(row, "type")));
    assert_string_equal(id, json_string_value(json_object_get(row, "key")));
    check_number(vector, "algorithm", head[2], json_object_get(row, "algorithm"));
    check_number(vector, "labels", head[3], json_object_get(row, "labels"));
    check_number(vector, "original TTL", csn_get_u32(head + 4), json_object_get(row, "ttl"));
    check_number(vector, "TTL", rrset->ttl, json_object_get(row, "ttl"));
    check_number(vector, "expiration", signature->expiration_s, json_object_get(row, "expiration"));
    check_number(vector, "expiration on the wire", csn_time_near(csn_get_u32(head + 8), vector->plan->params.time_s),
                 json_object_get(row, "expiration"));
    check_number(vector, "inception", csn_time_near(csn_get_u32(head + 12), vector->plan->params.time_s),
                 json_object_get(row, "inception"));
    check_number(vector, "tag", csn_get_u16(head + 16), json_object_get(row, "tag"));
    assert_true(csn_name_equal(head + 18, vector->plan->keyset.zone));
}

static void check_plan(const struct vector *vector)
{
    struct csn_buf text = {0};
    char *line = NULL;
    size_t count = 0, line_max = 0;
    read_text(vector, "plan.jsonl", &text);
    FILE *file = fmemopen(text.data, text.size, "r");
    assert_non_null(file);
    for (; getline(&line, &line_max, file) > 0; count++) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        assert_true(count < vector->content->signature_count);
        check_planned(vector, &vector->content->signatures[count], row);
        json_decref(row);
    }
    assert_int_equal(count, vector->content->signature_count);
    free(line);
    fclose(file);
    csn_buf_fini(&text);
}

/* Walks the NSEC RRsets of the zone beside the records of chain.txt. */
struct chain_walk {
    const struct csn_zone *zone;
    size_t at;
};

static const struct csn_rrset *next_nsec(struct chain_walk *walk)
{
    while (walk->at < walk->zone->count && walk->zone->rrsets[walk->at].type != CSN_TYPE_NSEC) {
        walk->at++;
    }
    return walk->at < walk->zone->count ? &walk->zone->rrsets[walk->at++] : NULL;
}

static int check_link(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    (void)reason;
    const struct csn_rrset *nsec = next_nsec(arg);
    assert_non_null(nsec);
    assert_true(csn_name_equal(nsec->owner, record->owner.data));
    assert_int_equal(nsec->ttl, record->ttl);
    assert_int_equal(nsec->count, 1);
    assert_true(csn_bytes_equal(csn_bytes(nsec->rdatas.data + 2, nsec->rdatas.size - 2), record->rdata));
    return CSN_OK;
}

static void check_chain(const struct vector *vector)
{
    struct csn_buf text = {0};
    struct csn_reason reason = {""};
    struct chain_walk walk = {.zone = vector->content->zone};
    read_text(vector, "chain.txt", &text);
    assert_int_equal(csn_zonefile_read(csn_buf_view(&text), "chain.txt", vector->plan->keyset.zone, check_link, &walk, &reason),
                     CSN_OK);
    assert_null(next_nsec(&walk));
    csn_buf_fini(&text);
}

/* The reference's signed zone, from its file alone. */
static void check_signed_file(const struct vector *vector)
{
    struct csn_buf text = {0};
    struct csn_zone_roots roots;
    read_text(vector, "signed.zone", &text);
    struct csn_signed *zone = csn_test_signed(vector->plan->keyset.zone, csn_buf_view(&text));
    csn_test_roots(zone, vector->plan, &roots);
    check_class(vector, "D", &roots.roots.d);
    check_class(vector, "K", &roots.roots.k);
    check_class(vector, "N", &roots.roots.n);
    check_class(vector, "R", &roots.roots.r);
    check_class(vector, "B", &roots.b);
    check_digest(vector, "content root of file", &roots.content, json_object_get(vector->roots, "content_root"));
    check_digest(vector, "full root of file", &roots.full, json_object_get(vector->roots, "full_root"));
    check_number(vector, "signatures of file", roots.signatures, json_object_get(vector->roots, "signatures"));
    csn_signed_free(zone);
    csn_buf_fini(&text);
}

static void check_own_signatures(const struct vector *vector)
{
    struct csn_digest b, full;
    csn_test_sign(vector->plan, vector->content);
    csn_content_full_root(vector->content, &b, &full);
    check_class(vector, "B", &b);
    check_digest(vector, "full root", &full, json_object_get(vector->roots, "full_root"));
}

static void test_vector(void **state)
{
    struct vector vector;
    load(&vector, *state);
    check_plan(&vector);
    check_chain(&vector);
    check_content_roots(&vector);
    if (csn_plan_can_sign(vector.plan)) {
        check_signed_file(&vector);
        check_own_signatures(&vector);
    } else {
        assert_null(json_object_get(vector.roots, "full_root"));
    }
    unload(&vector);
}

int main(void)
{
    struct CMUnitTest tests[CASE_COUNT];
    for (size_t i = 0; i < CASE_COUNT; i++) {
        tests[i] = (struct CMUnitTest){.name = cases[i], .test_func = test_vector, .initial_state = (void *)(uintptr_t)cases[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
