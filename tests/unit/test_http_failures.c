#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_bench.h"
#include "worker/base/http_private.h"

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

/* A name that did not resolve leaves curl's handle in a state in which it refuses to be set up. */
static void test_http__a_name_that_does_not_resolve_is_unreachable_each_time(void **state)
{
    (void)state;
    open_client(1, 0);
    for (size_t i = 0; i < 2; i++) {
        struct call *call = call_of(i, "/echo");
        call->request.url = TEXT("http://no-such-host.invalid/echo");
        run(call);
        assert_int_equal(call->err.code, ERR_UNREACHABLE);
        assert_false(call->request.was_sent);
    }
    assert_string_equal(reply_of(run(call_of(2, "/count"))), "0");
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

static void test_http__an_answer_that_trickles_ends_before_its_deadline(void **state)
{
    (void)state;
    open_client(1, 1000);
    struct call *call = call_of(0, "/trickle");
    call->request.timeout_ms = 60000;
    uint64_t start_ms = loop_now_ms(bench.loop);
    run(call);
    assert_int_equal(call->err.code, ERR_TIMEOUT);
    assert_true(loop_now_ms(bench.loop) - start_ms < 30000);
    assert_int_equal(call->request.status, 200);
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
    http_close(bench.http, bench_on_closed, NULL);
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
    http_close(bench.http, bench_on_closed, NULL);
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
    http_close(NULL, bench_on_closed, NULL);
    assert_true(bench.is_closed);
    bench.is_closed = false;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http__a_refused_connection_sent_nothing_a_broken_one_did),
        TEST(test_http__a_name_that_does_not_resolve_is_unreachable_each_time),
        TEST(test_http__says_when_a_dead_connection_made_it_send_twice),
        TEST(test_http__the_deadline_covers_the_wait_for_a_connection),
        TEST(test_http__a_stalled_answer_ends_before_its_deadline),
        TEST(test_http__an_answer_that_trickles_ends_before_its_deadline),
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
