#include "ctl_membership.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "ctl_render.h"
#include "ops/control.h"

#define TIMEOUT_MS 5000

static int propose(const char *socket, const char *path, bool is_anyway, struct csn_reason *reason)
{
    struct csn_buf document = {0};
    int code = csn_fs_read(path, CSN_CONTROL_DOCUMENT_MAX, &document, reason);
    if (code == CSN_OK && document.size == 0) {
        code = csn_reason_set(reason, CSN_EFORMAT, "%s: empty; consign-ceremony officer combine writes a signed document", path);
    }
    if (code == CSN_OK) {
        code = csn_control_propose(socket, TIMEOUT_MS, csn_buf_view(&document), is_anyway, reason);
    }
    csn_buf_fini(&document);
    if (code == CSN_OK) {
        puts("taken: it goes to the other sites, and begins when a quorum has it; consignctl membership show");
    }
    return code;
}

static int show(const char *socket, bool is_json, struct csn_reason *reason)
{
    struct csn_membership membership = {.epoch = 0};
    struct csn_buf text = {0};
    int code = csn_control_ask_membership(socket, TIMEOUT_MS, &membership, reason);
    if (code == CSN_OK && is_json) {
        csn_ctl_json_membership(stdout, &membership, (uint64_t)time(NULL));
    } else if (code == CSN_OK) {
        csn_membership_write(&membership, &text);
        fwrite(text.data, 1, text.size, stdout);
    }
    csn_buf_fini(&text);
    csn_membership_fini(&membership);
    return code;
}

static int show_chain(const char *socket, struct csn_reason *reason)
{
    struct csn_buf text = {0};
    int code = csn_control_ask_chain(socket, TIMEOUT_MS, &text, reason);
    if (code == CSN_OK) {
        fwrite(text.data, 1, text.size, stdout);
    }
    csn_buf_fini(&text);
    return code;
}

int csn_ctl_membership(const char *socket, bool is_json, bool is_anyway, int count, char **words, const char **ret_wrong)
{
    bool is_propose = count > 0 && strcmp(words[0], "propose") == 0;
    bool is_show = count > 0 && strcmp(words[0], "show") == 0;
    bool is_chain = count > 0 && strcmp(words[0], "chain") == 0;
    *ret_wrong = !is_propose && !is_show && !is_chain    ? "membership: propose FILE, show or chain"
                 : is_propose && count < 2               ? "membership propose: the signed document's file is missing"
                 : count > (is_propose ? 2 : 1)          ? "membership: one word too many"
                 : is_json && !is_show                   ? "-o json: of membership show alone"
                 : is_anyway && !is_propose              ? "--anyway: of membership propose alone"
                                                         : NULL;
    if (*ret_wrong != NULL) {
        return CSN_EFORMAT;
    }
    struct csn_reason reason = {{0}};
    int code = is_propose ? propose(socket, words[1], is_anyway, &reason)
               : is_chain ? show_chain(socket, &reason)
                          : show(socket, is_json, &reason);
    if (code != CSN_OK) {
        fprintf(stderr, "consignctl: %s\n", reason.text);
    }
    return code;
}
