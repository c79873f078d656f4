/* consign-verify: cluster document, certificate and zone file -> verdict, offline. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/chain.h"
#include "config/cluster.h"
#include "config/document.h"
#include "pull.h"
#include "verdict.h"

enum { GO_ON = -1, EXIT_GOOD = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_OTHER_EPOCH = 3 };

#define ZONE_FILE_MAX ((size_t)64 << 30)
#define SECRET_FILE_MAX ((size_t)4096)
#define CERTIFICATE_FILE_MAX ((size_t)64 * 1024) /* hex with line ends */

struct inputs {
    const char *cluster_path, *certificate_path, *zone_path; /* borrow from argv */
    const char *chain_path;                                  /* the same */
    const char *server, *key;                                /* the same */
    const char *secret_path;                                 /* the same */
    struct csn_document document;                            /* owns */
    struct csn_cluster cluster;
    struct csn_buf certificate, zone, secret, chain;         /* own */
};

static int put_help(void)
{
    puts("usage: consign-verify --cluster FILE [--chain FILE] --cert FILE --zone FILE | --server ADDRESS[@PORT]\n"
         "\n"
         "Says whether a quorum of the cluster certified exactly the zone in the file, or the one "
         "that the server gives.\n"
         "  --cluster FILE  the cluster document of the certificate's epoch\n"
         "  --chain FILE    or any one that you trust, with the chain of epochs that holds it\n"
         "                  (consignctl membership chain)\n"
         "  --cert FILE     the certificate, as octets or in hex\n"
         "  --zone FILE     the signed zone in presentation form, such as dig or a secondary "
         "writes it\n"
         "  --server ADDRESS[@PORT]  transfer the zone from there (AXFR)\n"
         "  --tsig NAME --secret FILE  the key for it (hmac-sha256; base64)\n"
         "  -h, --help      this text\n"
         "  --version       the version of this program\n"
         "\n"
         "Exit status: 0 good, 1 refused, 2 wrong usage, or what cannot be read,\n"
         "3 cannot tell: the certificate is of another epoch than the documents given.");
    return EXIT_GOOD;
}

static int put_usage(void)
{
    fputs("usage: consign-verify --cluster FILE --cert FILE --zone FILE | --server ADDRESS[@PORT]\n"
          "consign-verify --help says more\n",
          stderr);
    return EXIT_USAGE;
}

static int misuse(const char *what, const char *which)
{
    fprintf(stderr, "consign-verify: %s%s\n", what, which);
    return put_usage();
}

/* GO_ON, or the status to leave with. */
static int parse_arguments(int argc, char **argv, struct inputs *inputs)
{
    static const struct option options[] = {
        {"cluster", required_argument, NULL, 'c'}, {"cert", required_argument, NULL, 'e'},
        {"chain", required_argument, NULL, 'n'},
        {"zone", required_argument, NULL, 'z'},    {"server", required_argument, NULL, 's'},
        {"tsig", required_argument, NULL, 't'},    {"secret", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            inputs->cluster_path = optarg;
            break;
        case 'e':
            inputs->certificate_path = optarg;
            break;
        case 'n':
            inputs->chain_path = optarg;
            break;
        case 'z':
            inputs->zone_path = optarg;
            break;
        case 's':
            inputs->server = optarg;
            break;
        case 't':
            inputs->key = optarg;
            break;
        case 'f':
            inputs->secret_path = optarg;
            break;
        case 'h':
            return put_help();
        case 'V':
            puts("consign-verify " CONSIGN_VERSION);
            return EXIT_GOOD;
        default:
            return put_usage(); /* getopt said what is wrong */
        }
    }
    const char *missing = inputs->cluster_path == NULL       ? "--cluster"
                          : inputs->certificate_path == NULL ? "--cert"
                          : inputs->zone_path == NULL && inputs->server == NULL
                              ? "--zone or --server"
                          : inputs->key == NULL && inputs->secret_path != NULL ? "--tsig"
                          : inputs->key != NULL && inputs->secret_path == NULL ? "--secret"
                                                                               : NULL;
    if (optind != argc) {
        return misuse("one word too many: ", argv[optind]);
    }
    if (inputs->zone_path != NULL && inputs->server != NULL) {
        return misuse("one of two: ", "--zone or --server");
    }
    return missing != NULL ? misuse("missing: ", missing) : GO_ON;
}

static int read_inputs(struct inputs *inputs, struct csn_reason *reason)
{
    int code = csn_document_load(inputs->cluster_path, &inputs->document, reason);
    if (code == CSN_OK) {
        code = csn_cluster_parse(csn_buf_view(&inputs->document.octets), inputs->cluster_path,
                                 &inputs->cluster, reason);
    }
    if (code == CSN_OK) {
        code = csn_fs_read(inputs->certificate_path, CERTIFICATE_FILE_MAX, &inputs->certificate,
                           reason);
    }
    if (code == CSN_OK && inputs->zone_path != NULL) {
        code = csn_fs_read(inputs->zone_path, ZONE_FILE_MAX, &inputs->zone, reason);
    }
    if (code == CSN_OK && inputs->chain_path != NULL) {
        code = csn_fs_read(inputs->chain_path, CSN_CHAIN_MAX, &inputs->chain, reason);
    }
    if (code == CSN_OK && inputs->secret_path != NULL) {
        code = csn_fs_read(inputs->secret_path, SECRET_FILE_MAX, &inputs->secret, reason);
        while (inputs->secret.size > 0 && inputs->secret.data[inputs->secret.size - 1] <= ' ') {
            inputs->secret.size--;
        }
        csn_buf_put_u8(&inputs->secret, 0);
    }
    return code;
}

/* The document of the certificate's epoch, along the chain from the trusted one. CSN_ENOTFOUND: it ends before. */
static int follow_chain(struct inputs *inputs, uint32_t epoch, struct csn_reason *reason)
{
    struct csn_chain chain = {0};
    int code = csn_chain_decode(csn_buf_view(&inputs->chain), inputs->chain_path, &chain, reason);
    if (code == CSN_OK && !csn_chain_holds(&chain, &inputs->cluster)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "%s: not the chain of the document %s", inputs->chain_path, inputs->cluster_path);
    }
    if (code == CSN_OK && csn_chain_find(&chain, epoch) == NULL) {
        code = csn_reason_set(reason, CSN_ENOTFOUND,
                              "%s: does not reach the certificate's epoch, %" PRIu32 "; ask a site for a newer one (consignctl "
                              "membership chain)",
                              inputs->chain_path, epoch);
    }
    if (code == CSN_OK) {
        inputs->cluster = csn_chain_find(&chain, epoch)->cluster;
    }
    csn_chain_fini(&chain);
    return code;
}

/* CSN_ENOTFOUND: the documents given do not tell of the certificate's epoch, which proves nothing against it. A certificate of
 * another cluster is refused by its own check. */
static int find_epoch(struct inputs *inputs, const struct csn_certificate *certificate, struct csn_reason *reason)
{
    const struct csn_proposal *proposal = &certificate->held.proposal;
    const struct csn_cluster *cluster = &inputs->cluster;
    if (memcmp(proposal->cluster, cluster->id, sizeof(proposal->cluster)) != 0) {
        return CSN_OK;
    }
    if (inputs->chain_path != NULL) {
        return follow_chain(inputs, proposal->epoch, reason);
    }
    return proposal->epoch == cluster->epoch
               ? CSN_OK
               : csn_reason_set(reason, CSN_ENOTFOUND,
                                "%s: certificate of epoch %" PRIu32 ", %s is of epoch %" PRIu32 "; give the document of that epoch, "
                                "or --chain too",
                                inputs->certificate_path, proposal->epoch, inputs->cluster_path, cluster->epoch);
}

static int read_certificate(const struct inputs *inputs, struct csn_certificate *ret_certificate, struct csn_reason *reason)
{
    struct csn_reason why = {{0}};
    int code = csn_certificate_read(csn_buf_view(&inputs->certificate), ret_certificate, &why);
    return csn_reason_set(reason, code, "%s: %.300s", inputs->certificate_path, why.text);
}

static void print_digest(const char *what, const struct csn_digest *digest)
{
    char hex[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(digest->octets, sizeof(digest->octets)), hex);
    printf("  %-12s %s\n", what, hex);
}

static void print_good(const struct csn_cluster *cluster, const struct csn_certificate *certificate,
                       const struct csn_verdict *verdict)
{
    const struct csn_proposal *proposal = &certificate->held.proposal;
    char name[CSN_NAME_TEXT_MAX], signed_at[CSN_TIME_TEXT_SIZE], expiry[CSN_TIME_TEXT_SIZE];
    csn_name_text(proposal->zone, name);
    csn_time_text(proposal->time_s, signed_at);
    csn_time_text(verdict->found.earliest_expiry_s, expiry);
    printf("good: %s serial %" PRIu32 " is certified, octet for octet, by", name, proposal->serial);
    for (unsigned i = 0; i < certificate->vote_count; i++) {
        printf("%s %s", i > 0 ? "," : "",
               csn_cluster_member(cluster, certificate->votes[i].site)->name);
    }
    printf(" (quorum %u of %u)\n", cluster->quorum, cluster->member_count);
    printf("  %-12s %s, epoch %" PRIu32 ", round %" PRIu64 ".%u.%" PRIu32 "\n", "signed at",
           signed_at, proposal->epoch, proposal->round.term.counter,
           proposal->round.term.coordinator, proposal->round.seq);
    printf("  %-12s %" PRIu64 ", %" PRIu64 " signatures, the first expires %s\n", "records",
           verdict->found.records, verdict->found.signatures, expiry);
    print_digest("content root", &verdict->found.content);
    print_digest("full root", &verdict->found.full);
}

static int reach_served(const struct inputs *inputs, const struct csn_certificate *certificate,
                        struct csn_verdict *ret_verdict, struct csn_reason *reason)
{
    struct csn_pull pull = {.server = inputs->server,
                            .key = inputs->key,
                            .secret = (const char *)inputs->secret.data};
    const uint8_t *apex = certificate->held.proposal.zone;
    struct csn_signed *zone = csn_signed_new(apex);
    int code = csn_pull_zone(&pull, apex, zone, reason);
    if (code == CSN_OK) {
        code = csn_verdict_reach_zone(&inputs->cluster, certificate, zone, inputs->server, ret_verdict,
                                      reason);
    }
    csn_signed_free(zone);
    return code;
}

static int reach(const struct inputs *inputs, const struct csn_certificate *certificate,
                 struct csn_verdict *ret_verdict, struct csn_reason *reason)
{
    return inputs->server != NULL
               ? reach_served(inputs, certificate, ret_verdict, reason)
               : csn_verdict_reach(&inputs->cluster, certificate, csn_buf_view(&inputs->zone),
                                   inputs->zone_path, ret_verdict, reason);
}

/* The verdict is said, and what the program ends with. */
static int judge(struct inputs *inputs)
{
    struct csn_certificate certificate;
    struct csn_verdict verdict;
    struct csn_reason reason = {.text = ""};
    int code = read_certificate(inputs, &certificate, &reason);
    if (code == CSN_OK) {
        code = find_epoch(inputs, &certificate, &reason);
        if (code == CSN_ENOTFOUND) {
            printf("cannot tell: %s\n", reason.text);
            return EXIT_OTHER_EPOCH;
        }
    }
    if (code == CSN_OK) {
        code = reach(inputs, &certificate, &verdict, &reason);
    }
    if (code == CSN_ECLOSED) {
        fprintf(stderr, "%s\n", reason.text); /* nobody there is no verdict */
        return EXIT_USAGE;
    }
    if (code != CSN_OK) {
        printf("refused: %s\n", reason.text);
        return EXIT_REFUSED;
    }
    print_good(&inputs->cluster, &certificate, &verdict);
    return EXIT_GOOD;
}

int main(int argc, char **argv)
{
    struct inputs inputs = {0};
    struct csn_reason reason = {.text = ""};
    int status = parse_arguments(argc, argv, &inputs);
    if (status != GO_ON) {
        return status;
    }
    if (read_inputs(&inputs, &reason) == CSN_OK) {
        status = judge(&inputs);
    } else {
        fprintf(stderr, "%s\n", reason.text);
        status = EXIT_USAGE;
    }
    csn_document_fini(&inputs.document);
    csn_buf_fini(&inputs.certificate);
    csn_buf_fini(&inputs.zone);
    csn_buf_fini(&inputs.secret);
    csn_buf_fini(&inputs.chain);
    return status;
}
