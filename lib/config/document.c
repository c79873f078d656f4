#include "config/document.h"

#include <string.h>

#include "base/fs.h"
#include "config/yaml.h"

int csn_document_load(const char *path, struct csn_document *ret_document,
                      struct csn_reason *reason)
{
    struct csn_document document = {0};
    struct csn_reason cause = {.text = ""};
    int code = csn_fs_read(path, CSN_YAML_SIZE_MAX, &document.octets, &cause);
    if (code != CSN_OK) {
        csn_buf_fini(&document.octets);
        /* The cause begins with the path, which stands first in ours. */
        size_t skip = strlen(path) + 2;
        return csn_reason_set(reason, code, "%s: cannot be read: %s", path,
                              strlen(cause.text) > skip ? cause.text + skip : csn_error_text(code));
    }
    csn_sha384(csn_buf_view(&document.octets), &document.digest);
    *ret_document = document;
    return CSN_OK;
}

void csn_document_fini(struct csn_document *document)
{
    csn_buf_fini(&document->octets);
}
