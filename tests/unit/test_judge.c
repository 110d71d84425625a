#include "tests/unit/test.h"
#include "worker/judge.h"

#define WALL_MS 1000000u

static struct arrival put, removal;

static int with_a_put(void **state)
{
    (void)state;
    memset(&put, 0, sizeof(put));
    memset(&removal, 0, sizeof(removal));
    put.time_ms = WALL_MS - 1000;
    removal.is_removal = true;
    return 0;
}

/* The newest event told of a put of "new" a second ago. */
static struct ledger_claim told(void)
{
    return (struct ledger_claim){
        .told_ms = WALL_MS - 1000, .told_age_ms = 1000, .told_etag = "new"};
}

static void test_judge__waits_for_an_object_that_may_appear_yet(void **state)
{
    (void)state;
    struct ledger_claim claim = told();
    assert_true(judge_lags(&claim, &put, TEXT_NONE, 0));
    assert_true(judge_lags(&claim, &removal, TEXT_NONE, 0)); /* it is the older event */
    claim.told_age_ms = 60000;
    assert_false(judge_lags(&claim, &put, TEXT_NONE, 0));
    claim.told_ms = claim.told_age_ms = 0; /* no event with a time, a janitor's item, say */
    assert_false(judge_lags(&claim, &put, TEXT_NONE, 0));
}

static void test_judge__believes_no_object_that_was_removed_later(void **state)
{
    (void)state;
    struct ledger_claim claim = told();
    claim.is_told_gone = true;
    claim.told_etag[0] = '\0';
    assert_false(judge_lags(&claim, &put, TEXT_NONE, 0));
    assert_true(judge_lags(&claim, &put, TEXT("old"), claim.told_ms - 5000));
    assert_true(judge_lags(&claim, &removal, TEXT("old"), claim.told_ms - 5000));
    assert_false(judge_lags(&claim, &put, TEXT("newer"), claim.told_ms + 5000));
    removal.may_uncover = true; /* the version below is older, always */
    assert_false(judge_lags(&claim, &removal, TEXT("old"), claim.told_ms - 5000));
}

static void test_judge__knows_an_older_version_by_etag_and_time(void **state)
{
    (void)state;
    struct ledger_claim claim = told();
    assert_true(judge_lags(&claim, &put, TEXT("old"), claim.told_ms - 5000));
    assert_false(
        judge_lags(&claim, &put, TEXT("old"), claim.told_ms - 1000)); /* or of that second */
    assert_false(judge_lags(&claim, &put, TEXT("old"), 0));
    assert_false(judge_lags(&claim, &put, TEXT("new"), claim.told_ms - 5000));
    assert_false(judge_lags(&claim, &put, TEXT("newer"), claim.told_ms + 5000));
    claim.told_age_ms = 60000;
    assert_false(judge_lags(&claim, &put, TEXT("old"), claim.told_ms - 5000));
    claim = told();
    claim.told_etag[0] = '\0'; /* an event without an eTag */
    assert_false(judge_lags(&claim, &put, TEXT("old"), claim.told_ms - 5000));
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
    removal.is_overdue = true;
    assert_int_equal(judge_claim(&claim, &removal).code, ERR_GAVE_UP);
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
        cmocka_unit_test_setup(test_judge__believes_no_object_that_was_removed_later, with_a_put),
        cmocka_unit_test_setup(test_judge__knows_an_older_version_by_etag_and_time, with_a_put),
        cmocka_unit_test_setup(test_judge__gives_a_user_time_to_sign_up, with_a_put),
        cmocka_unit_test_setup(test_judge__dismisses_in_the_order_of_what_is_final, with_a_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
