/* Goal: the content of a round depends on nothing but its inputs, on the real root and .gov zones: not on how the work is cut
 * and by how many threads, not on order and case of the input's lines, not on whether the parent's signatures were there.
 * Method: the same content made in another way, compared signature by signature and root by root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "support/zones.h"

#define SEED UINT64_C(20261121)
#define THREADS_MAX 7
#define DAY 86400
#define ECDSA_SIZE 64

struct fixture {
    struct csn_real_zone zone;
    struct csn_input *input;
    struct csn_content *content; /* planned in one range */
};

static bool load(struct fixture *f, void **state)
{
    if (!csn_real_zone_load("test_determinism", (unsigned)(uintptr_t)*state, &f->zone)) {
        return false;
    }
    f->input = csn_test_input(f->zone.plan, csn_buf_view(&f->zone.text));
    f->content = csn_test_content(f->zone.plan, f->input);
    return true;
}

static void unload(struct fixture *f)
{
    csn_content_free(f->content);
    csn_input_unref(f->input);
    csn_real_zone_fini(&f->zone);
}

static void assert_same_content(const struct csn_content *a, const struct csn_content *b)
{
    assert_memory_equal(&a->roots, &b->roots, sizeof(a->roots));
    assert_memory_equal(&a->content_root, &b->content_root, sizeof(a->content_root));
    assert_int_equal(a->zone->count, b->zone->count);
    for (size_t i = 0; i < a->zone->count; i++) {
        assert_true(csn_rrset_equal(&a->zone->rrsets[i], &b->zone->rrsets[i]));
    }
    assert_int_equal(a->signature_count, b->signature_count);
    for (size_t i = 0; i < a->signature_count; i++) {
        const struct csn_signature *x = &a->signatures[i], *y = &b->signatures[i];
        assert_true(x->rrset == y->rrset && x->key == y->key && x->expiration_s == y->expiration_s);
        assert_true(csn_bytes_equal(x->head, y->head));
    }
}

struct job {
    struct csn_content *content;
    size_t from, to;
    int code;
};

static void *run_job(void *arg)
{
    struct job *job = arg;
    job->code = csn_content_plan(job->content, job->from, job->to, NULL);
    return NULL;
}

static int compare_sizes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Plans with one range a thread, cut at seeded places; with seven threads one range is empty. */
static struct csn_content *plan_with_threads(const struct fixture *f, unsigned threads, uint64_t *random)
{
    struct csn_content *content;
    size_t cuts[THREADS_MAX + 1] = {0};
    struct job jobs[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    assert_int_equal(csn_content_new(f->input, &f->zone.plan->policy, &f->zone.plan->keyset, &f->zone.plan->params, &content, NULL),
                     CSN_OK);
    for (unsigned i = 1; i < threads; i++) {
        cuts[i] = csn_test_random(random) % (content->zone->count + 1);
    }
    if (threads == THREADS_MAX) {
        cuts[1] = cuts[2];
    }
    cuts[threads] = content->zone->count;
    qsort(cuts, threads + 1, sizeof(cuts[0]), compare_sizes);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){.content = content, .from = cuts[i], .to = cuts[i + 1]};
        assert_int_equal(pthread_create(&ids[i], NULL, run_job, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(jobs[i].code, CSN_OK);
    }
    assert_int_equal(csn_content_finish(content, NULL), CSN_OK);
    return content;
}

static void test_threads_and_ranges_do_not_matter(void **state)
{
    static const unsigned threads[] = {1, 2, THREADS_MAX, THREADS_MAX};
    struct fixture f;
    uint64_t random = SEED;
    if (!load(&f, state)) {
        skip();
    }
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        struct csn_content *content = plan_with_threads(&f, threads[i], &random);
        assert_same_content(f.content, content);
        csn_content_free(content);
    }
    unload(&f);
}

/* --- order and case of lines */

struct line {
    const char *text;
    size_t size;
};

static size_t split_lines(struct csn_bytes text, struct line **ret_lines)
{
    const char *at = (const char *)text.data, *end = at + text.size;
    size_t count = 0;
    struct line *lines = csn_alloc(text.size * sizeof(*lines));
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(newline);
        if (*at != ';' && *at != '\n') {
            lines[count++] = (struct line){at, (size_t)(newline + 1 - at)};
        }
        at = newline + 1;
    }
    *ret_lines = lines;
    return count;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters change case by the seed, all over the line but in the strings of a TXT. */
static void put_flipped(struct csn_buf *out, const struct line *line, uint64_t *random)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < line->size && line->text[i] != '"'; i++) {
        bits = i % 64 == 0 ? csn_test_random(random) : bits >> 1;
        csn_buf_put_u8(out, (uint8_t)(is_letter(line->text[i]) && (bits & 1) != 0 ? line->text[i] ^ 0x20 : line->text[i]));
    }
    const char *quote = memchr(line->text, '"', line->size);
    if (quote != NULL) {
        csn_buf_put(out, quote, line->size - (size_t)(quote - line->text));
    }
}

static void shuffle(struct csn_bytes text, uint64_t *random, struct csn_buf *out)
{
    struct line *lines;
    size_t count = split_lines(text, &lines);
    for (size_t i = count; i > 1; i--) {
        size_t j = csn_test_random(random) % i;
        struct line line = lines[j];
        lines[j] = lines[i - 1];
        lines[i - 1] = line;
    }
    for (size_t i = 0; i < count; i++) {
        put_flipped(out, &lines[i], random);
    }
    free(lines);
}

static void test_order_and_case_of_lines_do_not_matter(void **state)
{
    struct fixture f;
    uint64_t random = SEED;
    if (!load(&f, state)) {
        skip();
    }
    for (unsigned i = 0; i < 2; i++) {
        struct csn_buf text = {0};
        shuffle(csn_buf_view(&f.zone.text), &random, &text);
        assert_int_not_equal(memcmp(text.data, f.zone.text.data, text.size), 0);
        struct csn_input *input = csn_test_input(f.zone.plan, csn_buf_view(&text));
        struct csn_content *content = csn_test_content(f.zone.plan, input);
        assert_true(csn_digest_equal(&input->received, &f.input->received));
        assert_same_content(f.content, content);
        csn_content_free(content);
        csn_input_unref(input);
        csn_buf_fini(&text);
    }
    unload(&f);
}

/* --- from scratch and on top of the previous version */

static void carry_entry(void *arg, const struct csn_entry *entry)
{
    csn_content_carry(arg, entry);
}

/* The parent's signature of the same RRset and head, or NULL: looked for in a plain way. */
static const struct csn_signature *same_in_parent(const struct csn_content *parent, const struct csn_content *content,
                                                  const struct csn_signature *signature)
{
    const struct csn_rrset *rrset = &content->zone->rrsets[signature->rrset];
    const struct csn_rrset *old = csn_zone_find(parent->zone, rrset->owner, rrset->type);
    if (old == NULL || !csn_rrset_equal(old, rrset)) {
        return NULL;
    }
    size_t index = (size_t)(old - parent->zone->rrsets), from = 0, to = parent->signature_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (parent->signatures[middle].rrset < index) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    for (; from < parent->signature_count && parent->signatures[from].rrset == index; from++) {
        if (csn_bytes_equal(parent->signatures[from].head, signature->head)) {
            return &parent->signatures[from];
        }
    }
    return NULL;
}

static size_t count_carried(const struct csn_content *parent, const struct csn_content *content)
{
    size_t count = 0;
    for (size_t i = 0; i < content->signature_count; i++) {
        const struct csn_signature *signature = &content->signatures[i];
        const struct csn_signature *same = same_in_parent(parent, content, signature);
        assert_int_equal(signature->is_carried, same != NULL);
        assert_int_equal(signature->octets.size > 0, same != NULL);
        if (same != NULL) {
            assert_true(csn_bytes_equal(signature->octets, same->octets));
            count++;
        }
    }
    return count;
}

static void add_root(void *arg, const struct csn_entry *entry)
{
    assert_int_equal(csn_rooter_add(arg, entry, NULL), CSN_OK);
}

/* The roots from the entries alone are those of the content. */
static void assert_rooter_agrees(const struct csn_plan *plan, const struct csn_content *content)
{
    struct csn_digest b, full;
    struct csn_zone_roots roots;
    struct csn_rooter *rooter = csn_rooter_new(plan->keyset.zone, plan->params.time_s);
    csn_test_entries(content, add_root, rooter);
    assert_int_equal(csn_rooter_finish(rooter, plan->params.serial, &roots, NULL), CSN_OK);
    csn_content_full_root(content, &b, &full);
    assert_memory_equal(&roots.roots, &content->roots, sizeof(roots.roots));
    assert_memory_equal(&roots.b, &b, sizeof(b));
    assert_memory_equal(&roots.full, &full, sizeof(full));
    assert_int_equal(roots.signatures, content->signature_count);
    csn_rooter_free(rooter);
}

/* A signature as an HSM would make it: other octets each time. */
static void sign_at_random(struct csn_content *content, uint64_t *random)
{
    for (size_t i = 0; i < content->signature_count; i++) {
        uint64_t octets[ECDSA_SIZE / sizeof(uint64_t)];
        for (size_t j = 0; j < ECDSA_SIZE / sizeof(uint64_t); j++) {
            octets[j] = csn_test_random(random);
        }
        if (content->signatures[i].octets.size == 0) {
            csn_signature_set(content, &content->signatures[i], csn_bytes(octets, sizeof(octets)));
        }
    }
}

/* The round after `parent`: another input where `is_changed`, `later_s` seconds on. */
static struct csn_content *next_round(struct fixture *f, const struct csn_content *parent, uint64_t later_s)
{
    struct csn_plan *plan = f->zone.plan;
    plan->params.time_s += later_s;
    plan->params.schedule_s += later_s;
    plan->params.serial++;
    struct csn_content *content = csn_test_content(plan, f->input);
    csn_test_entries(parent, carry_entry, content);
    return content;
}

static void test_parent_does_not_matter(void **state)
{
    static const uint64_t later_s[] = {0, 3600, DAY, 30 * DAY};
    struct fixture f;
    if (!load(&f, state)) {
        skip();
    }
    struct csn_input *old_input = csn_test_input(f.zone.plan, csn_buf_view(&f.zone.previous));
    struct csn_content *parent = csn_test_content(f.zone.plan, old_input);
    csn_test_sign(f.zone.plan, parent);
    size_t carried_last = SIZE_MAX;
    for (size_t i = 0; i < sizeof(later_s) / sizeof(later_s[0]); i++) {
        struct csn_digest b, full, b_scratch, full_scratch;
        struct csn_content *content = next_round(&f, parent, later_s[i]);
        size_t carried = count_carried(parent, content);
        printf("%s: %zu of %zu signatures carried, %llu s on\n", f.zone.name, carried, content->signature_count,
               (unsigned long long)later_s[i]);
        assert_true(carried < content->signature_count && carried <= carried_last);
        assert_true(carried > 0 || later_s[i] > 21 * DAY);
        carried_last = carried;
        csn_test_sign(f.zone.plan, content);
        csn_content_full_root(content, &b, &full);
        struct csn_content *scratch = csn_test_content(f.zone.plan, f.input);
        csn_test_sign(f.zone.plan, scratch);
        csn_content_full_root(scratch, &b_scratch, &full_scratch);
        assert_same_content(content, scratch);
        assert_memory_equal(&b, &b_scratch, sizeof(b));
        assert_memory_equal(&full, &full_scratch, sizeof(full));
        csn_content_free(content);
        csn_content_free(scratch);
    }
    csn_content_free(parent);
    csn_input_unref(old_input);
    unload(&f);
}

/* Three rounds with random octets: what is carried keeps the octets it had in the round before. */
static void test_carried_octets_are_the_parents(void **state)
{
    struct fixture f;
    uint64_t random = SEED;
    if (!load(&f, state)) {
        skip();
    }
    struct csn_content *parent = csn_test_content(f.zone.plan, f.input);
    sign_at_random(parent, &random);
    for (unsigned i = 0; i < 3; i++) {
        struct csn_content *content = next_round(&f, parent, 6 * 3600);
        size_t carried = count_carried(parent, content);
        assert_true(carried > content->signature_count / 2 && carried < content->signature_count);
        sign_at_random(content, &random);
        assert_rooter_agrees(f.zone.plan, content);
        csn_content_free(parent);
        parent = content;
    }
    csn_content_free(parent);
    unload(&f);
}

#define BOTH(test)                                                                                                             \
    {.name = #test ": root", .test_func = test, .initial_state = (void *)CSN_REAL_ROOT},                                       \
    {                                                                                                                          \
        .name = #test ": gov", .test_func = test, .initial_state = (void *)CSN_REAL_GOV                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_threads_and_ranges_do_not_matter),
        BOTH(test_order_and_case_of_lines_do_not_matter),
        BOTH(test_parent_does_not_matter),
        BOTH(test_carried_octets_are_the_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
