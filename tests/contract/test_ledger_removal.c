/* Removals against a real server: what becomes of a document whose object is gone, or is not. */
#include "tests/contract/ledger_fixture.h"
#include "worker/base/memory.h"

static void assert_reconciled(void)
{
    assert_string_equal(reconcile(), "");
}

static void test_removal__of_nothing_is_done(void **state)
{
    struct fixture *fixture = *state;
    struct event event = removal(ALICE, "a.pdf");
    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_DONE);
    assert_string_equal(sql("select count(*) from documents"), "0");
}

static void test_removal__of_a_live_document_leaves_a_tombstone(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf"),
                 again = removal(ALICE, "a.pdf");
    process(fixture, &event, "e1", 3);

    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_GO);
    assert_int_equal(finish(fixture, &gone, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_OK);

    assert_string_equal(sql("select status || (deleted_at is not null) || chunk_count || "
                            "(gen is null) || error_code from documents"),
                        "skippedtrue0truegone");
    assert_string_equal(
        sql("select total_documents + total_storage_bytes + total_vectors from users where id = "
            "'" ALICE "'"),
        "0");
    assert_string_equal(sql("select n from litter"), "3");
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_DONE);
    assert_reconciled();

    struct event back = upload(ALICE, "a.pdf", "v2"); /* created again */
    process(fixture, &back, "e2", 1);
    assert_string_equal(sql("select status || (deleted_at is null) from documents"), "successtrue");
    assert_reconciled();
}

static void test_removal__of_a_failed_document_leaves_a_tombstone(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf"),
                 again = removal(ALICE, "a.pdf");
    claim_of(fixture, 0, &event);
    finish(fixture, &event, EFFECT_DROP, OUTCOME_FAILED);

    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_GO);
    assert_int_equal(finish(fixture, &gone, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_OK);

    assert_string_equal(sql("select status || (deleted_at is not null) || error_code "
                            "from documents"),
                        "skippedtruegone");
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_DONE);
    assert_reconciled();
}

/* The object was put again: its own event has told of it, or will. */
static void test_removal__that_changes_nothing_leaves_what_it_found(void **state)
{
    static const char ROW[] = "select status || error_code || error_message || processed_at || "
                              "(leased_until is null) from documents";
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf");
    claim_of(fixture, 0, &event);
    finish(fixture, &event, EFFECT_DROP, OUTCOME_FAILED);
    char before[256];
    (void)text_format(before, sizeof(before), "%s", sql(ROW));

    claim_of(fixture, 0, &gone);
    assert_int_equal(finish(fixture, &gone, EFFECT_KEEP, OUTCOME_SKIPPED), FINISH_OK);
    assert_string_equal(sql(ROW), before);

    claim_of(fixture, 0, &gone);
    release(fixture, &gone, false);
    assert_string_equal(sql(ROW), before);
    assert_reconciled();
}

/* Its event was told twice, and the other one is done: nobody comes for the lease. */
static void test_removal__whose_worker_died_is_ended_by_the_janitor(void **state)
{
    static const char ROW[] = "select status || (leased_until is null) || (fence is null) || "
                              "(removing is null) from documents";
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf");
    struct due_item items[1];
    process(fixture, &event, "e1", 3);
    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_GO);
    due(fixture, items, 1);
    assert_string_equal(sql(ROW), "successfalsefalsefalse"); /* it still runs */

    expire_leases();
    due(fixture, items, 1);

    assert_string_equal(sql(ROW), "successtruetruetrue");
    assert_int_equal(finish(fixture, &gone, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_LOST);
    assert_string_equal(sql("select status from documents"), "success");
    assert_reconciled();
}

/* An upload's attempt is left to its open item: whoever was only slow may still finish it. */
static void test_removal__no_upload_is_ended_like_one(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf");
    struct due_item items[1];
    process(fixture, &event, "e1", 1);
    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_GO);
    expire_leases();
    struct event next = upload(ALICE, "a.pdf", "v2"); /* takes it over */
    assert_int_equal(claim_of(fixture, 1, &next), CLAIM_GO);
    expire_leases();

    due(fixture, items, 1);

    assert_int_equal(finish(fixture, &next, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    assert_reconciled();
}

static struct uuid due_job(struct fixture *fixture, struct due_item items[4], bool is_overdue)
{
    struct ledger_due found = due(fixture, items, 4);
    assert_int_equal(found.item_count, 1);
    assert_int_equal(found.parked_count, 1);
    assert_int_equal(items[0].is_overdue, is_overdue);
    assert_string_equal(items[0].bucket, "b");
    return items[0].job;
}

/* Nobody may look whether the object is gone (403): the event must not wait for that for ever. */
static void test_removal__is_put_off_in_the_row_of_what_is_live(void **state)
{
    static const char LIVE[] = "select status || (gen is not null) || chunk_count || "
                               "(leased_until is null) || (look_due is not null) from documents";
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf");
    struct due_item items[4];
    process(fixture, &event, "e1", 3);
    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_GO);

    assert_true(release(fixture, &gone, true).was_parked);
    assert_true(release(fixture, &gone, true).was_parked); /* the reply was lost */

    assert_string_equal(sql(LIVE), "successtrue3truetrue");
    assert_int_equal(due(fixture, items, 4).item_count, 0);
    sql("update documents set look_due = now()");
    assert_true(uuid_is_nil(due_job(fixture, items, false)));
    assert_int_equal(due(fixture, items, 4).item_count, 0); /* taken: not for the next janitor */
    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_GO);
    assert_int_equal(finish(fixture, &gone, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_OK);
    assert_string_equal(sql("select status || (look_due is null) || (look_since is null) "
                            "from documents"),
                        "skippedtruetrue");
    assert_reconciled();
}

static void test_removal__put_off_for_a_day_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf");
    struct due_item items[4];
    process(fixture, &event, "e1", 3);
    claim_of(fixture, 0, &gone);
    assert_true(release(fixture, &gone, true).was_parked);
    sql("update documents set look_due = now(), look_since = now() - interval '25 hours'");

    (void)due_job(fixture, items, true);
    claim_of(fixture, 0, &gone);
    struct ledger_release again = release(fixture, &gone, true);

    assert_true(again.is_exhausted && !again.was_parked);
    assert_int_equal(finish(fixture, &gone, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    assert_string_equal(sql("select status || (gen is null) || (look_due is null) from documents"),
                        "failedtruetrue");
    assert_reconciled();
}

static void test_removal__of_what_is_not_live_is_not_put_off(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf");
    claim_of(fixture, 0, &event);
    finish(fixture, &event, EFFECT_DROP, OUTCOME_FAILED);
    claim_of(fixture, 0, &gone);
    assert_false(release(fixture, &gone, true).was_parked);
    assert_string_equal(sql("select count(*) from documents where look_due is not null"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_removal__of_nothing_is_done),
        T(test_removal__of_a_live_document_leaves_a_tombstone),
        T(test_removal__of_a_failed_document_leaves_a_tombstone),
        T(test_removal__that_changes_nothing_leaves_what_it_found),
        T(test_removal__whose_worker_died_is_ended_by_the_janitor),
        T(test_removal__no_upload_is_ended_like_one),
        T(test_removal__is_put_off_in_the_row_of_what_is_live),
        T(test_removal__put_off_for_a_day_is_given_up),
        T(test_removal__of_what_is_not_live_is_not_put_off),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger removal", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
