#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/raw_server.h"
#include "tests/unit/test.h"
#include "worker/base/http_private.h"

#define CALLS_MAX 8

struct call {
    struct http_request request;
    char url[256];
    struct error err;
    bool is_done, has_failed;
    unsigned order; /* 1: the first that was answered */
    size_t pieces_max, piece_count;
    void (*then)(struct call *call);
};

static struct {
    struct loop *loop;
    struct raw_server *server;
    struct http *http;
    struct call calls[CALLS_MAX];
    unsigned answered;
    bool is_closed;
} bench;

static void on_done(struct http_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    assert_false(call->is_done);
    call->is_done = true;
    call->has_failed = err != NULL;
    call->order = ++bench.answered;
    if (err)
        call->err = *err;
    if (call->then)
        call->then(call);
}

static void on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

static void open_client(uint32_t connections_max, uint64_t stall_timeout_ms)
{
    struct http_options options = {.connections_max = connections_max,
                                   .connect_timeout_ms = 5000,
                                   .stall_timeout_ms = stall_timeout_ms,
                                   .lane = LANE_OTHER};
    struct error err;
    bench.http = http_open(bench.loop, &options, &err);
    assert_non_null(bench.http);
}

static void close_client(void)
{
    http_close(bench.http, on_closed, NULL);
    assert_false(bench.is_closed);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    bench.http = NULL;
}

static int setup(void **state)
{
    (void)state;
    struct error err;
    memset(&bench, 0, sizeof(bench));
    metrics_reset();
    bench.loop = loop_new(&err);
    bench.server = raw_server_start();
    return bench.loop ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    if (bench.http)
        close_client();
    for (size_t i = 0; i < CALLS_MAX; i++)
        http_request_release(&bench.calls[i].request);
    raw_server_stop(bench.server);
    loop_free(bench.loop);
    return metric_value(METRIC_HTTP_IN_FLIGHT, LANE_OTHER) > 0 ? 1 : 0;
}

static struct call *call_to(size_t which, uint16_t port, const char *path)
{
    struct call *call = &bench.calls[which];
    assert_true(text_format(call->url, sizeof(call->url), "http://127.0.0.1:%u%s", port, path));
    call->request.method = "GET";
    call->request.url = text_from(call->url);
    call->request.timeout_ms = 10000;
    call->request.reply_bytes_max = 2 << 20;
    call->request.on_done = on_done;
    return call;
}

static struct call *call_of(size_t which, const char *path)
{
    return call_to(which, raw_server_port(bench.server), path);
}

static void send_call(struct call *call)
{
    call->is_done = false;
    http_send(bench.http, &call->request);
    assert_false(call->is_done); /* never from inside */
}

static void wait_for(struct call *call)
{
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

static struct call *run(struct call *call)
{
    send_call(call);
    wait_for(call);
    return call;
}

static const char *reply_of(struct call *call)
{
    if (call->has_failed)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
    return buffer_string(&call->request.reply);
}

#define assert_contains(string, part)                    \
    do {                                                 \
        if (!strstr(string, part))                       \
            fail_msg("no \"%s\" in:\n%s", part, string); \
    } while (0)
#define assert_lacks(string, part)                    \
    do {                                              \
        if (strcasestr(string, part))                 \
            fail_msg("\"%s\" in:\n%s", part, string); \
    } while (0)

/* ---- what goes over the wire ----------------------------------------------------------------- */

static void test_http__sends_the_path_as_it_is_given(void **state)
{
    (void)state;
    open_client(2, 0);
    const char *sent = reply_of(run(call_of(0, "/bkt/../other//a%2Fb/./echo?q=%20&acl")));
    assert_contains(sent, "GET /bkt/../other//a%2Fb/./echo?q=%20&acl HTTP/1.1\r\n");
    assert_contains(sent, "User-Agent: millrace/");
    assert_lacks(sent, "Content-");
    assert_lacks(sent, "Expect");
    assert_lacks(sent, "Accept-Encoding");
    assert_int_equal(bench.calls[0].request.status, 200);
    assert_true(bench.calls[0].request.was_sent);
}

static void test_http__sends_headers_as_they_are_given_and_none_of_curls_own(void **state)
{
    (void)state;
    open_client(2, 0);
    const struct http_header headers[] = {{TEXT("X-One"), TEXT("1")}, {TEXT("X-Empty"), TEXT("")}};
    struct call *call = call_of(0, "/echo");
    call->request.method = "POST";
    call->request.headers = headers;
    call->request.header_count = COUNT_OF(headers);
    const char *sent = reply_of(run(call));
    assert_contains(sent, "POST /echo HTTP/1.1\r\n");
    assert_contains(sent, "\r\nX-One: 1\r\n");
    assert_contains(sent, "\r\nX-Empty:\r\n");
    assert_contains(sent, "\r\nContent-Length: 0\r\n");
    assert_lacks(sent, "Content-Type");
}

static void test_http__never_expects_a_100_and_sends_large_bodies_whole(void **state)
{
    (void)state;
    open_client(2, 0);
    char *body = calloc(1, 3 << 20);
    struct call *call = call_of(0, "/count");
    call->request.method = "PUT";
    call->request.body = (struct text){body, 3 << 20};
    assert_string_equal(reply_of(run(call)), "3145728");
    call = call_of(1, "/echo");
    call->request.method = "POST";
    call->request.body = (struct text){body, 2 << 20};
    const char *sent = reply_of(run(call));
    free(body);
    assert_lacks(sent, "Expect");
    assert_contains(sent, "Content-Length: 2097152\r\n");
    assert_int_equal(raw_server_connections(bench.server), 1);
}

static void test_http__sends_a_body_from_a_file(void **state)
{
    (void)state;
    open_client(2, 0);
    int fd = memfd_create("body", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 300000), 0);
    struct call *call = call_of(0, "/count");
    call->request.method = "PUT";
    call->request.body_fd = fd;
    call->request.body_fd_bytes = 250000;
    assert_string_equal(reply_of(run(call)), "250000");
    call = call_of(1, "/count");
    call->request.method = "PUT";
    call->request.body_fd = fd;
    call->request.body_fd_bytes = 300001;
    run(call);
    close(fd);
    assert_true(call->has_failed);
    assert_int_equal(call->err.code, ERR_IO);
}

static void test_http__refuses_headers_and_urls_with_line_ends(void **state)
{
    (void)state;
    open_client(2, 0);
    const struct http_header header = {TEXT("If-None-Match"), TEXT("\"x\"\r\nHost: evil")};
    struct call *call = call_of(0, "/echo");
    call->request.headers = &header;
    call->request.header_count = 1;
    run(call);
    assert_int_equal(call->err.code, ERR_PROTOCOL);
    assert_false(call->request.was_sent);
    call = run(call_of(1, "/echo\r\nX: y"));
    assert_true(call->has_failed);
    call = run(call_of(2, ""));
    assert_false(call->has_failed);
    call->request.url = TEXT("gopher://127.0.0.1/");
    run(call);
    assert_int_equal(call->err.code, ERR_CONFIG);
    assert_int_equal(raw_server_connections(bench.server), 1);
}

static void test_http__keeps_connections(void **state)
{
    (void)state;
    open_client(4, 0);
    for (size_t i = 0; i < CALLS_MAX; i++)
        reply_of(run(call_of(i, "/echo")));
    assert_int_equal(raw_server_connections(bench.server), 1);
}

static void test_http__waits_in_order_for_a_connection(void **state)
{
    (void)state;
    open_client(1, 0);
    for (size_t i = 0; i < CALLS_MAX; i++)
        send_call(call_of(i, "/echo"));
    assert_int_equal(http_in_flight(bench.http), CALLS_MAX);
    for (size_t i = 0; i < CALLS_MAX; i++)
        wait_for(&bench.calls[i]);
    assert_int_equal(http_in_flight(bench.http), 0);
    assert_int_equal(raw_server_connections(bench.server), 1);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        assert_int_equal(bench.calls[i].order, i + 1);
    assert_true(metric_value(METRIC_HTTP_REQUESTS, LANE_OTHER) > CALLS_MAX - 0.5);
}

/* ---- what comes back ------------------------------------------------------------------------- */

static void test_http__every_status_is_an_answer_and_redirects_stay_unfollowed(void **state)
{
    (void)state;
    open_client(2, 0);
    struct call *call = run(call_of(0, "/status/503"));
    assert_string_equal(reply_of(call), "status");
    assert_int_equal(call->request.status, 503);
    assert_text(http_reply_header(&call->request, "x-TWO"), "padded value");
    assert_null(http_reply_header(&call->request, "x-none").start);
    assert_int_equal(http_retry_after_ms(&call->request, 0), 7000);
    call = run(call_of(1, "/redirect"));
    assert_string_equal(reply_of(call), "");
    assert_int_equal(call->request.status, 302);
    assert_text(http_reply_header(&call->request, "location"), "/echo");
    assert_int_equal(http_retry_after_ms(&call->request, 0), 0);
    assert_int_equal(run(call_of(2, "/status/304"))->request.status, 304);
    assert_true(metric_value(METRIC_HTTP_FAILURES, LANE_OTHER) > 0.5);
    assert_true(metric_value(METRIC_HTTP_FAILURES, LANE_OTHER) < 1.5);
}

static void test_http__an_interim_answer_leaves_no_headers(void **state)
{
    (void)state;
    open_client(2, 0);
    struct call *call = run(call_of(0, "/interim"));
    assert_string_equal(reply_of(call), "final");
    assert_text(http_reply_header(&call->request, "X-Final"), "yes");
    assert_null(http_reply_header(&call->request, "X-Which").start);
}

static void test_http__a_head_brings_headers_alone(void **state)
{
    (void)state;
    open_client(2, 0);
    struct call *call = call_of(0, "/x");
    call->request.method = "HEAD";
    call->request.reply_bytes_max = 10;
    assert_string_equal(reply_of(run(call)), "");
    assert_text(http_reply_header(&call->request, "Content-Length"), "123456");
}

static void test_http__a_body_larger_than_allowed_ends_the_request(void **state)
{
    (void)state;
    open_client(2, 0);
    struct call *call = call_of(0, "/big");
    call->request.reply_bytes_max = 1 << 20;
    assert_int_equal(strlen(reply_of(run(call))), 1 << 20);
    call->request.reply_bytes_max = (1 << 20) - 1;
    run(call);
    assert_int_equal(call->err.code, ERR_TOO_LARGE);
    assert_int_equal(call->request.reply_bytes, 0);
    assert_int_equal(call->request.status, 200);
    call = call_of(1, "/endless");
    call->request.reply_bytes_max = 100000;
    run(call);
    assert_int_equal(call->err.code, ERR_TOO_LARGE);
    assert_true(call->request.reply_bytes <= 100000);
}

static void test_http__a_good_body_goes_to_the_file_a_bad_one_to_memory(void **state)
{
    (void)state;
    open_client(2, 0);
    int fd = memfd_create("reply", MFD_CLOEXEC);
    struct call *call = call_of(0, "/big");
    call->request.reply_fd = fd;
    assert_string_equal(reply_of(run(call)), "");
    assert_int_equal(lseek(fd, 0, SEEK_END), 1 << 20);
    assert_int_equal(call->request.reply_bytes, 1 << 20);
    call = call_of(1, "/status/404");
    call->request.reply_fd = fd;
    assert_string_equal(reply_of(run(call)), "status");
    assert_int_equal(lseek(fd, 0, SEEK_END), 1 << 20);
    close(fd);
}

static bool on_data(struct http_request *request, struct text piece)
{
    struct call *call = container_of(request, struct call, request);
    assert_true(piece.bytes > 0);
    return ++call->piece_count < call->pieces_max;
}

static void test_http__a_receiver_takes_pieces_and_may_have_enough(void **state)
{
    (void)state;
    open_client(2, 0);
    struct call *call = call_of(0, "/big");
    call->request.on_data = on_data;
    call->pieces_max = SIZE_MAX;
    assert_string_equal(reply_of(run(call)), "");
    assert_int_equal(call->request.reply_bytes, 1 << 20);
    call->piece_count = 0;
    call->pieces_max = 2;
    run(call);
    assert_int_equal(call->err.code, ERR_CANCELLED);
    assert_int_equal(call->piece_count, 2);
}

static void test_http__answers_that_are_no_http_are_refused(void **state)
{
    (void)state;
    open_client(2, 0);
    assert_int_equal(run(call_of(0, "/garbage"))->err.code, ERR_PROTOCOL);
    assert_int_equal(run(call_of(1, "/headers"))->err.code, ERR_PROTOCOL);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_http__a_refused_connection_sent_nothing_a_broken_one_did(void **state)
{
    (void)state;
    open_client(2, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: nobody else gets the port */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    struct call *call = run(call_to(0, ntohs(address.sin_port), "/secret?signature=1"));
    close(fd);
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_false(call->request.was_sent);
    assert_int_equal(call->request.status, 0);
    assert_contains(call->err.message, "127.0.0.1:");
    assert_lacks(call->err.message, "secret");
    assert_lacks(call->err.message, "signature");
    call = run(call_of(1, "/close"));
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_true(call->request.was_sent);
}

static void test_http__says_when_a_dead_connection_made_it_send_twice(void **state)
{
    (void)state;
    open_client(1, 0);
    struct call *call = run(call_of(0, "/echo"));
    assert_int_equal(call->request.sent_count, 1);
    call = run(call_of(1, "/close")); /* over the kept connection, then over one of its own */
    assert_true(call->has_failed && call->request.was_sent);
    assert_int_equal(call->request.sent_count, 2);
}

static void test_http__the_deadline_covers_the_wait_for_a_connection(void **state)
{
    (void)state;
    open_client(1, 0);
    struct call *hanging = call_of(0, "/hang"), *waiting = call_of(1, "/echo");
    hanging->request.timeout_ms = 120;
    waiting->request.timeout_ms = 30;
    send_call(hanging);
    send_call(waiting);
    wait_for(waiting);
    assert_int_equal(waiting->err.code, ERR_TIMEOUT);
    assert_false(waiting->request.was_sent);
    assert_false(hanging->is_done);
    wait_for(hanging);
    assert_int_equal(hanging->err.code, ERR_TIMEOUT);
    assert_true(hanging->request.was_sent);
    assert_string_equal(reply_of(run(call_of(2, "/count"))), "0");
}

static void test_http__a_stalled_answer_ends_before_its_deadline(void **state)
{
    (void)state;
    open_client(1, 1000);
    struct call *call = call_of(0, "/hang"); /* after some bytes curl's average takes 5 s to fall */
    call->request.timeout_ms = 60000;
    uint64_t start_ms = loop_now_ms(bench.loop);
    run(call);
    assert_int_equal(call->err.code, ERR_TIMEOUT);
    assert_true(loop_now_ms(bench.loop) - start_ms < 30000);
    assert_true(call->request.was_sent);
}

static void test_http__opens_no_more_connections_than_allowed(void **state)
{
    (void)state;
    open_client(2, 0);
    for (size_t i = 0; i < CALLS_MAX; i++)
        send_call(call_of(i, "/echo"));
    for (size_t i = 0; i < CALLS_MAX; i++)
        wait_for(&bench.calls[i]);
    assert_int_equal(raw_server_connections(bench.server), 2);
}

static void test_http__half_an_answer_is_none(void **state)
{
    (void)state;
    open_client(1, 0);
    struct call *call = call_of(0, "/half");
    call->request.timeout_ms = 100;
    run(call);
    assert_int_equal(call->err.code, ERR_TIMEOUT);
    assert_int_equal(call->request.reply_bytes, 5);
    assert_int_equal(call->request.status, 200);
}

static void test_http__cancel_answers_later_and_once(void **state)
{
    (void)state;
    open_client(1, 0);
    struct call *running = call_of(0, "/hang"), *waiting = call_of(1, "/echo");
    send_call(running);
    send_call(waiting);
    while (raw_server_connections(bench.server) == 0)
        loop_run_once(bench.loop, 10);
    http_cancel(bench.http, &running->request);
    http_cancel(bench.http, &running->request);
    http_cancel(bench.http, &waiting->request);
    assert_false(running->is_done || waiting->is_done);
    wait_for(running);
    wait_for(waiting);
    assert_int_equal(running->err.code, ERR_CANCELLED);
    assert_int_equal(waiting->err.code, ERR_CANCELLED);
    assert_false(waiting->request.was_sent);
    http_cancel(bench.http, &running->request); /* answered: nothing happens */
    assert_string_equal(reply_of(run(call_of(2, "/count"))), "0");
}

static void test_http__close_answers_everything_with_shutdown(void **state)
{
    (void)state;
    open_client(2, 0);
    for (size_t i = 0; i < 4; i++)
        send_call(call_of(i, "/hang"));
    while (raw_server_connections(bench.server) < 2)
        loop_run_once(bench.loop, 10);
    http_close(bench.http, on_closed, NULL);
    assert_int_equal(bench.answered, 0);
    send_call(call_of(4, "/echo")); /* too late, and answered all the same */
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    bench.http = NULL;
    assert_int_equal(bench.answered, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bench.calls[i].err.code, ERR_SHUTDOWN);
}

static void send_again(struct call *call)
{
    call->then = NULL;
    send_call(call);
}

static void release_and_close(struct call *call)
{
    http_request_release(&call->request);
    http_close(bench.http, on_closed, NULL);
}

static void test_http__an_answer_may_send_again_release_and_close(void **state)
{
    (void)state;
    open_client(2, 0);
    struct call *call = call_of(0, "/echo");
    call->then = send_again;
    send_call(call);
    while (bench.answered < 2)
        loop_run_once(bench.loop, 1000);
    reply_of(call);
    call->then = release_and_close;
    send_call(call);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    bench.http = NULL;
    assert_int_equal(bench.answered, 3);
}

static void test_http__reads_every_spelling_of_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        uint32_t ms;
    } cases[] = {
        {"HTTP/1.1 429 x\r\nRetry-After: 7\r\n", 7000},
        {"retry-after: 0.25\r\n", 250},
        {"Retry-After: 20\r\nretry-after-ms: 1500.2\r\n", 1501},
        {"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1000},
        {"Retry-After: Sun, 06 Nov 1994 08:49:00 GMT\r\n", 0},
        {"Retry-After: 1e300\r\n", UINT32_MAX},
        {"Retry-After: -3\r\n", 0},
        {"Retry-After: nan\r\n", 0},
        {"Retry-After: soon\r\n", 0},
        {"Retry-After:\r\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_exchange exchange = {.headers = buffer_new(1000)};
        struct http_request request = {.exchange = &exchange};
        buffer_append_text(&exchange.headers, text_from(cases[i].headers));
        assert_int_equal(http_retry_after_ms(&request, 784111776000), cases[i].ms);
        buffer_release(&exchange.headers);
    }
}

static void test_http__a_missing_certificate_file_is_a_configuration_error(void **state)
{
    (void)state;
    struct http_options options = {.connections_max = 1, .ca_file = TEXT("/nonexistent/ca.pem")};
    struct error err;
    assert_null(http_open(bench.loop, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void test_http__closing_nothing_is_allowed(void **state)
{
    (void)state;
    http_close(NULL, on_closed, NULL);
    assert_true(bench.is_closed);
    bench.is_closed = false;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http__sends_the_path_as_it_is_given),
        TEST(test_http__sends_headers_as_they_are_given_and_none_of_curls_own),
        TEST(test_http__never_expects_a_100_and_sends_large_bodies_whole),
        TEST(test_http__sends_a_body_from_a_file),
        TEST(test_http__refuses_headers_and_urls_with_line_ends),
        TEST(test_http__keeps_connections),
        TEST(test_http__waits_in_order_for_a_connection),
        TEST(test_http__every_status_is_an_answer_and_redirects_stay_unfollowed),
        TEST(test_http__an_interim_answer_leaves_no_headers),
        TEST(test_http__a_head_brings_headers_alone),
        TEST(test_http__a_body_larger_than_allowed_ends_the_request),
        TEST(test_http__a_good_body_goes_to_the_file_a_bad_one_to_memory),
        TEST(test_http__a_receiver_takes_pieces_and_may_have_enough),
        TEST(test_http__answers_that_are_no_http_are_refused),
        TEST(test_http__a_refused_connection_sent_nothing_a_broken_one_did),
        TEST(test_http__says_when_a_dead_connection_made_it_send_twice),
        TEST(test_http__the_deadline_covers_the_wait_for_a_connection),
        TEST(test_http__a_stalled_answer_ends_before_its_deadline),
        TEST(test_http__opens_no_more_connections_than_allowed),
        TEST(test_http__half_an_answer_is_none),
        TEST(test_http__cancel_answers_later_and_once),
        TEST(test_http__close_answers_everything_with_shutdown),
        TEST(test_http__an_answer_may_send_again_release_and_close),
        TEST(test_http__reads_every_spelling_of_retry_after),
        TEST(test_http__a_missing_certificate_file_is_a_configuration_error),
        TEST(test_http__closing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
