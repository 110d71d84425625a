/*
 * What s3 does about servers that misbehave, against a loopback server that answers each connection
 * with the next line of a script and then closes it.
 */
#include <unistd.h>

#include "queue/s3_private.h"
#include "tests/unit/scripted_server.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define FAULT(status, code)                                                        \
    "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n<Error><Code>" code "</Code>" \
    "</Error>"
#define BODY(etag, body) "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"" etag "\"\r\n\r\n" body
#define MD5_OF_HELLO "5d41402abc4b2a76b9719d911017c592"

struct bench {
    struct loop *loop;
    struct s3 *s3;
    struct scripted_server server;
    bool is_closed;
};

struct call {
    struct object_request request;
    struct error err;
    bool is_done, has_failed;
};

static struct bench bench;

static void start_with(const char *const *script, struct objects_options options)
{
    struct error err;
    memset(&bench, 0, sizeof(bench));
    scripted_server_start(&bench.server, script);
    bench.loop = loop_new(&err);
    if (!options.endpoint.bytes)
        options.endpoint = text_from(bench.server.url);
    options.bytes_max = 1000;
    options.timeout_ms = 20000;
    options.connections_max = 2;
    bench.s3 = s3_open(bench.loop, &options, &err);
    assert_non_null(bench.s3);
}

static void start(const char *const *script)
{
    start_with(script, (struct objects_options){0});
}

static void on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

/* All of the script must have been asked for: no request too few, and none too many can be. */
static void stop(void)
{
    s3_close(bench.s3, on_closed, NULL);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    loop_free(bench.loop);
    scripted_server_stop(&bench.server);
    assert_null(bench.server.script[bench.server.request_count]);
}

static void on_done(struct object_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
}

static void send_call_for(struct call *call, enum object_verb verb, struct text key)
{
    call->request.verb = verb;
    call->request.bucket = TEXT("docs");
    call->request.key = key;
    call->request.body_fd = -1;
    call->request.on_done = on_done;
    s3_send(bench.s3, &call->request);
}

static void send_call(struct call *call, enum object_verb verb)
{
    send_call_for(call, verb, TEXT("users/x/a.pdf"));
}

static void wait_for(struct call *call)
{
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

static void run(struct call *call, enum object_verb verb)
{
    send_call(call, verb);
    wait_for(call);
}

static void assert_get(const char *expected)
{
    struct call call = {0};
    char body[64] = {0};
    run(&call, OBJECT_GET);
    if (call.has_failed)
        fail_msg("%s", call.err.message);
    assert_int_equal(pread(call.request.body_fd, body, sizeof(body) - 1, 0), strlen(expected));
    assert_string_equal(body, expected);
    close(call.request.body_fd);
}

static void assert_failure(enum object_verb verb, enum error_code code)
{
    struct call call = {0};
    run(&call, verb);
    assert_true(call.has_failed);
    if (call.err.code != code)
        fail_msg("%s: %s", error_name(call.err.code), call.err.message);
    assert_int_equal(call.request.body_fd, -1);
}

static void test_s3__fetches_a_body_again_that_its_etag_contradicts(void **state)
{
    (void)state;
    start((const char *const[]){BODY(MD5_OF_HELLO, "hexxo"), BODY(MD5_OF_HELLO, "hello"), NULL});
    assert_get("hello");
    stop();
}

/* A row would tell of a version that is not in the bucket, and no checksum be asked for. */
static void test_s3__does_not_believe_an_etag_that_was_spoiled(void **state)
{
    (void)state;
    const char *odd = BODY("5d41402abc4b2a76b9719d91q017c592", "hello");
    const char *other_case = BODY("5d41402abc4b2a76b9719D911017c592", "hello");
    start((const char *const[]){odd, other_case, odd, BODY(MD5_OF_HELLO, "hello"), NULL});
    assert_failure(OBJECT_GET, ERR_CHECKSUM);
    assert_failure(OBJECT_GET, ERR_CHECKSUM);
    assert_failure(OBJECT_HEAD, ERR_CHECKSUM);
    assert_get("hello");
    stop();
}

static void test_s3__gives_up_when_the_second_body_is_wrong_as_well(void **state)
{
    (void)state;
    start((const char *const[]){BODY(MD5_OF_HELLO, "hexxo"), BODY(MD5_OF_HELLO, "heyyo"), NULL});
    assert_failure(OBJECT_GET, ERR_CHECKSUM);
    stop();
}

static void test_s3__learns_that_a_server_has_other_etags(void **state)
{
    (void)state;
    start((const char *const[]){BODY(MD5_OF_HELLO, "other"), BODY(MD5_OF_HELLO, "other"),
                                BODY(MD5_OF_HELLO, "third"), NULL});
    assert_get("other");
    assert_get("third"); /* asked for once */
    stop();
}

static void test_s3__believes_no_404_that_is_not_of_s3(void **state)
{
    (void)state;
    const char *page = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n<html>nginx</html>";
    const char *head = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";
    start((const char *const[]){page, head, page, head, FAULT("404 Not Found", "NoSuchKey"), NULL});
    assert_failure(OBJECT_GET, ERR_PROTOCOL);
    assert_failure(OBJECT_HEAD, ERR_PROTOCOL);
    assert_failure(OBJECT_HEAD, ERR_GONE);
    assert_non_null(strstr(bench.server.requests[4], "GET /docs/users/x/a.pdf"));
    assert_non_null(strstr(bench.server.requests[4], "Range: bytes=0-0"));
    stop();
}

static void test_s3__an_object_that_appears_between_head_and_get_is_not_yet(void **state)
{
    (void)state;
    start((const char *const[]){"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n",
                                BODY("x", "h"), NULL});
    assert_failure(OBJECT_HEAD, ERR_NOT_YET);
    stop();
}

#define SLOW_DOWN(header)                                                                       \
    "HTTP/1.1 503 Slow Down\r\nConnection: close\r\n" header "\r\n<Error><Code>SlowDown</Code>" \
    "</Error>"

static void test_s3__slow_down_is_waited_out(void **state)
{
    (void)state;
    start((const char *const[]){SLOW_DOWN("x-amz-retry-after: 20\r\n"), SLOW_DOWN(""),
                                BODY(MD5_OF_HELLO, "hello"), NULL});
    assert_get("hello");
    assert_int_equal(bench.server.request_count, 3);
    stop();
}

static void test_s3__who_asks_meanwhile_waits_as_well(void **state)
{
    (void)state;
    start((const char *const[]){SLOW_DOWN("x-amz-retry-after: 100\r\n"),
                                BODY(MD5_OF_HELLO, "hello"), BODY(MD5_OF_HELLO, "hello"), NULL});
    struct call first = {0}, second = {0};
    send_call(&first, OBJECT_GET);
    while (bench.s3->quiet_until_ms == 0)
        loop_run_once(bench.loop, 1000);
    uint64_t quiet_until_ms = bench.s3->quiet_until_ms;
    send_call(&second, OBJECT_GET);
    wait_for(&second);
    assert_true(loop_now_ms(bench.loop) >= quiet_until_ms);
    wait_for(&first);
    assert_false(first.has_failed || second.has_failed);
    close(first.request.body_fd);
    close(second.request.body_fd);
    stop();
}

static void test_s3__fewer_are_sent_at_once_after_a_slow_down(void **state)
{
    (void)state;
    start((const char *const[]){SLOW_DOWN("x-amz-retry-after: 20\r\n"), BODY(MD5_OF_HELLO, "hello"),
                                BODY(MD5_OF_HELLO, "hello"), BODY(MD5_OF_HELLO, "hello"), NULL});
    assert_int_equal(limiter_limit(&bench.s3->limiter), 2);
    struct call calls[3];
    memset(calls, 0, sizeof(calls));
    send_call(&calls[0], OBJECT_GET);
    while (bench.s3->quiet_until_ms == 0)
        loop_run_once(bench.loop, 1000);
    assert_int_equal(limiter_limit(&bench.s3->limiter), 1);
    for (size_t i = 1; i < COUNT_OF(calls); i++)
        send_call(&calls[i], OBJECT_GET);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        wait_for(&calls[i]);
        assert_false(calls[i].has_failed);
        close(calls[i].request.body_fd);
    }
    assert_int_equal(limiter_limit(&bench.s3->limiter), 2); /* and more, when that went well */
    stop();
}

static void test_s3__tenants_take_turns_where_not_all_can_be_sent(void **state)
{
    (void)state;
    start((const char *const[]){BODY(MD5_OF_HELLO, "hello"), BODY(MD5_OF_HELLO, "hello"),
                                BODY(MD5_OF_HELLO, "hello"), BODY(MD5_OF_HELLO, "hello"),
                                BODY(MD5_OF_HELLO, "hello"), NULL});
    struct tenant loud = tenant_from_user_id((struct uuid){{1}}),
                  quiet = tenant_from_user_id((struct uuid){{2}});
    struct call calls[5];
    memset(calls, 0, sizeof(calls));
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        bool is_quiet = i + 1 == COUNT_OF(calls);
        calls[i].request.tenant = is_quiet ? &quiet : &loud;
        calls[i].request.size_hint = 2 << 20;
        send_call_for(&calls[i], OBJECT_GET, is_quiet ? TEXT("quiet.pdf") : TEXT("loud.pdf"));
    }
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        wait_for(&calls[i]);
        close(calls[i].request.body_fd);
    }
    stop();
    /* The two that could be sent at once, and then the quiet tenant's. */
    assert_non_null(strstr(bench.server.requests[2], "quiet.pdf"));
}

static void test_s3__a_request_that_waits_for_another_is_cancelled_at_once(void **state)
{
    (void)state;
    start((const char *const[]){BODY(MD5_OF_HELLO, "hello"), BODY(MD5_OF_HELLO, "hello"), NULL});
    struct call calls[3];
    memset(calls, 0, sizeof(calls));
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        send_call(&calls[i], OBJECT_GET);
    s3_cancel(bench.s3, &calls[2].request);
    assert_false(calls[2].is_done);
    for (size_t i = COUNT_OF(calls); i-- > 0;)
        wait_for(&calls[i]);
    assert_int_equal(calls[2].err.code, ERR_CANCELLED);
    close(calls[0].request.body_fd);
    close(calls[1].request.body_fd);
    stop();
}

static void test_s3__a_long_wait_is_left_to_the_task(void **state)
{
    (void)state;
    start((const char *const[]){SLOW_DOWN("Retry-After: 60\r\n"), NULL});
    struct call call = {0};
    run(&call, OBJECT_GET);
    assert_int_equal(call.err.code, ERR_THROTTLED);
    assert_int_equal(call.err.retry_after_ms, 60000);
    stop();
}

static void test_s3__a_request_that_rests_is_cancelled_at_once(void **state)
{
    (void)state;
    start((const char *const[]){SLOW_DOWN("Retry-After: 10\r\n"), NULL});
    struct call call = {0};
    send_call(&call, OBJECT_GET);
    while (bench.s3->quiet_until_ms == 0)
        loop_run_once(bench.loop, 1000);
    s3_cancel(bench.s3, &call.request);
    assert_false(call.is_done);
    wait_for(&call);
    assert_int_equal(call.err.code, ERR_CANCELLED);
    stop();
}

static void test_s3__a_bucket_elsewhere_is_signed_for_again(void **state)
{
    (void)state;
    start((const char *const[]){
        "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n<Error><Code>AuthorizationHeaderMalformed"
        "</Code><Region>eu-west-3</Region></Error>",
        BODY(MD5_OF_HELLO, "hello"), BODY(MD5_OF_HELLO, "hello"), NULL});
    assert_get("hello");
    assert_get("hello"); /* in the right place at once */
    assert_text(s3_region_of(bench.s3, TEXT("docs")), "eu-west-3");
    assert_text(s3_region_of(bench.s3, TEXT("others")), "");
    stop();
}

static void test_s3__regions_that_point_at_each_other_end(void **state)
{
    (void)state;
    start((const char *const[]){
        "HTTP/1.1 301 Moved\r\nConnection: close\r\nx-amz-bucket-region: eu-west-3\r\n\r\n",
        "HTTP/1.1 301 Moved\r\nConnection: close\r\nx-amz-bucket-region: eu-west-1\r\n\r\n", NULL});
    assert_failure(OBJECT_GET, ERR_DENIED);
    stop();
}

#define SUMMED(header, body)                                                                 \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"x\"\r\nx-amz-checksum-" header "\r\n\r" \
    "\n" body

static void test_s3__checks_the_checksum_that_is_stored(void **state)
{
    (void)state;
    start((const char *const[]){
        SUMMED("crc32: NhCmhg==", "hexxo"), SUMMED("crc32: NhCmhg==", "hello"),
        SUMMED("crc32c: AAAAAA==", "hello"), SUMMED("crc32c: AAAAAA==", "hello"), NULL});
    assert_get("hello");
    assert_non_null(strcasestr(bench.server.requests[0], "x-amz-checksum-mode: ENABLED"));
    assert_failure(OBJECT_GET, ERR_CHECKSUM); /* the same wrong bytes twice are no excuse here */
    stop();
}

static void test_s3__passes_over_a_checksum_of_parts(void **state)
{
    (void)state;
    start((const char *const[]){
        SUMMED("sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=-2", "a"),
        SUMMED("crc32: AAAAAA==\r\nx-amz-checksum-type: COMPOSITE", "b"), NULL});
    assert_get("a");
    assert_get("b");
    stop();
}

/* It says nothing of the object, which is asked for again and never taken for gone. */
static void test_s3__a_name_that_does_not_resolve_is_unreachable(void **state)
{
    (void)state;
    static const char *const NOTHING[] = {NULL};
    start_with(NOTHING, (struct objects_options){.endpoint = TEXT("http://no-such-host.invalid")});
    assert_failure(OBJECT_GET, ERR_UNREACHABLE);
    assert_failure(OBJECT_HEAD, ERR_UNREACHABLE);
    stop();
}

static const char *some_key(const char *name)
{
    bool is_wanted =
        strcmp(name, "AWS_ACCESS_KEY_ID") == 0 || strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0;
    return is_wanted ? "key" : NULL;
}

static void test_s3__says_that_the_requester_pays_only_when_told(void **state)
{
    (void)state;
    static const char NONE[] = "404 Not Found\r\nX-Amz-Request-Id: 1";
    const char *const script[] = {NONE, NONE, NULL};
    for (unsigned pays = 0; pays < 2; pays++) {
        start_with(script,
                   (struct objects_options){.requester_pays = pays == 1, .getenv = some_key});
        for (unsigned i = 0; i < 2; i++) {
            struct call call = {0};
            run(&call, i ? OBJECT_HEAD : OBJECT_GET);
            const char *request = bench.server.requests[i];
            assert_int_equal(strcasestr(request, "x-amz-request-payer: requester") != NULL, pays);
            assert_int_equal(strstr(request, ";x-amz-request-payer") != NULL, pays); /* signed */
        }
        stop();
    }
}

static void test_s3__a_customers_key_needs_tls(void **state)
{
    (void)state;
    struct error err;
    struct loop *loop = loop_new(NULL);
    struct objects_options options = {.endpoint = TEXT("http://127.0.0.1:1"),
                                      .connections_max = 1,
                                      .sse_customer_key =
                                          TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")};
    assert_null(s3_open(loop, &options, &err));
    assert_non_null(strstr(err.message, "https only"));
    options.sse_customer_key = TEXT("c2VjcmV0");
    assert_null(s3_open(loop, &options, &err));
    assert_non_null(strstr(err.message, "32 bytes"));
    assert_null(strstr(err.message, "c2VjcmV0"));
    loop_free(loop);
}

static void test_s3__half_a_body_is_no_body(void **state)
{
    (void)state;
    start((const char *const[]){
        "HTTP/1.1 200 OK\r\nETag: \"a-1\"\r\nContent-Length: 10\r\n\r\nhalf", NULL});
    assert_failure(OBJECT_GET, ERR_UNREACHABLE);
    stop();
}

static void test_s3__a_body_over_the_cap_is_refused_by_its_length_and_without_one(void **state)
{
    (void)state;
    AUTO_FREE char *large = xmalloc(1200);
    memset(large, 'x', 1200);
    (void)text_format(large, 100, "HTTP/1.1 200 OK\r\nETag: \"a-1\"\r\nConnection: close\r\n\r\n");
    large[strlen(large)] = 'x';
    large[1199] = '\0';
    start((const char *const[]){"HTTP/1.1 200 OK\r\nETag: \"a-1\"\r\nContent-Length: 1001\r\n\r\nx",
                                large, NULL});
    assert_failure(OBJECT_GET, ERR_TOO_LARGE);
    assert_failure(OBJECT_GET, ERR_TOO_LARGE);
    stop();
}

static void test_s3__an_answer_without_an_etag_is_no_answer(void **state)
{
    (void)state;
    start((const char *const[]){"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx", NULL});
    assert_failure(OBJECT_GET, ERR_PROTOCOL);
    stop();
}

static void test_s3__a_list_that_goes_in_circles_of_empty_pages_ends(void **state)
{
    (void)state;
    const char *page = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult><IsTruncated>"
                       "true</IsTruncated><NextContinuationToken>same</NextContinuationToken>"
                       "</ListBucketResult>";
    start((const char *const[]){page, page, NULL});
    assert_failure(OBJECT_LIST, ERR_PROTOCOL);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s3__fetches_a_body_again_that_its_etag_contradicts),
        cmocka_unit_test(test_s3__does_not_believe_an_etag_that_was_spoiled),
        cmocka_unit_test(test_s3__gives_up_when_the_second_body_is_wrong_as_well),
        cmocka_unit_test(test_s3__learns_that_a_server_has_other_etags),
        cmocka_unit_test(test_s3__believes_no_404_that_is_not_of_s3),
        cmocka_unit_test(test_s3__an_object_that_appears_between_head_and_get_is_not_yet),
        cmocka_unit_test(test_s3__slow_down_is_waited_out),
        cmocka_unit_test(test_s3__fewer_are_sent_at_once_after_a_slow_down),
        cmocka_unit_test(test_s3__tenants_take_turns_where_not_all_can_be_sent),
        cmocka_unit_test(test_s3__a_request_that_waits_for_another_is_cancelled_at_once),
        cmocka_unit_test(test_s3__who_asks_meanwhile_waits_as_well),
        cmocka_unit_test(test_s3__a_long_wait_is_left_to_the_task),
        cmocka_unit_test(test_s3__a_request_that_rests_is_cancelled_at_once),
        cmocka_unit_test(test_s3__a_bucket_elsewhere_is_signed_for_again),
        cmocka_unit_test(test_s3__regions_that_point_at_each_other_end),
        cmocka_unit_test(test_s3__checks_the_checksum_that_is_stored),
        cmocka_unit_test(test_s3__passes_over_a_checksum_of_parts),
        cmocka_unit_test(test_s3__a_name_that_does_not_resolve_is_unreachable),
        cmocka_unit_test(test_s3__says_that_the_requester_pays_only_when_told),
        cmocka_unit_test(test_s3__a_customers_key_needs_tls),
        cmocka_unit_test(test_s3__half_a_body_is_no_body),
        cmocka_unit_test(test_s3__a_body_over_the_cap_is_refused_by_its_length_and_without_one),
        cmocka_unit_test(test_s3__an_answer_without_an_etag_is_no_answer),
        cmocka_unit_test(test_s3__a_list_that_goes_in_circles_of_empty_pages_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
