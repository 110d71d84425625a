#include "tests/contract/embed_bench.h"

#include "worker/base/budget.h"

struct bench bench;

static void on_done(struct embed_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
    bench.undone--;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

struct embed_options bench_options(enum embed_engine engine)
{
    return (struct embed_options){.engine = engine,
                                  .api_key = TEXT("sk-test"),
                                  .model = TEXT("a-model"),
                                  .dimension_count = SERVER_WIDTH,
                                  .sends_dimensions = true,
                                  .requests_max = 8,
                                  .inputs_max = 256,
                                  .input_tokens_max = 8191,
                                  .tokens_max = 270000,
                                  .body_bytes_max = 5000000,
                                  .timeout_ms = 5000,
                                  .backoff_ms = 10,
                                  .probe_ms = 30};
}

void bench_open(const struct embed_options *options)
{
    bench_open_at(options, "/v1/");
}

void bench_open_at(const struct embed_options *options, const char *path)
{
    struct error err;
    char url[128];
    struct embed_options opened = *options;
    bench = (struct bench){.guilty_word = "POISON", .long_chunk = SIZE_MAX};
    bench.loop = loop_new(&err);
    bench.server = embed_server_start();
    (void)text_format(url, sizeof(url), "http://127.0.0.1:%u%s", embed_server_port(bench.server),
                      path);
    if (opened.base_url.bytes == 0)
        opened.base_url = text_from(url);
    bench.embed = embed_open(bench.loop, &opened, &err);
    assert_non_null(bench.embed);
}

int bench_open_endpoint(void **state)
{
    (void)state;
    struct embed_options options = bench_options(EMBED_OPENAI);
    bench_open(&options);
    return 0;
}

int bench_open_narrow(void **state)
{
    (void)state;
    struct embed_options options = bench_options(EMBED_OPENAI);
    options.requests_max = 1;
    options.inputs_max = 16;
    bench_open(&options);
    return 0;
}

int bench_open_local(void **state)
{
    (void)state;
    struct embed_options options = bench_options(EMBED_LOCAL);
    bench_open(&options);
    return 0;
}

int bench_close(void **state)
{
    (void)state;
    bool is_closed = false;
    embed_close(bench.embed, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(bench.loop, 1000);
    assert_int_equal(bench.undone, 0);
    embed_server_stop(bench.server);
    loop_free(bench.loop);
    return 0;
}

struct budget *bench_poor(size_t at)
{
    struct budget *budget = budget_new();
    struct uuid poor = {.bytes = {(uint8_t)at}};
    bool is_left = true;
    uint64_t later_ms = (uint64_t)1 << 40; /* time puts nothing into a purse before that */
    while (is_left)
        is_left = budget_pay_tenant(budget, poor, later_ms);
    return budget;
}

void bench_script(const enum deed *deeds, size_t count)
{
    embed_server_script(bench.server, deeds, count);
}

struct call *bench_submit(size_t at, size_t chunk_count, size_t guilty, uint64_t timeout_ms)
{
    struct call *call = &bench.calls[at];
    memset(call, 0, sizeof(*call));
    for (size_t i = 0; i < chunk_count; i++) {
        (void)text_format(call->texts[i], sizeof(call->texts[i]), "%s %zu of %zu",
                          i == guilty ? bench.guilty_word : "text", i, at);
        call->chunks[i].content = text_from(call->texts[i]);
        call->chunks[i].prefix = i % 2 ? TEXT("Title\n\n") : TEXT_NONE;
        call->chunks[i].token_count = i == bench.long_chunk ? 8192 : 1500;
        call->pointers[i] = &call->chunks[i];
    }
    call->tenant.id.bytes[0] = (uint8_t)at;
    if (bench.tenant)
        call->tenant = *bench.tenant;
    call->request = (struct embed_request){
        .tenant = &call->tenant,
        .purpose = chunk_count == 1 ? EMBED_QUERY : EMBED_DOCUMENT,
        .chunks = call->pointers,
        .chunk_count = chunk_count,
        .vectors = call->vectors,
        .deadline_ms = timeout_ms ? loop_now_ms(bench.loop) + timeout_ms : 0,
        .on_done = on_done,
    };
    bench.undone++;
    embed_submit(bench.embed, &call->request);
    assert_false(call->is_done);
    return call;
}

void bench_wait_all(void)
{
    while (bench.undone)
        loop_run_once(bench.loop, 1000);
}

void assert_vectors(const struct call *call)
{
    if (call->has_failed)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
    for (size_t i = 0; i < call->request.chunk_count; i++) {
        char text[64];
        float expected[SERVER_WIDTH];
        const struct chunk *chunk = &call->chunks[i];
        (void)text_format(text, sizeof(text), "%.*s%.*s", TEXT_ARGS(chunk->prefix),
                          TEXT_ARGS(chunk->content));
        embed_server_vector(text_from(text), expected);
        assert_ptr_equal(chunk->vector, call->vectors + i * SERVER_WIDTH);
        assert_memory_equal(chunk->vector, expected, sizeof(expected));
    }
}

void assert_failed(const struct call *call, enum error_code code)
{
    assert_true(call->has_failed);
    if (call->err.code != code)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
}
