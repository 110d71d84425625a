#include <math.h>

#include "tests/unit/test.h"
#include "worker/base/limiter.h"

static void run_round(struct limiter *limiter)
{
    uint32_t count = limiter_limit(limiter);
    for (uint32_t i = 0; i < count; i++)
        limiter_take(limiter);
    for (uint32_t i = 0; i < count; i++)
        limiter_succeed(limiter);
}

static void test_limiter__grows_by_one_a_round_up_to_its_maximum(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(4, 6);

    run_round(&limiter);
    assert_int_equal(limiter_limit(&limiter), 5);
    run_round(&limiter);
    run_round(&limiter);

    assert_int_equal(limiter_limit(&limiter), 6);
}

static void test_limiter__does_not_grow_while_it_is_not_used(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(4, 8);

    for (int i = 0; i < 100; i++) {
        limiter_take(&limiter);
        limiter_succeed(&limiter);
    }

    assert_int_equal(limiter_limit(&limiter), 4);
}

static void test_limiter__shrinks_once_for_requests_sent_together(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(10, 10);
    struct permit permits[10];
    for (int i = 0; i < 10; i++)
        permits[i] = limiter_take(&limiter);
    assert_false(limiter_has_room(&limiter));

    for (int i = 0; i < 10; i++)
        limiter_push_back(&limiter, permits[i]);

    assert_int_equal(limiter_limit(&limiter), 9);
    assert_int_equal(limiter.in_flight, 0);
}

static void test_limiter__never_falls_below_one(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(3, 3);

    for (int i = 0; i < 20; i++)
        limiter_push_back(&limiter, limiter_take(&limiter));

    assert_int_equal(limiter_limit(&limiter), 1);
    assert_true(limiter_has_room(&limiter));
}

static void run_slow_round(struct limiter *limiter, double latency)
{
    uint32_t count = limiter_limit(limiter);
    for (uint32_t i = 0; i < count; i++)
        limiter_take(limiter);
    for (uint32_t i = 0; i < count; i++)
        limiter_succeed_after(limiter, latency);
}

static void test_limiter__doubles_until_somebody_pushes_back(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new_starting(4, 64);

    run_round(&limiter);
    run_round(&limiter);
    assert_int_equal(limiter_limit(&limiter), 16);
    limiter_push_back(&limiter, limiter_take(&limiter));
    assert_int_equal(limiter_limit(&limiter), 14);
    run_round(&limiter);

    assert_int_equal(limiter_limit(&limiter), 15);
}

static void test_limiter__stays_when_answers_slow_down_and_shrinks_when_they_jam(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(8, 64);
    for (int i = 0; i < 4; i++)
        run_slow_round(&limiter, 100);
    assert_int_equal(limiter_limit(&limiter), 12);

    run_slow_round(&limiter, 300); /* 160 on the whole: half more than at its best */
    assert_int_equal(limiter_limit(&limiter), 12);
    for (int i = 0; i < 3; i++)
        run_slow_round(&limiter, 300);

    assert_int_equal(limiter_limit(&limiter), 9);
}

static void test_limiter__takes_one_slow_answer_for_chance(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(8, 64);
    for (int i = 0; i < 4; i++)
        run_slow_round(&limiter, 100);

    for (uint32_t i = 0; i < 12; i++)
        limiter_take(&limiter);
    for (uint32_t i = 0; i < 12; i++)
        limiter_succeed_after(&limiter, i == 5 ? 900 : 100);

    assert_int_equal(limiter_limit(&limiter), 13);
}

static void test_limiter__accepts_in_time_that_a_peer_is_slower_for_good(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(8, 64);
    run_slow_round(&limiter, 100);

    for (int i = 0; i < 200; i++)
        run_slow_round(&limiter, 350);

    assert_in_range(limiter_limit(&limiter), 20, 64);
}

static void test_limiter__halves_when_it_grew_too_fast(void **state)
{
    (void)state;
    struct limiter limiter = limiter_new(10, 64);
    struct permit first = limiter_take(&limiter), second = limiter_take(&limiter);

    limiter_halve(&limiter, first);
    limiter_halve(&limiter, second);

    assert_int_equal(limiter_limit(&limiter), 5);
}

static void test_bucket__lets_everything_pass_until_it_learns(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(0, 0, 0);

    bucket_take(&bucket, 1000000, 5);

    assert_int_equal(bucket_wait_ms(&bucket, 1000000, 5), 0);
}

static void test_bucket__waits_for_what_is_missing(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(0, 0, 0);
    bucket_learn(&bucket, 60000, 500, 100, 1000); /* one a millisecond */

    assert_int_equal(bucket_wait_ms(&bucket, 400, 1000), 0);
    bucket_take(&bucket, 400, 1000);
    assert_int_equal(bucket_wait_ms(&bucket, 250, 1000), 251);
    assert_int_equal(bucket_wait_ms(&bucket, 250, 1250), 0);
}

static void test_bucket__holds_two_seconds_and_grants_more_when_full(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(0, 0, 0);
    bucket_learn(&bucket, 60000, 60000, 0, 0);

    assert_int_equal(bucket_wait_ms(&bucket, 100000, 0), 0);
    bucket_take(&bucket, 100000, 0);
    assert_int_equal(bucket_wait_ms(&bucket, 1, 0), 98002);
    assert_int_equal(bucket_wait_ms(&bucket, 2000, 300000), 0);
    bucket_take(&bucket, 2000, 300000);
    assert_int_equal(bucket_wait_ms(&bucket, 1, 300000), 2);
}

static void test_bucket__is_never_raised_by_what_the_peer_has_left(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(0, 0, 0);
    bucket_learn(&bucket, 60000, 60000, 0, 0);
    bucket_take(&bucket, 2000, 0);

    bucket_learn(&bucket, 60000, 59000, 0, 0);
    assert_int_equal(bucket_wait_ms(&bucket, 10, 0), 11);
    bucket_learn(&bucket, 60000, 50, 1050, 2000); /* others took the rest */
    assert_int_equal(bucket_wait_ms(&bucket, 1, 2000), 1002);
}

static void test_bucket__gives_back_what_was_booked_in_vain(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(60000, 0, 0);
    bucket_take(&bucket, 2000, 0);

    bucket_settle(&bucket, 2000, 1500);
    assert_int_equal(bucket_wait_ms(&bucket, 500, 0), 0);
    bucket_settle(&bucket, 0, 100);
    assert_int_equal(bucket_wait_ms(&bucket, 500, 0), 101);
}

static void test_bucket__keeps_to_our_own_limit_where_the_peer_allows_more(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(60000, 0, 0);
    bucket_take(&bucket, 2000, 0);

    bucket_learn(&bucket, 6000000, 6000000, 0, 0);
    assert_int_equal(bucket_wait_ms(&bucket, 100, 0), 101);
    bucket_learn(&bucket, 6000, 6000, 0, 0);
    assert_int_equal(bucket_wait_ms(&bucket, 100, 0), 1001);
}

static void assert_rate(struct bucket *bucket, uint64_t now_ms, double per_minute)
{
    (void)bucket_wait_ms(bucket, 1, now_ms);
    if (fabs(bucket->per_ms * 60000 - per_minute) > 10)
        fail_msg("%.0f a minute instead of %.0f", bucket->per_ms * 60000, per_minute);
}

static void test_bucket__approaches_a_high_limit_by_doubling(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(0, 1000000, 0);
    bucket_learn(&bucket, 8000000, 8000000, 0, 0);

    assert_rate(&bucket, 0, 1e6);
    assert_rate(&bucket, 10000, 2e6);
    assert_rate(&bucket, 20000, 4e6);
    assert_rate(&bucket, 100000, 8e6);
    bucket = bucket_new(500000, 1000000, 0);
    assert_rate(&bucket, 0, 5e5);
}

static void test_bucket__grows_with_care_once_it_was_too_fast(void **state)
{
    (void)state;
    struct bucket bucket = bucket_new(8000000, 1000000, 0);
    assert_rate(&bucket, 100000, 8e6);

    bucket_slow_down(&bucket, 100000);
    assert_rate(&bucket, 100000, 4e6);
    assert_rate(&bucket, 1000000, 6e6);
    for (int i = 0; i < 3; i++)
        bucket_slow_down(&bucket, 1000000);
    assert_rate(&bucket, 1000000, 0.75e6);
    assert_rate(&bucket, 1005000, 0.75e6 * 1.41421356);
}

static void test_backoff__doubles_up_to_its_maximum(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(0, 500, 30000, 0.5), 250);
    assert_int_equal(backoff_ms(3, 500, 30000, 0.5), 2000);
    assert_int_equal(backoff_ms(10, 500, 30000, 0.5), 15000);
    assert_int_equal(backoff_ms(4000, 500, 30000, 0.0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limiter__grows_by_one_a_round_up_to_its_maximum),
        cmocka_unit_test(test_limiter__does_not_grow_while_it_is_not_used),
        cmocka_unit_test(test_limiter__shrinks_once_for_requests_sent_together),
        cmocka_unit_test(test_limiter__never_falls_below_one),
        cmocka_unit_test(test_limiter__doubles_until_somebody_pushes_back),
        cmocka_unit_test(test_limiter__stays_when_answers_slow_down_and_shrinks_when_they_jam),
        cmocka_unit_test(test_limiter__takes_one_slow_answer_for_chance),
        cmocka_unit_test(test_limiter__accepts_in_time_that_a_peer_is_slower_for_good),
        cmocka_unit_test(test_limiter__halves_when_it_grew_too_fast),
        cmocka_unit_test(test_bucket__lets_everything_pass_until_it_learns),
        cmocka_unit_test(test_bucket__waits_for_what_is_missing),
        cmocka_unit_test(test_bucket__holds_two_seconds_and_grants_more_when_full),
        cmocka_unit_test(test_bucket__is_never_raised_by_what_the_peer_has_left),
        cmocka_unit_test(test_bucket__gives_back_what_was_booked_in_vain),
        cmocka_unit_test(test_bucket__keeps_to_our_own_limit_where_the_peer_allows_more),
        cmocka_unit_test(test_bucket__approaches_a_high_limit_by_doubling),
        cmocka_unit_test(test_bucket__grows_with_care_once_it_was_too_fast),
        cmocka_unit_test(test_backoff__doubles_up_to_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
