#include "tests/unit/test.h"
#include "worker/base/loop.h"
#include "worker/base/memory.h"

struct probe {
    struct loop *loop;
    struct timer timers[5];
    struct later later;
    struct work work;
    char trace[32];
    size_t trace_bytes;
    bool is_done;
};

static struct probe probe;

static void note(char c)
{
    probe.trace[probe.trace_bytes++] = c;
}

static void on_timer(struct timer *timer)
{
    note((char)('a' + (timer - probe.timers)));
}

static void on_restart(struct timer *timer)
{
    note('r');
    if (probe.trace_bytes < 3)
        timer_start(probe.loop, timer, 0, on_restart);
}

static void on_later(struct later *later)
{
    (void)later;
    note('l');
    loop_stop(probe.loop);
}

static void run_work(struct work *work)
{
    (void)work;
    note('w');
}

static void on_work_done(struct work *work)
{
    (void)work;
    note('d');
    loop_stop(probe.loop);
}

static int with_real_loop(void **state)
{
    memset(&probe, 0, sizeof(probe));
    struct error err;
    *state = probe.loop = loop_new(&err);
    return probe.loop ? 0 : 1;
}

static int with_virtual_loop(void **state)
{
    memset(&probe, 0, sizeof(probe));
    *state = probe.loop = loop_new_virtual(1);
    return 0;
}

static int free_loop(void **state)
{
    loop_free(*state);
    return 0;
}

static void test_loop__runs_timers_in_order_of_due_time(void **state)
{
    (void)state;
    timer_start(probe.loop, &probe.timers[0], 30, on_timer);
    timer_start(probe.loop, &probe.timers[1], 10, on_timer);
    timer_start(probe.loop, &probe.timers[2], 20, on_timer);
    timer_start(probe.loop, &probe.timers[3], 10, on_timer);
    timer_start(probe.loop, &probe.timers[4], 15, on_timer);
    timer_stop(probe.loop, &probe.timers[4]);
    uint64_t start_ms = loop_now_ms(probe.loop);
    while (probe.trace_bytes < 4)
        loop_run_once(probe.loop, 100);
    assert_string_equal(probe.trace, "bdca");
    assert_true(loop_now_ms(probe.loop) - start_ms >= 30);
    assert_false(timer_is_waiting(&probe.timers[0]));
}

static void test_loop__a_timer_that_restarts_itself_does_not_starve_the_turn(void **state)
{
    (void)state;
    timer_start(probe.loop, &probe.timers[0], 0, on_restart);
    for (int i = 0; i < 6; i++)
        loop_run_once(probe.loop, 1);
    assert_string_equal(probe.trace, "rrr");
}

static void test_loop__later_runs_after_the_call_returned(void **state)
{
    (void)state;
    loop_later(probe.loop, &probe.later, on_later);
    note('s');
    loop_bury(probe.loop, xmalloc(16)); /* LeakSanitizer watches */
    loop_run(probe.loop);
    assert_string_equal(probe.trace, "sl");
}

static void test_loop__work_answers_on_the_loop(void **state)
{
    (void)state;
    probe.work = (struct work){.run = run_work, .on_done = on_work_done};
    loop_work(probe.loop, &probe.work);
    loop_run(probe.loop);
    assert_string_equal(probe.trace, "wd");
}

static void on_stop(struct timer *timer)
{
    (void)timer;
    loop_stop(probe.loop);
}

static void test_loop__stops_when_a_timer_says_so_though_nothing_else_is_left(void **state)
{
    (void)state;
    timer_start(probe.loop, &probe.timers[0], 5, on_stop);
    loop_run(probe.loop);
    assert_false(timer_is_waiting(&probe.timers[0]));
}

static void test_loop__a_turn_ends_in_time_though_nothing_happens(void **state)
{
    (void)state;
    loop_run_once(probe.loop, 0);
    loop_run_once(probe.loop, 5);
    timer_start(probe.loop, &probe.timers[0], 0, on_timer);
    loop_run_once(probe.loop, 5);
    assert_string_equal(probe.trace, "a");
}

static void test_loop__virtual_time_jumps_and_ends_when_idle(void **state)
{
    (void)state;
    uint64_t start_ms = loop_now_ms(probe.loop);
    timer_start(probe.loop, &probe.timers[0], 3600 * 1000, on_timer);
    loop_run(probe.loop);
    assert_string_equal(probe.trace, "a");
    assert_int_equal(loop_now_ms(probe.loop) - start_ms, 3600 * 1000);
}

#define ON_BOTH(test)                                                 \
    cmocka_unit_test_setup_teardown(test, with_real_loop, free_loop), \
        cmocka_unit_test_setup_teardown(test, with_virtual_loop, free_loop)

static unsigned virtual_dues;

static void on_virtual_due(struct timer *timer)
{
    (void)timer;
    virtual_dues++;
}

static void test_loop__several_virtual_ones_share_a_clock_of_somebody_else(void **state)
{
    (void)state;
    struct loop *one = loop_new_virtual(1), *other = loop_new_virtual(2);
    uint64_t start_ms = loop_now_ms(one);
    struct timer early = {0}, late = {0};
    timer_start(one, &early, 10, on_virtual_due);
    timer_start(other, &late, 20, on_virtual_due);
    assert_int_equal(loop_virtual_next_ms(one), start_ms + 10);
    assert_int_equal(loop_virtual_next_ms(other), start_ms + 20);

    virtual_dues = 0;
    loop_virtual_turn(one, start_ms + 15);
    assert_int_equal(virtual_dues, 1);
    assert_int_equal(loop_now_ms(one), start_ms + 15);
    assert_int_equal(loop_now_ms(other), start_ms);
    assert_int_equal(loop_virtual_next_ms(one), UINT64_MAX);

    timer_stop(other, &late);
    loop_free(one);
    loop_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_loop__runs_timers_in_order_of_due_time),
        ON_BOTH(test_loop__a_timer_that_restarts_itself_does_not_starve_the_turn),
        ON_BOTH(test_loop__later_runs_after_the_call_returned),
        ON_BOTH(test_loop__work_answers_on_the_loop),
        ON_BOTH(test_loop__stops_when_a_timer_says_so_though_nothing_else_is_left),
        ON_BOTH(test_loop__a_turn_ends_in_time_though_nothing_happens),
        cmocka_unit_test_setup_teardown(test_loop__virtual_time_jumps_and_ends_when_idle,
                                        with_virtual_loop, free_loop),
        cmocka_unit_test(test_loop__several_virtual_ones_share_a_clock_of_somebody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
