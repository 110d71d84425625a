#include "queue/offsets.h"
#include "queue/recall.h"
#include "tests/unit/test.h"
#include "worker/base/rng.h"

static void test_recall__knows_a_record_that_was_finished(void **state)
{
    (void)state;
    struct recall recall = {0};
    assert_false(recall_knows(&recall, 5, 77));

    recall_finished(&recall, 5, 77);

    assert_true(recall_knows(&recall, 5, 77));
    assert_false(recall_knows(&recall, 5, 78)); /* the log was cut, and has another one there */
    assert_false(recall_knows(&recall, 6, 77));
    assert_false(recall_knows(&recall, 5 + (int64_t)RECALL_MAX, 77)); /* of the same place */
    recall_forget(&recall);
    assert_false(recall_knows(&recall, 5, 77));
}

static void test_recall__knows_nothing_that_has_no_print(void **state)
{
    (void)state;
    struct recall recall = {0};
    recall_finished(&recall, 0, RECALL_NO_PRINT);
    assert_false(recall_knows(&recall, 0, RECALL_NO_PRINT));
    recall_finished(&recall, 1, 77);
    assert_false(recall_knows(&recall, 0, RECALL_NO_PRINT));
    recall_forget(&recall);
}

static void test_recall__has_room_for_all_that_is_not_committed_up_to_a_bound(void **state)
{
    (void)state;
    struct recall recall = {0};
    const int64_t end = 1000 + (int64_t)RECALL_MAX;
    for (int64_t offset = 1000; offset < end; offset++)
        recall_finished(&recall, offset, (uint64_t)offset);
    for (int64_t offset = 1000; offset < end; offset++)
        assert_true(recall_knows(&recall, offset, (uint64_t)offset));

    recall_finished(&recall, end, (uint64_t)end);

    assert_true(recall_knows(&recall, end, (uint64_t)end));
    assert_false(recall_knows(&recall, 1000, 1000));
    assert_int_equal(recall.place_count, RECALL_MAX);
    recall_forget(&recall);
}

static void test_recall__needs_no_room_for_what_is_committed(void **state)
{
    (void)state;
    struct recall recall = {0};
    for (int64_t offset = 0; offset < 100000; offset++) {
        recall_finished(&recall, offset, 1);
        recall_committed(&recall, offset + 1);
    }
    assert_true(recall.place_count <= 256);
    recall_forget(&recall);
}

static void test_recall__forgets_when_somebody_sets_the_group_back(void **state)
{
    (void)state;
    struct recall recall = {0};
    recall_resume(&recall, 10);
    recall_finished(&recall, 12, 77);
    recall_committed(&recall, 11);

    recall_resume(&recall, 11); /* as it was left */
    assert_true(recall_knows(&recall, 12, 77));
    recall_resume(&recall, 10); /* all of it is wanted again */
    assert_false(recall_knows(&recall, 12, 77));
    recall_finished(&recall, 10, 78);
    assert_true(recall_knows(&recall, 10, 78));
    recall_resume(&recall, 0); /* the topic was made anew: the group has no offset */
    assert_false(recall_knows(&recall, 10, 78));
    recall_forget(&recall);
}

static void test_recall__a_print_tells_records_apart_by_all_they_hold(void **state)
{
    (void)state;
    const struct header one = {TEXT("job"), TEXT("1")}, other = {TEXT("job"), TEXT("2")};
    const struct message_view views[] = {
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT("a value of some length")},
        {.time_ms = 8, .key = TEXT("key"), .value = TEXT("a value of some length")},
        {.time_ms = 9, .key = TEXT("kex"), .value = TEXT("a value of some length")},
        {.time_ms = 9, .key = TEXT_NONE, .value = TEXT("a value of some length")},
        {.time_ms = 9, .key = TEXT("keya"), .value = TEXT(" value of some length")},
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT("a value of some lengtg")},
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT("A value of some length")},
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT("a value of some length\0")},
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT("")},
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT_NONE},
        {.time_ms = 9, .key = TEXT("key"), .value = TEXT_NONE, .headers = &one, .header_count = 1},
        {.time_ms = 9,
         .key = TEXT("key"),
         .value = TEXT_NONE,
         .headers = &other,
         .header_count = 1},
    };
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        struct message_view elsewhere = views[i];
        elsewhere.epoch = 7; /* says nothing of the record */
        assert_true(recall_print(&elsewhere) == recall_print(&views[i]));
        assert_true(recall_print(&views[i]) != RECALL_NO_PRINT);
        for (size_t j = 0; j < i; j++)
            assert_true(recall_print(&views[i]) != recall_print(&views[j]));
    }
}

/* ---- the property: whatever happens to log and group, only what was finished is passed over ---- */

#define LOG_MAX 3000

struct world {
    struct rng rng;
    uint64_t log[LOG_MAX];  /* what stands there: a number of its own; 0: compacted away */
    bool finished[1 << 20]; /* by that number, by anybody */
    bool was_here[1 << 20]; /* finished in this process, since it began or was told to forget */
    uint64_t last;          /* the number of the newest record */
    int64_t position, committed;
    struct delivery {
        int64_t offset;
        uint64_t record, epoch;
    } in_work[LOG_MAX];
    size_t in_work_count;
    uint64_t epoch, repeated;
    struct offsets offsets;
    struct recall recall;
};

static void world_write_from(struct world *world, int64_t from)
{
    for (int64_t offset = from; offset < LOG_MAX; offset++)
        world->log[offset] = rng_below(&world->rng, 10) > 1 ? ++world->last : 0;
}

static void world_assign(struct world *world)
{
    offsets_begin(&world->offsets, ++world->epoch, world->committed);
    recall_resume(&world->recall, world->committed);
    world->position = world->committed;
}

/* As queue/kafka_drain.c does. */
static bool world_joins(struct world *world, int64_t offset, uint64_t record)
{
    for (size_t i = 0; i < world->in_work_count; i++)
        if (world->in_work[i].offset == offset && world->in_work[i].record == record) {
            world->in_work[i].epoch = world->epoch;
            return true;
        }
    return recall_knows(&world->recall, offset, record) &&
           offsets_finish(&world->offsets, world->epoch, offset);
}

static void world_deliver(struct world *world)
{
    while (world->position < LOG_MAX && !world->log[world->position])
        world->position++;
    if (world->position == LOG_MAX || world->in_work_count == LOG_MAX)
        return;
    int64_t offset = world->position++;
    uint64_t record = world->log[offset];
    assert_int_equal(offsets_deliver(&world->offsets, offset), OFFSETS_TAKEN);
    if (world_joins(world, offset, record))
        return;
    world->repeated += world->was_here[record];
    world->in_work[world->in_work_count++] = (struct delivery){offset, record, world->epoch};
}

static void world_finish_any(struct world *world)
{
    if (world->in_work_count == 0)
        return;
    size_t at = (size_t)rng_below(&world->rng, world->in_work_count);
    struct delivery delivery = world->in_work[at];
    world->in_work[at] = world->in_work[--world->in_work_count];
    offsets_finish(&world->offsets, delivery.epoch, delivery.offset);
    recall_finished(&world->recall, delivery.offset, delivery.record);
    world->was_here[world->log[delivery.offset]] = false; /* has lost its place to one cut away */
    world->finished[delivery.record] = world->was_here[delivery.record] = true;
}

static void world_commit(struct world *world)
{
    int64_t point;
    if (!offsets_commit_point(&world->offsets, &point))
        return;
    for (int64_t offset = 0; offset < point; offset++)
        assert_true(!world->log[offset] || world->finished[world->log[offset]]);
    world->committed = point;
    if (rng_below(&world->rng, 8) == 0)
        return; /* the answer was lost */
    offsets_committed(&world->offsets, world->epoch, point);
    recall_committed(&world->recall, point);
}

/* Others have it for a while: they finish some, and commit less or as much. */
static void world_take_away(struct world *world)
{
    offsets_end(&world->offsets);
    int64_t others = (int64_t)rng_below(&world->rng, 20);
    for (; others && world->committed < LOG_MAX; others--)
        world->finished[world->log[world->committed++]] = true;
    for (uint64_t turns = rng_below(&world->rng, 10); turns; turns--)
        world_finish_any(world);
}

/* An unclean election: what was not committed may be lost, and others stand in its place. */
static void world_cut(struct world *world)
{
    world_take_away(world);
    world_write_from(world, world->committed + (int64_t)rng_below(&world->rng, 50));
    world_assign(world);
}

static void world_set_back(struct world *world)
{
    world_take_away(world);
    if (world->recall.committed) {
        world->committed =
            (int64_t)rng_below(&world->rng, (uint64_t)world->recall.committed); /* less */
        for (int64_t offset = world->committed; offset < LOG_MAX; offset++)
            world->finished[world->log[offset]] = !world->log[offset];
        memset(world->was_here, 0, sizeof(world->was_here));
    }
    world_assign(world);
}

static void world_turn(struct world *world)
{
    uint64_t what = rng_below(&world->rng, 1000);
    if (what < 480)
        world_deliver(world);
    else if (what < 950)
        world_finish_any(world);
    else if (what < 980)
        world_commit(world);
    else if (what < 995) {
        world_take_away(world);
        world_assign(world);
    } else if (what < 999)
        world_cut(world);
    else
        world_set_back(world);
}

static void test_recall__passes_only_what_was_finished_whatever_happens(void **state)
{
    (void)state;
    static struct world world;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        memset(&world, 0, sizeof(world));
        world.rng = rng_seeded(seed);
        world.finished[0] = true; /* of what is not there */
        world_write_from(&world, 0);
        world_assign(&world);
        for (int turn = 0; turn < 8000; turn++)
            world_turn(&world);
        do { /* left in peace, everything ends */
            world_deliver(&world);
            world_finish_any(&world);
        } while (world.in_work_count || world.position < LOG_MAX);
        world_commit(&world);
        for (int64_t offset = 0; offset < LOG_MAX; offset++)
            assert_true(!world.log[offset] || world.finished[world.log[offset]]);
        assert_int_equal(world.offsets.unfinished, 0);
        assert_int_equal(world.repeated, 0); /* and nothing is done twice */
        offsets_release(&world.offsets);
        recall_forget(&world.recall);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall__knows_a_record_that_was_finished),
        cmocka_unit_test(test_recall__knows_nothing_that_has_no_print),
        cmocka_unit_test(test_recall__has_room_for_all_that_is_not_committed_up_to_a_bound),
        cmocka_unit_test(test_recall__needs_no_room_for_what_is_committed),
        cmocka_unit_test(test_recall__forgets_when_somebody_sets_the_group_back),
        cmocka_unit_test(test_recall__a_print_tells_records_apart_by_all_they_hold),
        cmocka_unit_test(test_recall__passes_only_what_was_finished_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
