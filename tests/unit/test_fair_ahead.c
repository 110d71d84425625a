/* Who goes ahead: first turns of those that have little. */
#include "tests/unit/fair_flows.h"
#include "worker/base/memory.h"

static struct fair_item *given_noise(size_t item_count)
{
    struct fair_item *noise = xcalloc(item_count, sizeof(*noise));
    for (size_t i = 0; i < item_count; i++)
        push(&noise[i], 1, QUANTUM / 100);
    while (fair_goes_ahead(fair)) /* until its first turn is over */
        assert_int_equal(pop_done(0), 1);
    return noise;
}

static void test_ahead__who_begins_to_wait_with_little_in_flight_goes_ahead(void **state)
{
    (void)state;
    struct fair_item *noise = given_noise(1000), quiet[FAIR_LITTLE + 1];
    assert_false(fair_goes_ahead(fair));
    for (unsigned i = 0; i < COUNT_OF(quiet); i++) {
        push(&quiet[i], 2, 10);
        assert_int_equal(fair_goes_ahead(fair), i < FAIR_LITTLE); /* i are in flight */
        struct fair_item *item = fair_pop(fair, 0);
        assert_int_equal(item->goes_ahead, i < FAIR_LITTLE);
        while (item != &quiet[i]) {
            done(item);
            item = fair_pop(fair, 0);
        }
    }
    for (unsigned i = 0; i < COUNT_OF(quiet); i++)
        done(&quiet[i]);
    drain();
    xfree(noise);
}

static void test_ahead__only_a_first_turn_goes_ahead(void **state)
{
    (void)state;
    struct fair_item *noise = given_noise(100), many[10], huge;
    for (unsigned i = 0; i < COUNT_OF(many); i++)
        push(&many[i], 2, QUANTUM / 4);
    for (unsigned i = 0; i < 4; i++) {
        struct fair_item *item = fair_pop(fair, 0);
        assert_ptr_equal(item, &many[i]);
        assert_true(item->goes_ahead);
        done(item);
    }
    assert_false(fair_goes_ahead(fair));
    assert_int_equal(pop_done(0), 1);
    push(&huge, 3, 5 * QUANTUM); /* starts at once, but no first turn pays for it */
    assert_ptr_equal(fair_pop(fair, 0), &huge);
    assert_false(huge.goes_ahead);
    done(&huge);
    push(&huge, 3, 1); /* in debt */
    assert_false(fair_goes_ahead(fair));
    drain();
    xfree(noise);
}

/* Each of them takes but one thing: of such tenants there may be more than there is work for. */
static void test_ahead__those_who_go_ahead_do_not_starve_the_others(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    struct fair_item *noise = given_noise(100), quiet;
    unsigned of_noise = 0;
    for (unsigned i = 0; i < ROUNDS * (FAIR_AHEAD_MAX + 1); i++) {
        if (i % (FAIR_AHEAD_MAX + 1) < FAIR_AHEAD_MAX)
            push(&quiet, 2 + i, 1);
        of_noise += pop_done(0) == 1;
    }
    assert_in_range(of_noise, ROUNDS - 1, ROUNDS + 1);
    drain();
    xfree(noise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ahead__who_begins_to_wait_with_little_in_flight_goes_ahead),
        TEST(test_ahead__only_a_first_turn_goes_ahead),
        TEST(test_ahead__those_who_go_ahead_do_not_starve_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
