/* Our own small server plays Pinecone's control plane, on the same loop. */
#include "store/pinecone_index.h"
#include "tests/unit/test.h"
#include "worker/base/httpd.h"

static struct {
    struct loop *loop;
    struct httpd *httpd;
    char controller[64];
    bool is_closed;
} bench;

static void answer(void *arg, struct httpd_request *request)
{
    httpd_reply(request, 200, "application/json", NULL, text_from(arg));
}

static char good[] = "{\"name\":\"docs\",\"dimension\":3072,\"metric\":\"cosine\","
                     "\"host\":\"docs-abc.svc.pinecone.io\"}";
static char without_host[] = "{\"name\":\"odd\"}";
static const struct httpd_route ROUTES[] = {
    {"/indexes/docs", answer, good},
    {"/indexes/odd", answer, without_host},
};

static int set_up(void **state)
{
    (void)state;
    struct error err;
    bench.loop = loop_new(&err);
    bench.httpd = httpd_open(bench.loop, TEXT("127.0.0.1:0"), ROUTES, COUNT_OF(ROUTES), &err);
    return !bench.httpd || !text_format(bench.controller, sizeof(bench.controller),
                                        "http://127.0.0.1:%u", httpd_port(bench.httpd));
}

static void on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

static int tear_down(void **state)
{
    (void)state;
    httpd_close(bench.httpd, on_closed, NULL);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    loop_free(bench.loop);
    return 0;
}

static bool find(struct text name, struct buffer *ret_host, struct error *err)
{
    struct vectors_options options = {
        .index_name = name,
        .controller = text_from(bench.controller),
        .api_key = TEXT("key"),
        .api_version = TEXT("2026-04"),
    };
    *ret_host = buffer_new(256);
    return pinecone_find_host(bench.loop, &options, ret_host, err);
}

static void test_pinecone_index__finds_the_host_by_name(void **state)
{
    (void)state;
    struct buffer host;
    struct error err;
    assert_true(find(TEXT("docs"), &host, &err));
    assert_string_equal(buffer_string(&host), "docs-abc.svc.pinecone.io");
    buffer_release(&host);
}

static void test_pinecone_index__says_what_is_wrong(void **state)
{
    (void)state;
    struct buffer host;
    struct error err;
    assert_false(find(TEXT("missing"), &host, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "there is no index missing"));
    assert_false(find(TEXT("odd"), &host, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_false(find(TEXT("../secrets"), &host, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    buffer_release(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pinecone_index__finds_the_host_by_name),
        cmocka_unit_test(test_pinecone_index__says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
