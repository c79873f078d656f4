/* consign-ceremony: keys are made and moved here, offline, by people at a table. Exit status: 0
 * done, 1 refused or failed with the reason, 2 not understood. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ceremony_arguments.h"
#include "config/cluster.h"
#include "hsm/ceremony.h"

static void need(bool is_there, const char *what)
{
    if (!is_there) {
        csn_ceremony_refuse("missing", what);
    }
}

static void refuse_word(const char *word)
{
    if (word != NULL) {
        csn_ceremony_refuse("one word too many", word);
    }
}

static int do_key(struct csn_ceremony *ceremony, const struct csn_ceremony_arguments *arguments,
                  struct csn_reason *reason)
{
    uint8_t algorithm = (uint8_t)arguments->algorithm;
    if (strcmp(arguments->verb, "generate") == 0) {
        return csn_ceremony_generate(ceremony, &arguments->keys[0], arguments->flags, algorithm,
                                     (unsigned)arguments->bits, !arguments->is_sealed, reason);
    }
    return csn_ceremony_show(ceremony, &arguments->keys[0], arguments->flags, algorithm, reason);
}

static int do_transport(struct csn_ceremony *ceremony,
                        const struct csn_ceremony_arguments *arguments, struct csn_reason *reason)
{
    if (strcmp(arguments->verb, "request") == 0) {
        return csn_ceremony_request(ceremony, arguments->file, arguments->transport_label, reason);
    }
    if (strcmp(arguments->verb, "import") == 0) {
        return csn_ceremony_import(ceremony, arguments->file, reason);
    }
    int code = CSN_OK;
    if (strcmp(arguments->verb, "export") == 0) {
        code = csn_ceremony_export(ceremony, arguments->file, arguments->request, arguments->keys,
                                   arguments->key_count, reason);
    }
    if (code == CSN_OK && (arguments->seals || strcmp(arguments->verb, "seal") == 0)) {
        code = csn_ceremony_seal(ceremony, arguments->keys, arguments->key_count, reason);
    }
    return code;
}

/* --- officers: no token */

static bool is_officers(const struct csn_ceremony_arguments *arguments)
{
    return strcmp(arguments->noun, "officer") == 0 || strcmp(arguments->noun, "emergency") == 0;
}

static bool is_text(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return size > 0 && size <= CSN_EMERGENCY_TEXT_MAX;
}

static void check_emergency(const struct csn_officer_arguments *officer)
{
    need(officer->keep != NULL, "--keep");
    need(officer->reason != NULL && is_text(officer->reason), "--reason, 1 to 200 printable ASCII characters");
    need(officer->fenced != NULL && is_text(officer->fenced),
         "--fenced: how the lost sites are kept from voting, 1 to 200 printable ASCII characters");
    need(officer->hours > 0, "--hours, 1 to 72");
    need(officer->file_count > 0, "--base");
}

static void check_officer(const struct csn_ceremony_arguments *arguments)
{
    const struct csn_officer_arguments *officer = &arguments->officer;
    const char *verb = arguments->verb;
    bool is_emergency = strcmp(arguments->noun, "emergency") == 0, is_new = strcmp(verb, "new") == 0;
    bool is_end = is_emergency && strcmp(verb, "end") == 0;
    bool is_sign = strcmp(verb, "sign") == 0, is_combine = strcmp(verb, "combine") == 0;
    refuse_word(arguments->file);
    if (!is_new && !is_end && (is_emergency || (!is_sign && !is_combine))) {
        csn_ceremony_refuse(is_emergency ? "emergency does not know" : "officer does not know", verb);
    }
    need(officer->out != NULL, "--out");
    if (is_new && !is_emergency) {
        need(officer->name != NULL && csn_site_name_is_good(officer->name),
             "--name, lower-case letters, digits and hyphens, at most 31");
        return;
    }
    need(officer->cluster != NULL, "--cluster: the present cluster document");
    need(!is_end || officer->before != NULL, "--before: the last cluster document before the emergency");
    if (is_end) {
        return;
    }
    if (is_emergency) {
        check_emergency(officer);
        return;
    }
    need(officer->document != NULL, "--document: the next cluster document");
    need(!is_sign || officer->key != NULL, "--key");
    need(!is_combine || officer->file_count > 0, "--signature");
}

static int do_officer(const struct csn_ceremony_arguments *arguments, struct csn_reason *reason)
{
    const struct csn_officer_arguments *officer = &arguments->officer;
    if (strcmp(arguments->noun, "emergency") == 0) {
        return strcmp(arguments->verb, "end") == 0 ? csn_officer_end_emergency(officer, stdout, reason)
                                                   : csn_officer_emergency(officer, stdout, reason);
    }
    return strcmp(arguments->verb, "new") == 0    ? csn_officer_new(officer, stdout, reason)
           : strcmp(arguments->verb, "sign") == 0 ? csn_officer_sign(officer, stdout, reason)
                                                  : csn_officer_combine(officer, stdout, reason);
}

/* Whatever can be refused is refused before a token is touched. */
static void check_command(const struct csn_ceremony_arguments *arguments)
{
    const char *verb = arguments->verb;
    if (strcmp(arguments->noun, "key") == 0 &&
        (strcmp(verb, "generate") == 0 || strcmp(verb, "show") == 0)) {
        refuse_word(arguments->file);
        need(arguments->key_count == 1, "--label, once");
        need(arguments->algorithm != 0, "--algorithm");
        need(arguments->flags != 0, "--role");
        need(arguments->bits == 2048 || arguments->bits == 3072, "--bits 2048 or 3072");
        return;
    }
    bool is_export = strcmp(verb, "export") == 0, is_seal = strcmp(verb, "seal") == 0;
    bool is_key = strcmp(arguments->noun, "key") == 0;
    if (!is_key && strcmp(arguments->noun, "transport") != 0) {
        csn_ceremony_refuse("unknown command", arguments->noun);
    }
    if (is_key ||
        (!is_export && !is_seal && strcmp(verb, "request") != 0 && strcmp(verb, "import") != 0)) {
        csn_ceremony_refuse(is_key ? "key does not know" : "transport does not know", verb);
    }
    need(is_seal || arguments->file != NULL, "FILE");
    refuse_word(is_seal ? arguments->file : NULL);
    need(!is_export || arguments->request != NULL, "--request");
    need(!(is_export || is_seal) || arguments->key_count > 0, "--label");
}

static void check(const struct csn_ceremony_arguments *arguments)
{
    if (is_officers(arguments)) {
        check_officer(arguments);
        return;
    }
    check_command(arguments);
    need(arguments->settings.token != NULL, "--token");
}

/* consign-hsm lies beside this program unless told otherwise. */
static void find_worker(char ret_path[PATH_MAX])
{
    static const char name[] = "consign-hsm";
    ssize_t size = readlink("/proc/self/exe", ret_path, PATH_MAX - sizeof(name));
    size_t folder = size > 0 ? (size_t)size : 0;
    while (folder > 0 && ret_path[folder - 1] != '/') {
        folder--;
    }
    memcpy(ret_path + folder, name, sizeof(name));
}

static int do_token(struct csn_ceremony_arguments *arguments, struct csn_reason *reason)
{
    const struct csn_log log = {.program = "consign-ceremony",
                                .least = CSN_ERROR + 1}; /* reasons are printed, once */
    char worker[PATH_MAX];
    find_worker(worker);
    arguments->settings.log = &log;
    if (arguments->settings.worker == NULL) {
        arguments->settings.worker = worker;
    }
    struct csn_ceremony *ceremony = csn_ceremony_new(&arguments->settings, stdout, stderr);
    int code = strcmp(arguments->noun, "key") == 0 ? do_key(ceremony, arguments, reason)
                                                   : do_transport(ceremony, arguments, reason);
    csn_ceremony_free(ceremony);
    return code;
}

int main(int argc, char **argv)
{
    struct csn_ceremony_arguments arguments;
    struct csn_reason reason = {{0}};
    csn_ceremony_parse(argc, argv, &arguments);
    check(&arguments);
    int code = is_officers(&arguments) ? do_officer(&arguments, &reason) : do_token(&arguments, &reason);
    if (code != CSN_OK) {
        fprintf(stderr, "consign-ceremony: %s\n",
                reason.text[0] != '\0' ? reason.text : csn_error_text(code));
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
