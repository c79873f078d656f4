/* consign-ceremony: keys are made and moved here, offline, by people at a table. Exit status: 0
 * done, 1 refused or failed with the reason, 2 not understood. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ceremony_arguments.h"
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

int main(int argc, char **argv)
{
    const struct csn_log log = {.program = "consign-ceremony",
                                .least = CSN_ERROR + 1}; /* reasons are printed, once */
    struct csn_ceremony_arguments arguments;
    struct csn_reason reason = {{0}};
    char worker[PATH_MAX];
    csn_ceremony_parse(argc, argv, &arguments);
    check(&arguments);
    find_worker(worker);
    arguments.settings.log = &log;
    if (arguments.settings.worker == NULL) {
        arguments.settings.worker = worker;
    }
    struct csn_ceremony *ceremony = csn_ceremony_new(&arguments.settings, stdout, stderr);
    int code = strcmp(arguments.noun, "key") == 0 ? do_key(ceremony, &arguments, &reason)
                                                  : do_transport(ceremony, &arguments, &reason);
    csn_ceremony_free(ceremony);
    if (code != CSN_OK) {
        fprintf(stderr, "consign-ceremony: %s\n",
                reason.text[0] != '\0' ? reason.text : csn_error_text(code));
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
