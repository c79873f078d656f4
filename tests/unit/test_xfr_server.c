/* Goal: the transfer server over real sockets. Method: kdig and dig against a server in a child
 * process; sockets of our own on the server's loop, where the order of events matters. */
#include "unit/xfr_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- kdig and dig against a server in a child */

static void on_terminate(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static _Noreturn void run_child(struct setup *setup, int ready)
{
    uv_loop_t loop;
    uv_signal_t terminate;
    struct csn_xfr_server *server;
    struct csn_reason reason;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uv_loop_init(&loop);
    uv_signal_init(&loop, &terminate);
    uv_signal_start(&terminate, on_terminate, SIGTERM);
    if (csn_xfr_server_new(&loop, &setup->config, "zrh", &setup->source->source, &setup->log,
                           &server, &reason) != CSN_OK ||
        write(ready, "r", 1) != 1) {
        _exit(1);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    csn_xfr_server_free(server);
    uv_close((uv_handle_t *)&terminate, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(uv_loop_close(&loop) == 0 && setup->source->open_readers == 0 ? 0 : 1);
}

static pid_t start_child(struct setup *setup)
{
    int ready[2];
    char octet;
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        run_child(setup, ready[1]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &octet, 1), 1);
    close(ready[0]);
    return child;
}

static void stop_child(pid_t child)
{
    int status;
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What the client printed; the caller frees it. */
static char *run_client(const struct setup *setup, const char *program, const char *arguments)
{
    char command[512];
    struct csn_buf text = {0};
    size_t size;
    const char *port = strchr(setup->listen.text, '@') + 1;
    snprintf(command, sizeof command, "%s @127.0.0.1 -p %s %s 2>&1", program, port, arguments);
    FILE *pipe_end = popen(command, "r");
    assert_non_null(pipe_end);
    while ((size = fread(csn_buf_reserve(&text, 65536), 1, 65536, pipe_end)) > 0) {
        text.size += size;
    }
    pclose(pipe_end);
    csn_buf_put_u8(&text, 0);
    return (char *)text.data;
}

static void assert_client_says(const struct setup *setup, const char *program,
                               const char *arguments, const char *const *phrases)
{
    char *text = run_client(setup, program, arguments);
    for (; *phrases != NULL; phrases++) {
        bool is_unwanted = **phrases == '!';
        if ((strstr(text, *phrases + is_unwanted) == NULL) != is_unwanted) {
            fail_msg("%s %s: not \"%s\" in:\n%s", program, arguments, *phrases, text);
        }
    }
    free(text);
}

static unsigned count_lines(const char *text, const char *phrase)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, phrase)) != NULL; at++) {
        count++;
    }
    return count;
}

static void test_real_clients_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *program, *arguments;
        const char *phrases[6];
    } cases[] = {
        {"kdig",
         KEY " +notcp +nsid +expire example. SOA",
         {"status: NOERROR", "Flags: qr aa", "zrh", "2026112100", ";; EXPIRE: 1000000"}},
        {"kdig",
         KEY " +tcp +dnssec example. SOA",
         {"status: NOERROR", "RRSIG\tSOA 13", "2026112100"}},
        {"dig", KEY " example. SOA", {"status: NOERROR", "flags: qr aa", "!WARNING: Some TSIG"}},
        {"dig",
         "-y hmac-sha512:sha512.key:" SECRET64 " +tcp example. SOA",
         {"status: NOERROR", "!WARNING: Some TSIG"}},
        {"kdig",
         "-b 127.0.0.2 +notcp CH TXT id.server.",
         {"status: NOERROR", "Flags: qr aa", "\"zrh\""}},
        {"kdig", KEY " +notcp +dnssec example. IXFR=7", {"SOA", "!RRSIG", "!NS\t"}},
        {"kdig", "-b 127.0.0.2 +notcp CH TXT version.bind.", {"status: REFUSED"}},
        {"kdig", "+edns +notcp example. SOA", {"status: REFUSED", "EDE: 18 (Prohibited)"}},
        {"kdig",
         "-b 127.0.0.3 +edns +tcp example. SOA",
         {"status: REFUSED", "EDE: 18 (Prohibited)"}},
        {"kdig",
         "-y hmac-sha256:transfer.key:" OTHER64 " +notcp example. SOA",
         {"BADSIG", "!ANSWER SECTION"}},
        {"dig", "-y hmac-md5:transfer.key:" SECRET64 " +tcp example. SOA", {"NOTAUTH", "BADKEY"}},
        {"kdig", KEY " +edns unknown. SOA", {"status: REFUSED", "EDE: 20 (Not Authoritative)"}},
        {"kdig",
         KEY " +edns held. SOA",
         {"status: SERVFAIL", "EDE: 14 (Not Ready)", "behind serial 7"}},
        {"kdig", KEY " +edns nx.example. A", {"status: REFUSED", "EDE: 21 (Not Supported)"}},
        {"kdig", KEY " +edns example. NOTIFY", {"status: NOTIMPL"}},
        {"dig", "example. AXFR", {"Transfer failed", "!SOA\t"}},
        {"dig", "-y hmac-sha256:transfer.key:" OTHER64 " example. AXFR", {"Transfer failed"}},
        {"dig", KEY " unknown. AXFR", {"Transfer failed"}},
    };
    struct setup setup;
    setup_init(&setup);
    pid_t child = start_child(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_client_says(&setup, cases[i].program, cases[i].arguments, cases[i].phrases);
    }
    stop_child(child);
    setup_fini(&setup);
}

static void test_real_clients_transfer_the_zone(void **state)
{
    (void)state;
    static const struct {
        const char *program, *arguments;
        unsigned soas, texts; /* SOA, not its RRSIG */
    } cases[] = {
        {"dig", KEY " example. AXFR", 2, NAMES},
        {"kdig", KEY " example. AXFR", 2, NAMES},
        {"dig", "-b 127.0.0.2 example. AXFR", 2, NAMES},
        {"dig", KEY " example. IXFR=7", 2, NAMES},
        {"dig", KEY " +tcp example. IXFR=2026112100", 1, 0},
        {"dig", KEY " +tcp example. IXFR=2026112101", 1, 0},
        {"dig", KEY " +notcp example. IXFR=7", 1, 0},
        {"kdig", KEY " big. AXFR", 2, BIG_NAMES},
    };
    struct setup setup;
    setup_init(&setup);
    pid_t child = start_child(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = run_client(&setup, cases[i].program, cases[i].arguments);
        unsigned soas = count_lines(text, "\tSOA\tns.") + count_lines(text, " SOA ns.");
        unsigned texts = count_lines(text, "TXT\t\"text\"");
        if (soas != cases[i].soas || texts != cases[i].texts || strstr(text, "WARNING") != NULL) {
            fail_msg("%s %s: %u SOA, %u TXT in:\n%.3000s", cases[i].program, cases[i].arguments,
                     soas, texts, text);
        }
        free(text);
    }
    stop_child(child);
    setup_fini(&setup);
}

/* RFC 1995 4: the newest SOA, of each difference the old SOA, what is gone, the new SOA, what is
 * new, the newest SOA; by UDP where all of it fits, else the SOA alone. Signed over many messages
 * (RFC 8945 5.3.1), which the clients check. */
static void test_real_clients_get_the_differences(void **state)
{
    (void)state;
    static const struct {
        const char *program, *arguments;
        unsigned soas, changes;
    } cases[] = {
        {"dig", KEY " +tcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +tcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +tcp example. IXFR=2026112098", 6, 4},
        {"dig", KEY " +notcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +notcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +notcp example. IXFR=2026112000", 1, 0},
        {"dig", KEY " +tcp example. IXFR=2026110100", 2 + 2 * CHANGES, 2 * CHANGES},
        {"kdig", KEY " +tcp example. IXFR=2026110100", 2 + 2 * CHANGES, 2 * CHANGES},
        {"kdig", KEY " +tcp example. IXFR=2026110099", 2, 0}, /* further back: the zone */
        {"kdig", KEY " +tcp big. IXFR=2026112099", 2, 0},
    };
    struct setup setup;
    setup_init(&setup);
    pid_t child = start_child(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = run_client(&setup, cases[i].program, cases[i].arguments);
        unsigned soas = count_lines(text, "\tSOA\tns.") + count_lines(text, " SOA ns.");
        unsigned changes = count_lines(text, "\"change\"");
        if (soas != cases[i].soas || changes != cases[i].changes ||
            strstr(text, "WARNING") != NULL) {
            fail_msg("%s %s: %u SOA, %u TXT in:\n%.3000s", cases[i].program, cases[i].arguments,
                     soas, changes, text);
        }
        free(text);
    }
    stop_child(child);
    setup_fini(&setup);
}

static struct csn_xfr_counters counters_of(const struct bench *bench)
{
    struct csn_xfr_counters counters;
    csn_xfr_server_counters(bench->server, &counters);
    return counters;
}

static int connect_from(const struct bench *bench, const char *address)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    inet_pton(AF_INET, address, &from.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_true(connect(fd, (const struct sockaddr *)&bench->setup.listen.address, sizeof from) ==
                    0 ||
                errno == EINPROGRESS);
    return fd;
}

static void put_request(struct csn_buf *buf, const char *name, uint16_t type)
{
    uint8_t octets[4096], mac[64];
    size_t mac_size;
    struct asked asked = {.name = name, .type = type};
    size_t size = make_query(&asked, octets, mac, &mac_size);
    csn_buf_put_u16(buf, (uint16_t)size);
    csn_buf_put(buf, octets, size);
}

/* Turns the loop and reads what has come; false at the end of the stream. */
static bool turn(struct bench *bench, int fd, struct csn_buf *input)
{
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    ssize_t size = recv(fd, csn_buf_reserve(input, 65536), 65536, MSG_DONTWAIT);
    if (size > 0) {
        input->size += (size_t)size;
    }
    return !(size == 0 ||
             (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOTCONN));
}

static void send_all(struct bench *bench, int fd, const struct csn_buf *octets)
{
    size_t done = 0;
    while (done < octets->size) {
        ssize_t size = send(fd, octets->data + done, octets->size - done, MSG_NOSIGNAL);
        done += size > 0 ? (size_t)size : 0;
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
}

/* One whole message from the front of `input`. */
static bool take_message(struct csn_buf *input, struct csn_buf *message)
{
    if (input->size < 2 || input->size < 2 + (size_t)csn_get_u16(input->data)) {
        return false;
    }
    size_t size = csn_get_u16(input->data);
    csn_buf_clear(message);
    csn_buf_put(message, input->data + 2, size);
    memmove(input->data, input->data + 2 + size, input->size - 2 - size);
    input->size -= 2 + size;
    return true;
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0}, input = {0}, message = {0};
    bench_init(&bench);
    int fd = connect_from(&bench, "127.0.0.2");
    put_request(&requests, "example.", KNOT_RRTYPE_AXFR);
    put_request(&requests, "held.", KNOT_RRTYPE_SOA);
    put_request(&requests, "example.", KNOT_RRTYPE_AXFR);
    put_request(&requests, "example.", KNOT_RRTYPE_SOA);
    send_all(&bench, fd, &requests);
    for (unsigned transfer = 0; transfer < 2; transfer++) {
        struct seen seen = {0}, expected = {0};
        expect_zone(&expected, &bench.setup.source->zones[0]);
        while (seen.records < expected.records) {
            if (take_message(&input, &message)) {
                see_message(&seen, message.data, message.size);
            } else {
                assert_true(turn(&bench, fd, &input));
            }
        }
        csn_buf_fini(&expected.octets);
        assert_seen(&seen, &bench.setup.source->zones[0]);
        while (!take_message(&input, &message)) {
            assert_true(turn(&bench, fd, &input));
        }
        assert_int_equal(knot_wire_get_rcode(message.data),
                         transfer == 0 ? KNOT_RCODE_SERVFAIL : KNOT_RCODE_NOERROR);
    }
    assert_int_equal(counters_of(&bench).transfers, 2);
    assert_int_equal(counters_of(&bench).connections, 1);
    close(fd);
    while (counters_of(&bench).connections > 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    csn_buf_fini(&requests);
    csn_buf_fini(&input);
    csn_buf_fini(&message);
    bench_fini(&bench);
}

/* A client that takes nothing holds one message and the kernel's buffers, not the zone; when it
 * goes, so does the reader. */
static void test_a_client_that_does_not_read_holds_one_message(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0};
    bench_init(&bench);
    int size = 4096;
    int fd = connect_from(&bench, "127.0.0.2");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    put_request(&requests, "big.", KNOT_RRTYPE_AXFR);
    send_all(&bench, fd, &requests);
    while (bench.setup.source->open_readers == 0) {
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    for (unsigned i = 0; i < 2000; i++) {
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(bench.setup.source->open_readers, 1);
    assert_int_equal(counters_of(&bench).transfers, 0);
    close(fd);
    while (counters_of(&bench).connections > 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    assert_int_equal(bench.setup.source->open_readers, 0);
    assert_int_equal(counters_of(&bench).transfers_failed, 1);
    assert_in_range(counters_of(&bench).octets, 1, 6000000); /* the zone has more */
    csn_buf_fini(&requests);
    bench_fini(&bench);
}

static void test_a_damaged_zone_ends_the_connection(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0}, input = {0};
    bench_init(&bench);
    int fd = connect_from(&bench, "127.0.0.2");
    put_request(&requests, "broken.", KNOT_RRTYPE_AXFR);
    send_all(&bench, fd, &requests);
    while (turn(&bench, fd, &input)) {
    }
    assert_int_equal(counters_of(&bench).transfers_failed, 1);
    close(fd);
    csn_buf_fini(&requests);
    csn_buf_fini(&input);
    bench_fini(&bench);
}

static void test_strangers_cannot_take_all_connections(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0}, input = {0};
    int fds[CSN_XFR_STRANGERS_MAX + 4];
    bench_init(&bench);
    for (size_t i = 0; i < CSN_XFR_STRANGERS_MAX + 4; i++) {
        fds[i] = connect_from(&bench, "127.0.0.9");
    }
    while (counters_of(&bench).connections_refused < 4) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    int fd = connect_from(&bench, "127.0.0.2");
    put_request(&requests, "example.", KNOT_RRTYPE_SOA);
    send_all(&bench, fd, &requests);
    while (input.size == 0) {
        assert_true(turn(&bench, fd, &input));
    }
    assert_int_equal(counters_of(&bench).connections_refused, 4);
    /* Silent strangers are closed after CSN_XFR_STRANGER_IDLE_MS; the friend stays. */
    while (counters_of(&bench).connections > 1) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < CSN_XFR_STRANGERS_MAX + 4; i++) {
        close(fds[i]);
    }
    close(fd);
    csn_buf_fini(&requests);
    csn_buf_fini(&input);
    bench_fini(&bench);
}

/* Connected, and known to the server. */
static int join(struct bench *bench, const char *address)
{
    uint64_t before = counters_of(bench).connections + counters_of(bench).connections_displaced +
                      counters_of(bench).connections_refused;
    int fd = connect_from(bench, address);
    while (counters_of(bench).connections + counters_of(bench).connections_displaced +
               counters_of(bench).connections_refused ==
           before) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
    return fd;
}

/* Joins and begins a transfer that it does not read to its end. */
static int join_busy(struct bench *bench, const char *address)
{
    struct csn_buf request = {0};
    int size = 4096, fd = join(bench, address);
    unsigned readers = bench->setup.source->open_readers;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    put_request(&request, "big.", KNOT_RRTYPE_AXFR);
    send_all(bench, fd, &request);
    while (bench->setup.source->open_readers == readers) {
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    csn_buf_fini(&request);
    return fd;
}

static bool is_open(int fd)
{
    uint8_t octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static void assert_answered(struct bench *bench, int fd)
{
    struct csn_buf request = {0}, input = {0};
    put_request(&request, "example.", KNOT_RRTYPE_SOA);
    send_all(bench, fd, &request);
    while (input.size == 0) {
        assert_true(turn(bench, fd, &input));
    }
    csn_buf_fini(&request);
    csn_buf_fini(&input);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void test_one_address_cannot_take_all_connections(void **state)
{
    (void)state;
    static struct bench bench;
    int fds[CSN_XFR_ADDRESS_MAX + 2];
    bench_init(&bench);
    int other = join(&bench, "127.0.0.1"); /* idle for longer than any, but of another address */
    fds[0] = join_busy(&bench, "127.0.0.2");
    for (size_t i = 1; i < CSN_XFR_ADDRESS_MAX; i++) {
        fds[i] = join(&bench, "127.0.0.2");
    }
    assert_int_equal(counters_of(&bench).connections_displaced, 0);
    fds[CSN_XFR_ADDRESS_MAX] = join(&bench, "127.0.0.2");
    assert_int_equal(counters_of(&bench).connections_displaced, 1);
    assert_int_equal(counters_of(&bench).connections, CSN_XFR_ADDRESS_MAX + 1);
    assert_int_equal(bench.setup.source->open_readers, 1);
    assert_false(is_open(fds[1]));
    assert_true(is_open(fds[2]));
    fds[CSN_XFR_ADDRESS_MAX + 1] = join(&bench, "127.0.0.2");
    assert_false(is_open(fds[2]));
    assert_true(is_open(fds[3]) && is_open(other));
    assert_answered(&bench, fds[CSN_XFR_ADDRESS_MAX + 1]);
    close_all(fds, CSN_XFR_ADDRESS_MAX + 2);
    close(other);
    bench_fini(&bench);
}

static void test_transfers_under_way_are_not_displaced(void **state)
{
    (void)state;
    static struct bench bench;
    int fds[CSN_XFR_ADDRESS_MAX + 1];
    bench_init(&bench);
    for (size_t i = 0; i < CSN_XFR_ADDRESS_MAX; i++) {
        fds[i] = join_busy(&bench, "127.0.0.2");
    }
    fds[CSN_XFR_ADDRESS_MAX] = connect_from(&bench, "127.0.0.2");
    while (counters_of(&bench).connections_refused == 0) {
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(counters_of(&bench).connections_displaced, 0);
    assert_int_equal(bench.setup.source->open_readers, CSN_XFR_ADDRESS_MAX);
    close_all(fds, CSN_XFR_ADDRESS_MAX + 1);
    bench_fini(&bench);
}

static void test_idle_connections_do_not_shut_a_secondary_out(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_allow_config allow[] = {
        {.prefix = {.octets = {127, 0, 0, 2}, .bits = 32}, .key = CSN_INDEX_NONE},
        {.prefix = {.octets = {127, 0, 1, 0}, .bits = 24}, .key = CSN_INDEX_NONE}};
    int fds[CSN_XFR_CONNECTIONS_MAX];
    char address[32];
    bench_init(&bench);
    bench.setup.config.allow = allow;
    bench.setup.config.allow_count = 2;
    for (size_t i = 0; i < CSN_XFR_CONNECTIONS_MAX; i++) {
        snprintf(address, sizeof address, "127.0.1.%zu", i / CSN_XFR_ADDRESS_MAX + 1);
        fds[i] = join(&bench, address);
    }
    assert_answered(&bench, fds[0]); /* now the second is idle for longest */
    int secondary = join(&bench, "127.0.0.2"), stranger = join(&bench, "127.0.0.9");
    assert_answered(&bench, secondary);
    assert_int_equal(counters_of(&bench).connections, CSN_XFR_CONNECTIONS_MAX);
    assert_int_equal(counters_of(&bench).connections_displaced, 1);
    assert_int_equal(counters_of(&bench).connections_refused, 1);
    assert_false(is_open(fds[1]));
    assert_true(is_open(fds[0]) && is_open(fds[2]) && !is_open(stranger));
    close_all(fds, CSN_XFR_CONNECTIONS_MAX);
    close(secondary);
    close(stranger);
    bench_fini(&bench);
}

static void test_a_request_that_is_too_long_closes(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf request = {0}, input = {0};
    bench_init(&bench);
    int fd = connect_from(&bench, "127.0.0.2");
    csn_buf_put_u16(&request, CSN_XFR_REQUEST_MAX + 1);
    send_all(&bench, fd, &request);
    while (turn(&bench, fd, &input)) {
    }
    assert_int_equal(input.size, 0);
    close(fd);
    csn_buf_fini(&request);
    csn_buf_fini(&input);
    bench_fini(&bench);
}

static void test_an_address_in_use_is_named(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_xfr_server *second;
    struct csn_reason reason;
    bench_init(&bench);
    assert_int_equal(csn_xfr_server_new(&bench.loop, &bench.setup.config, "zrh",
                                        &bench.setup.source->source, &bench.setup.log, &second,
                                        &reason),
                     CSN_EIO);
    assert_non_null(strstr(reason.text, bench.setup.listen.text));
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_clients_are_answered),
        cmocka_unit_test(test_real_clients_transfer_the_zone),
        cmocka_unit_test(test_real_clients_get_the_differences),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_a_client_that_does_not_read_holds_one_message),
        cmocka_unit_test(test_a_damaged_zone_ends_the_connection),
        cmocka_unit_test(test_strangers_cannot_take_all_connections),
        cmocka_unit_test(test_one_address_cannot_take_all_connections),
        cmocka_unit_test(test_transfers_under_way_are_not_displaced),
        cmocka_unit_test(test_idle_connections_do_not_shut_a_secondary_out),
        cmocka_unit_test(test_a_request_that_is_too_long_closes),
        cmocka_unit_test(test_an_address_in_use_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
