/* zones.h: zones for tests: files, inputs, contents and Ed25519 signatures. What fails ends the program with a message. */
#ifndef CSN_TESTS_SUPPORT_ZONES_H
#define CSN_TESTS_SUPPORT_ZONES_H

#include "sign/content.h"
#include "sign/signed.h"
#include "support/plan_json.h"

/* The file's octets, appended. */
void csn_test_read(const char *path, struct csn_buf *buf);
/* Standard output of a shell command, appended; another exit status than 0 ends the program. */
void csn_test_command(const char *command, struct csn_buf *buf);
/* Path of `name` in the folder of real data; false, and a line `SKIP test: reason`, where it is missing. */
bool csn_test_data(const char *test, const char *name, char *ret_path, size_t size);

/* The two real zones most tests take, with plans of ours: NSEC, Ed25519, a ZSK roll half way through its window. */
struct csn_real_zone {
    const char *name;
    struct csn_plan *plan;   /* owns */
    struct csn_buf text;     /* owns */
    struct csn_buf previous; /* owns; the version before: the day before's, or one with a delegation less */
};
enum { CSN_REAL_ROOT, CSN_REAL_GOV, CSN_REAL_COUNT };
/* False, and a SKIP line, where the folder of real data is missing. */
bool csn_real_zone_load(const char *test, unsigned which, struct csn_real_zone *ret_zone);
void csn_real_zone_fini(struct csn_real_zone *zone);

/* Zone text -> input, by the plan's zone and drop list. */
struct csn_input *csn_test_input(const struct csn_plan *plan, struct csn_bytes text);
/* The content, planned in one range and finished. */
struct csn_content *csn_test_content(const struct csn_plan *plan, const struct csn_input *input);
/* Signs what has no octets yet with the plan's Ed25519 seeds (RFC 8080). */
void csn_test_sign(const struct csn_plan *plan, struct csn_content *content);
/* A signed zone's text -> entries. */
struct csn_signed *csn_test_signed(const uint8_t *apex, struct csn_bytes text);
/* The content's entries, from first to last, to `fn`. */
typedef void csn_test_entry_fn(void *arg, const struct csn_entry *entry);
void csn_test_entries(const struct csn_content *content, csn_test_entry_fn *fn, void *arg);
/* Roots of entries alone. */
void csn_test_roots(const struct csn_signed *zone, const struct csn_plan *plan, struct csn_zone_roots *ret_roots);

/* A seeded generator (splitmix64). */
uint64_t csn_test_random(uint64_t *state);

#endif
