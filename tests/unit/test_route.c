#include "tests/unit/test.h"
#include "worker/base/metrics.h"
#include "worker/route.h"

static void on_due(struct timer *timer)
{
    (void)timer;
}

/* Lets the virtual clock jump. */
static void pass_ms(struct loop *loop, uint64_t ms)
{
    struct timer timer = {0};
    timer_start(loop, &timer, ms, on_due);
    loop_run(loop);
}

static void test_route__a_traveller_is_at_one_stage_at_a_time(void **state)
{
    (void)state;
    struct loop *loop = loop_new_virtual(1);
    struct route route;
    struct traveller one = {0}, two = {0};
    metrics_reset();
    route_init(&route, loop);

    route_enter(&route, &one, STAGE_CLAIM);
    route_enter(&route, &two, STAGE_CLAIM);
    assert_int_equal(route.stages[STAGE_CLAIM].count, 2);
    assert_true(metric_value(METRIC_TASKS, STAGE_CLAIM) == 2);

    route_enter(&route, &one, STAGE_FETCH);
    assert_int_equal(route.stages[STAGE_CLAIM].count, 1);
    assert_ptr_equal(list_first(&route.stages[STAGE_FETCH]), &one.at);
    assert_true(metric_value(METRIC_TASKS, STAGE_CLAIM) == 1);
    assert_true(metric_value(METRIC_TASKS, STAGE_FETCH) == 1);

    route_leave(&route, &one);
    route_leave(&route, &two);
    assert_false(one.is_on_the_way || two.is_on_the_way);
    for (unsigned i = 0; i < STAGE_COUNT; i++)
        assert_int_equal(route.stages[i].count, 0);
    assert_true(metric_value(METRIC_TASKS, STAGE_CLAIM) == 0);
    loop_free(loop);
}

static void test_route__measures_the_time_at_each_stage(void **state)
{
    (void)state;
    struct loop *loop = loop_new_virtual(1);
    struct route route;
    struct traveller traveller = {0};
    metrics_reset();
    route_init(&route, loop);

    route_enter(&route, &traveller, STAGE_STREAM);
    uint64_t entered_ms = traveller.entered_ms;
    assert_true(metric_value(METRIC_STAGE_SECONDS, STAGE_STREAM) == 0);
    pass_ms(loop, 250);
    route_enter(&route, &traveller, STAGE_FINISH);
    assert_true(metric_value(METRIC_STAGE_SECONDS, STAGE_STREAM) == 1); /* observed once */
    assert_int_equal(traveller.entered_ms, entered_ms + 250);
    route_leave(&route, &traveller);
    assert_true(metric_value(METRIC_STAGE_SECONDS, STAGE_FINISH) == 1);
    loop_free(loop);
}

static void test_route__the_oldest_of_a_stage_stands_first(void **state)
{
    (void)state;
    struct loop *loop = loop_new_virtual(1);
    struct route route;
    struct traveller one = {0}, two = {0};
    route_init(&route, loop);
    route_enter(&route, &one, STAGE_SEAT);
    route_enter(&route, &two, STAGE_SEAT);
    assert_ptr_equal(list_first(&route.stages[STAGE_SEAT]), &one.at);
    route_enter(&route, &one, STAGE_SEAT); /* again: behind */
    assert_ptr_equal(list_first(&route.stages[STAGE_SEAT]), &two.at);
    route_leave(&route, &one);
    route_leave(&route, &two);
    loop_free(loop);
}

static void test_route__every_stage_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STAGE_COUNT; i++) {
        assert_non_null(stage_name((enum stage)i));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(stage_name((enum stage)i), stage_name((enum stage)j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route__a_traveller_is_at_one_stage_at_a_time),
        cmocka_unit_test(test_route__measures_the_time_at_each_stage),
        cmocka_unit_test(test_route__the_oldest_of_a_stage_stands_first),
        cmocka_unit_test(test_route__every_stage_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
