#include "round/fields.h"

#include <string.h>

void csn_put_digest(struct csn_buf *buf, const struct csn_digest *digest)
{
    csn_buf_put(buf, digest->octets, sizeof(digest->octets));
}

void csn_put_term(struct csn_buf *buf, struct csn_term term)
{
    csn_buf_put_u64(buf, term.counter);
    csn_buf_put_u16(buf, term.coordinator);
}

void csn_put_round(struct csn_buf *buf, struct csn_round round)
{
    csn_put_term(buf, round.term);
    csn_buf_put_u32(buf, round.seq);
}

void csn_put_name(struct csn_buf *buf, const uint8_t *name)
{
    csn_buf_put(buf, name, csn_name_size(name));
}

void csn_put_input(struct csn_buf *buf, const struct csn_input_id *input)
{
    csn_buf_put_u32(buf, input->generation);
    csn_buf_put_u32(buf, input->serial);
    csn_put_digest(buf, &input->received);
    csn_put_digest(buf, &input->prepared);
    csn_buf_put_u32(buf, input->removed);
    csn_put_digest(buf, &input->removed_hash);
}

void csn_put_version(struct csn_buf *buf, const struct csn_version_id *version)
{
    csn_buf_put_u32(buf, version->number);
    csn_put_digest(buf, &version->digest);
}

void csn_put_release(struct csn_buf *buf, const struct csn_release *release)
{
    csn_put_round(buf, release->round);
    csn_put_digest(buf, &release->full_root);
}

void csn_put_floor(struct csn_buf *buf, const struct csn_floor *floor)
{
    csn_put_round(buf, floor->round);
    csn_buf_put_u8(buf, floor->has_serial);
    csn_buf_put_u32(buf, floor->serial);
    csn_put_input(buf, &floor->input);
    csn_buf_put_u64(buf, floor->time_s);
    csn_buf_put_u64(buf, floor->schedule_s);
    csn_put_version(buf, &floor->policy);
    csn_put_version(buf, &floor->keyset);
}

void csn_put_roots(struct csn_buf *buf, const struct csn_roots *roots)
{
    csn_put_digest(buf, &roots->d);
    csn_put_digest(buf, &roots->k);
    csn_put_digest(buf, &roots->n);
    csn_put_digest(buf, &roots->r);
}

void csn_put_proposal(struct csn_buf *buf, const struct csn_proposal *proposal)
{
    csn_buf_put(buf, proposal->cluster, sizeof(proposal->cluster));
    csn_buf_put_u8(buf, proposal->environment);
    csn_buf_put_u32(buf, proposal->epoch);
    csn_put_digest(buf, &proposal->epoch_digest);
    csn_put_name(buf, proposal->zone);
    csn_put_round(buf, proposal->round);
    csn_buf_put_u32(buf, proposal->serial);
    csn_put_input(buf, &proposal->input);
    csn_buf_put_u64(buf, proposal->time_s);
    csn_buf_put_u64(buf, proposal->schedule_s);
    csn_buf_put_u16(buf, proposal->semantics);
    csn_put_version(buf, &proposal->policy);
    csn_put_version(buf, &proposal->keyset);
    csn_put_release(buf, &proposal->parent);
    csn_buf_put_u8(buf, proposal->author_count);
    for (unsigned i = 0; i < proposal->author_count; i++) {
        csn_buf_put_u16(buf, proposal->authors[i]);
    }
}

void csn_put_held(struct csn_buf *buf, const struct csn_body_held *held)
{
    csn_put_proposal(buf, &held->proposal);
    csn_put_roots(buf, &held->roots);
    csn_put_digest(buf, &held->b);
    csn_put_digest(buf, &held->full_root);
    csn_buf_put_u64(buf, held->records);
    csn_buf_put_u64(buf, held->signatures);
    csn_buf_put_u64(buf, held->earliest_expiry_s);
}

uint8_t csn_read_range(struct csn_reader *reader, uint8_t least, uint8_t most)
{
    uint8_t value = csn_read_u8(reader);
    if (value < least || value > most) {
        reader->failed = true;
        return 0;
    }
    return value;
}

bool csn_read_bool(struct csn_reader *reader)
{
    return csn_read_range(reader, 0, 1) != 0;
}

void csn_read_digest(struct csn_reader *reader, struct csn_digest *ret_digest)
{
    csn_read_copy(reader, ret_digest->octets, sizeof(ret_digest->octets));
}

struct csn_term csn_read_term(struct csn_reader *reader)
{
    struct csn_term term = {.counter = csn_read_u64(reader)};
    term.coordinator = csn_read_u16(reader);
    reader->failed = reader->failed || term.counter > CSN_TERM_COUNTER_MAX;
    return term;
}

struct csn_round csn_read_round(struct csn_reader *reader)
{
    struct csn_round round = {.term = csn_read_term(reader)};
    round.seq = csn_read_u32(reader);
    return round;
}

static bool is_lower_case(struct csn_bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] >= 'A' && name.data[i] <= 'Z') {
            return false; /* a length octet is at most 63, so it is never taken for a letter */
        }
    }
    return true;
}

void csn_read_name(struct csn_reader *reader, uint8_t ret_name[CSN_NAME_MAX])
{
    struct csn_bytes left = csn_bytes(reader->at, csn_reader_left(reader));
    size_t size = reader->failed ? 0 : csn_name_check(left);
    memset(ret_name, 0, CSN_NAME_MAX);
    if (size == 0 || !is_lower_case(csn_bytes(left.data, size))) {
        reader->failed = true;
        return;
    }
    csn_read_copy(reader, ret_name, size);
}

void csn_read_input(struct csn_reader *reader, struct csn_input_id *ret_input)
{
    ret_input->generation = csn_read_u32(reader);
    ret_input->serial = csn_read_u32(reader);
    csn_read_digest(reader, &ret_input->received);
    csn_read_digest(reader, &ret_input->prepared);
    ret_input->removed = csn_read_u32(reader);
    csn_read_digest(reader, &ret_input->removed_hash);
}

void csn_read_version(struct csn_reader *reader, struct csn_version_id *ret_version)
{
    ret_version->number = csn_read_u32(reader);
    csn_read_digest(reader, &ret_version->digest);
}

void csn_read_release(struct csn_reader *reader, struct csn_release *ret_release)
{
    ret_release->round = csn_read_round(reader);
    csn_read_digest(reader, &ret_release->full_root);
}

void csn_read_floor(struct csn_reader *reader, struct csn_floor *ret_floor)
{
    ret_floor->round = csn_read_round(reader);
    ret_floor->has_serial = csn_read_bool(reader);
    ret_floor->serial = csn_read_u32(reader);
    csn_read_input(reader, &ret_floor->input);
    ret_floor->time_s = csn_read_u64(reader);
    ret_floor->schedule_s = csn_read_u64(reader);
    csn_read_version(reader, &ret_floor->policy);
    csn_read_version(reader, &ret_floor->keyset);
}

void csn_read_roots(struct csn_reader *reader, struct csn_roots *ret_roots)
{
    csn_read_digest(reader, &ret_roots->d);
    csn_read_digest(reader, &ret_roots->k);
    csn_read_digest(reader, &ret_roots->n);
    csn_read_digest(reader, &ret_roots->r);
}

static void read_authors(struct csn_reader *reader, struct csn_proposal *proposal)
{
    proposal->author_count = csn_read_range(reader, 1, CSN_MEMBERS_MAX);
    for (unsigned i = 0; i < proposal->author_count; i++) {
        proposal->authors[i] = csn_read_u16(reader);
        if (proposal->authors[i] <= (i > 0 ? proposal->authors[i - 1] : 0)) {
            reader->failed = true; /* not ascending, or nobody */
        }
    }
}

void csn_read_proposal(struct csn_reader *reader, struct csn_proposal *ret_proposal)
{
    memset(ret_proposal, 0, sizeof(*ret_proposal));
    csn_read_copy(reader, ret_proposal->cluster, sizeof(ret_proposal->cluster));
    ret_proposal->environment = csn_read_range(reader, 0, 1);
    ret_proposal->epoch = csn_read_u32(reader);
    csn_read_digest(reader, &ret_proposal->epoch_digest);
    csn_read_name(reader, ret_proposal->zone);
    ret_proposal->round = csn_read_round(reader);
    ret_proposal->serial = csn_read_u32(reader);
    csn_read_input(reader, &ret_proposal->input);
    ret_proposal->time_s = csn_read_u64(reader);
    ret_proposal->schedule_s = csn_read_u64(reader);
    ret_proposal->semantics = csn_read_u16(reader);
    csn_read_version(reader, &ret_proposal->policy);
    csn_read_version(reader, &ret_proposal->keyset);
    csn_read_release(reader, &ret_proposal->parent);
    read_authors(reader, ret_proposal);
}

void csn_read_held(struct csn_reader *reader, struct csn_body_held *ret_held)
{
    csn_read_proposal(reader, &ret_held->proposal);
    csn_read_roots(reader, &ret_held->roots);
    csn_read_digest(reader, &ret_held->b);
    csn_read_digest(reader, &ret_held->full_root);
    ret_held->records = csn_read_u64(reader);
    ret_held->signatures = csn_read_u64(reader);
    ret_held->earliest_expiry_s = csn_read_u64(reader);
}
