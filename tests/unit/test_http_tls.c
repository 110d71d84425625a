#include "tests/unit/http_bench.h"
#include "tests/unit/tls_server.h"

static struct tls_server tls;

static int setup(void **state)
{
    tls_server_start(&tls, 3600);
    return bench_setup(state);
}

static int setup_expired(void **state)
{
    tls_server_start(&tls, -3600);
    return bench_setup(state);
}

static int teardown(void **state)
{
    int status = bench_teardown(state);
    tls_server_stop(&tls);
    return status;
}

static struct call *call_https(const char *host)
{
    struct call *call = call_of(0, "");
    assert_true(text_format(call->url, sizeof(call->url), "https://%s:%u/", host, tls.port));
    call->request.url = text_from(call->url);
    return call;
}

static void open_believing(void)
{
    struct http_options options = {
        .connections_max = 1, .ca_file = text_from(tls.ca_path), .lane = LANE_OTHER};
    struct error err;
    bench.http = http_open(bench.loop, &options, &err);
    assert_non_null(bench.http);
}

static void test_http__believes_a_certificate_of_the_given_authority(void **state)
{
    (void)state;
    open_believing();
    assert_string_equal(reply_of(run(call_https("127.0.0.1"))), "secret");
    struct call *call = run(call_https("localhost")); /* the certificate is for another name */
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_false(call->request.was_sent);
}

static void test_http__believes_no_stranger_and_sends_it_nothing(void **state)
{
    (void)state;
    open_client(1, 0);
    struct call *call = run(call_https("127.0.0.1"));
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_false(call->request.was_sent);
    assert_contains(call->err.message, "certificate");
}

static void test_http__tells_a_certificate_that_has_expired_and_sends_nothing(void **state)
{
    (void)state;
    open_believing();
    struct call *call = run(call_https("127.0.0.1"));
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_int_equal(error_disposition(call->err.code), DISPOSITION_RETRY);
    assert_false(call->request.was_sent);
    assert_contains(call->err.message, "certificate has expired");
    assert_contains(call->err.message, "127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http__believes_a_certificate_of_the_given_authority,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__believes_no_stranger_and_sends_it_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_http__tells_a_certificate_that_has_expired_and_sends_nothing, setup_expired,
            teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
