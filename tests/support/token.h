/* token.h: a private folder with SoftHSM2 tokens in it, for tests. */
#ifndef CSN_TESTS_TOKEN_H
#define CSN_TESTS_TOKEN_H

#include <limits.h>

#define TOKEN_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define TOKEN_PIN "271828"

struct token_box {
    char folder[64];
    char environment[PATH_MAX]; /* SOFTHSM2_CONF=… for whoever loads the module */
    char pin_file[PATH_MAX];    /* mode 0600 */
};

/* All of these end the test when they fail. */
void token_box_init(struct token_box *box);
void token_box_fini(struct token_box *box);
void token_make(const struct token_box *box, const char *label);
/* Imports a PEM key beside whatever is there. */
void token_import(const struct token_box *box, const char *label, const char *pem,
                  const char *key_label, const char *key_id);
/* `folder`/`name` with this text and mode; the path is written to `ret_path`. */
void token_write(const struct token_box *box, const char *name, const char *text, unsigned mode,
                 char ret_path[PATH_MAX]);

#endif
