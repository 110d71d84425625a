#include "queue/offsets.h"
#include "tests/unit/test.h"
#include "worker/base/rng.h"

static void take(struct offsets *offsets, int64_t from, int64_t to)
{
    for (int64_t offset = from; offset < to; offset++)
        assert_int_equal(offsets_deliver(offsets, offset), OFFSETS_TAKEN);
}

#define assert_commit_point(offsets, expected)              \
    do {                                                    \
        int64_t point = -7;                                 \
        assert_true(offsets_commit_point(offsets, &point)); \
        assert_int_equal(point, expected);                  \
    } while (0)

static void assert_nothing_to_commit(const struct offsets *offsets)
{
    int64_t point;
    assert_false(offsets_commit_point(offsets, &point));
}

static void test_offsets__commits_only_the_finished_prefix(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, 10);
    take(&offsets, 10, 15);

    assert_true(offsets_finish(&offsets, 1, 12));
    assert_true(offsets_finish(&offsets, 1, 11));
    assert_nothing_to_commit(&offsets);

    assert_true(offsets_finish(&offsets, 1, 10));
    assert_commit_point(&offsets, 13);
    offsets_committed(&offsets, 1, 13);
    assert_nothing_to_commit(&offsets);

    assert_true(offsets_finish(&offsets, 1, 14));
    assert_true(offsets_finish(&offsets, 1, 13));
    assert_commit_point(&offsets, 15);
    offsets_release(&offsets);
}

static void test_offsets__a_finish_counts_once_and_only_if_delivered(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    assert_false(offsets_finish(&offsets, 0, 0));
    offsets_begin(&offsets, 1, 0);
    take(&offsets, 0, 2);

    assert_true(offsets_finish(&offsets, 1, 1));
    assert_false(offsets_finish(&offsets, 1, 1));
    assert_false(offsets_finish(&offsets, 1, 2));
    assert_false(offsets_finish(&offsets, 1, -1));
    assert_nothing_to_commit(&offsets);
    offsets_release(&offsets);
}

static void test_offsets__what_was_never_delivered_counts_as_finished(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, 5);
    assert_int_equal(offsets_deliver(&offsets, 100), OFFSETS_TAKEN);
    assert_int_equal(offsets_deliver(&offsets, 2000), OFFSETS_TAKEN);
    assert_int_equal(offsets_deliver(&offsets, 2002), OFFSETS_TAKEN);
    assert_commit_point(&offsets, 100);

    assert_true(offsets_finish(&offsets, 1, 2000));
    assert_false(offsets_finish(&offsets, 1, 1500));
    assert_commit_point(&offsets, 100);
    assert_true(offsets_finish(&offsets, 1, 100));
    assert_commit_point(&offsets, 2002);
    offsets_release(&offsets);
}

static void test_offsets__a_new_group_commits_nothing_before_its_first_message(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, OFFSETS_NONE);
    assert_nothing_to_commit(&offsets);
    take(&offsets, 0, 1);
    assert_true(offsets_finish(&offsets, 1, 0));
    assert_commit_point(&offsets, 1);
    offsets_release(&offsets);
}

static void test_offsets__another_epoch_moves_nothing(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, 0);
    take(&offsets, 0, 3);
    offsets_end(&offsets);
    assert_false(offsets_finish(&offsets, 1, 0));
    assert_nothing_to_commit(&offsets);

    offsets_begin(&offsets, 2, 0);
    take(&offsets, 0, 3);
    assert_false(offsets_finish(&offsets, 1, 0));
    offsets_committed(&offsets, 1, 3);
    assert_nothing_to_commit(&offsets);
    assert_true(offsets_finish(&offsets, 2, 0));
    assert_commit_point(&offsets, 1);
    offsets_release(&offsets);
}

static void test_offsets__notices_a_log_that_went_back(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, 50);
    assert_int_equal(offsets_deliver(&offsets, 49), OFFSETS_WENT_BACK);
    take(&offsets, 50, 52);
    assert_int_equal(offsets_deliver(&offsets, 50), OFFSETS_WENT_BACK);

    offsets_begin(&offsets, 2, OFFSETS_NONE);
    take(&offsets, 7, 8);
    assert_true(offsets_finish(&offsets, 2, 7));
    assert_commit_point(&offsets, 8);
    offsets_release(&offsets);
}

static void test_offsets__of_a_log_that_was_replaced_the_commit_goes_back_at_once(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, 50);
    take(&offsets, 50, 51);
    assert_true(offsets_finish(&offsets, 1, 50)); /* the loss has been recorded */

    offsets_start_over(&offsets, 2);
    assert_commit_point(&offsets, 0);
    offsets_committed(&offsets, 2, 0);
    assert_nothing_to_commit(&offsets);
    take(&offsets, 7, 9); /* where it begins */
    assert_true(offsets_finish(&offsets, 2, 8));
    assert_commit_point(&offsets, 7);
    offsets_release(&offsets);
}

static void test_offsets__holds_back_what_is_too_far_above_a_stuck_one(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    int64_t far = 3 + (int64_t)OFFSETS_WINDOW_MAX;
    offsets_begin(&offsets, 1, 3);
    take(&offsets, 3, 5);
    assert_int_equal(offsets_deliver(&offsets, far), OFFSETS_NO_ROOM);
    assert_int_equal(offsets_deliver(&offsets, far - 1), OFFSETS_TAKEN);

    assert_true(offsets_finish(&offsets, 1, 3));
    assert_int_equal(offsets_deliver(&offsets, far), OFFSETS_TAKEN);
    assert_true(offsets_finish(&offsets, 1, 4));
    assert_true(offsets_finish(&offsets, 1, far));
    assert_commit_point(&offsets, far - 1);
    assert_true(offsets_finish(&offsets, 1, far - 1));
    assert_commit_point(&offsets, far + 1);
    offsets_release(&offsets);
}

static void test_offsets__a_full_ring_does_not_mistake_its_tail_for_its_head(void **state)
{
    (void)state;
    struct offsets offsets = {0};
    offsets_begin(&offsets, 1, 32);
    take(&offsets, 32, 1050); /* 1,018 of 1,024 places: head and tail share a word */
    for (int64_t offset = 33; offset < 1050; offset++)
        assert_true(offsets_finish(&offsets, 1, offset));
    take(&offsets, 1050, 1100); /* grows */
    assert_nothing_to_commit(&offsets);
    assert_true(offsets_finish(&offsets, 1, 32));
    assert_commit_point(&offsets, 1050);
    offsets_release(&offsets);
}

/* ---- the property: whatever happens, nothing is passed over ---------------------------------- */

#define LOG_MAX 4000

struct world {
    struct rng rng;
    bool exists[LOG_MAX];   /* in the log; the rest was compacted away */
    bool finished[LOG_MAX]; /* by anybody, ever */
    int64_t pending[LOG_MAX];
    uint64_t pending_epoch[LOG_MAX];
    size_t pending_count;
    int64_t position;  /* of the consumer */
    int64_t committed; /* at the broker */
    uint64_t epoch;
    struct offsets offsets;
};

static void world_assign(struct world *world)
{
    offsets_begin(&world->offsets, ++world->epoch,
                  world->committed > 0 ? world->committed : OFFSETS_NONE);
    world->position = world->committed;
}

static void world_deliver(struct world *world)
{
    while (world->position < LOG_MAX && !world->exists[world->position])
        world->position++;
    if (world->position == LOG_MAX || world->pending_count == LOG_MAX)
        return;
    assert_int_equal(offsets_deliver(&world->offsets, world->position), OFFSETS_TAKEN);
    world->pending[world->pending_count] = world->position++;
    world->pending_epoch[world->pending_count++] = world->epoch;
}

static void world_finish_any(struct world *world)
{
    if (world->pending_count == 0)
        return;
    size_t at = (size_t)rng_below(&world->rng, world->pending_count);
    int64_t offset = world->pending[at];
    bool moved = offsets_finish(&world->offsets, world->pending_epoch[at], offset);
    assert_int_equal(moved, world->pending_epoch[at] == world->epoch);
    world->finished[offset] = true;
    world->pending[at] = world->pending[--world->pending_count];
    world->pending_epoch[at] = world->pending_epoch[world->pending_count];
}

static void world_commit(struct world *world)
{
    int64_t point;
    if (!offsets_commit_point(&world->offsets, &point))
        return;
    assert_true(point >= world->committed); /* the same again after a lost answer */
    for (int64_t offset = 0; offset < point; offset++)
        assert_true(!world->exists[offset] || world->finished[offset]);
    world->committed = point;
    if (rng_below(&world->rng, 8)) /* else the answer was lost */
        offsets_committed(&world->offsets, world->epoch, point);
}

static void world_turn(struct world *world)
{
    uint64_t what = rng_below(&world->rng, 1000);
    if (what < 480)
        world_deliver(world);
    else if (what < 960)
        world_finish_any(world);
    else if (what < 995)
        world_commit(world);
    else if (what < 998)
        world_assign(world); /* taken away and given back; the old work goes on */
    else {
        world->pending_count = 0; /* a crash */
        world_assign(world);
    }
}

static void test_offsets__never_passes_an_unfinished_one_whatever_happens(void **state)
{
    (void)state;
    static struct world world;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        world = (struct world){.rng = rng_seeded(seed)};
        for (int64_t offset = 0; offset < LOG_MAX; offset++)
            world.exists[offset] = rng_below(&world.rng, 10) > 1;
        world_assign(&world);
        for (int turn = 0; turn < 30000; turn++)
            world_turn(&world);
        do { /* left in peace, everything ends */
            world_deliver(&world);
            world_finish_any(&world);
        } while (world.pending_count);
        world_commit(&world);
        for (int64_t offset = 0; offset < LOG_MAX; offset++)
            assert_true(!world.exists[offset] || world.finished[offset]);
        assert_int_equal(world.offsets.unfinished, 0);
        offsets_release(&world.offsets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets__commits_only_the_finished_prefix),
        cmocka_unit_test(test_offsets__a_finish_counts_once_and_only_if_delivered),
        cmocka_unit_test(test_offsets__what_was_never_delivered_counts_as_finished),
        cmocka_unit_test(test_offsets__a_new_group_commits_nothing_before_its_first_message),
        cmocka_unit_test(test_offsets__another_epoch_moves_nothing),
        cmocka_unit_test(test_offsets__notices_a_log_that_went_back),
        cmocka_unit_test(test_offsets__of_a_log_that_was_replaced_the_commit_goes_back_at_once),
        cmocka_unit_test(test_offsets__holds_back_what_is_too_far_above_a_stuck_one),
        cmocka_unit_test(test_offsets__a_full_ring_does_not_mistake_its_tail_for_its_head),
        cmocka_unit_test(test_offsets__never_passes_an_unfinished_one_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
