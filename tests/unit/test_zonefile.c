/* Goal: zone files give the records they hold, and bad ones are refused with file, line and cause.
 * Method: a table of texts; records are written down one a line as "line owner ttl class type
 * rdlength". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/name.h"
#include "dns/zonefile.h"
#include "zone/prepare.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct notes {
    char text[1024];
    size_t size;
};

static int note(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    struct notes *notes = arg;
    char owner[CSN_NAME_TEXT_MAX];
    (void)reason;
    assert_int_equal(csn_name_check(record->owner), record->owner.size);
    csn_name_text(record->owner.data, owner);
    int size = snprintf(notes->text + notes->size, sizeof(notes->text) - notes->size,
                        "%u %s %u %u %u %zu\n", record->line, owner, record->ttl, record->class,
                        record->type, record->rdata.size);
    notes->size += (size_t)size;
    return CSN_OK;
}

static int refuse(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    (void)arg;
    return csn_reason_set(reason, CSN_EREFUSED, "rdata: type %u", record->type);
}

static const uint8_t origin[] = "\7example";

static int read_text(const char *text, size_t size, csn_record_fn *fn, struct notes *notes,
                     struct csn_reason *reason)
{
    return csn_zonefile_read(csn_bytes(text, size), "in.zone", origin, fn, notes, reason);
}

static void test_records_come_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *records;
    } rows[] = {
        {"a 300 IN A 192.0.2.1\n", "1 a.example. 300 1 1 4\n"},
        {"Ab.Example. 300 A 192.0.2.1\n", "1 Ab.Example. 300 1 1 4\n"},
        {"; head\n\na 300 IN TXT ( \"x\"\n \"y\" ) ; tail\n@ 5 IN NS b\n",
         "4 a.example. 300 1 16 4\n5 example. 5 1 2 11\n"},
        {"$TTL 60\n$ORIGIN sub.example.\na IN NS b\n 70 IN NS c\n",
         "3 a.sub.example. 60 1 2 15\n4 a.sub.example. 70 1 2 15\n"},
        {"a 300 IN TYPE65280 \\# 2 ABCD\n", "1 a.example. 300 1 65280 2\n"},
        {"a 300 IN A \\# 3 C00002\n", "1 a.example. 300 1 1 3\n"},
        {"a 3000000000 IN A 192.0.2.1\n", "1 a.example. 3000000000 1 1 4\n"},
        {"a 300 IN TYPE255 \\# 0\n", "1 a.example. 300 1 255 0\n"},
        {"; nothing\n", ""},
        {"$ORIGIN b.example.\na 300 IN PX 10 c d ; tail\n 5 md x.\n 6 NS y.\n",
         "2 a.b.example. 300 1 26 28\n3 a.b.example. 5 1 3 3\n4 a.b.example. 6 1 2 3\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct notes notes = {{0}, 0};
        struct csn_reason reason = {{0}};
        int code = read_text(rows[i].text, strlen(rows[i].text), note, &notes, &reason);
        assert_string_equal(reason.text, "");
        assert_int_equal(code, CSN_OK);
        assert_string_equal(notes.text, rows[i].records);
    }
}

static void test_bad_files_are_refused_with_line_and_cause(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"", "in.zone:1: syntax: the file is empty"},
        {"a 300 IN A 192.0.2.1\nb 300 IN A 192.0", "in.zone:2: syntax: the last line does not end"},
        {"a 300 IN A 192.0.2.1\nb 300 IN A 192.0\n", "in.zone:2: syntax: invalid IPv4 address"},
        {"a 300 IN A 192.0.2.1\r\n", "in.zone:1: syntax: unsupported CRLF"},
        {"\n$INCLUDE /etc/passwd\n", "in.zone:2: syntax: $INCLUDE is refused"},
        {"$INCLUDE other.zone example.\n", "in.zone:1: syntax: $INCLUDE is refused"},
        {"$GENERATE 1-2 a$ A 192.0.2.1\n", "in.zone:1: syntax: invalid directive"},
        {"a IN A 192.0.2.1\n", "in.zone:1: syntax: no TTL"},
        {"a 300 CH TXT \"x\"\n", "in.zone:1: class: CH "},
        {"a 300 hs ( TXT \"x\" )\n", "in.zone:1: class: hs "},
        {"a CLASS3 300 TXT \"x\"\n", "in.zone:1: class: CLASS3 "},
        {"a 300 IN NOSUCH x\n", "in.zone:1: syntax: unknown type 'NOSUCH'"},
        {"a 300 IN ( NOSUCH\n", "in.zone:1: syntax: unknown type 'NOSUCH'"},
        {"a 300 IN ( NOSUCH\n x )\n", "in.zone:1: syntax: unknown type "},
        {"a 300 IN WKS 1\n", "in.zone:1: syntax: unknown type 'WKS'"},
        {"a 300 IN ANY \\# 0\n", "in.zone:1: syntax: unknown type 'ANY'"},
        {"a 300 IN PX\n", "in.zone:1: syntax: "},
        {"a 300 IN PX 1\n", "in.zone:1: syntax: "},
        {"a 300 IN PX 1 b\n", "in.zone:1: syntax: "},
        {"a 300 IN PX 1 b c d\n", "in.zone:1: syntax: "},
        {"a 300 IN PX x b c\n", "in.zone:1: syntax: invalid number"},
        {"a 300 IN MG ( b\n )\n", "in.zone:1: syntax: "},
        {"a 300 IN MG " L63 "a.\n", "in.zone:1: label-length: "},
        {"a IN PX 1 b c\n", "in.zone:1: syntax: no TTL"},
        {"a 300 IN \n", "in.zone:1: syntax: "},
        {L63 "a 300 IN A 192.0.2.1\n", "in.zone:1: label-length: a label is longer than 63 octets"},
        {L63 "." L63 "." L63 "." L63 ". 300 IN A 192.0.2.1\n",
         "in.zone:1: name-length: a name is longer than 255 octets"},
        {"a 300 IN NS " L63 "." L63 "." L63 "." L63 ".\n", "in.zone:1: name-length: "},
        {"a 300 IN TXT \"open\n", "in.zone:1: syntax: "},
        {"a 300 IN SOA ns h ( 1 2 3\n", "in.zone:2: syntax: unclosed"},
        {"a 300 IN A 192.0.2.1 x\n", "in.zone:1: syntax: "},
        {" 300 IN A 192.0.2.1\n", "in.zone:1: syntax: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct notes notes = {{0}, 0};
        struct csn_reason reason = {{0}};
        assert_int_equal(read_text(rows[i].text, strlen(rows[i].text), note, &notes, &reason),
                         CSN_EFORMAT);
        if (strncmp(reason.text, rows[i].reason, strlen(rows[i].reason)) != 0) {
            fail_msg("'%s' instead of '%s'", reason.text, rows[i].reason);
        }
    }
}

static void test_octet_zero_is_refused(void **state)
{
    (void)state;
    static const char text[] = "a 300 IN A 192.0.2.1\n\0\n";
    struct notes notes = {{0}, 0};
    assert_int_equal(read_text(text, sizeof(text) - 1, note, &notes, NULL), CSN_EFORMAT);
}

static void test_refusal_of_the_taker_stops_and_names_the_line(void **state)
{
    (void)state;
    static const char text[] = "\na 300 IN A 192.0.2.1\nb 300 IN NS a\n";
    struct notes notes = {{0}, 0};
    struct csn_reason reason = {{0}};
    assert_int_equal(read_text(text, sizeof(text) - 1, refuse, &notes, &reason), CSN_EREFUSED);
    assert_string_equal(reason.text, "in.zone:2: rdata: type 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_as_written),
        cmocka_unit_test(test_bad_files_are_refused_with_line_and_cause),
        cmocka_unit_test(test_octet_zero_is_refused),
        cmocka_unit_test(test_refusal_of_the_taker_stops_and_names_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
