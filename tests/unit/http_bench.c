#include "tests/unit/http_bench.h"

struct http_bench bench;

static void on_done(struct http_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
    call->order = ++bench.answered;
    if (call->then)
        call->then(call);
}

void bench_on_closed(void *arg)
{
    (void)arg;
    bench.is_closed = true;
}

void open_client(uint32_t connections_max, uint64_t stall_timeout_ms)
{
    struct http_options options = {.connections_max = connections_max,
                                   .connect_timeout_ms = 5000,
                                   .stall_timeout_ms = stall_timeout_ms,
                                   .stall_bytes_per_s = 256,
                                   .lane = LANE_OTHER};
    struct error err;
    bench.http = http_open(bench.loop, &options, &err);
    assert_non_null(bench.http);
}

static void close_client(void)
{
    http_close(bench.http, bench_on_closed, NULL);
    assert_false(bench.is_closed);
    while (!bench.is_closed)
        loop_run_once(bench.loop, 1000);
    bench.http = NULL;
}

int bench_setup(void **state)
{
    (void)state;
    struct error err;
    memset(&bench, 0, sizeof(bench));
    metrics_reset();
    bench.loop = loop_new(&err);
    bench.server = raw_server_start();
    return bench.loop ? 0 : 1;
}

int bench_teardown(void **state)
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

struct call *call_to(size_t which, uint16_t port, const char *path)
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

struct call *call_of(size_t which, const char *path)
{
    return call_to(which, raw_server_port(bench.server), path);
}

void send_call(struct call *call)
{
    call->is_done = false;
    http_send(bench.http, &call->request);
    assert_false(call->is_done); /* never from inside */
}

void wait_for(struct call *call)
{
    while (!call->is_done)
        loop_run_once(bench.loop, 1000);
}

struct call *run(struct call *call)
{
    send_call(call);
    wait_for(call);
    return call;
}

const char *reply_of(struct call *call)
{
    if (call->has_failed)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
    return buffer_string(&call->request.reply);
}
