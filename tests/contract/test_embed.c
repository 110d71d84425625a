/* Both engines behind embed.h: the endpoint against a server that misbehaves, and the local one. */
#include "tests/contract/embed_bench.h"
#include "worker/base/budget.h"
#include "worker/base/metrics.h"

/* ---- the endpoint ---------------------------------------------------------------------------- */

static void test_embed__answers_many_requests_with_one_call(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    bench_submit(0, 20, SIZE_MAX, 0);
    bench_submit(1, 3, SIZE_MAX, 0);
    bench_submit(2, 1, SIZE_MAX, 0);

    bench_wait_all();

    for (size_t i = 0; i < 3; i++)
        assert_vectors(&bench.calls[i]);
    assert_int_equal(embed_server_calls(bench.server), 1);
    assert_int_equal(bench.calls[1].request.tokens_billed, 30);
    assert_int_equal(bench.calls[1].chunks[0].tokens_billed, 10);
}

static void test_embed__reads_floats_and_any_order(void **state)
{
    (void)state;
    SCRIPT(DEED_FLOATS, DEED_SHUFFLE);

    bench_submit(0, 5, SIZE_MAX, 0);
    bench_wait_all();
    assert_vectors(&bench.calls[0]);
    bench_submit(0, 5, SIZE_MAX, 0);
    bench_wait_all();
    assert_vectors(&bench.calls[0]);
}

static void test_embed__leaves_known_vectors_alone(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    float known[SERVER_WIDTH];
    struct call *call = bench_submit(0, 3, SIZE_MAX, 0);
    bench_wait_all();
    for (size_t i = 0; i < 3; i++)
        call->chunks[i].vector = i == 2 ? NULL : known;

    SCRIPT(DEED_ANSWER);
    call->is_done = false;
    bench.undone++;
    embed_submit(bench.embed, &call->request);
    bench_wait_all();

    assert_int_equal(embed_server_inputs_max(bench.server), 1);
    assert_ptr_equal(call->chunks[0].vector, known);
    assert_ptr_equal(call->chunks[2].vector, call->vectors + 2 * SERVER_WIDTH);
}

static void test_embed__waits_when_it_is_asked_to_and_goes_on(void **state)
{
    (void)state;
    SCRIPT(DEED_RATE_LIMIT, DEED_RATE_LIMIT, DEED_ANSWER);
    uint64_t start_ms = loop_now_ms(bench.loop);

    bench_submit(0, 5, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
    assert_int_equal(embed_server_calls(bench.server), 3);
    assert_true(loop_now_ms(bench.loop) - start_ms >= 80);
}

static void test_embed__tries_again_what_may_pass(void **state)
{
    (void)state;
    static const enum deed DEEDS[] = {DEED_SERVER_ERROR, DEED_DROP,     DEED_SHORT,
                                      DEED_GARBAGE,      DEED_TRUNCATE, DEED_NAN};
    for (size_t i = 0; i < COUNT_OF(DEEDS); i++) {
        enum deed deeds[] = {DEEDS[i], DEED_ANSWER};
        bench_script(deeds, COUNT_OF(deeds));

        bench_submit(0, 4, SIZE_MAX, 0);
        bench_wait_all();

        assert_vectors(&bench.calls[0]);
        assert_int_equal(embed_server_calls(bench.server), 2);
    }
}

static void test_embed__asks_for_floats_where_base64_is_misread(void **state)
{
    (void)state;
    SCRIPT(DEED_QUARTER);

    bench_submit(0, 4, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
    assert_int_equal(embed_server_calls(bench.server), 2);
}

static void test_embed__never_hands_out_a_bad_vector(void **state)
{
    (void)state;
    SCRIPT(DEED_NAN);

    bench_submit(0, 4, SIZE_MAX, 0);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_EMBED_VECTOR);
    assert_null(bench.calls[0].chunks[0].vector);
    assert_non_null(bench.calls[0].chunks[1].vector);
}

static void test_embed__fails_only_the_guilty_request(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);

    bench_submit(0, 20, SIZE_MAX, 0);
    bench_submit(1, 20, 13, 0);
    bench_submit(2, 20, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
    assert_vectors(&bench.calls[2]);
    assert_failed(&bench.calls[1], ERR_EMBED_REFUSED);
    assert_int_equal(bench.calls[1].request.guilty, 13);
    assert_string_equal(bench.calls[1].err.message,
                        "embeddings: 400 invalid_request_error: the server says no");
}

static void test_embed__refuses_a_text_that_is_too_long_without_a_call(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);

    bench.long_chunk = 2;
    bench_submit(0, 5, SIZE_MAX, 0);
    bench.long_chunk = SIZE_MAX;
    bench_submit(1, 5, SIZE_MAX, 0);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_EMBED_REFUSED);
    assert_int_equal(bench.calls[0].request.guilty, 2);
    assert_string_equal(bench.calls[0].err.message,
                        "embeddings: a text of 8192 tokens, a-model takes 8191");
    assert_vectors(&bench.calls[1]);
    assert_int_equal(embed_server_calls(bench.server), 1);
}

static void test_embed__lets_tenants_take_turns_and_queries_go_first(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    bench_submit(0, CHUNKS_MAX, SIZE_MAX, 0);
    bench.tenant = &bench.calls[0].tenant; /* a busy one */
    bench_submit(1, CHUNKS_MAX, SIZE_MAX, 0);
    bench.tenant = NULL;
    bench_submit(2, 8, SIZE_MAX, 0);
    bench_submit(3, 1, SIZE_MAX, 0);

    bench_wait_all();

    /* As they arrive: replies are decoded side by side, so that a later one may be done before. */
    assert_int_equal(embed_server_place_of(bench.server, "text 0 of 3"), 0);
    size_t first_turn = 1 + 15; /* the query and what of the busy one fits in beside it */
    for (size_t i = 0; i < 8; i++) {
        char text[32];
        (void)text_format(text, sizeof(text), "text %zu of 2", i);
        assert_int_equal(embed_server_place_of(bench.server, text), first_turn + i);
    }
    for (size_t i = 0; i < 4; i++)
        assert_vectors(&bench.calls[i]);
    assert_int_equal(embed_server_inputs_max(bench.server), 16);
}

static void test_embed__halves_what_is_too_much_and_learns(void **state)
{
    (void)state;
    SCRIPT(DEED_TOO_MANY);

    bench_submit(0, 16, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
}

static bool is_parked_for(enum error_code code)
{
    struct error why;
    return embed_is_parked(bench.embed, &why) && why.code == code;
}

static void test_embed__fails_nobody_for_money_before_their_time(void **state)
{
    (void)state;
    SCRIPT(DEED_BILLING);
    uint64_t start_ms = loop_now_ms(bench.loop);
    bench_submit(0, 2, SIZE_MAX, 0);
    while (!is_parked_for(ERR_BILLING))
        loop_run_once(bench.loop, 1000);

    bench_submit(1, 2, SIZE_MAX, 100);
    while (!bench.calls[1].is_done || embed_server_calls(bench.server) < 4)
        loop_run_once(bench.loop, 1000);

    assert_failed(&bench.calls[1], ERR_BILLING); /* whatever is under way when its time is over */
    assert_int_equal(error_disposition(ERR_BILLING), DISPOSITION_WAIT);
    assert_false(bench.calls[0].is_done);                            /* bench_close() ends it */
    uint64_t probes_max = (loop_now_ms(bench.loop) - start_ms) / 30; /* one every 30 ms */
    assert_in_range(embed_server_calls(bench.server), 4, 1 + probes_max);
}

/* Invariant: while it is parked one call at a time asks whether it goes again. */
static void test_embed__parks_for_money_and_goes_on_when_it_is_there(void **state)
{
    (void)state;
    SCRIPT(DEED_BILLING, DEED_BILLING, DEED_BILLING, DEED_BILLING, DEED_BILLING, DEED_BILLING,
           DEED_ANSWER);
    for (size_t i = 0; i < 8; i++)
        bench_submit(i, CHUNKS_MAX, SIZE_MAX, 0);

    while (!is_parked_for(ERR_BILLING) || metric_value(METRIC_HTTP_IN_FLIGHT, LANE_EMBED) > 0)
        loop_run_once(bench.loop, 1000);
    assert_int_equal(metric_value(METRIC_LANE_PARKED, LANE_EMBED), 1);
    while (is_parked_for(ERR_BILLING)) {
        assert_in_range(metric_value(METRIC_HTTP_IN_FLIGHT, LANE_EMBED), 0, 1);
        loop_run_once(bench.loop, 1000);
    }
    bench_wait_all();

    for (size_t i = 0; i < 8; i++)
        assert_vectors(&bench.calls[i]);
    assert_int_equal(metric_value(METRIC_LANE_PARKED, LANE_EMBED), 0);
}

static void test_embed__parks_with_a_wrong_key_and_finds_out_when_it_is_right(void **state)
{
    (void)state;
    SCRIPT(DEED_UNAUTHORIZED, DEED_ANSWER);

    bench_submit(0, 2, SIZE_MAX, 0);
    bench_wait_all();
    assert_failed(&bench.calls[0], ERR_EMBED_CONFIG);
    assert_true(is_parked_for(ERR_EMBED_CONFIG));
    bench_submit(1, 2, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[1]);
    assert_false(is_parked_for(ERR_EMBED_CONFIG));
}

static void test_embed__waits_until_the_rate_that_it_is_told_allows_more(void **state)
{
    (void)state;
    SCRIPT(DEED_RATED, DEED_ANSWER);
    uint64_t start_ms = loop_now_ms(bench.loop);
    bench_submit(0, 2, SIZE_MAX, 0);
    bench_wait_all();

    for (size_t i = 1; i < 4; i++) {
        bench_submit(i, 2, SIZE_MAX, 0);
        bench_wait_all();
        assert_vectors(&bench.calls[i]);
    }

    assert_true(loop_now_ms(bench.loop) - start_ms >= 280); /* ten a second */
}

static void test_embed__keeps_to_the_rate_that_is_configured(void **state)
{
    (void)state;
    struct embed_options options = bench_options(EMBED_OPENAI);
    options.requests_per_minute_max = 600;
    options.inputs_max = 1;
    bench_open(&options);
    SCRIPT(DEED_ANSWER);
    uint64_t start_ms = loop_now_ms(bench.loop);

    bench_submit(0, 22, SIZE_MAX, 0); /* two seconds' worth at once, then two more */
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
    assert_true(loop_now_ms(bench.loop) - start_ms >= 180);
}

/* ---- who pays for repetitions ---------------------------------------------------------------- */

static void test_embed__repeats_nothing_for_a_tenant_whose_purse_is_empty(void **state)
{
    (void)state;
    struct embed_options options = bench_options(EMBED_OPENAI);
    options.budget = bench_poor(0);
    bench_open(&options);
    SCRIPT(DEED_SERVER_ERROR, DEED_ANSWER);

    bench_submit(0, 2, SIZE_MAX, 0);
    bench_submit(1, 2, SIZE_MAX, 0);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_UNAVAILABLE);
    assert_vectors(&bench.calls[1]);
    assert_int_equal(embed_server_calls(bench.server), 2);
    bench_close(state);
    budget_free(options.budget);
}

static void test_embed__tells_a_wrong_key_at_once(void **state)
{
    (void)state;
    SCRIPT(DEED_UNAUTHORIZED);

    bench_submit(0, 2, SIZE_MAX, 0);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_EMBED_CONFIG);
    assert_string_equal(bench.calls[0].err.message, "embeddings: 401 invalid_api_key");
}

static void test_embed__answers_a_cancelled_request_while_its_call_is_under_way(void **state)
{
    (void)state;
    SCRIPT(DEED_HANG);
    bench_submit(0, 2, SIZE_MAX, 0);
    bench_submit(1, 2, SIZE_MAX, 0);
    while (embed_server_calls(bench.server) == 0)
        loop_run_once(bench.loop, 10);

    embed_cancel(bench.embed, &bench.calls[0].request);
    assert_false(bench.calls[0].is_done);
    while (!bench.calls[0].is_done)
        loop_run_once(bench.loop, 1000);

    assert_failed(&bench.calls[0], ERR_CANCELLED);
    assert_false(bench.calls[1].is_done); /* bench_close() ends it */
}

static void test_embed__ends_a_request_at_its_deadline(void **state)
{
    (void)state;
    SCRIPT(DEED_HANG);

    bench_submit(0, 2, SIZE_MAX, 50);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_TIMEOUT);
}

/* ---- the local engine ------------------------------------------------------------------------ */

static void test_embed__local_engine_embeds_prefix_and_content(void **state)
{
    (void)state;
    float expected[SERVER_WIDTH];

    struct call *call = bench_submit(0, CHUNKS_MAX, SIZE_MAX, 0);
    bench_wait_all();

    assert_false(call->has_failed);
    embed_local_vector(TEXT("Title\n\ntext 1 of 0"), expected, SERVER_WIDTH);
    assert_memory_equal(call->chunks[1].vector, expected, sizeof(expected));
    assert_int_equal(embed_dimension_count(bench.embed), SERVER_WIDTH);
}

static void test_embed__local_engine_answers_cancelled_requests(void **state)
{
    (void)state;
    bench_submit(0, CHUNKS_MAX, SIZE_MAX, 0);

    embed_cancel(bench.embed, &bench.calls[0].request);
    assert_false(bench.calls[0].is_done);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_CANCELLED);
    assert_null(bench.calls[0].chunks[0].vector);
    bench_submit(1, 3, SIZE_MAX, 0); /* bench_close() ends it */
}

static void test_embed__refuses_impossible_options(void **state)
{
    (void)state;
    struct error err;
    struct embed_options options = {.engine = EMBED_LOCAL, .dimension_count = 0};

    assert_null(embed_open(bench.loop, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    options = (struct embed_options){.engine = EMBED_OPENAI, .dimension_count = 8};
    assert_null(embed_open(bench.loop, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

#define ENDPOINT(test) cmocka_unit_test_setup_teardown(test, bench_open_endpoint, bench_close)
#define LOCAL(test) cmocka_unit_test_setup_teardown(test, bench_open_local, bench_close)

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
                                        bench_open_narrow, bench_close),
        ENDPOINT(test_embed__halves_what_is_too_much_and_learns),
        ENDPOINT(test_embed__fails_nobody_for_money_before_their_time),
        ENDPOINT(test_embed__parks_for_money_and_goes_on_when_it_is_there),
        ENDPOINT(test_embed__parks_with_a_wrong_key_and_finds_out_when_it_is_right),
        ENDPOINT(test_embed__waits_until_the_rate_that_it_is_told_allows_more),
        cmocka_unit_test_teardown(test_embed__keeps_to_the_rate_that_is_configured, bench_close),
        cmocka_unit_test(test_embed__repeats_nothing_for_a_tenant_whose_purse_is_empty),
        ENDPOINT(test_embed__tells_a_wrong_key_at_once),
        ENDPOINT(test_embed__answers_a_cancelled_request_while_its_call_is_under_way),
        ENDPOINT(test_embed__ends_a_request_at_its_deadline),
        LOCAL(test_embed__local_engine_embeds_prefix_and_content),
        LOCAL(test_embed__local_engine_answers_cancelled_requests),
        LOCAL(test_embed__refuses_impossible_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
