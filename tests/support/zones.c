#include "support/zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/fs.h"
#include "dns/zonefile.h"

#define FILE_MAX ((size_t)1 << 31)

static _Noreturn void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s\n", what, detail);
    exit(1);
}

void csn_test_read(const char *path, struct csn_buf *buf)
{
    struct csn_reason reason;
    if (csn_fs_read(path, FILE_MAX, buf, &reason) != CSN_OK) {
        give_up("read", reason.text);
    }
}

void csn_test_command(const char *command, struct csn_buf *buf)
{
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) {
        give_up("popen", command);
    }
    for (;;) {
        size_t got = fread(csn_buf_reserve(buf, 65536), 1, 65536, pipe);
        if (got == 0) {
            break;
        }
        buf->size += got;
    }
    if (pclose(pipe) != 0) {
        give_up("command failed", command);
    }
}

bool csn_test_data(const char *test, const char *name, char *ret_path, size_t size)
{
    const char *folder = getenv("CONSIGN_DATA");
    snprintf(ret_path, size, "%s/%s", folder != NULL ? folder : CONSIGN_ROOT "/../shared/data", name);
    if (access(ret_path, R_OK) == 0) {
        return true;
    }
    printf("SKIP %s: %s is not there; set CONSIGN_DATA to the folder of real data\n", test, ret_path);
    return false;
}

/* The lines of `text` but those of one owner. */
static void drop_owner(struct csn_bytes text, const char *owner, struct csn_buf *out)
{
    const char *at = (const char *)text.data, *end = at + text.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline != NULL ? newline + 1 : end;
        size_t owner_size = strlen(owner);
        if ((size_t)(next - at) <= owner_size || strncmp(at, owner, owner_size) != 0 || strchr(" \t", at[owner_size]) == NULL) {
            csn_buf_put(out, at, (size_t)(next - at));
        }
        at = next;
    }
}

bool csn_real_zone_load(const char *test, unsigned which, struct csn_real_zone *ret_zone)
{
    char path[1024], command[4096];
    const char *file = which == CSN_REAL_ROOT ? "root-signed/root-2019121300.unsigned.zone.zst" : "gov-zone.bundle";
    if (!csn_test_data(test, file, path, sizeof(path))) {
        return false;
    }
    memset(ret_zone, 0, sizeof(*ret_zone));
    ret_zone->name = which == CSN_REAL_ROOT ? "root" : "gov";
    if (which == CSN_REAL_ROOT) {
        snprintf(command, sizeof(command), "zstd -dc '%s'", path);
        csn_test_command(command, &ret_zone->text);
        drop_owner(csn_buf_view(&ret_zone->text), "zw.", &ret_zone->previous);
    } else {
        for (unsigned age = 0; age < 2; age++) {
            snprintf(command, sizeof(command),
                     "d=$(mktemp -d) && git clone -q --bare -b dev '%s' \"$d/r\" && git -C \"$d/r\" show dev~%u:gov.zone.txt; "
                     "s=$?; rm -rf \"$d\"; exit $s",
                     path, age);
            csn_test_command(command, age == 0 ? &ret_zone->text : &ret_zone->previous);
        }
    }
    snprintf(path, sizeof(path), CONSIGN_ROOT "/tests/data/plans/%s.json", ret_zone->name);
    ret_zone->plan = csn_plan_load(path);
    return true;
}

void csn_real_zone_fini(struct csn_real_zone *zone)
{
    csn_plan_free(zone->plan);
    csn_buf_fini(&zone->text);
    csn_buf_fini(&zone->previous);
}

static int add_record(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_prepare_add(arg, record, reason);
}

struct csn_input *csn_test_input(const struct csn_plan *plan, struct csn_bytes text)
{
    struct csn_reason reason = {""};
    struct csn_input *input = NULL;
    struct csn_prepare *prepare = csn_prepare_new(plan->keyset.zone, plan->policy.drop_addresses,
                                                  plan->policy.drop_addresses_count);
    if (csn_zonefile_read(text, "zone", plan->keyset.zone, add_record, prepare, &reason) != CSN_OK ||
        csn_prepare_finish(prepare, &input, &reason) != CSN_OK) {
        give_up("prepare", reason.text);
    }
    csn_prepare_free(prepare);
    return input;
}

struct csn_content *csn_test_content(const struct csn_plan *plan, const struct csn_input *input)
{
    struct csn_reason reason = {""};
    struct csn_content *content = NULL;
    if (csn_content_new(input, &plan->policy, &plan->keyset, &plan->params, &content, &reason) != CSN_OK ||
        csn_content_plan(content, 0, content->zone->count, &reason) != CSN_OK ||
        csn_content_finish(content, &reason) != CSN_OK) {
        give_up("content", reason.text);
    }
    return content;
}

static EVP_PKEY *load_key(const struct csn_plan *plan, uint16_t index)
{
    EVP_PKEY *key = plan->has_seed[index]
                        ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, plan->seeds[index], CSN_SEED_SIZE)
                        : NULL;
    if (key == NULL) {
        give_up("no Ed25519 seed", plan->keyset.keys[index].name);
    }
    return key;
}

void csn_test_sign(const struct csn_plan *plan, struct csn_content *content)
{
    EVP_PKEY *keys[CSN_KEYS_MAX] = {NULL};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct csn_buf buf = {0};
    for (size_t i = 0; i < content->signature_count; i++) {
        struct csn_signature *signature = &content->signatures[i];
        uint8_t octets[64];
        size_t size = sizeof(octets);
        if (signature->octets.size > 0) {
            continue;
        }
        if (keys[signature->key] == NULL) {
            keys[signature->key] = load_key(plan, signature->key);
        }
        csn_buf_clear(&buf);
        csn_signature_input(content, signature, &buf);
        EVP_MD_CTX_reset(ctx);
        if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, keys[signature->key]) != 1 ||
            EVP_DigestSign(ctx, octets, &size, buf.data, buf.size) != 1) {
            give_up("sign", "EVP_DigestSign failed");
        }
        csn_signature_set(content, signature, csn_bytes(octets, size));
    }
    csn_buf_fini(&buf);
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; i < CSN_KEYS_MAX; i++) {
        EVP_PKEY_free(keys[i]);
    }
}

static int add_signed(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_signed_add(arg, record, reason);
}

struct csn_signed *csn_test_signed(const uint8_t *apex, struct csn_bytes text)
{
    struct csn_reason reason = {""};
    struct csn_signed *zone = csn_signed_new(apex);
    if (csn_zonefile_read(text, "zone", apex, add_signed, zone, &reason) != CSN_OK ||
        csn_signed_finish(zone, &reason) != CSN_OK) {
        give_up("signed zone", reason.text);
    }
    return zone;
}

void csn_test_entries(const struct csn_content *content, csn_test_entry_fn *fn, void *arg)
{
    struct csn_buf buf = {0};
    for (size_t i = 0; i < content->zone->count; i++) {
        struct csn_entry entry;
        csn_content_entry(content, i, &buf, &entry);
        fn(arg, &entry);
    }
    csn_buf_fini(&buf);
}

void csn_test_roots(const struct csn_signed *zone, const struct csn_plan *plan, struct csn_zone_roots *ret_roots)
{
    struct csn_reason reason = {""};
    struct csn_rooter *rooter = csn_rooter_new(plan->keyset.zone, plan->params.time_s);
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < zone->count; i++) {
        code = csn_rooter_add(rooter, &zone->entries[i], &reason);
    }
    if (code != CSN_OK || csn_rooter_finish(rooter, plan->params.serial, ret_roots, &reason) != CSN_OK) {
        give_up("roots", reason.text);
    }
    csn_rooter_free(rooter);
}

uint64_t csn_test_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}
