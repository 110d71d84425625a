/*
 * Documents behind links, against a loopback server that answers each connection with the next line
 * of a script.
 */
#include <unistd.h>

#include "queue/links.h"
#include "tests/unit/scripted_server.h"
#include "tests/unit/test.h"

#define ANSWER(status, headers, body) \
    "HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n" body
#define SHA256_OF_HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

struct bench {
    struct loop *loop;
    struct links *links;
    struct scripted_server server;
    bool is_closed;
};

struct call {
    struct object_request request;
    struct error err;
    bool is_done, has_failed;
};

static struct bench bench;

static void start(const char *const *script, bool allows_private)
{
    struct error err;
    memset(&bench, 0, sizeof(bench));
    scripted_server_start(&bench.server, script);
    bench.loop = loop_new(&err);
    struct objects_options options = {.bytes_max = 1000,
                                      .timeout_ms = 20000,
                                      .connections_max = 2,
                                      .allows_private_links = allows_private};
    bench.links = links_open(bench.loop, &options, &err);
    assert_non_null(bench.links);
}

static void on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

static void stop(void)
{
    links_close(bench.links, on_closed, NULL);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    loop_free(bench.loop);
    scripted_server_stop(&bench.server);
}

static void on_done(struct object_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
    if (err)
        assert_null(strstr(err->message, "s3cret"));
}

static const char *here(const char *path)
{
    static char links[2][256];
    static unsigned next;
    char *link = links[next++ % 2];
    assert_true(text_format(link, sizeof(links[0]), "%s%s", bench.server.url, path));
    return link;
}

static void send_call(struct call *call, enum object_verb verb, const char *link)
{
    call->request.verb = verb;
    call->request.link = text_from(link);
    call->request.body_fd = -1;
    call->request.on_done = on_done;
    links_send(bench.links, &call->request);
    assert_false(call->is_done);
}

static void run(struct call *call, enum object_verb verb, const char *link)
{
    send_call(call, verb, link);
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

static void assert_get(const char *link, const char *expected, const char *etag)
{
    struct call call = {0};
    char body[64] = {0};
    run(&call, OBJECT_GET, link);
    if (call.has_failed)
        fail_msg("%s", call.err.message);
    assert_int_equal(pread(call.request.body_fd, body, sizeof(body) - 1, 0), strlen(expected));
    assert_string_equal(body, expected);
    assert_string_equal(call.request.etag, etag);
    close(call.request.body_fd);
}

static void assert_failure(const char *link, enum error_code code)
{
    struct call call = {0};
    run(&call, OBJECT_GET, link);
    assert_true(call.has_failed);
    if (call.err.code != code)
        fail_msg("%s: %s", error_name(call.err.code), call.err.message);
    assert_int_equal(call.request.body_fd, -1);
}

static void test_links__are_sent_byte_for_byte_and_without_credentials(void **state)
{
    (void)state;
    start((const char *const[]){ANSWER("200 OK", "ETag: \"v1\"\r\n", "hello"), NULL}, true);
    assert_get(here("/a/../b%2Fc//d+e%20f?X-Amz-Signature=s3cret&q=%7e&&z"), "hello", "v1");
    assert_non_null(strstr(bench.server.requests[0],
                           "GET /a/../b%2Fc//d+e%20f?X-Amz-Signature=s3cret&q=%7e&&z HTTP/1.1"));
    assert_null(strcasestr(bench.server.requests[0], "Authorization"));
    assert_null(strcasestr(bench.server.requests[0], "x-amz-date"));
    assert_null(strcasestr(bench.server.requests[0], "Cookie"));
    assert_null(strcasestr(bench.server.requests[0], "Referer"));
    stop();
}

static void test_links__without_an_etag_the_bytes_are_the_version(void **state)
{
    (void)state;
    const char *plain = ANSWER("200 OK", "", "hello");
    start((const char *const[]){plain, plain, NULL}, true);
    assert_get(here("/a"), "hello", "sha256-" SHA256_OF_HELLO);
    struct call again = {.request.if_none_match = TEXT("sha256-" SHA256_OF_HELLO)};
    run(&again, OBJECT_GET, here("/a"));
    assert_false(again.has_failed);
    assert_true(again.request.is_unchanged);
    assert_int_equal(again.request.body_fd, -1);
    stop();
}

static void test_links__no_private_address_is_connected_to(void **state)
{
    (void)state;
    char named[64];
    start((const char *const[]){ANSWER("200 OK", "", "inside"), NULL}, false);
    const char *forms[] = {"https://127.0.0.1:%u/", "https://localhost:%u/",
                           "https://2130706433:%u/", "https://0x7f.1:%u/",
                           "https://[::ffff:127.0.0.1]:%u/"};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct text before, rest = text_from(forms[i]);
        before = text_cut(rest, '%', &rest);
        assert_true(text_format(named, sizeof(named), "%.*s%u/", TEXT_ARGS(before),
                                (unsigned)bench.server.port));
        assert_failure(named, ERR_LINK_FORBIDDEN);
    }
    assert_failure("https://169.254.169.254/latest/meta-data/?s3cret", ERR_LINK_FORBIDDEN);
    assert_failure(here("/"), ERR_LINK_REFUSED); /* http */
    assert_int_equal(bench.server.request_count, 0);
    stop();
}

static void test_links__redirects_are_followed_to_links_alone(void **state)
{
    (void)state;
    const char *away = ANSWER("302 Found", "Location: file:///etc/passwd\r\n", "");
    const char *round = ANSWER("307 Round", "Location: /again?s3cret\r\n", "");
    start((const char *const[]){ANSWER("301 Moved", "Location: /there?x=s3cret\r\n", "moved"),
                                ANSWER("200 OK", "ETag: \"v2\"\r\n", "there"), away, round, round,
                                round, round, NULL},
          true);
    assert_get(here("/here?s3cret"), "there", "v2");
    assert_non_null(strstr(bench.server.requests[1], "GET /there?x=s3cret HTTP/1.1"));
    assert_failure(here("/"), ERR_LINK_REFUSED);
    assert_failure(here("/"), ERR_LINK_REFUSED);
    assert_int_equal(bench.server.request_count, 7);
    stop();
}

static void test_links__a_refusal_is_final_and_trouble_is_not(void **state)
{
    (void)state;
    start((const char *const[]){ANSWER("403 Forbidden", "",
                                       "<Error><Code>AccessDenied</Code>s3cret</Error>"),
                                ANSWER("404 None", "", ""),
                                ANSWER("503 Busy", "Retry-After: 2\r\n", ""),
                                ANSWER("429 Slow", "", ""), ANSWER("206 Part", "", "x"), NULL},
          true);
    assert_failure(here("/?s3cret"), ERR_LINK_REFUSED);
    assert_failure(here("/"), ERR_LINK_REFUSED);
    assert_failure(here("/"), ERR_UNAVAILABLE);
    assert_failure(here("/"), ERR_THROTTLED);
    assert_failure(here("/"), ERR_LINK_REFUSED);
    stop();
}

static void test_links__a_body_over_the_cap_is_refused(void **state)
{
    (void)state;
    start((const char *const[]){ANSWER("200 OK", "Content-Length: 1001\r\n", "x"), NULL}, true);
    assert_failure(here("/"), ERR_TOO_LARGE);
    stop();
}

static void test_links__a_look_takes_no_body(void **state)
{
    (void)state;
    start((const char *const[]){ANSWER("206 Part", "ETag: \"v1\"\r\nContent-Range: bytes 0-0/5\r\n",
                                       "h"),
                                ANSWER("200 OK", "ETag: \"v2\"\r\n", "hello"), NULL},
          true);
    struct call part = {0}, whole = {0};
    run(&part, OBJECT_HEAD, here("/"));
    assert_false(part.has_failed);
    assert_string_equal(part.request.etag, "v1");
    assert_non_null(strstr(bench.server.requests[0], "Range: bytes=0-0"));
    run(&whole, OBJECT_HEAD, here("/"));
    assert_false(whole.has_failed);
    assert_string_equal(whole.request.etag, "v2");
    stop();
}

static void test_links__are_cancelled_at_any_time(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 6; turns++) {
        struct call call = {0};
        start((const char *const[]){ANSWER("200 OK", "", "hello"), NULL}, true);
        send_call(&call, OBJECT_GET, here("/"));
        for (unsigned i = 0; i < turns && !call.is_done; i++)
            loop_run_once(bench.loop, 10);
        if (!call.is_done)
            links_cancel(bench.links, &call.request);
        while (!call.is_done)
            loop_run_once(bench.loop, 1000);
        if (call.has_failed)
            assert_int_equal(call.err.code, ERR_CANCELLED);
        else
            close(call.request.body_fd);
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links__are_sent_byte_for_byte_and_without_credentials),
        cmocka_unit_test(test_links__without_an_etag_the_bytes_are_the_version),
        cmocka_unit_test(test_links__no_private_address_is_connected_to),
        cmocka_unit_test(test_links__redirects_are_followed_to_links_alone),
        cmocka_unit_test(test_links__a_refusal_is_final_and_trouble_is_not),
        cmocka_unit_test(test_links__a_body_over_the_cap_is_refused),
        cmocka_unit_test(test_links__a_look_takes_no_body),
        cmocka_unit_test(test_links__are_cancelled_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
