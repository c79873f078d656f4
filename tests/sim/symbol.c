#include "sim/symbol.h"

#include <string.h>

#include "sim/random.h"

struct sim_mixer sim_mixer(const char *word)
{
    struct sim_mixer mixer = {0};
    sim_mix(&mixer, word, strlen(word));
    return mixer;
}

void sim_mix(struct sim_mixer *mixer, const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        sim_mix_u64(mixer, csn_get_u64(at));
    }
    uint64_t tail = size;
    for (; left > 0; left--, at++) {
        tail = tail << 8 | *at;
    }
    sim_mix_u64(mixer, tail);
}

void sim_mix_u64(struct sim_mixer *mixer, uint64_t value)
{
    mixer->state = sim_mix64(mixer->state + UINT64_C(0x9e3779b97f4a7c15)) ^
                   sim_mix64(value ^ UINT64_C(0x5851f42d4c957f2d));
}

void sim_mix_digest(struct sim_mixer *mixer, const struct csn_digest *digest)
{
    sim_mix(mixer, digest->octets, sizeof(digest->octets));
}

static void expand(uint64_t state, uint8_t *octets, size_t size)
{
    struct sim_random random = {state};
    for (size_t i = 0; i < size; i += 8) {
        csn_set_u64(octets + i, sim_next(&random));
    }
}

struct csn_digest sim_mixed(const struct sim_mixer *mixer)
{
    struct csn_digest digest;
    expand(mixer->state, digest.octets, sizeof(digest.octets));
    return digest;
}

struct csn_digest sim_symbol(const char *word, uint64_t a, uint64_t b, uint64_t c)
{
    struct sim_mixer mixer = sim_mixer(word);
    sim_mix_u64(&mixer, a);
    sim_mix_u64(&mixer, b);
    sim_mix_u64(&mixer, c);
    return sim_mixed(&mixer);
}

void sim_sign(const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
              uint8_t ret_signature[CSN_SIGNATURE_SIZE])
{
    struct sim_mixer mixer = sim_mixer("mac");
    sim_mix(&mixer, key, CSN_ED25519_SIZE);
    sim_mix(&mixer, message.data, message.size);
    expand(mixer.state, ret_signature, CSN_SIGNATURE_SIZE);
}

bool sim_verify(void *arg, const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
                const uint8_t signature[CSN_SIGNATURE_SIZE])
{
    uint8_t wanted[CSN_SIGNATURE_SIZE];
    (void)arg;
    sim_sign(key, message, wanted);
    return memcmp(wanted, signature, sizeof(wanted)) == 0;
}
