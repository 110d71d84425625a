#include "tests/unit/test.h"
#include "worker/judge.h"

#define WALL_MS 1000000u

static struct object object;
static struct arrival put, removal;

static int with_a_put(void **state)
{
    (void)state;
    memset(&object, 0, sizeof(object));
    memset(&put, 0, sizeof(put));
    memset(&removal, 0, sizeof(removal));
    list_init(&object.arrivals);
    put.object = removal.object = &object;
    put.time_ms = WALL_MS - 1000;
    removal.is_removal = true;
    list_push_back(&object.arrivals, &put.node);
    return 0;
}

static void test_judge__waits_for_an_object_that_may_appear_yet(void **state)
{
    (void)state;
    assert_true(judge_may_appear_yet(&put, WALL_MS));
    assert_false(judge_may_appear_yet(&put, WALL_MS + 60000));
    put.is_outlived = true; /* its removal has been applied already */
    assert_false(judge_may_appear_yet(&put, WALL_MS));
}

static void test_judge__believes_a_404_when_a_removal_waits(void **state)
{
    (void)state;
    list_push_back(&object.arrivals, &removal.node);
    assert_false(judge_may_appear_yet(&put, WALL_MS));
    assert_false(judge_may_appear_yet(&removal, WALL_MS));
}

static void test_judge__knows_an_older_version_by_etag_and_time(void **state)
{
    (void)state;
    put.etag = TEXT("new");
    assert_true(judge_is_stale(&put, TEXT("old"), put.time_ms - 5000, WALL_MS));
    assert_false(judge_is_stale(&put, TEXT("new"), put.time_ms - 5000, WALL_MS));
    assert_false(judge_is_stale(&put, TEXT("newer"), put.time_ms + 5000, WALL_MS));
    assert_false(judge_is_stale(&put, TEXT("old"), put.time_ms - 5000, WALL_MS + 60000));
}

static void test_judge__gives_a_user_time_to_sign_up(void **state)
{
    (void)state;
    assert_true(judge_may_sign_up_yet(&put, WALL_MS, 0, 5000));
    assert_false(judge_may_sign_up_yet(&put, WALL_MS, 0, 1000));
    put.time_ms = 0; /* undated: since it arrived here */
    put.arrived_ms = 100;
    assert_true(judge_may_sign_up_yet(&put, WALL_MS, 1000, 5000));
    assert_false(judge_may_sign_up_yet(&put, WALL_MS, 6000, 5000));
}

static void test_judge__dismisses_in_the_order_of_what_is_final(void **state)
{
    (void)state;
    struct ledger_claim claim = {.is_tenant_active = true, .starts = 1};
    assert_int_equal(judge_claim(&claim, &put).kind, JUDGED_GO_ON);
    claim.is_paused = true;
    assert_int_equal(judge_claim(&claim, &put).kind, JUDGED_PARK);
    claim.is_tenant_active = false;
    assert_int_equal(judge_claim(&claim, &put).code, ERR_INACTIVE);
    assert_int_equal(judge_claim(&claim, &removal).kind, JUDGED_GO_ON);
    claim.is_stopped = true;
    assert_int_equal(judge_claim(&claim, &put).outcome, OUTCOME_CANCELLED);
    claim.starts = 6;
    assert_int_equal(judge_claim(&claim, &put).code, ERR_POISONED);
    assert_true(judge_is_suspect(&claim));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_judge__waits_for_an_object_that_may_appear_yet, with_a_put),
        cmocka_unit_test_setup(test_judge__believes_a_404_when_a_removal_waits, with_a_put),
        cmocka_unit_test_setup(test_judge__knows_an_older_version_by_etag_and_time, with_a_put),
        cmocka_unit_test_setup(test_judge__gives_a_user_time_to_sign_up, with_a_put),
        cmocka_unit_test_setup(test_judge__dismisses_in_the_order_of_what_is_final, with_a_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
