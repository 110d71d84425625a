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
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger removal", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
