/* ceremony_arguments.h: the command line of consign-ceremony as typed values. */
#ifndef CSN_NODE_CEREMONY_ARGUMENTS_H
#define CSN_NODE_CEREMONY_ARGUMENTS_H

#include "ceremony_officer.h"
#include "hsm/client.h"

struct csn_ceremony_arguments {
    const char *noun, *verb, *file, *request, *transport_label; /* borrow from argv */
    struct csn_hsm_settings settings;
    struct csn_hsm_key keys[CSN_HSM_WRAP_MAX];
    size_t key_count;
    uint8_t id[CSN_HSM_ID_MAX];
    size_t id_size;
    uint16_t flags;
    uint64_t algorithm, bits;
    struct csn_officer_arguments officer;
    bool is_sealed; /* --sealed: made not exportable */
    bool seals;     /* --seal: after the export */
};

/* What cannot be understood ends the program with status 2, what was wrong and a short usage; --help
 * and --version end it with 0. */
void csn_ceremony_parse(int argc, char **argv, struct csn_ceremony_arguments *ret_arguments);
_Noreturn void csn_ceremony_refuse(const char *what, const char *value);

#endif
