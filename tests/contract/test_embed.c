/* Both engines behind embed.h: the endpoint against a server that misbehaves, and the local one. */
#include "embed/embed.h"
#include "tests/contract/embed_server.h"
#include "tests/unit/test.h"

#define CHUNKS_MAX 64

struct call {
    struct embed_request request;
    struct tenant tenant;
    struct chunk chunks[CHUNKS_MAX];
    struct chunk *pointers[CHUNKS_MAX];
    char texts[CHUNKS_MAX][32];
    float vectors[CHUNKS_MAX * SERVER_WIDTH];
    struct error err;
    bool is_done, has_failed;
};

static struct loop *loop;
static struct embed *embed;
static struct embed_server *server;
static struct call calls[8];
static size_t undone;

static void on_done(struct embed_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    assert_false(call->is_done);
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
    undone--;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void open_engine(enum embed_engine engine, uint32_t requests_max, uint32_t inputs_max)
{
    struct error err;
    char url[64];
    loop = loop_new(&err);
    server = embed_server_start();
    (void)text_format(url, sizeof(url), "http://127.0.0.1:%u/v1/", embed_server_port(server));
    struct embed_options options = {.engine = engine,
                                    .base_url = text_from(url),
                                    .api_key = TEXT("sk-test"),
                                    .model = TEXT("a-model"),
                                    .dimension_count = SERVER_WIDTH,
                                    .sends_dimensions = true,
                                    .requests_max = requests_max,
                                    .inputs_max = inputs_max,
                                    .input_tokens_max = 8191,
                                    .tokens_max = 270000,
                                    .body_bytes_max = 5000000,
                                    .timeout_ms = 5000};
    embed = embed_open(loop, &options, &err);
    assert_non_null(embed);
    memset(calls, 0, sizeof(calls));
    undone = 0;
}

static int open_endpoint(void **state)
{
    (void)state;
    open_engine(EMBED_OPENAI, 8, 256);
    return 0;
}

static int open_narrow(void **state)
{
    (void)state;
    open_engine(EMBED_OPENAI, 1, 16);
    return 0;
}

static int open_local(void **state)
{
    (void)state;
    open_engine(EMBED_LOCAL, 8, 256);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    bool is_closed = false;
    embed_close(embed, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    assert_int_equal(undone, 0);
    embed_server_stop(server);
    loop_free(loop);
    return 0;
}

static void script(const enum deed *deeds, size_t count)
{
    embed_server_script(server, deeds, count);
}
#define SCRIPT(...)                                     \
    do {                                                \
        static const enum deed deeds[] = {__VA_ARGS__}; \
        script(deeds, COUNT_OF(deeds));                 \
    } while (0)

static size_t long_chunk = SIZE_MAX; /* has a token more than the model takes */

/* guilty: a chunk with a text the server refuses; SIZE_MAX: none. */
static struct call *submit(size_t at, size_t chunk_count, size_t guilty, uint64_t timeout_ms)
{
    struct call *call = &calls[at];
    memset(call, 0, sizeof(*call));
    for (size_t i = 0; i < chunk_count; i++) {
        (void)text_format(call->texts[i], sizeof(call->texts[i]), "%s %zu of %zu",
                          i == guilty ? "POISON" : "text", i, at);
        call->chunks[i].content = text_from(call->texts[i]);
        call->chunks[i].prefix = i % 2 ? TEXT("Title\n\n") : TEXT_NONE;
        call->chunks[i].token_count = i == long_chunk ? 8192 : 1500;
        call->pointers[i] = &call->chunks[i];
    }
    call->tenant.id.bytes[0] = (uint8_t)at;
    call->request = (struct embed_request){
        .tenant = &call->tenant,
        .purpose = chunk_count == 1 ? EMBED_QUERY : EMBED_DOCUMENT,
        .chunks = call->pointers,
        .chunk_count = chunk_count,
        .vectors = call->vectors,
        .deadline_ms = timeout_ms ? loop_now_ms(loop) + timeout_ms : 0,
        .on_done = on_done,
    };
    undone++;
    embed_submit(embed, &call->request);
    assert_false(call->is_done);
    return call;
}

static void wait_all(void)
{
    while (undone)
        loop_run_once(loop, 1000);
}

static void assert_vectors(const struct call *call)
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

static void assert_failed(const struct call *call, enum error_code code)
{
    assert_true(call->has_failed);
    if (call->err.code != code)
        fail_msg("%s: %s", error_name(call->err.code), call->err.message);
}

/* ---- the endpoint ---------------------------------------------------------------------------- */

static void test_embed__answers_many_requests_with_one_call(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    submit(0, 20, SIZE_MAX, 0);
    submit(1, 3, SIZE_MAX, 0);
    submit(2, 1, SIZE_MAX, 0);

    wait_all();

    for (size_t i = 0; i < 3; i++)
        assert_vectors(&calls[i]);
    assert_int_equal(embed_server_calls(server), 1);
    assert_int_equal(calls[1].request.tokens_billed, 30);
    assert_int_equal(calls[1].chunks[0].tokens_billed, 10);
}

static void test_embed__reads_floats_and_any_order(void **state)
{
    (void)state;
    SCRIPT(DEED_FLOATS, DEED_SHUFFLE);

    submit(0, 5, SIZE_MAX, 0);
    wait_all();
    assert_vectors(&calls[0]);
    submit(0, 5, SIZE_MAX, 0);
    wait_all();
    assert_vectors(&calls[0]);
}

static void test_embed__leaves_known_vectors_alone(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    float known[SERVER_WIDTH];
    struct call *call = submit(0, 3, SIZE_MAX, 0);
    wait_all();
    for (size_t i = 0; i < 3; i++)
        call->chunks[i].vector = i == 2 ? NULL : known;

    SCRIPT(DEED_ANSWER);
    call->is_done = false;
    undone++;
    embed_submit(embed, &call->request);
    wait_all();

    assert_int_equal(embed_server_inputs_max(server), 1);
    assert_ptr_equal(call->chunks[0].vector, known);
    assert_ptr_equal(call->chunks[2].vector, call->vectors + 2 * SERVER_WIDTH);
}

static void test_embed__waits_when_it_is_asked_to_and_goes_on(void **state)
{
    (void)state;
    SCRIPT(DEED_RATE_LIMIT, DEED_RATE_LIMIT, DEED_ANSWER);
    uint64_t start_ms = loop_now_ms(loop);

    submit(0, 5, SIZE_MAX, 0);
    wait_all();

    assert_vectors(&calls[0]);
    assert_int_equal(embed_server_calls(server), 3);
    assert_true(loop_now_ms(loop) - start_ms >= 80);
}

static void test_embed__tries_again_what_may_pass(void **state)
{
    (void)state;
    static const enum deed DEEDS[] = {DEED_SERVER_ERROR, DEED_DROP,     DEED_SHORT,
                                      DEED_GARBAGE,      DEED_TRUNCATE, DEED_NAN};
    for (size_t i = 0; i < COUNT_OF(DEEDS); i++) {
        enum deed deeds[] = {DEEDS[i], DEED_ANSWER};
        script(deeds, COUNT_OF(deeds));

        submit(0, 4, SIZE_MAX, 0);
        wait_all();

        assert_vectors(&calls[0]);
        assert_int_equal(embed_server_calls(server), 2);
    }
}

static void test_embed__asks_for_floats_where_base64_is_misread(void **state)
{
    (void)state;
    SCRIPT(DEED_QUARTER);

    submit(0, 4, SIZE_MAX, 0);
    wait_all();

    assert_vectors(&calls[0]);
    assert_int_equal(embed_server_calls(server), 2);
}

static void test_embed__never_hands_out_a_bad_vector(void **state)
{
    (void)state;
    SCRIPT(DEED_NAN);

    submit(0, 4, SIZE_MAX, 300);
    wait_all();

    assert_failed(&calls[0], ERR_EMBED_VECTOR);
    assert_null(calls[0].chunks[0].vector);
    assert_non_null(calls[0].chunks[1].vector);
}

static void test_embed__fails_only_the_guilty_request(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);

    submit(0, 20, SIZE_MAX, 0);
    submit(1, 20, 13, 0);
    submit(2, 20, SIZE_MAX, 0);
    wait_all();

    assert_vectors(&calls[0]);
    assert_vectors(&calls[2]);
    assert_failed(&calls[1], ERR_EMBED_REFUSED);
    assert_int_equal(calls[1].request.guilty, 13);
    assert_string_equal(calls[1].err.message,
                        "embeddings: 400 invalid_request_error: the server says no");
}

static void test_embed__refuses_a_text_that_is_too_long_without_a_call(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);

    long_chunk = 2;
    submit(0, 5, SIZE_MAX, 0);
    long_chunk = SIZE_MAX;
    submit(1, 5, SIZE_MAX, 0);
    wait_all();

    assert_failed(&calls[0], ERR_EMBED_REFUSED);
    assert_int_equal(calls[0].request.guilty, 2);
    assert_string_equal(calls[0].err.message,
                        "embeddings: a text of 8192 tokens, a-model takes 8191");
    assert_vectors(&calls[1]);
    assert_int_equal(embed_server_calls(server), 1);
}

static void test_embed__lets_tenants_take_turns_and_queries_go_first(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    submit(0, CHUNKS_MAX, SIZE_MAX, 0);
    submit(1, CHUNKS_MAX, SIZE_MAX, 0);
    calls[1].tenant = calls[0].tenant; /* a busy one */
    struct call *other = submit(2, 8, SIZE_MAX, 0);
    struct call *query = submit(3, 1, SIZE_MAX, 0);

    while (!query->is_done)
        loop_run_once(loop, 1000);
    assert_false(other->is_done);
    while (!other->is_done)
        loop_run_once(loop, 1000);
    assert_false(calls[0].is_done);
    assert_false(calls[1].is_done);
    wait_all();

    for (size_t i = 0; i < 4; i++)
        assert_vectors(&calls[i]);
    assert_int_equal(embed_server_inputs_max(server), 16);
}

static void test_embed__halves_what_is_too_much_and_learns(void **state)
{
    (void)state;
    SCRIPT(DEED_TOO_MANY);

    submit(0, 16, SIZE_MAX, 0);
    wait_all();

    assert_vectors(&calls[0]);
}

static void test_embed__fails_nobody_for_money_before_their_time(void **state)
{
    (void)state;
    SCRIPT(DEED_BILLING);

    submit(0, 2, SIZE_MAX, 100);
    wait_all();

    assert_failed(&calls[0], ERR_BILLING);
    assert_int_equal(embed_server_calls(server), 1);
}

static void test_embed__tells_a_wrong_key_at_once(void **state)
{
    (void)state;
    SCRIPT(DEED_UNAUTHORIZED);

    submit(0, 2, SIZE_MAX, 0);
    wait_all();

    assert_failed(&calls[0], ERR_EMBED_CONFIG);
    assert_string_equal(calls[0].err.message, "embeddings: 401 invalid_api_key");
}

static void test_embed__answers_a_cancelled_request_while_its_call_is_under_way(void **state)
{
    (void)state;
    SCRIPT(DEED_HANG);
    submit(0, 2, SIZE_MAX, 0);
    submit(1, 2, SIZE_MAX, 0);
    while (embed_server_calls(server) == 0)
        loop_run_once(loop, 10);

    embed_cancel(embed, &calls[0].request);
    assert_false(calls[0].is_done);
    while (!calls[0].is_done)
        loop_run_once(loop, 1000);

    assert_failed(&calls[0], ERR_CANCELLED);
    assert_false(calls[1].is_done); /* close_all() ends it */
}

static void test_embed__ends_a_request_at_its_deadline(void **state)
{
    (void)state;
    SCRIPT(DEED_HANG);

    submit(0, 2, SIZE_MAX, 50);
    wait_all();

    assert_failed(&calls[0], ERR_TIMEOUT);
}

/* ---- the local engine ------------------------------------------------------------------------ */

static void test_embed__local_engine_embeds_prefix_and_content(void **state)
{
    (void)state;
    float expected[SERVER_WIDTH];

    struct call *call = submit(0, CHUNKS_MAX, SIZE_MAX, 0);
    wait_all();

    assert_false(call->has_failed);
    embed_local_vector(TEXT("Title\n\ntext 1 of 0"), expected, SERVER_WIDTH);
    assert_memory_equal(call->chunks[1].vector, expected, sizeof(expected));
    assert_int_equal(embed_dimension_count(embed), SERVER_WIDTH);
}

static void test_embed__local_engine_answers_cancelled_requests(void **state)
{
    (void)state;
    submit(0, CHUNKS_MAX, SIZE_MAX, 0);

    embed_cancel(embed, &calls[0].request);
    assert_false(calls[0].is_done);
    wait_all();

    assert_failed(&calls[0], ERR_CANCELLED);
    assert_null(calls[0].chunks[0].vector);
    submit(1, 3, SIZE_MAX, 0); /* close_all() ends it */
}

static void test_embed__refuses_impossible_options(void **state)
{
    (void)state;
    struct error err;
    struct embed_options options = {.engine = EMBED_LOCAL, .dimension_count = 0};

    assert_null(embed_open(loop, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    options = (struct embed_options){.engine = EMBED_OPENAI, .dimension_count = 8};
    assert_null(embed_open(loop, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

#define ENDPOINT(test) cmocka_unit_test_setup_teardown(test, open_endpoint, close_all)
#define LOCAL(test) cmocka_unit_test_setup_teardown(test, open_local, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENDPOINT(test_embed__answers_many_requests_with_one_call),
        ENDPOINT(test_embed__reads_floats_and_any_order),
        ENDPOINT(test_embed__leaves_known_vectors_alone),
        ENDPOINT(test_embed__waits_when_it_is_asked_to_and_goes_on),
        ENDPOINT(test_embed__tries_again_what_may_pass),
        ENDPOINT(test_embed__asks_for_floats_where_base64_is_misread),
        ENDPOINT(test_embed__never_hands_out_a_bad_vector),
        ENDPOINT(test_embed__fails_only_the_guilty_request),
        ENDPOINT(test_embed__refuses_a_text_that_is_too_long_without_a_call),
        cmocka_unit_test_setup_teardown(test_embed__lets_tenants_take_turns_and_queries_go_first,
                                        open_narrow, close_all),
        ENDPOINT(test_embed__halves_what_is_too_much_and_learns),
        ENDPOINT(test_embed__fails_nobody_for_money_before_their_time),
        ENDPOINT(test_embed__tells_a_wrong_key_at_once),
        ENDPOINT(test_embed__answers_a_cancelled_request_while_its_call_is_under_way),
        ENDPOINT(test_embed__ends_a_request_at_its_deadline),
        LOCAL(test_embed__local_engine_embeds_prefix_and_content),
        LOCAL(test_embed__local_engine_answers_cancelled_requests),
        LOCAL(test_embed__refuses_impossible_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
