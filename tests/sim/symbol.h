/* symbol.h: symbols in place of bytes: a digest of anything, and a cheap MAC in place of Ed25519.
 * Nobody attacks them here; they only have to differ where their arguments differ. */
#ifndef SIM_SYMBOL_H
#define SIM_SYMBOL_H

#include "round/certificate.h"

struct sim_mixer {
    uint64_t state;
};
struct sim_mixer sim_mixer(const char *word);
void sim_mix(struct sim_mixer *mixer, const void *data, size_t size);
void sim_mix_u64(struct sim_mixer *mixer, uint64_t value);
void sim_mix_digest(struct sim_mixer *mixer, const struct csn_digest *digest);
struct csn_digest sim_mixed(const struct sim_mixer *mixer);

/* One (word, a, b, c) is one digest. */
struct csn_digest sim_symbol(const char *word, uint64_t a, uint64_t b, uint64_t c);

void sim_sign(const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
              uint8_t ret_signature[CSN_SIGNATURE_SIZE]);
csn_verify_fn sim_verify; /* `arg` is not used */

#endif
