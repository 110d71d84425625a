/* What documents will cost: prices, lanes, and how it is said. */
#include "tests/unit/test.h"
#include "worker/estimate.h"

#define OPENAI TEXT("https://api.openai.com/v1")
#define LARGE TEXT("text-embedding-3-large")

static void test_estimate__takes_the_price_that_is_set_before_the_one_that_is_known(void **state)
{
    (void)state;
    struct estimate_price set = estimate_price_of(TEXT("0.5"), LARGE, OPENAI);
    struct estimate_price known = estimate_price_of(TEXT_NONE, LARGE, OPENAI);
    assert_true(set.is_known && set.per_million > 0.49 && !set.currency);
    assert_string_equal(set.source, "MILLRACE_TOKEN_PRICE");
    assert_true(known.is_known && known.per_million > 0.12 && known.per_million < 0.14);
    assert_string_equal(known.currency, "USD");
}

static void test_estimate__knows_no_price_of_another_host_or_model(void **state)
{
    (void)state;
    assert_false(estimate_price_of(TEXT_NONE, LARGE, TEXT("http://localhost:8000/v1")).is_known);
    assert_false(estimate_price_of(TEXT_NONE, TEXT("bge-large"), OPENAI).is_known);
    assert_false(
        estimate_price_of(TEXT_NONE, LARGE, TEXT("https://api.openai.com.evil/v1")).is_known);
}

static void test_estimate__lets_the_slowest_lane_decide(void **state)
{
    (void)state;
    struct estimate_lanes lanes = {.embed_requests = 4, .store_requests = 8};
    struct estimate_counts counts = {.tokens = 300000, .reading_ms = 3000};
    for (unsigned i = 0; i < 100; i++)
        estimate_add_chunks(&counts, 100);
    struct estimate_time time = estimate_time_of(&counts, &lanes);
    assert_int_equal(time.reading_ms, 3000);
    assert_int_equal(time.embed_calls, 40);            /* 10,000 chunks, 256 a call */
    assert_int_equal(time.embedding_ms, 10 * 1000);    /* 4 at once */
    assert_int_equal(counts.upserts, 200);             /* two slabs each, not over them all */
    assert_int_equal(time.storing_ms, 25 * 300);       /* 8 at once */
    assert_int_equal(time.all_ms, 10000 + 1000 + 300); /* and the last one's way through */
}

static void test_estimate__of_the_local_embedder_has_no_calls(void **state)
{
    (void)state;
    struct estimate_lanes lanes = {
        .embed_requests = 64, .store_requests = 8, .is_embedded_here = true};
    struct estimate_counts counts = {.reading_ms = 8000};
    estimate_add_chunks(&counts, 10);
    struct estimate_time time = estimate_time_of(&counts, &lanes);
    assert_int_equal(time.embed_calls, 0);
    assert_int_equal(time.all_ms, 8000 + 300);
}

static void assert_money(double amount, const char *expected)
{
    AUTO_BUFFER struct buffer out = buffer_new(100);
    estimate_append_money(&out, amount);
    assert_string_equal(buffer_string(&out), expected);
}

static void test_estimate__shows_small_sums_with_digits_that_count(void **state)
{
    (void)state;
    assert_money(0, "0.00");
    assert_money(12.345, "12.35");
    assert_money(0.13, "0.13");
    assert_money(0.000523, "0.00052");
}

static void assert_duration(uint64_t ms, const char *expected)
{
    AUTO_BUFFER struct buffer out = buffer_new(100);
    estimate_append_ms(&out, ms);
    assert_string_equal(buffer_string(&out), expected);
}

static void test_estimate__shows_time_in_the_unit_that_people_count_in(void **state)
{
    (void)state;
    assert_duration(200, "less than a second");
    assert_duration(90400, "about 90 s");
    assert_duration(600000, "about 10 min");
    assert_duration(9000000, "about 2.5 h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimate__takes_the_price_that_is_set_before_the_one_that_is_known),
        cmocka_unit_test(test_estimate__knows_no_price_of_another_host_or_model),
        cmocka_unit_test(test_estimate__lets_the_slowest_lane_decide),
        cmocka_unit_test(test_estimate__of_the_local_embedder_has_no_calls),
        cmocka_unit_test(test_estimate__shows_small_sums_with_digits_that_count),
        cmocka_unit_test(test_estimate__shows_time_in_the_unit_that_people_count_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
