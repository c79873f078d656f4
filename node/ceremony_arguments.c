#include "ceremony_arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "hsm/ceremony.h"

#define DEADLINE_MS 120000 /* a small HSM takes its time over an RSA pair */

static const char help[] =
    "usage: consign-ceremony key generate TOKEN --label L --algorithm N --role ksk|zsk [--id HEX] "
    "[--bits N] [--sealed]\n"
    "       consign-ceremony key show TOKEN --label L --algorithm N --role ksk|zsk [--id HEX]\n"
    "       consign-ceremony transport request FILE TOKEN [--transport-label L]\n"
    "       consign-ceremony transport export FILE TOKEN --request FILE --label L [--label L]... "
    "[--seal]\n"
    "       consign-ceremony transport import FILE TOKEN\n"
    "       consign-ceremony transport seal TOKEN --label L [--label L]...\n"
    "       consign-ceremony officer new --name NAME --out FILE\n"
    "       consign-ceremony officer sign --key FILE --cluster PRESENT --document NEXT --out FILE\n"
    "       consign-ceremony officer combine --cluster PRESENT --document NEXT --signature FILE... --out FILE\n"
    "       consign-ceremony emergency new --cluster PRESENT --keep SITE,... --reason TEXT --fenced TEXT "
    "--hours N --base CERT... [--chain FILE] [--serial-offset N] --out FILE\n"
    "       consign-ceremony emergency end --cluster PRESENT --before DOCUMENT --out FILE\n"
    "       consign-ceremony --help | --version\n"
    "TOKEN: --module FILE --token URI --pin-file FILE [--worker PROGRAM] [--folder FOLDER] "
    "[--deadline SPAN]\n"
    "\n"
    "  key generate       a new key pair in the token; prints its DNSKEY\n"
    "  key show           the DNSKEY of a key in the token\n"
    "  transport request  a transport key in the token that is to receive keys; FILE goes to the "
    "sender\n"
    "  transport export   wraps keys for that request; FILE goes back\n"
    "  transport import   unwraps them; the transport key is destroyed\n"
    "  transport seal     no export any more\n"
    "  officer new        an officer's key in a file; prints its lines for the cluster document\n"
    "  officer sign       shows what changes from the present cluster document to the next, and signs that\n"
    "  officer combine    the next document with enough signatures, for consignctl membership propose\n"
    "  emergency new      the document by which the sites kept go on alone: refreshes only, N hours (72 at most),\n"
    "                     from these certificates (consignctl cert show); --chain (consignctl membership chain)\n"
    "                     where one is of an earlier epoch\n"
    "  emergency end      the document that takes back the members of the one before the emergency\n"
    "Exit status: 0 done, 1 refused or failed, 2 not understood.\n";

_Noreturn static void leave_with_usage(void)
{
    fputs("usage: consign-ceremony key generate|show ... | transport request|export|import|seal ... |\n"
          "       officer new|sign|combine ... | emergency new|end ...\n"
          "consign-ceremony --help says more\n",
          stderr);
    exit(2);
}

_Noreturn void csn_ceremony_refuse(const char *what, const char *value)
{
    fprintf(stderr, "consign-ceremony: %s%s%s\n", what, value != NULL ? ": " : "",
            value != NULL ? value : "");
    leave_with_usage();
}

_Noreturn static void leave_with(const char *text)
{
    fputs(text, stdout);
    exit(fflush(stdout) == 0 ? 0 : 1);
}

static void add_label(struct csn_ceremony_arguments *arguments, const char *label)
{
    if (arguments->key_count == CSN_HSM_WRAP_MAX || !csn_hsm_label_is_good(label)) {
        csn_ceremony_refuse("not a label, or too many", label);
    }
    arguments->keys[arguments->key_count++].label = label;
}

static void set_id(struct csn_ceremony_arguments *arguments, const char *hex)
{
    arguments->id_size = strlen(hex) / 2;
    if (arguments->id_size == 0 || arguments->id_size > CSN_HSM_ID_MAX || strlen(hex) % 2 != 0 ||
        csn_hex_decode(hex, arguments->id, arguments->id_size) != CSN_OK) {
        csn_ceremony_refuse("--id takes 1 to 64 octets in hex", hex);
    }
}

static uint64_t number(const char *text, uint64_t max)
{
    uint64_t value = 0;
    if (csn_number_parse(text, max, &value) != CSN_OK) {
        csn_ceremony_refuse("not a number that fits", text);
    }
    return value;
}

static unsigned deadline_ms(const char *text)
{
    uint64_t span_s = 0;
    if (csn_span_parse(text, &span_s) != CSN_OK || span_s < 1 || span_s > 86400) {
        csn_ceremony_refuse("--deadline takes a span from 1s to 1d", text);
    }
    return (unsigned)span_s * 1000;
}

static uint16_t flags_of(const char *role)
{
    if (strcmp(role, "ksk") != 0 && strcmp(role, "zsk") != 0) {
        csn_ceremony_refuse("--role is ksk or zsk", role);
    }
    return role[0] == 'k' ? CSN_CEREMONY_KSK : CSN_CEREMONY_ZSK;
}

static void add_file(struct csn_officer_arguments *officer, const char *file)
{
    if (officer->file_count == CSN_OFFICER_FILES_MAX) {
        csn_ceremony_refuse("too many files", file);
    }
    officer->files[officer->file_count++] = file;
}

/* Of officers; false: not one of theirs. */
static bool set_officer_option(struct csn_officer_arguments *officer, int option, const char *value)
{
    switch (option) {
    case 'n':
        officer->name = value;
        return true;
    case 'o':
        officer->out = value;
        return true;
    case 'k':
        officer->key = value;
        return true;
    case 'D':
        officer->document = value;
        return true;
    case 'c':
        officer->cluster = value;
        return true;
    case 'g':
        add_file(officer, value);
        return true;
    case 'B':
        officer->before = value;
        return true;
    case 'K':
        officer->keep = value;
        return true;
    case 'R':
        officer->reason = value;
        return true;
    case 'F':
        officer->fenced = value;
        return true;
    case 'H':
        officer->hours = number(value, 72);
        return true;
    case 'C':
        officer->chain = value;
        return true;
    case 'O':
        officer->serial_offset = number(value, UINT32_MAX);
        return true;
    default:
        return false;
    }
}

static void set_option(struct csn_ceremony_arguments *arguments, int option, const char *value)
{
    if (set_officer_option(&arguments->officer, option, value)) {
        return;
    }
    switch (option) {
    case 'm':
        arguments->settings.module = value;
        break;
    case 't':
        arguments->settings.token = value;
        break;
    case 'p':
        arguments->settings.pin_file = value;
        break;
    case 'w':
        arguments->settings.worker = value;
        break;
    case 'f':
        arguments->settings.folder = value;
        break;
    case 'd':
        arguments->settings.deadline_ms = deadline_ms(value);
        break;
    case 'l':
        add_label(arguments, value);
        break;
    case 'i':
        set_id(arguments, value);
        break;
    case 'a':
        arguments->algorithm = number(value, UINT8_MAX);
        break;
    case 'b':
        arguments->bits = number(value, 3072);
        break;
    case 'r':
        arguments->flags = flags_of(value);
        break;
    case 'q':
        arguments->request = value;
        break;
    case 'T':
        arguments->transport_label = value;
        break;
    case 's':
        arguments->seals = true;
        break;
    case 'S':
        arguments->is_sealed = true;
        break;
    case 'h':
        leave_with(help);
    case 'V':
        leave_with("consign-ceremony " CONSIGN_VERSION "\n");
    default:
        leave_with_usage(); /* getopt said what is wrong */
    }
}

/* The second would silently take the first's place: of two `--keep` a site would be left out of an emergency. */
static void refuse_twice(int option, const char *name, uint64_t *seen)
{
    uint64_t bit = option >= 'A' && option <= 'z' ? UINT64_C(1) << (option - 'A') : 0;
    bool may_repeat = option == 'l' || option == 'g';
    if (!may_repeat && (*seen & bit) != 0) {
        csn_ceremony_refuse(option == 'K' ? "given twice; name all sites that are kept in one, with commas between" : "given twice",
                            name);
    }
    *seen |= bit;
}

void csn_ceremony_parse(int argc, char **argv, struct csn_ceremony_arguments *ret_arguments)
{
    static const struct option options[] = {
        {"module", 1, NULL, 'm'},    {"token", 1, NULL, 't'},   {"pin-file", 1, NULL, 'p'},
        {"worker", 1, NULL, 'w'},    {"folder", 1, NULL, 'f'},  {"deadline", 1, NULL, 'd'},
        {"label", 1, NULL, 'l'},     {"id", 1, NULL, 'i'},      {"bits", 1, NULL, 'b'},
        {"algorithm", 1, NULL, 'a'}, {"role", 1, NULL, 'r'},    {"request", 1, NULL, 'q'},
        {"seal", 0, NULL, 's'},      {"sealed", 0, NULL, 'S'},  {"transport-label", 1, NULL, 'T'},
        {"name", 1, NULL, 'n'},      {"out", 1, NULL, 'o'},     {"key", 1, NULL, 'k'},
        {"document", 1, NULL, 'D'},  {"cluster", 1, NULL, 'c'}, {"signature", 1, NULL, 'g'},
        {"keep", 1, NULL, 'K'},      {"reason", 1, NULL, 'R'},  {"fenced", 1, NULL, 'F'},
        {"hours", 1, NULL, 'H'},     {"base", 1, NULL, 'g'},    {"serial-offset", 1, NULL, 'O'},
        {"chain", 1, NULL, 'C'},
        {"before", 1, NULL, 'B'},
        {"help", 0, NULL, 'h'},      {"version", 0, NULL, 'V'}, {NULL, 0, NULL, 0}};
    struct csn_ceremony_arguments *arguments = ret_arguments;
    int option, index = 0;
    uint64_t seen = 0;
    *arguments =
        (struct csn_ceremony_arguments){.transport_label = "consign-transport",
                                        .bits = 2048,
                                        .settings = {.sessions = 1, .deadline_ms = DEADLINE_MS}};
    while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
        refuse_twice(option, options[index].name, &seen);
        set_option(arguments, option, optarg);
    }
    const char **words[] = {&arguments->noun, &arguments->verb, &arguments->file};
    for (size_t i = 0; i < 3 && optind < argc; i++) {
        *words[i] = argv[optind++];
    }
    if (optind < argc) {
        csn_ceremony_refuse("one word too many", argv[optind]);
    }
    if (arguments->noun == NULL || arguments->verb == NULL) {
        csn_ceremony_refuse("no command; what is to be done?", NULL);
    }
    if (arguments->id_size > 0 && arguments->key_count == 1) {
        arguments->keys[0].id = csn_bytes(arguments->id, arguments->id_size);
    } else if (arguments->id_size > 0) {
        csn_ceremony_refuse("--id goes with one --label", NULL);
    }
}
