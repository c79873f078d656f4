#include "round/statement.h"

#include <string.h>

const char *csn_statement_text(enum csn_statement_kind kind)
{
    switch (kind) {
#define CSN_STATEMENT_CASE(name, value, text)                                                      \
    case CSN_STATEMENT_##name:                                                                     \
        return text;
        CSN_STATEMENTS(CSN_STATEMENT_CASE)
#undef CSN_STATEMENT_CASE
    }
    return NULL;
}

bool csn_statement_is_coordinators(enum csn_statement_kind kind)
{
    return kind == CSN_STATEMENT_PROPOSAL || kind == CSN_STATEMENT_LEAD;
}

bool csn_statement_is_operators(enum csn_statement_kind kind)
{
    return kind == CSN_STATEMENT_ORDER;
}

void csn_signed_put(const char *word, uint16_t signer, uint32_t incarnation, struct csn_bytes body,
                    struct csn_buf *buf)
{
    struct csn_digest digest;
    csn_sha384(body, &digest);
    csn_buf_put(buf, "consign ", 8);
    csn_buf_put(buf, word, strlen(word));
    csn_buf_put(buf, " v1", 4); /* with its NUL: the 00 of the layout */
    csn_buf_put_u16(buf, signer);
    csn_buf_put_u32(buf, incarnation);
    csn_buf_put(buf, digest.octets, sizeof(digest.octets));
}

void csn_statement_signed(enum csn_statement_kind kind, uint16_t signer, uint32_t incarnation,
                          struct csn_bytes body, struct csn_buf *buf)
{
    const char *word = csn_statement_text(kind);
    REQUIRE(word != NULL);
    csn_signed_put(word, signer, incarnation, body, buf);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int csn_term_compare(struct csn_term a, struct csn_term b)
{
    int order = compare_u64(a.counter, b.counter);
    return order ? order : compare_u64(a.coordinator, b.coordinator);
}

int csn_round_compare(struct csn_round a, struct csn_round b)
{
    int order = csn_term_compare(a.term, b.term);
    return order ? order : compare_u64(a.seq, b.seq);
}

bool csn_round_is_none(struct csn_round round)
{
    return csn_round_compare(round, (struct csn_round){0}) == 0;
}

void csn_round_encode(struct csn_round round, uint8_t ret_octets[CSN_ROUND_SIZE])
{
    csn_set_u64(ret_octets, round.term.counter);
    csn_set_u16(ret_octets + 8, round.term.coordinator);
    csn_set_u32(ret_octets + 10, round.seq);
}

struct csn_round csn_round_decode(const uint8_t octets[CSN_ROUND_SIZE])
{
    return (struct csn_round){
        .term = {.counter = csn_get_u64(octets), .coordinator = csn_get_u16(octets + 8)},
        .seq = csn_get_u32(octets + 10),
    };
}

int csn_input_compare(const struct csn_input_id *a, const struct csn_input_id *b)
{
    if (a->generation != b->generation) {
        return compare_u64(a->generation, b->generation);
    }
    if (a->serial == b->serial) {
        return 0;
    }
    if (csn_serial_is_after(a->serial, b->serial)) {
        return 1;
    }
    return csn_serial_is_after(b->serial, a->serial) ? -1 : CSN_INPUT_UNORDERED;
}

bool csn_input_equal(const struct csn_input_id *a, const struct csn_input_id *b)
{
    return a->generation == b->generation && a->serial == b->serial &&
           csn_digest_equal(&a->received, &b->received) &&
           csn_digest_equal(&a->prepared, &b->prepared) && a->removed == b->removed &&
           csn_digest_equal(&a->removed_hash, &b->removed_hash);
}

bool csn_version_equal(const struct csn_version_id *a, const struct csn_version_id *b)
{
    return a->number == b->number && csn_digest_equal(&a->digest, &b->digest);
}

bool csn_roots_equal(const struct csn_roots *a, const struct csn_roots *b)
{
    return csn_roots_differ(a, b) == 0;
}

uint8_t csn_roots_differ(const struct csn_roots *a, const struct csn_roots *b)
{
    unsigned bits = 0;
    bits |= csn_digest_equal(&a->d, &b->d) ? 0 : CSN_CLASS_BIT_D;
    bits |= csn_digest_equal(&a->k, &b->k) ? 0 : CSN_CLASS_BIT_K;
    bits |= csn_digest_equal(&a->n, &b->n) ? 0 : CSN_CLASS_BIT_N;
    bits |= csn_digest_equal(&a->r, &b->r) ? 0 : CSN_CLASS_BIT_R;
    return (uint8_t)bits;
}

void csn_classes_text(uint8_t classes, char ret_text[5])
{
    static const char letters[] = "DKNR";
    size_t size = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (classes & 1u << i) {
            ret_text[size++] = letters[i];
        }
    }
    ret_text[size] = '\0';
}

void csn_proposal_hash(const struct csn_proposal *proposal, struct csn_digest *ret_hash)
{
    struct csn_buf buf = {0};
    csn_proposal_encode(proposal, &buf);
    csn_sha384(csn_buf_view(&buf), ret_hash);
    csn_buf_fini(&buf);
}
