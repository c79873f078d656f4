/* flipcert CLUSTER SEED WHOLE SAMPLED: certificates from standard input, one a line in hex: each must be accepted as
 * consign-verify accepts it, and refused with any one bit flipped: every bit of the first WHOLE of them, of each other one SAMPLED
 * bits, one drawn from the seed in each of as many equal stretches. Says how many; exit status 1 and the place where that is not
 * so. */
#include <stdio.h>
#include <stdlib.h>

#include "config/cluster.h"
#include "config/document.h"
#include "round/certificate.h"

#define LINE_MAX (2 * CSN_CERTIFICATE_MAX + 2)

static uint64_t next_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = *seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool is_accepted(const struct csn_cluster *cluster, struct csn_bytes octets)
{
    struct csn_certificate certificate;
    struct csn_reason reason;
    return csn_certificate_read(octets, &certificate, &reason) == CSN_OK &&
           csn_certificate_check(&certificate, cluster, csn_ed25519_verify, NULL, &reason) == CSN_OK;
}

static bool is_refused_flipped(const struct csn_cluster *cluster, struct csn_buf *octets, size_t bit)
{
    uint8_t mask = (uint8_t)(1u << bit % 8);
    octets->data[bit / 8] ^= mask;
    bool is_refused = !is_accepted(cluster, csn_buf_view(octets));
    octets->data[bit / 8] ^= mask;
    if (!is_refused) {
        printf("accepted with bit %zu flipped\n", bit);
    }
    return is_refused;
}

struct count {
    size_t certificates, bits;
};

/* One of the bits of a stretch. */
static size_t draw(uint64_t *seed, size_t bits, size_t stretch, size_t stretches)
{
    size_t from = bits * stretch / stretches, to = bits * (stretch + 1) / stretches;
    return from + (size_t)(next_random(seed) % (to - from));
}

/* `sampled` 0, or more than there are: all bits. */
static bool check(const struct csn_cluster *cluster, struct csn_buf *octets, uint64_t *seed, size_t sampled, struct count *count)
{
    size_t bits = 8 * octets->size, tries = sampled > 0 && sampled < bits ? sampled : bits;
    bool is_good = is_accepted(cluster, csn_buf_view(octets));
    if (!is_good) {
        puts("refused as it is");
    }
    for (size_t i = 0; is_good && i < tries; i++) {
        is_good = is_refused_flipped(cluster, octets, draw(seed, bits, i, tries));
    }
    count->certificates++;
    count->bits += tries;
    return is_good;
}

/* The octets of a line of hex; false: it is none. */
static bool read_line(char *line, struct csn_buf *ret_octets)
{
    csn_buf_clear(ret_octets);
    for (size_t i = 0; line[i] != '\0' && line[i] != '\n'; i += 2) {
        unsigned octet;
        if (sscanf(line + i, "%2x", &octet) != 1) {
            return false;
        }
        csn_buf_put_u8(ret_octets, (uint8_t)octet);
    }
    return ret_octets->size > 0;
}

int main(int argc, char **argv)
{
    struct csn_document document = {0};
    struct csn_cluster cluster;
    struct csn_reason reason = {.text = ""};
    struct csn_buf octets = {0};
    struct count count = {0};
    char *line = csn_alloc(LINE_MAX);
    bool is_good = argc == 5 && csn_document_load(argv[1], &document, &reason) == CSN_OK &&
                   csn_cluster_parse(csn_buf_view(&document.octets), argv[1], &cluster, &reason) == CSN_OK;
    if (!is_good) {
        fprintf(stderr, "usage: flipcert CLUSTER SEED WHOLE SAMPLED < hex; %s\n", reason.text);
    }
    uint64_t seed = is_good ? strtoull(argv[2], NULL, 10) : 0;
    size_t whole = is_good ? strtoul(argv[3], NULL, 10) : 0, sampled = is_good ? strtoul(argv[4], NULL, 10) : 0;
    while (is_good && fgets(line, LINE_MAX, stdin) != NULL) {
        is_good = read_line(line, &octets) && check(&cluster, &octets, &seed, count.certificates < whole ? 0 : sampled, &count);
    }
    if (is_good) {
        printf("%zu certificates accepted, %zu flipped bits refused\n", count.certificates, count.bits);
    }
    csn_document_fini(&document);
    csn_buf_fini(&octets);
    free(line);
    return is_good && count.certificates > 0 ? 0 : 1;
}
