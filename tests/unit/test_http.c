#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_bench.h"

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

static bool is_connected_to(int fd, uint16_t port)
{
    struct sockaddr_in peer;
    socklen_t bytes = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 && peer.sin_family == AF_INET &&
           ntohs(peer.sin_port) == port;
}

static void test_http__no_child_inherits_its_sockets(void **state)
{
    (void)state;
    open_client(2, 0);
    reply_of(run(call_of(0, "/echo")));
    unsigned found = 0;
    for (int fd = 3; fd < 1024; fd++) {
        if (!is_connected_to(fd, raw_server_port(bench.server)))
            continue;
        found++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(found, 1);
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

#define TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http__sends_the_path_as_it_is_given),
        TEST(test_http__sends_headers_as_they_are_given_and_none_of_curls_own),
        TEST(test_http__never_expects_a_100_and_sends_large_bodies_whole),
        TEST(test_http__sends_a_body_from_a_file),
        TEST(test_http__refuses_headers_and_urls_with_line_ends),
        TEST(test_http__keeps_connections),
        TEST(test_http__no_child_inherits_its_sockets),
        TEST(test_http__waits_in_order_for_a_connection),
        TEST(test_http__every_status_is_an_answer_and_redirects_stay_unfollowed),
        TEST(test_http__an_interim_answer_leaves_no_headers),
        TEST(test_http__a_head_brings_headers_alone),
        TEST(test_http__a_body_larger_than_allowed_ends_the_request),
        TEST(test_http__a_good_body_goes_to_the_file_a_bad_one_to_memory),
        TEST(test_http__a_receiver_takes_pieces_and_may_have_enough),
        TEST(test_http__answers_that_are_no_http_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
