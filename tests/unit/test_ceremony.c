/* Goal: two people with two tokens and consign-ceremony get a key from one to the other, and every
 * slip is refused with its reason and exit status. Method: the real program against SoftHSM2 tokens
 * in a private folder. */
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "support/token.h"

#define WORDS_MAX 40

struct table {
    struct token_box box;
    char out[PATH_MAX], notes[PATH_MAX], request[PATH_MAX], keys[PATH_MAX];
    struct csn_buf text; /* what the last run printed: out or notes */
};

static const char *read_text(struct table *table, const char *path)
{
    csn_buf_clear(&table->text);
    assert_int_equal(csn_fs_read(path, 65536, &table->text, NULL), CSN_OK);
    csn_buf_put_u8(&table->text, 0);
    return (const char *)table->text.data;
}

/* Runs consign-ceremony with the words, cut at spaces, and the token's options when `token` is
 * given; the exit status. */
static int run(struct table *table, const char *token, const char *words)
{
    char copy[2 * PATH_MAX], uri[64], *save = NULL;
    char *more[] = {(char[]){"--module"},   (char[]){TOKEN_MODULE}, (char[]){"--token"}, uri,
                    (char[]){"--pin-file"}, table->box.pin_file};
    char *args[WORDS_MAX] = {(char[]){CONSIGN_CEREMONY}, (char[]){"--worker"},
                             (char[]){CONSIGN_HSM}};
    size_t count = 3;
    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        args[count++] = word;
    }
    if (token != NULL) {
        snprintf(uri, sizeof(uri), "pkcs11:token=%s", token);
        memcpy(args + count, more, sizeof(more));
    }
    char *const environment[] = {table->box.environment, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, table->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, table->notes, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&child, args[0], &actions, NULL, args, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void assert_absent(const char *path, const char *end)
{
    char whole[PATH_MAX + 8];
    snprintf(whole, sizeof(whole), "%s%s", path, end);
    assert_int_equal(access(whole, F_OK), -1);
}

static int set_up(void **state)
{
    static struct table table;
    token_box_init(&table.box);
    token_make(&table.box, "zrh");
    token_make(&table.box, "sjc");
    snprintf(table.out, sizeof(table.out), "%s/out", table.box.folder);
    snprintf(table.notes, sizeof(table.notes), "%s/notes", table.box.folder);
    snprintf(table.request, sizeof(table.request), "%s/request", table.box.folder);
    snprintf(table.keys, sizeof(table.keys), "%s/keys", table.box.folder);
    *state = &table;
    return 0;
}

static int tear_down(void **state)
{
    struct table *table = *state;
    token_box_fini(&table->box);
    csn_buf_fini(&table->text);
    return 0;
}

static void test_keys_move_from_table_to_table(void **state)
{
    struct table *table = *state;
    char words[3 * PATH_MAX], dnskey[512];
    assert_int_equal(run(table, "zrh", "key generate --label ksk --algorithm 13 --role ksk"), 0);
    snprintf(dnskey, sizeof(dnskey), "%s", read_text(table, table->out));
    assert_memory_equal(dnskey, "257 3 13 ", 9);
    assert_int_equal(
        run(table, "zrh", "key generate --label zsk --algorithm 13 --role zsk --id 0102"), 0);
    assert_memory_equal(read_text(table, table->out), "256 3 13 ", 9);
    assert_non_null(strstr(read_text(table, table->notes), "zsk, id 0102"));

    snprintf(words, sizeof(words), "transport request %s --transport-label sjc-2026",
             table->request);
    assert_int_equal(run(table, "sjc", words), 0);
    assert_non_null(strstr(read_text(table, table->notes), "sha256 "));
    assert_int_equal(run(table, "sjc", words), 1); /* the file is there already */

    snprintf(words, sizeof(words),
             "transport export %s --request %s --label ksk --label zsk --seal", table->keys,
             table->request);
    assert_int_equal(run(table, "zrh", words), 0);
    snprintf(words, sizeof(words), "transport import %s", table->keys);
    assert_int_equal(run(table, "sjc", words), 0);
    assert_non_null(strstr(read_text(table, table->notes),
                           "ok, its signature verifies with the original public key: ksk"));
    assert_non_null(strstr(read_text(table, table->notes), "destroyed the transport key sjc-2026"));
    assert_int_equal(run(table, "sjc", "key show --label ksk --algorithm 13 --role ksk"), 0);
    assert_string_equal(read_text(table, table->out), dnskey);

    assert_int_equal(run(table, "sjc", words), 1);
    assert_non_null(strstr(read_text(table, table->notes), "no private key with label sjc-2026"));
    snprintf(words, sizeof(words), "transport export %s-2 --request %s --label ksk", table->keys,
             table->request);
    assert_int_equal(run(table, "zrh", words), 1); /* sealed */
    assert_non_null(strstr(read_text(table, table->notes), "C_WrapKey of ksk"));
}

static void test_file_for_another_token_is_refused(void **state)
{
    struct table *table = *state;
    char words[3 * PATH_MAX];
    assert_int_equal(run(table, "zrh", "key generate --label other --algorithm 13 --role zsk"), 0);
    snprintf(words, sizeof(words), "transport request %s-3 --transport-label sjc-3",
             table->request);
    assert_int_equal(run(table, "sjc", words), 0);
    snprintf(words, sizeof(words), "transport export %s-3 --request %s-3 --label other",
             table->keys, table->request);
    assert_int_equal(run(table, "zrh", words), 0);
    snprintf(words, sizeof(words), "transport import %s-3", table->keys);
    assert_int_equal(run(table, "zrh", words), 1);
    assert_non_null(strstr(read_text(table, table->notes), "no private key with label sjc-3"));
}

static void test_request_says_what_to_do_with_a_key_left_over(void **state)
{
    struct table *table = *state;
    char words[3 * PATH_MAX];
    snprintf(words, sizeof(words), "transport request %s-5 --transport-label sjc-5",
             table->request);
    assert_int_equal(run(table, "sjc", words), 0);
    snprintf(words, sizeof(words), "transport request %s-6 --transport-label sjc-5",
             table->request);
    assert_int_equal(run(table, "sjc", words), 1);
    assert_non_null(strstr(read_text(table, table->notes), "--transport-label"));
    assert_non_null(strstr(read_text(table, table->notes), "a key sjc-5 already"));
    assert_absent(table->request, "-6");
    snprintf(words, sizeof(words), "transport request %s-5 --transport-label sjc-6",
             table->request);
    assert_int_equal(run(table, "sjc", words), 1);
    assert_non_null(strstr(read_text(table, table->notes), "nothing is written over it"));
}

static void test_sealed_from_the_start_never_leaves(void **state)
{
    struct table *table = *state;
    char words[3 * PATH_MAX];
    assert_int_equal(
        run(table, "zrh", "key generate --label home --algorithm 13 --role zsk --sealed"), 0);
    snprintf(words, sizeof(words), "transport request %s-4 --transport-label sjc-4",
             table->request);
    assert_int_equal(run(table, "sjc", words), 0);
    snprintf(words, sizeof(words), "transport export %s-4 --request %s-4 --label home", table->keys,
             table->request);
    assert_int_equal(run(table, "zrh", words), 1);
    assert_absent(table->keys, "-4");
}

static void test_failures_end_with_1_and_their_reason(void **state)
{
    struct table *table = *state;
    assert_int_equal(run(table, "zrh", "key show --label absent --algorithm 13 --role zsk"), 1);
    assert_non_null(strstr(read_text(table, table->notes), "no private key with label absent"));
    assert_int_equal(run(table, "nowhere", "key show --label ksk --algorithm 13 --role zsk"), 1);
    assert_non_null(strstr(read_text(table, table->notes), "pkcs11:token=nowhere"));
    assert_int_equal(run(table, "zrh", "key generate --label new --algorithm 5 --role zsk"), 1);
    assert_int_equal(run(table, "zrh", "transport import /nowhere/file"), 1);
    assert_non_null(strstr(read_text(table, table->notes), "/nowhere/file"));
}

static void test_words_not_understood_end_with_2(void **state)
{
    static const char *const lines[] = {
        "",
        "key",
        "key burn --label a --algorithm 13 --role zsk",
        "key generate --algorithm 13 --role zsk",
        "key generate --label a --role zsk",
        "key generate --label a --algorithm 13",
        "key generate --label a --algorithm 13 --role boss",
        "key generate --label a --algorithm thirteen --role zsk",
        "key generate --label a/b --algorithm 13 --role zsk",
        "key generate --label a --algorithm 8 --role zsk --bits 1024",
        "key generate --label a --algorithm 13 --role zsk --id 0",
        "key generate word --label a --algorithm 13 --role zsk",
        "transport import",
        "transport export file --label a",
        "transport export file --request file",
        "transport import a b",
        "transport import a --nonsense",
    };
    struct table *table = *state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(run(table, "zrh", lines[i]), 2);
        assert_non_null(strstr(read_text(table, table->notes), "usage:"));
    }
    assert_int_equal(run(table, NULL, "transport import file"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_move_from_table_to_table),
        cmocka_unit_test(test_file_for_another_token_is_refused),
        cmocka_unit_test(test_request_says_what_to_do_with_a_key_left_over),
        cmocka_unit_test(test_sealed_from_the_start_never_leaves),
        cmocka_unit_test(test_failures_end_with_1_and_their_reason),
        cmocka_unit_test(test_words_not_understood_end_with_2),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
