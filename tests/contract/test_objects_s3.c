/* object.h against a real S3 server. */
#include <unistd.h>

#include "queue/s3_private.h"
#include "tests/contract/objects_bench.h"

static const char *wrong_env(const char *name)
{
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "wrong" : bench_env(name);
}

static void test_objects__refused_credentials_are_never_gone(void **state)
{
    (void)state;
    bench_close();
    struct objects_options wrong = bench_options();
    wrong.getenv = wrong_env;
    bench_open(&wrong);
    struct call get = {0}, head = {0};
    call_run(&get, OBJECT_GET, key_of("missing.pdf"));
    assert_failed(&get, ERR_DENIED);
    call_run(&head, OBJECT_HEAD, key_of("missing.pdf"));
    assert_failed(&head, ERR_DENIED);
    bench_close();
    wrong.getenv = NULL; /* anonymous */
    bench_open(&wrong);
    get = (struct call){0};
    call_run(&get, OBJECT_GET, key_of("missing.pdf"));
    assert_failed(&get, ERR_DENIED);
}

static void test_objects__a_missing_bucket_is_not_a_missing_object(void **state)
{
    (void)state;
    strcpy(bench.bucket, "no-such-bucket");
    struct call get = {0}, head = {0}, list = {0};
    call_run(&get, OBJECT_GET, key_of("a.pdf"));
    assert_failed(&get, ERR_UNAVAILABLE);
    assert_non_null(strstr(get.err.message, "no-such-bucket"));
    call_run(&head, OBJECT_HEAD, key_of("a.pdf"));
    assert_failed(&head, ERR_UNAVAILABLE);
    call_run(&list, OBJECT_LIST, key_of(""));
    assert_failed(&list, ERR_UNAVAILABLE);
}

static void run_s3(struct s3 *s3, struct call *call, enum object_verb verb)
{
    call->request.verb = verb;
    call->request.bucket = text_from(bench.bucket);
    call->request.key = key_of("a.pdf");
    call->request.on_done = call_on_done;
    call->request.body_fd = -1;
    s3_send(s3, &call->request);
    call_wait(call);
}

static void test_objects__a_wrong_clock_is_corrected(void **state)
{
    (void)state;
    put_object(key_of("a.pdf"), "x", NULL);
    const enum object_verb verbs[] = {OBJECT_GET, OBJECT_HEAD};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        struct error err;
        struct objects_options given = bench_options();
        struct s3 *s3 = s3_open(bench.loop, &given, &err);
        assert_non_null(s3);
        s3->skew_ms = -3 * 3600 * 1000;
        struct call call = {0};
        run_s3(s3, &call, verbs[i]);
        assert_ok(&call);
        assert_in_range(s3->skew_ms + 60000, 0, 120000);
        if (call.request.body_fd >= 0)
            close(call.request.body_fd);
        bool is_closed = false;
        s3_close(s3, bench_on_closed, &is_closed);
        while (!is_closed)
            loop_run_once(bench.loop, 1000);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_objects__refused_credentials_are_never_gone),
        WITH(test_objects__a_missing_bucket_is_not_a_missing_object),
        WITH(test_objects__a_wrong_clock_is_corrected),
    };
    bench.is_s3 = true;
    int failed = objects_suite("object.h over S3");
    return failed + cmocka_run_group_tests_name("S3", tests, NULL, NULL);
}
