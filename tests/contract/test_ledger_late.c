/* Events that come when all is done: notices of what a job has settled, and removals of documents
 * without vectors. None of them may change what a reader sees, nor hide a change. */
#include "tests/contract/ledger_fixture.h"
#include "worker/base/memory.h"

/* The notice of a change in the midst of the job that the document has now. */
static struct event notice(const char *version, const char *etag)
{
    struct event event = upload(ALICE, "a.pdf", version);
    uint64_t time_ms;
    bool is_time =
        text_parse_u64(text_from(sql("select (extract(epoch from min(finished_at)) * 1000)::int8"
                                     " from job_items")),
                       &time_ms);
    assert_true(is_time);
    event.claim.event_etag = text_from(etag);
    event.claim.event_time_ms = time_ms - 1;
    return event;
}

static struct event given_a_job_of_ten_seconds(struct fixture *fixture)
{
    struct event event = upload(ALICE, "a.pdf", "v1");
    process(fixture, &event, "e1", 2);
    sql("update job_items set created_at = created_at - interval '10 s'");
    return event;
}

static void test_late__a_notice_of_what_a_job_has_done_makes_no_other(void **state)
{
    struct fixture *fixture = *state;
    struct event first = given_a_job_of_ten_seconds(fixture), late = notice("v2", "e1");

    assert_int_equal(claim_of(fixture, 1, &late), CLAIM_DONE);

    assert_true(uuid_equal(late.claim.item_job, first.claim.job));
    assert_string_equal(sql("select count(*) from processing_jobs"), "1");
    assert_string_equal(reconcile(), "");
}

static void test_late__a_notice_stays_done_whatever_is_live_later(void **state)
{
    struct fixture *fixture = *state;
    struct event first = given_a_job_of_ten_seconds(fixture), late = notice("v2", "e1");
    struct event overwrite = upload(ALICE, "a.pdf", "v3"), replay = late;
    (void)first;
    assert_int_equal(claim_of(fixture, 0, &late), CLAIM_DONE);
    process(fixture, &overwrite, "e3", 2);

    assert_int_equal(claim_of(fixture, 1, &replay), CLAIM_DONE);

    assert_string_equal(sql("select count(*) from processing_jobs"), "2");
}

static void test_late__a_notice_of_other_bytes_or_another_time_is_work(void **state)
{
    struct fixture *fixture = *state;
    given_a_job_of_ten_seconds(fixture);
    struct event other = notice("v2", "e2"), after = notice("v3", "e1"),
                 before = notice("v4", "e1"), untold = notice("v5", "");
    struct event *events[] = {&other, &after, &before, &untold};
    after.claim.event_time_ms += 60000;
    before.claim.event_time_ms -= 60000;
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        assert_int_equal(claim_of(fixture, 0, events[i]), CLAIM_GO);
        assert_true(uuid_equal(events[i]->claim.item_job, events[i]->claim.job));
        release(fixture, events[i], false);
        sql("update job_items set outcome = 'skipped', error_code = 'gone', error_message = '-',"
            " finished_at = now() where outcome is null;"
            "update documents set job_id = (select job_id from job_items where outcome = "
            "'success')");
    }
}

/* Somebody may have read other bytes before, and is about to make them live. */
static void test_late__a_notice_is_work_while_an_attempt_has_not_ended(void **state)
{
    struct fixture *fixture = *state;
    given_a_job_of_ten_seconds(fixture);
    struct event other = removal(ALICE, "a.pdf"), late = notice("v2", "e1");
    assert_int_equal(claim_of(fixture, 0, &other), CLAIM_GO); /* what it finds may be older */
    expire_leases();

    assert_int_equal(claim_of(fixture, 1, &late), CLAIM_GO);

    assert_true(uuid_equal(late.claim.item_job, late.claim.job));
}

static void test_removal__a_look_at_what_has_no_vectors_leaves_the_row_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), version = removal(ALICE, "a.pdf");
    claim_of(fixture, 0, &event);
    struct ledger_finish cancelled = finish_with(&event, EFFECT_DROP, OUTCOME_CANCELLED);
    cancelled.etag = TEXT("e1");
    assert_int_equal(finish_run(fixture, &cancelled), FINISH_OK);
    version.claim.may_uncover = true;

    assert_int_equal(claim_of(fixture, 1, &version), CLAIM_GO);

    assert_false(version.claim.has_live);
    assert_string_equal(version.claim.live_etag, "e1"); /* the same is there: it was decided */
    assert_string_equal(sql("select status from documents"), "cancelled");
    release(fixture, &version, false);
    assert_string_equal(sql("select status || (leased_until is null) from documents"),
                        "cancelledtrue");
    assert_string_equal(reconcile(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_late__a_notice_of_what_a_job_has_done_makes_no_other),
        T(test_late__a_notice_stays_done_whatever_is_live_later),
        T(test_late__a_notice_of_other_bytes_or_another_time_is_work),
        T(test_late__a_notice_is_work_while_an_attempt_has_not_ended),
        T(test_removal__a_look_at_what_has_no_vectors_leaves_the_row_as_it_is),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger_late", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
