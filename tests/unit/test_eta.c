/* How much longer: honest about what is not known. */
#include "tests/unit/test.h"
#include "worker/eta.h"

/* done(i) after second i, for so many seconds. */
static struct eta after(unsigned seconds, uint64_t (*done)(unsigned second), uint64_t total)
{
    struct eta eta = {0};
    for (unsigned i = 0; i <= seconds; i++)
        eta_add(&eta, 1000000 + (uint64_t)i * 1000, done(i), total);
    return eta;
}

static uint64_t steady(unsigned second)
{
    return 10 * (uint64_t)second;
}

static uint64_t slowing(unsigned second)
{
    return second < 60 ? 100 * (uint64_t)second : 6000 + 10 * ((uint64_t)second - 60);
}

static uint64_t stuck(unsigned second)
{
    return second < 20 ? 10 * (uint64_t)second : 200;
}

static void test_eta__says_nothing_before_it_has_seen_enough(void **state)
{
    (void)state;
    struct eta_range range;
    struct eta none = {0}, early = after(2, steady, 1000);
    assert_false(eta_estimate(&none, &range));
    assert_false(eta_estimate(&early, &range));
}

static void test_eta__of_a_steady_job_holds_the_truth_and_narrows(void **state)
{
    (void)state;
    struct eta_range early = {0}, late = {0};
    struct eta one = after(10, steady, 10000), other = after(500, steady, 10000);
    assert_true(eta_estimate(&one, &early) && eta_estimate(&other, &late));
    assert_true(early.seconds_min <= 990 && 990 <= early.seconds_max);
    assert_true(late.seconds_min <= 500 && 500 <= late.seconds_max);
    assert_true(late.seconds_max - late.seconds_min < 10);
}

static void test_eta__of_a_job_that_slows_down_reaches_to_the_slow_end(void **state)
{
    (void)state;
    struct eta_range range = {0};
    struct eta eta = after(180, slowing, 10000); /* 2800 are left: 280 s at its present speed */
    assert_true(eta_estimate(&eta, &range));
    assert_true(range.seconds_min < 100);
    assert_true(range.seconds_max >= 280);
}

static void test_eta__says_nothing_while_nothing_ends(void **state)
{
    (void)state;
    struct eta_range range;
    struct eta eta = after(40, stuck, 10000);
    assert_false(eta_estimate(&eta, &range));
}

static uint64_t late(unsigned second)
{
    return second < 100 ? 0 : 10 * ((uint64_t)second - 100);
}

static void test_eta__does_not_count_the_wait_before_the_work(void **state)
{
    (void)state;
    struct eta_range range = {0};
    struct eta eta = after(200, late, 10000);
    assert_true(eta_estimate(&eta, &range));
    assert_true(range.seconds_min <= 900 && 900 <= range.seconds_max);
    assert_true(range.seconds_max < 1000);
}

static void test_eta__is_over_when_all_is_done(void **state)
{
    (void)state;
    struct eta_range range;
    struct eta eta = after(100, steady, 1000);
    assert_false(eta_estimate(&eta, &range));
}

static void assert_shown(uint64_t seconds_min, uint64_t seconds_max, const char *expected)
{
    AUTO_BUFFER struct buffer out = buffer_new(100);
    eta_append(&out, (struct eta_range){seconds_min, seconds_max});
    assert_string_equal(buffer_string(&out), expected);
}

static void test_eta__is_shown_in_the_unit_that_people_count_in(void **state)
{
    (void)state;
    assert_shown(20, 30, "20 to 30 s left");
    assert_shown(0, 5, "up to 5 s left");
    assert_shown(30, 30, "about 30 s left");
    assert_shown(130, 200, "2 to 4 min left");
    assert_shown(7000, 9000, "1 to 3 h left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eta__says_nothing_before_it_has_seen_enough),
        cmocka_unit_test(test_eta__of_a_steady_job_holds_the_truth_and_narrows),
        cmocka_unit_test(test_eta__of_a_job_that_slows_down_reaches_to_the_slow_end),
        cmocka_unit_test(test_eta__says_nothing_while_nothing_ends),
        cmocka_unit_test(test_eta__does_not_count_the_wait_before_the_work),
        cmocka_unit_test(test_eta__is_over_when_all_is_done),
        cmocka_unit_test(test_eta__is_shown_in_the_unit_that_people_count_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
