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

static void test_bucket__lets_everything_pass_until_it_learns(void **state)
{
    (void)state;
    struct bucket bucket = {0};

    bucket_take(&bucket, 1000000, 5);

    assert_int_equal(bucket_wait_ms(&bucket, 1000000, 5), 0);
}

static void test_bucket__waits_for_what_is_missing(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    bucket_learn(&bucket, 60000, 500, 100, 1000); /* one a millisecond */

    assert_int_equal(bucket_wait_ms(&bucket, 400, 1000), 0);
    bucket_take(&bucket, 400, 1000);
    assert_int_equal(bucket_wait_ms(&bucket, 250, 1000), 251);
    assert_int_equal(bucket_wait_ms(&bucket, 250, 1250), 0);
}

static void test_bucket__grants_more_than_it_holds_when_full(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    bucket_learn(&bucket, 60000, 60000, 0, 0);

    assert_int_equal(bucket_wait_ms(&bucket, 100000, 0), 0);
    bucket_take(&bucket, 100000, 0);
    assert_int_equal(bucket_wait_ms(&bucket, 1, 0), 40002);
}

static void test_retry_budget__is_used_up_by_failures_and_refilled_by_successes(void **state)
{
    (void)state;
    struct retry_budget budget = retry_budget_new(10);

    assert_true(retry_budget_take(&budget));
    assert_true(retry_budget_take(&budget));
    assert_false(retry_budget_take(&budget));
    for (int i = 0; i < 5; i++)
        retry_budget_refill(&budget);
    assert_true(retry_budget_take(&budget));
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
        cmocka_unit_test(test_bucket__lets_everything_pass_until_it_learns),
        cmocka_unit_test(test_bucket__waits_for_what_is_missing),
        cmocka_unit_test(test_bucket__grants_more_than_it_holds_when_full),
        cmocka_unit_test(test_retry_budget__is_used_up_by_failures_and_refilled_by_successes),
        cmocka_unit_test(test_backoff__doubles_up_to_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
