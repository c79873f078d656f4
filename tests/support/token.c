#include "support/token.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static void run(const struct token_box *box, const char *const *args)
{
    char *const environment[] = {(char *)(uintptr_t)box->environment,
                                 (char[]){"PATH=/usr/bin:/bin"}, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    assert_int_equal(
        posix_spawnp(&child, args[0], &actions, NULL, (char *const *)(uintptr_t)args, environment),
        0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

void token_write(const struct token_box *box, const char *name, const char *text, unsigned mode,
                 char ret_path[PATH_MAX])
{
    char beside[PATH_MAX + 8];
    snprintf(ret_path, PATH_MAX, "%s/%s", box->folder, name);
    snprintf(beside, sizeof(beside), "%s.new", ret_path);
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(beside, (mode_t)mode), 0);
    assert_int_equal(rename(beside, ret_path), 0);
}

void token_box_init(struct token_box *box)
{
    char path[PATH_MAX], text[PATH_MAX];
    snprintf(box->folder, sizeof(box->folder), "/tmp/consign-token-XXXXXX");
    assert_non_null(mkdtemp(box->folder));
    snprintf(path, sizeof(path), "%s/tokens", box->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(text, sizeof(text),
             "directories.tokendir = %.80s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n",
             box->folder);
    token_write(box, "softhsm2.conf", text, 0600, path);
    snprintf(box->environment, sizeof(box->environment), "SOFTHSM2_CONF=%.80s/softhsm2.conf",
             box->folder);
    token_write(box, "pin", TOKEN_PIN "\n", 0600, box->pin_file);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void token_box_fini(struct token_box *box)
{
    nftw(box->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void token_make(const struct token_box *box, const char *label)
{
    run(box, (const char *const[]){"softhsm2-util", "--init-token", "--free", "--label", label,
                                   "--pin", TOKEN_PIN, "--so-pin", "314159", NULL});
}

void token_import(const struct token_box *box, const char *label, const char *pem,
                  const char *key_label, const char *key_id)
{
    run(box, (const char *const[]){"softhsm2-util", "--import", pem, "--token", label, "--label",
                                   key_label, "--id", key_id, "--pin", TOKEN_PIN, NULL});
}
