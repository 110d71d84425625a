#include "tests/unit/test.h"
#include "worker/base/memory.h"
#include "worker/base/rng.h"
#include "worker/seats.h"

#define SEATS_MAX 64
#define BYTES_MAX 6400

static struct seats seats;
static struct seat all[SEATS_MAX];
static size_t all_count;

static int setup(void **state)
{
    (void)state;
    seats = seats_new(SEATS_MAX, BYTES_MAX);
    memset(all, 0, sizeof(all));
    all_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (all_count)
        seats_give(&seats, &all[--all_count]);
    seats_release(&seats);
    return 0;
}

static struct seat seat_of(unsigned tenant, uint64_t bytes)
{
    return (struct seat){.tenant = {{(uint8_t)tenant}}, .bytes = bytes};
}

static enum seats_answer ask(unsigned tenant, uint64_t bytes)
{
    struct seat seat = seat_of(tenant, bytes);
    return seats_ask(&seats, &seat);
}

/* As many as it gets, and what it was told then. */
static unsigned sit_down(unsigned tenant, uint64_t bytes, enum seats_answer *ret_last)
{
    unsigned count = 0;
    while ((*ret_last = ask(tenant, bytes)) == SEATS_ROOM) {
        all[all_count] = seat_of(tenant, bytes);
        seats_take(&seats, &all[all_count++]);
        count++;
    }
    return count;
}

static void test_seats__one_tenant_alone_leaves_some_for_who_comes_next(void **state)
{
    (void)state;
    enum seats_answer last;
    assert_int_equal(sit_down(1, 1, &last), 56);
    assert_int_equal(last, SEATS_OVER_SHARE);
    assert_int_equal(ask(2, 1), SEATS_ROOM);
}

static void test_seats__the_last_seat_is_for_a_tenant_that_has_none(void **state)
{
    (void)state;
    enum seats_answer last;
    (void)sit_down(1, 1, &last);
    assert_int_equal(sit_down(2, 1, &last), 7);
    assert_int_equal(last, SEATS_OVER_SHARE);
    assert_int_equal(sit_down(3, 1, &last), 1);
    assert_int_equal(last, SEATS_FULL);
    assert_int_equal(ask(4, 1), SEATS_FULL);
}

static void test_seats__seats_that_come_free_go_to_those_with_few(void **state)
{
    (void)state;
    enum seats_answer last;
    (void)sit_down(1, 1, &last);
    (void)sit_down(2, 1, &last);
    for (size_t i = 0; i < 30; i++)
        seats_give(&seats, &all[i]); /* of tenant 1 */
    memmove(all, all + 30, (all_count - 30) * sizeof(all[0]));
    all_count -= 30;
    assert_int_equal(ask(1, 1), SEATS_ROOM);
    assert_int_equal(sit_down(2, 1, &last), 26);
}

static void test_seats__bytes_are_shared_as_seats_are(void **state)
{
    (void)state;
    enum seats_answer last;
    assert_int_equal(sit_down(1, 1000, &last), 5);
    assert_int_equal(last, SEATS_OVER_SHARE);
    assert_int_equal(ask(2, 1400), SEATS_ROOM); /* all that is left */
    assert_int_equal(ask(2, 1401), SEATS_FULL); /* it is waited for */
    assert_int_equal(ask(1, 700), SEATS_OVER_SHARE);
}

static void test_seats__what_turns_out_larger_or_smaller_counts_as_it_is(void **state)
{
    (void)state;
    all[all_count++] = seat_of(1, 6000);
    seats_take(&seats, &all[0]);
    assert_int_equal(ask(2, 1000), SEATS_FULL);
    seats_resize(&seats, &all[0], 100);
    assert_int_equal(ask(2, 1000), SEATS_ROOM);
    seats_resize(&seats, &all[0], BYTES_MAX + 1);
    assert_int_equal(ask(2, 1), SEATS_FULL);
}

static void test_seats__a_large_one_and_one_that_wants_all_sit_alone(void **state)
{
    (void)state;
    assert_int_equal(ask(1, BYTES_MAX + 1), SEATS_ROOM); /* nobody is there */
    all[all_count] = seat_of(1, 1);
    all[all_count].wants_alone = true;
    seats_take(&seats, &all[all_count++]);
    assert_int_equal(ask(2, 1), SEATS_FULL);
    seats_give(&seats, &all[--all_count]);
    all[all_count] = seat_of(1, 1);
    seats_take(&seats, &all[all_count++]);
    struct seat lone = seat_of(2, 1);
    lone.wants_alone = true;
    assert_int_equal(seats_ask(&seats, &lone), SEATS_FULL);
}

static void test_seats__one_seat_is_for_everybody_and_of_two_one_is_kept(void **state)
{
    (void)state;
    enum seats_answer last;
    seats.seats_max = 1;
    assert_int_equal(sit_down(1, 1, &last), 1);
    assert_int_equal(last, SEATS_FULL);
    seats.seats_max = 2;
    assert_int_equal(ask(1, 1), SEATS_OVER_SHARE);
    assert_int_equal(ask(2, 1), SEATS_ROOM);
}

static void test_seats__the_first_and_the_last_held_back_of_a_tenant_are_told(void **state)
{
    (void)state;
    struct seat a = seat_of(1, 1), b = seat_of(1, 1), c = seat_of(2, 1);
    assert_true(seats_hold_back(&seats, &a));
    assert_false(seats_hold_back(&seats, &a));
    assert_false(seats_hold_back(&seats, &b));
    assert_true(seats_hold_back(&seats, &c));
    assert_int_equal(seats.held_back_count, 3);
    assert_false(seats_let_go(&seats, &a));
    assert_false(seats_let_go(&seats, &a));
    assert_true(seats_let_go(&seats, &b));
    assert_true(seats_let_go(&seats, &c));
    assert_int_equal(seats.held_back_count, 0);
}

/* Whatever happens: somebody may always sit down when nobody sits, a tenant that has none is never
 * told of a share, and as long as one of several seats is free, it is. */
static void test_seats__a_newcomer_is_kept_out_only_by_others_together(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(11);
    seats.seats_max = 16;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned tenant = 1 + (unsigned)rng_below(&rng, 3);
        struct seat seat = seat_of(tenant, 1 + rng_below(&rng, 100));
        if (rng_below(&rng, 3) && seats_ask(&seats, &seat) == SEATS_ROOM) {
            all[all_count] = seat;
            seats_take(&seats, &all[all_count++]);
        } else if (all_count && rng_below(&rng, 4) == 0) {
            seats_give(&seats, &all[--all_count]);
        }
        assert_int_equal(seats.taken_count, all_count);
        assert_int_equal(ask(9, 1), all_count == 16 ? SEATS_FULL : SEATS_ROOM);
        for (unsigned who = 1; who <= 3; who++) {
            unsigned has = 0;
            for (size_t at = 0; at < all_count; at++)
                has += all[at].tenant.bytes[0] == who;
            assert_true(has <= 14);
        }
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_seats__one_tenant_alone_leaves_some_for_who_comes_next),
        TEST(test_seats__the_last_seat_is_for_a_tenant_that_has_none),
        TEST(test_seats__seats_that_come_free_go_to_those_with_few),
        TEST(test_seats__bytes_are_shared_as_seats_are),
        TEST(test_seats__what_turns_out_larger_or_smaller_counts_as_it_is),
        TEST(test_seats__a_large_one_and_one_that_wants_all_sit_alone),
        TEST(test_seats__one_seat_is_for_everybody_and_of_two_one_is_kept),
        TEST(test_seats__the_first_and_the_last_held_back_of_a_tenant_are_told),
        TEST(test_seats__a_newcomer_is_kept_out_only_by_others_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
