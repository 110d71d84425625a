#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/httpd.h"
#include "worker/base/httpd_listen.h"

static struct {
    struct loop *loop;
    struct httpd *httpd;
    struct httpd_request *kept; /* of /later */
    unsigned handled;
    bool was_loopback, is_closed;
    char seen[256];
} bench;

static void handle_now(void *arg, struct httpd_request *request)
{
    bench.handled++;
    bench.was_loopback = request->is_loopback;
    (void)text_format(bench.seen, sizeof(bench.seen), "%.*s|%.*s|%.*s", TEXT_ARGS(request->path),
                      TEXT_ARGS(request->query), TEXT_ARGS(request->authorization));
    httpd_reply(request, 200, "text/html; charset=utf-8", "default-src 'self'", text_from(arg));
}

static void handle_later(void *arg, struct httpd_request *request)
{
    (void)arg;
    bench.handled++;
    bench.kept = request;
}

static void on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

static void handle_and_close(void *arg, struct httpd_request *request)
{
    handle_now(arg, request);
    httpd_close(bench.httpd, on_closed, NULL);
}

static const struct httpd_route ROUTES[] = {
    {"/now", handle_now, "hello"},
    {"/later", handle_later, NULL},
    {"/close", handle_and_close, "bye"},
};

static int setup(void **state)
{
    (void)state;
    struct error err;
    memset(&bench, 0, sizeof(bench));
    bench.loop = loop_new(&err);
    bench.httpd = httpd_open(bench.loop, TEXT("127.0.0.1:0"), ROUTES, COUNT_OF(ROUTES), &err);
    return bench.httpd ? 0 : 1;
}

static void close_server(void)
{
    if (!bench.is_closed)
        httpd_close(bench.httpd, on_closed, NULL);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
}

static int teardown(void **state)
{
    (void)state;
    close_server();
    loop_free(bench.loop);
    return 0;
}

static int connect_to_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(httpd_port(bench.httpd)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_string(int fd, const char *string)
{
    assert_int_equal(send(fd, string, strlen(string), MSG_NOSIGNAL), strlen(string));
}

/* What comes until the server closes the connection. */
static const char *receive(int fd)
{
    static char reply[8192];
    size_t bytes = 0;
    for (ssize_t got = -1; got != 0;) {
        got = recv(fd, reply + bytes, sizeof(reply) - 1 - bytes, MSG_DONTWAIT);
        if (got > 0)
            bytes += (size_t)got;
        else if (got < 0)
            loop_run_once(bench.loop, 10);
    }
    reply[bytes] = '\0';
    close(fd);
    return reply;
}

static const char *ask(const char *request)
{
    int fd = connect_to_server();
    send_string(fd, request);
    return receive(fd);
}

#define END "Connection: close\r\n\r\n"
#define HOST "Host: localhost:9464\r\n"

#define assert_contains(string, part)                    \
    do {                                                 \
        if (!strstr(string, part))                       \
            fail_msg("no \"%s\" in:\n%s", part, string); \
    } while (0)

static void test_httpd__answers_with_security_headers(void **state)
{
    (void)state;
    const char *reply =
        ask("GET /now?a=%20b&c HTTP/1.1\r\n" HOST "Authorization: Bearer x\r\n" END);
    assert_contains(reply, "HTTP/1.1 200 OK\r\n");
    assert_contains(reply, "Content-Type: text/html; charset=utf-8\r\n");
    assert_contains(reply, "Content-Security-Policy: default-src 'self'\r\n");
    assert_contains(reply, "X-Content-Type-Options: nosniff\r\n");
    assert_contains(reply, "Cache-Control: no-store\r\n");
    assert_contains(reply, "\r\n\r\nhello");
    assert_string_equal(bench.seen, "/now|a=%20b&c|Bearer x");
}

static void test_httpd__a_head_has_no_body(void **state)
{
    (void)state;
    const char *reply = ask("HEAD /now HTTP/1.1\r\n" HOST END);
    assert_contains(reply, "HTTP/1.1 200 OK\r\n");
    assert_contains(reply, "Content-Length: 5\r\n");
    assert_null(strstr(reply, "hello"));
}

static void test_httpd__only_reads_are_allowed(void **state)
{
    (void)state;
    const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        char request[256];
        assert_true(
            text_format(request, sizeof(request), "%s /now HTTP/1.1\r\n" HOST END, methods[i]));
        const char *reply = ask(request);
        assert_contains(reply, "HTTP/1.1 405 ");
        assert_contains(reply, "Allow: GET, HEAD\r\n");
    }
    assert_contains(ask("POST /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\n" END "abc"), " 405 ");
    assert_contains(ask("GET /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\n" END "abc"), " 400 ");
    assert_int_equal(bench.handled, 0);
}

static void test_httpd__unknown_paths_are_404(void **state)
{
    (void)state;
    const char *reply = ask("GET /now/ HTTP/1.1\r\n" HOST END);
    assert_contains(reply, "HTTP/1.1 404 ");
    assert_contains(reply,
                    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
    assert_contains(ask("GET /n%6fw HTTP/1.1\r\n" HOST END), " 404 ");
    assert_contains(ask("GET / HTTP/1.1\r\n" HOST END), " 404 ");
    assert_int_equal(bench.handled, 0);
}

static void test_httpd__nonsense_gets_no_page(void **state)
{
    (void)state;
    assert_contains(ask("\x16\x03\x01 nonsense\r\n\r\n"), "");
    assert_contains(ask("GET /now HTTP/1.1\r\n" END), " 400 "); /* no Host */
    char *request = calloc(1, 40000);
    strcpy(request, "GET /");
    memset(request + 5, 'x', 30000);
    strcat(request, " HTTP/1.1\r\n" HOST END);
    assert_contains(ask(request), " 414 ");
    free(request);
    assert_int_equal(bench.handled, 0);
}

static void test_httpd__an_answer_may_come_later(void **state)
{
    (void)state;
    int fd = connect_to_server();
    send_string(fd, "GET /later HTTP/1.1\r\n" HOST END);
    while (!bench.kept)
        loop_run_once(bench.loop, 1000);
    assert_contains(ask("GET /now HTTP/1.1\r\n" HOST END), "hello"); /* nobody is held up */
    httpd_reply(bench.kept, 202, "text/plain", NULL, TEXT("at last"));
    const char *reply = receive(fd);
    assert_contains(reply, "HTTP/1.1 202 ");
    assert_contains(reply, "\r\n\r\nat last");
}

static void test_httpd__a_peer_that_has_gone_may_be_answered(void **state)
{
    (void)state;
    int fd = connect_to_server();
    send_string(fd, "GET /later HTTP/1.1\r\n" HOST END);
    while (!bench.kept)
        loop_run_once(bench.loop, 1000);
    close(fd);
    loop_run_once(bench.loop, 1);
    httpd_reply(bench.kept, 200, "text/plain", NULL, TEXT("to nobody"));
    assert_contains(ask("GET /now HTTP/1.1\r\n" HOST END), "hello");
}

static void test_httpd__close_answers_who_waits_and_takes_late_replies(void **state)
{
    (void)state;
    int fd = connect_to_server();
    send_string(fd, "GET /later HTTP/1.1\r\n" HOST END);
    while (!bench.kept)
        loop_run_once(bench.loop, 1000);
    httpd_close(bench.httpd, on_closed, NULL);
    assert_false(bench.is_closed);
    assert_contains(receive(fd), " 503 ");
    close_server();
    httpd_reply(bench.kept, 200, "text/plain", NULL, TEXT("too late")); /* only frees */
}

static void test_httpd__a_route_may_close_the_server(void **state)
{
    (void)state;
    assert_contains(ask("GET /close HTTP/1.1\r\n" HOST END), "bye");
}

static void test_httpd__connections_are_kept_and_limited(void **state)
{
    (void)state;
    int fds[HTTPD_CONNECTIONS_MAX];
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = connect_to_server();
    send_string(fds[0], "GET /now HTTP/1.1\r\n" HOST "\r\n");
    send_string(fds[0], "GET /now HTTP/1.1\r\n" HOST "\r\n");
    while (bench.handled < 2)
        loop_run_once(bench.loop, 1000);
    int late = connect_to_server(); /* waits in the backlog */
    send_string(late, "GET /now HTTP/1.1\r\n" HOST END);
    for (int i = 0; i < 5; i++)
        loop_run_once(bench.loop, 10);
    assert_int_equal(bench.handled, 2);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    assert_contains(receive(late), "hello");
}

static void test_httpd__loopback_needs_address_name_and_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        bool is_loopback;
    } cases[] = {
        {"Host: localhost\r\n", true},
        {"Host: 127.0.0.1:9464\r\n", true},
        {"Host: [::1]:9464\r\n", true},
        {"Host: millrace.example.com\r\n", false},
        {"Host: 127.0.0.1.example.com:80\r\n", false},
        {"Host: localhost\r\nX-Forwarded-For: 203.0.113.9\r\n", false},
        {"Host: localhost\r\nForwarded: for=203.0.113.9\r\n", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char request[256];
        assert_true(
            text_format(request, sizeof(request), "GET /now HTTP/1.1\r\n%s" END, cases[i].headers));
        assert_contains(ask(request), "hello");
        assert_int_equal(bench.was_loopback, cases[i].is_loopback);
    }
}

static void test_httpd__knows_the_names_and_addresses_of_this_machine(void **state)
{
    (void)state;
    const char *const ours[] = {"",      "localhost", "LocalHost:1", "127.0.0.1",
                                "[::1]", "[::1]:80",  "127.9.9.9:5"};
    const char *const others[] = {"localhost.evil.com", "127.0.0.1.evil.com", "10.0.0.1",
                                  "128.0.0.1:9464",     "::1:9464",           "[::2]",
                                  "127.1.evil:80",      "evil.com:127"};
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_true(httpd_is_loopback_host(text_from(ours[i])));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(httpd_is_loopback_host(text_from(others[i])));
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6.sin6_addr);
    assert_true(httpd_is_loopback_address((struct sockaddr *)&v6));
    inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.sin6_addr);
    assert_false(httpd_is_loopback_address((struct sockaddr *)&v6));
    inet_pton(AF_INET6, "::1", &v6.sin6_addr);
    assert_true(httpd_is_loopback_address((struct sockaddr *)&v6));
}

static void test_httpd__a_wrong_address_names_the_remedy(void **state)
{
    (void)state;
    const char *const wrong[] = {"",         "9464",     "localhost",     "localhost:http",
                                 "::1:9464", "1.2.3.4:", "1.2.3.4:65536", "127.0.0.1:-1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct error err;
        assert_null(httpd_open(bench.loop, text_from(wrong[i]), NULL, 0, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_contains(err.message, "127.0.0.1:9464");
    }
    struct error err;
    char taken[32];
    assert_true(text_format(taken, sizeof(taken), "127.0.0.1:%u", httpd_port(bench.httpd)));
    assert_null(httpd_open(bench.loop, text_from(taken), NULL, 0, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_contains(err.message, "in use");
    assert_null(httpd_open(bench.loop, TEXT("203.0.113.7:0"), NULL, 0, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void test_httpd__closing_nothing_is_allowed(void **state)
{
    (void)state;
    httpd_close(NULL, on_closed, NULL);
    assert_true(bench.is_closed);
    bench.is_closed = false;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_httpd__answers_with_security_headers),
        TEST(test_httpd__a_head_has_no_body),
        TEST(test_httpd__only_reads_are_allowed),
        TEST(test_httpd__unknown_paths_are_404),
        TEST(test_httpd__nonsense_gets_no_page),
        TEST(test_httpd__an_answer_may_come_later),
        TEST(test_httpd__a_peer_that_has_gone_may_be_answered),
        TEST(test_httpd__close_answers_who_waits_and_takes_late_replies),
        TEST(test_httpd__a_route_may_close_the_server),
        TEST(test_httpd__connections_are_kept_and_limited),
        TEST(test_httpd__loopback_needs_address_name_and_no_proxy),
        TEST(test_httpd__knows_the_names_and_addresses_of_this_machine),
        TEST(test_httpd__a_wrong_address_names_the_remedy),
        TEST(test_httpd__closing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
