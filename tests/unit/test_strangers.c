/* Goal: of the connections at our addresses exactly those are cut that are no links and too old or
 * too many; nothing else in the process is touched. Method: plain TCP on loopback, both ends in
 * this process, with a clock of the test's own; a cut shows as the end of the other side's stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/strangers.h"

#define WAIT CSN_STRANGERS_WAIT_MS
#define MANY (CSN_STRANGERS_MAX + 40)

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct port {
    int fd;
    union address address;
    socklen_t size;
};

struct connection {
    int here, there;
};

static struct csn_endpoint end_of(int fd, int (*name)(int, struct sockaddr *, socklen_t *))
{
    union address address;
    socklen_t size = sizeof(address);
    assert_int_equal(name(fd, &address.any, &size), 0);
    return address.any.sa_family == AF_INET
               ? csn_endpoint_v4(&address.v4.sin_addr, &address.v4.sin_port)
               : csn_endpoint_v6(&address.v6.sin6_addr, &address.v6.sin6_port);
}

static struct port listen_on(int family, const char *host, uint16_t port)
{
    struct port listening = {.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    listening.address.any.sa_family = (sa_family_t)family;
    listening.size = sizeof(listening.address);
    if (family == AF_INET) {
        listening.address.v4.sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, host, &listening.address.v4.sin_addr), 1);
        listening.size = sizeof(listening.address.v4);
    } else {
        assert_int_equal(inet_pton(AF_INET6, host, &listening.address.v6.sin6_addr), 1);
    }
    assert_int_equal(bind(listening.fd, &listening.address.any, listening.size), 0);
    assert_int_equal(listen(listening.fd, 1024), 0);
    assert_int_equal(getsockname(listening.fd, &listening.address.any, &listening.size), 0);
    return listening;
}

static struct connection connect_to(const struct port *port)
{
    struct connection connection = {
        .there = socket(port->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(connection.there, &port->address.any, port->size), 0);
    connection.here = accept(port->fd, NULL, NULL);
    assert_true(connection.here >= 0);
    return connection;
}

static void hang_up(const struct connection *connection)
{
    close(connection->here);
    close(connection->there);
}

static bool is_cut(const struct connection *connection)
{
    char octet;
    ssize_t got = recv(connection->there, &octet, 1, MSG_DONTWAIT);
    assert_true(got == 0 || (got < 0 && errno == EAGAIN));
    return got == 0;
}

static struct csn_strangers *watch(const struct port *port)
{
    struct csn_strangers *strangers;
    assert_int_equal(csn_strangers_new(&strangers, NULL), CSN_OK);
    csn_strangers_watch(strangers, end_of(port->fd, getsockname));
    return strangers;
}

static size_t cut(struct csn_strangers *strangers, uint64_t now_ms)
{
    char from[CSN_ENDPOINT_TEXT_MAX];
    csn_strangers_cut(strangers, now_ms);
    return csn_strangers_take(strangers, from);
}

static void pass(struct csn_strangers *strangers, uint32_t id, const struct connection *connection)
{
    csn_strangers_passed(strangers, id, end_of(connection->here, getsockname),
                         end_of(connection->here, getpeername));
}

static void test_what_does_not_become_a_link_in_time_is_cut_once(void **state)
{
    (void)state;
    static const struct {
        int family;
        const char *host;
        const char *from;
    } cases[] = {{AF_INET, "127.0.0.1", "127.0.0.1 port "}, {AF_INET6, "::1", "::1 port "}};
    for (size_t i = 0; i < 2; i++) {
        char from[CSN_ENDPOINT_TEXT_MAX] = "untouched";
        struct port port = listen_on(cases[i].family, cases[i].host, 0);
        struct csn_strangers *strangers = watch(&port);
        struct connection idle = connect_to(&port);
        csn_strangers_cut(strangers, 1000);
        csn_strangers_cut(strangers, 1000 + WAIT - 1);
        assert_int_equal(csn_strangers_take(strangers, from), 0);
        assert_string_equal(from, "untouched");
        assert_false(is_cut(&idle));
        csn_strangers_cut(strangers, 1000 + WAIT);
        assert_int_equal(csn_strangers_take(strangers, from), 1);
        assert_memory_equal(from, cases[i].from, strlen(cases[i].from));
        assert_true(is_cut(&idle));
        assert_int_equal(cut(strangers, 1000 + 2 * WAIT), 0);
        hang_up(&idle);
        close(port.fd);
        csn_strangers_free(strangers);
    }
}

static void test_a_link_is_never_cut_and_has_its_time_when_it_falls(void **state)
{
    (void)state;
    struct port port = listen_on(AF_INET, "127.0.0.1", 0);
    struct csn_strangers *strangers = watch(&port);
    struct connection link = connect_to(&port), other = connect_to(&port);
    assert_int_equal(cut(strangers, 0), 0);
    pass(strangers, 7, &link);
    pass(strangers, 8, &other);
    assert_int_equal(cut(strangers, 100 * WAIT), 0);
    csn_strangers_fell(strangers, 7);
    assert_int_equal(cut(strangers, 101 * WAIT - 1), 0);
    assert_int_equal(cut(strangers, 101 * WAIT), 1);
    assert_true(is_cut(&link));
    assert_false(is_cut(&other));
    hang_up(&link);
    hang_up(&other);
    close(port.fd);
    csn_strangers_free(strangers);
}

/* The number of a file and the port of a peer are used again at once; age is not inherited. */
static void test_a_reused_file_begins_anew(void **state)
{
    (void)state;
    struct port port = listen_on(AF_INET, "127.0.0.1", 0);
    struct csn_strangers *strangers = watch(&port);
    struct connection first = connect_to(&port);
    assert_int_equal(cut(strangers, 0), 0);
    hang_up(&first);
    struct connection second = connect_to(&port);
    assert_int_equal(second.here, first.here);
    assert_int_equal(cut(strangers, WAIT), 0);
    assert_false(is_cut(&second));
    hang_up(&second);
    close(port.fd);
    csn_strangers_free(strangers);
}

static void test_above_the_maximum_the_oldest_are_cut_at_once(void **state)
{
    (void)state;
    struct port port = listen_on(AF_INET, "127.0.0.1", 0);
    struct csn_strangers *strangers = watch(&port);
    struct connection many[MANY];
    size_t old = MANY - CSN_STRANGERS_MAX;
    for (size_t i = 0; i < old; i++) {
        many[i] = connect_to(&port);
    }
    assert_int_equal(cut(strangers, 0), 0);
    pass(strangers, 1, &many[0]);
    for (size_t i = old; i < MANY; i++) {
        many[i] = connect_to(&port);
    }
    assert_int_equal(cut(strangers, 10), old - 1); /* but the link */
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(is_cut(&many[i]), 0 < i && i < old);
        hang_up(&many[i]);
    }
    close(port.fd);
    csn_strangers_free(strangers);
}

/* The limit of files leaves place for a few; even when none is left, cutting works. */
static void test_when_files_run_out_strangers_are_cut_at_once(void **state)
{
    (void)state;
    struct rlimit limit, small;
    struct port port = listen_on(AF_INET, "127.0.0.1", 0);
    struct csn_strangers *strangers = watch(&port);
    struct connection few[10];
    for (size_t i = 0; i < 10; i++) {
        few[i] = connect_to(&port);
    }
    assert_int_equal(cut(strangers, 0), 0);
    assert_false(csn_strangers_is_short(strangers));
    int lowest = dup(port.fd);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = limit;
    /* All files below the limit are taken, so that without the ten there would be ten. */
    small.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    assert_true(csn_strangers_is_short(strangers));
    assert_int_equal(cut(strangers, 1), 10);
    small.rlim_cur = (rlim_t)lowest + CSN_STRANGERS_FREE_MIN + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    assert_false(csn_strangers_is_short(strangers));
    setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i < 10; i++) {
        assert_true(is_cut(&few[i]));
        hang_up(&few[i]);
    }
    close(port.fd);
    csn_strangers_free(strangers);
}

/* Another server of this process with our port at another address, and what we dialled. */
static void test_only_our_own_addresses_are_touched(void **state)
{
    (void)state;
    struct port ours = listen_on(AF_INET, "127.0.0.1", 0);
    struct port others = listen_on(AF_INET, "127.0.0.2", ntohs(ours.address.v4.sin_port));
    struct csn_strangers *strangers = watch(&ours);
    struct connection mine = connect_to(&ours), other = connect_to(&others);
    assert_int_equal(cut(strangers, 0), 0);
    assert_int_equal(cut(strangers, WAIT), 1);
    assert_true(is_cut(&mine));
    assert_false(is_cut(&other));
    hang_up(&mine);
    hang_up(&other);
    close(ours.fd);
    close(others.fd);
    csn_strangers_free(strangers);
}

static void test_an_unspecified_address_means_all(void **state)
{
    (void)state;
    static const struct {
        int family;
        const char *host;
    } cases[] = {{AF_INET, "0.0.0.0"}, {AF_INET6, "::"}};
    for (size_t i = 0; i < 2; i++) {
        struct port port = listen_on(cases[i].family, cases[i].host, 0);
        struct csn_strangers *strangers = watch(&port);
        struct connection idle = connect_to(&port), link = connect_to(&port);
        pass(strangers, 1, &link);
        assert_int_equal(cut(strangers, 0), 0);
        assert_int_equal(cut(strangers, WAIT), 1);
        assert_true(is_cut(&idle));
        assert_false(is_cut(&link));
        hang_up(&idle);
        hang_up(&link);
        close(port.fd);
        csn_strangers_free(strangers);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_does_not_become_a_link_in_time_is_cut_once),
        cmocka_unit_test(test_a_link_is_never_cut_and_has_its_time_when_it_falls),
        cmocka_unit_test(test_a_reused_file_begins_anew),
        cmocka_unit_test(test_above_the_maximum_the_oldest_are_cut_at_once),
        cmocka_unit_test(test_when_files_run_out_strangers_are_cut_at_once),
        cmocka_unit_test(test_only_our_own_addresses_are_touched),
        cmocka_unit_test(test_an_unspecified_address_means_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
