/*
 * Parts of a large object from a real S3 server, which TEST_S3_ENDPOINT, _KEY, _SECRET and _BUCKET
 * name (tests/services/serve.py minio).
 */
#include <sys/mman.h>
#include <unistd.h>

#include "queue/s3_private.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define BYTES ((size_t)2 * 1024 * 1024 + 17)

struct call {
    struct object_request request;
    struct error err;
    bool is_done, has_failed;
};

static struct loop *loop;
static struct s3 *s3;

static const char *test_env(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return getenv("TEST_S3_KEY");
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? getenv("TEST_S3_SECRET") : NULL;
}

static int setup(void **state)
{
    struct error err;
    struct objects_options options = {.endpoint = text_from(getenv("TEST_S3_ENDPOINT")),
                                      .bytes_max = 8 * BYTES,
                                      .timeout_ms = 30000,
                                      .connections_max = 8,
                                      .getenv = test_env};
    *state = NULL;
    loop = loop_new(&err);
    s3 = s3_open(loop, &options, &err);
    if (!s3)
        return 1;
    s3->ranges_from_bytes = 1024;
    s3->range_bytes = 100 * 1000;
    return 0;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static int teardown(void **state)
{
    (void)state;
    bool is_closed = false;
    s3_close(s3, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
    return 0;
}

static void on_done(struct object_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
}

static void run(struct call *call, enum object_verb verb)
{
    const char *bucket = getenv("TEST_S3_BUCKET");
    call->request.verb = verb;
    call->request.bucket = text_from(bucket ? bucket : "docs");
    call->request.key = TEXT("users/parts/a large one.pdf");
    call->request.body_fd = -1;
    call->request.on_done = on_done;
    s3_send(s3, &call->request);
    while (!call->is_done)
        loop_run_once(loop, 1000);
    if (call->has_failed)
        fail_msg("%s", call->err.message);
}

static void test_s3_parts__make_the_object_again(void **state)
{
    (void)state;
    AUTO_FREE char *content = xmalloc(BYTES);
    AUTO_FREE char *came = xmalloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        content[i] = (char)(unsigned char)(i * 31 + i / 4099);
    AUTO_FD int fd = memfd_create("content", MFD_CLOEXEC);
    assert_int_equal(write(fd, content, BYTES), BYTES);
    struct call put = {.request.put_fd = fd, .request.put_bytes = BYTES};
    run(&put, OBJECT_PUT);

    struct call get = {.request.size_hint = BYTES};
    run(&get, OBJECT_GET);
    assert_int_equal(get.request.body_bytes, BYTES);
    assert_int_equal(pread(get.request.body_fd, came, BYTES, 0), BYTES);
    assert_memory_equal(came, content, BYTES);
    assert_string_equal(get.request.etag, put.request.etag);
    close(get.request.body_fd);

    struct call again = {.request.size_hint = BYTES,
                         .request.if_none_match = text_from(get.request.etag)};
    run(&again, OBJECT_GET);
    assert_true(again.request.is_unchanged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_s3_parts__make_the_object_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
