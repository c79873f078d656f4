/* fields.h: the pieces that statements, certificates and durable records are made of: each put has
 * its read. A read past the end or out of range sets the reader's `failed` and gives zeros. Private
 * to lib/round. */
#ifndef CSN_ROUND_FIELDS_H
#define CSN_ROUND_FIELDS_H

#include "round/statement.h"

void csn_put_digest(struct csn_buf *buf, const struct csn_digest *digest);
void csn_put_term(struct csn_buf *buf, struct csn_term term);
void csn_put_round(struct csn_buf *buf, struct csn_round round);
void csn_put_name(struct csn_buf *buf, const uint8_t *name);
void csn_put_input(struct csn_buf *buf, const struct csn_input_id *input);
void csn_put_version(struct csn_buf *buf, const struct csn_version_id *version);
void csn_put_release(struct csn_buf *buf, const struct csn_release *release);
void csn_put_floor(struct csn_buf *buf, const struct csn_floor *floor);
void csn_put_roots(struct csn_buf *buf, const struct csn_roots *roots);
void csn_put_proposal(struct csn_buf *buf, const struct csn_proposal *proposal);
void csn_put_held(struct csn_buf *buf, const struct csn_body_held *held);

/* An octet in [least, most], else failed. */
uint8_t csn_read_range(struct csn_reader *reader, uint8_t least, uint8_t most);
bool csn_read_bool(struct csn_reader *reader);
void csn_read_digest(struct csn_reader *reader, struct csn_digest *ret_digest);
struct csn_term csn_read_term(struct csn_reader *reader);
struct csn_round csn_read_round(struct csn_reader *reader);
/* A well-formed name in lower case, else failed and the root. */
void csn_read_name(struct csn_reader *reader, uint8_t ret_name[CSN_NAME_MAX]);
void csn_read_input(struct csn_reader *reader, struct csn_input_id *ret_input);
void csn_read_version(struct csn_reader *reader, struct csn_version_id *ret_version);
void csn_read_release(struct csn_reader *reader, struct csn_release *ret_release);
void csn_read_floor(struct csn_reader *reader, struct csn_floor *ret_floor);
void csn_read_roots(struct csn_reader *reader, struct csn_roots *ret_roots);
void csn_read_proposal(struct csn_reader *reader, struct csn_proposal *ret_proposal);
void csn_read_held(struct csn_reader *reader, struct csn_body_held *ret_held);

#endif
