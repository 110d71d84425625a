/* The janitor against a ledger, a store and an intake that answer when the test says so. */
#include "store/vectors.h"
#include "tests/unit/test.h"
#include "worker/control.h"
#include "worker/pipeline.h"

#define LITTER_COUNT 2

struct ledger {
    struct ledger_dead *dead; /* asked and not answered, like all of these */
    struct ledger_swept *swept;
    struct ledger_due *due;
};
struct vectors {
    struct vectors_request *deletion;
    unsigned cancel_count;
};
struct intake {
    size_t due_count, room;
};

void ledger_dead(struct ledger *ledger, struct ledger_dead *dead)
{
    assert_null(ledger->dead);
    ledger->dead = dead;
}

void ledger_swept(struct ledger *ledger, struct ledger_swept *swept)
{
    assert_null(ledger->swept);
    ledger->swept = swept;
}

void ledger_due(struct ledger *ledger, struct ledger_due *due)
{
    assert_null(ledger->due);
    ledger->due = due;
}

unsigned vectors_capabilities(const struct vectors *vectors)
{
    (void)vectors;
    return 0;
}

void vectors_delete(struct vectors *vectors, struct vectors_request *request)
{
    assert_null(vectors->deletion);
    vectors->deletion = request;
}

void vectors_cancel(struct vectors *vectors, struct vectors_request *request)
{
    assert_ptr_equal(vectors->deletion, request);
    vectors->cancel_count++;
}

bool intake_has_room(const struct intake *intake)
{
    return intake->room > 0;
}

bool intake_add_due(struct intake *intake, const struct due_item *item)
{
    (void)item;
    intake->due_count++;
    intake->room -= intake->room > 0;
    return true;
}

struct bench {
    struct ledger ledger;
    struct vectors vectors;
    struct intake intake;
    struct pipeline pipeline;
    struct control *control;
};

static int set_up(void **state)
{
    static struct bench bench;
    bench = (struct bench){.intake.room = 1000};
    bench.pipeline = (struct pipeline){
        .loop = loop_new_virtual(1),
        .ledger = &bench.ledger,
        .vectors = &bench.vectors,
    };
    bench.control = control_new(&bench.pipeline, &bench.intake);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    control_free(bench->control);
    loop_free(bench->pipeline.loop);
    return 0;
}

/* Two dead generations of one document. */
static void answer_dead(struct bench *bench)
{
    struct ledger_dead *dead = bench->ledger.dead;
    assert_non_null(dead);
    bench->ledger.dead = NULL;
    for (size_t i = 0; i < LITTER_COUNT; i++)
        dead->litter[i] =
            (struct litter){.document = dead->document, .gen = i + 1, .vector_count = 3};
    dead->litter_count = LITTER_COUNT;
    dead->on_done(dead, NULL);
}

static void answer_deletion(struct bench *bench, enum error_code code)
{
    struct vectors_request *deletion = bench->vectors.deletion;
    struct error err;
    assert_non_null(deletion);
    bench->vectors.deletion = NULL;
    deletion->on_done(deletion, code == ERR_BUG ? NULL : error_of(&err, code));
}

static void answer_swept(struct bench *bench, uint64_t expected_gen)
{
    struct ledger_swept *swept = bench->ledger.swept;
    assert_non_null(swept);
    assert_int_equal(swept->litter.gen, expected_gen);
    bench->ledger.swept = NULL;
    swept->on_done(swept, NULL);
}

static void answer_due(struct bench *bench, size_t item_count)
{
    struct ledger_due *due = bench->ledger.due;
    assert_non_null(due);
    bench->ledger.due = NULL;
    due->item_count = item_count;
    due->on_done(due, NULL);
}

static void start_sweep(struct bench *bench)
{
    control_sweep(bench->control, (struct uuid){{7}});
    answer_dead(bench);
    assert_int_equal(bench->vectors.deletion->gen, 1);
}

#define DONE ERR_BUG /* for answer_deletion() */

static void test_control__forgets_litter_only_when_it_is_deleted(void **state)
{
    struct bench *bench = *state;
    start_sweep(bench);
    answer_deletion(bench, ERR_UNAVAILABLE);
    assert_null(bench->ledger.swept); /* its row stays */
    assert_int_equal(bench->vectors.deletion->gen, 2);
    answer_deletion(bench, DONE);
    answer_swept(bench, 2);
    assert_true(control_is_idle(bench->control));
    control_stop(bench->control);
}

static void test_control__a_stop_ends_a_sweep_after_its_present_litter(void **state)
{
    struct bench *bench = *state;
    start_sweep(bench);
    control_stop(bench->control);
    assert_false(control_is_idle(bench->control));
    answer_deletion(bench, DONE);
    answer_swept(bench, 1);
    assert_true(control_is_idle(bench->control));
    assert_null(bench->vectors.deletion);
}

/* Else a store that hangs would keep a worker from ending in time. */
static void test_control__a_cancel_gives_up_the_deletion_under_way(void **state)
{
    struct bench *bench = *state;
    start_sweep(bench);
    control_stop(bench->control);
    control_cancel(bench->control);
    assert_int_equal(bench->vectors.cancel_count, 1);
    answer_deletion(bench, ERR_CANCELLED);
    assert_true(control_is_idle(bench->control));
    assert_null(bench->ledger.swept);
}

static void test_control__a_cancel_leaves_alone_what_only_the_ledger_answers(void **state)
{
    struct bench *bench = *state;
    start_sweep(bench);
    answer_deletion(bench, DONE);
    control_stop(bench->control);
    control_cancel(bench->control);
    assert_int_equal(bench->vectors.cancel_count, 0);
    answer_swept(bench, 1);
    assert_true(control_is_idle(bench->control));
}

static void run_janitor_once(struct bench *bench)
{
    control_start(bench->control);
    while (!bench->ledger.due)
        loop_run_once(bench->pipeline.loop, 1000);
    answer_dead(bench);
    answer_deletion(bench, ERR_UNAVAILABLE);
    answer_deletion(bench, ERR_UNAVAILABLE);
}

static void test_control__looks_again_while_as_much_is_due_as_it_can_take(void **state)
{
    struct bench *bench = *state;
    run_janitor_once(bench);
    size_t item_max = bench->ledger.due->item_max;
    answer_due(bench, item_max);
    answer_due(bench, 1);
    assert_null(bench->ledger.due);
    assert_int_equal(bench->intake.due_count, item_max + 1);
    control_stop(bench->control);
}

/* A job of a million parked items goes on: they wait in their rows, not in memory. */
static void test_control__takes_no_more_due_items_than_may_wait(void **state)
{
    struct bench *bench = *state;
    run_janitor_once(bench);
    size_t item_max = bench->ledger.due->item_max;
    bench->intake.room = item_max;
    answer_due(bench, item_max);
    assert_null(bench->ledger.due);
    assert_true(control_is_idle(bench->control));
    control_stop(bench->control);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_control__forgets_litter_only_when_it_is_deleted),
        WITH_BENCH(test_control__a_stop_ends_a_sweep_after_its_present_litter),
        WITH_BENCH(test_control__a_cancel_gives_up_the_deletion_under_way),
        WITH_BENCH(test_control__a_cancel_leaves_alone_what_only_the_ledger_answers),
        WITH_BENCH(test_control__looks_again_while_as_much_is_due_as_it_can_take),
        WITH_BENCH(test_control__takes_no_more_due_items_than_may_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
