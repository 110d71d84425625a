#include "tests/unit/test.h"
#include "worker/retry.h"

static struct error error_with(uint32_t retry_after_ms)
{
    return (struct error){.code = ERR_TIMEOUT, .retry_after_ms = retry_after_ms};
}

/* Asserts that every draw lies in [low, high] and that together they reach both ends' quarters. */
static void assert_spread(uint32_t attempt, uint32_t asked_ms, bool is_parked, uint64_t low,
                          uint64_t high)
{
    struct rng rng = rng_seeded(attempt);
    struct error err = error_with(asked_ms);
    bool was_low = false, was_high = false;
    for (unsigned i = 0; i < 200; i++) {
        struct retry retry = retry_after(&err, attempt, &rng);
        assert_int_equal(retry.is_parked, is_parked);
        assert_in_range(retry.delay_ms, low, high);
        was_low |= retry.delay_ms < low + (high - low) / 4;
        was_high |= retry.delay_ms > high - (high - low) / 4;
    }
    assert_true(was_low && was_high);
}

static void test_retry__spreads_over_a_bound_that_doubles(void **state)
{
    (void)state;
    assert_spread(1, 0, false, 1, 500);
    assert_spread(2, 0, false, 1, 1000);
    assert_spread(3, 0, false, 1, 2000);
    assert_spread(RETRY_ATTEMPTS_MAX, 0, false, 1, 16000);
}

static void test_retry__parks_when_its_attempts_are_used_up(void **state)
{
    (void)state;
    assert_spread(RETRY_ATTEMPTS_MAX + 1, 0, true, 30000, 60000);
    assert_spread(RETRY_ATTEMPTS_MAX + 2, 0, true, 60000, 120000);
    assert_spread(RETRY_ATTEMPTS_MAX + 6, 0, true, 900000, 1800000);
    assert_spread(UINT32_MAX, 0, true, 900000, 1800000);
}

static void test_retry__parks_at_once_for_money(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(1);
    struct error err = {.code = ERR_BILLING};

    struct retry retry = retry_after(&err, 1, &rng);

    assert_true(retry.is_parked);
    assert_in_range(retry.delay_ms, 30000, 60000);
}

static void test_retry__never_comes_sooner_than_the_peer_asked(void **state)
{
    (void)state;
    assert_spread(1, 20000, false, 20000, 20499);
    assert_spread(6, 25000, false, 25000, 25499);
    assert_spread(RETRY_ATTEMPTS_MAX + 1, 600000, true, 600000, 630000);
}

static void test_retry__a_long_wish_of_the_peer_is_waited_for_in_the_row(void **state)
{
    (void)state;
    assert_spread(1, 61000, true, 61000, 61499);
    assert_spread(1, UINT32_MAX, true, UINT32_MAX, (uint64_t)UINT32_MAX + 499);
}

static void test_retry__the_zeroth_attempt_is_as_good_as_the_first(void **state)
{
    (void)state;
    assert_spread(0, 0, false, 1, 500);
}

/* A claim or a burial that the database does not take: it comes soon after the database is back. */
static void test_retry__what_has_no_row_does_not_rest_for_long(void **state)
{
    struct rng rng = rng_seeded(1);
    struct error err = error_with(0);
    (void)state;
    for (uint32_t attempt = 1; attempt < 50; attempt++)
        assert_in_range(retry_rest_ms(retry_after(&err, attempt, &rng)), 1, REST_MS_MAX);
    assert_int_equal(retry_rest_ms((struct retry){false, 45000}), 45000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry__spreads_over_a_bound_that_doubles),
        cmocka_unit_test(test_retry__parks_when_its_attempts_are_used_up),
        cmocka_unit_test(test_retry__parks_at_once_for_money),
        cmocka_unit_test(test_retry__never_comes_sooner_than_the_peer_asked),
        cmocka_unit_test(test_retry__a_long_wish_of_the_peer_is_waited_for_in_the_row),
        cmocka_unit_test(test_retry__the_zeroth_attempt_is_as_good_as_the_first),
        cmocka_unit_test(test_retry__what_has_no_row_does_not_rest_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
