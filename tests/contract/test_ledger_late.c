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

static void told_at(struct event *event, const char *age, const char *etag)
{
    char statement[128];
    (void)text_format(statement, sizeof(statement),
                      "select (extract(epoch from now() - interval '%s') * 1000)::int8", age);
    bool is_time = text_parse_u64(text_from(sql(statement)), &event->claim.event_time_ms);
    assert_true(is_time);
    event->claim.event_etag = text_from(etag);
}

static void test_news__the_newest_event_is_remembered_whatever_comes_last(void **state)
{
    struct fixture *fixture = *state;
    struct event older = upload(ALICE, "a.pdf", "v1"), newer = upload(ALICE, "a.pdf", "v2"),
                 undated = upload(ALICE, "a.pdf", "v3");
    told_at(&older, "30 s", "e1");
    told_at(&newer, "10 s", "e2");

    assert_int_equal(claim_of(fixture, 0, &older), CLAIM_GO);
    assert_string_equal(older.claim.told_etag, "e1");
    assert_int_equal(claim_of(fixture, 1, &newer), CLAIM_BUSY); /* it is known all the same */
    release(fixture, &older, false);
    assert_int_equal(claim_of(fixture, 0, &older), CLAIM_GO);

    assert_string_equal(older.claim.told_etag, "e2");
    assert_int_equal(older.claim.told_ms, newer.claim.event_time_ms);
    assert_in_range(older.claim.told_age_ms, 10000, 60000);
    assert_false(older.claim.is_told_gone);
    release(fixture, &older, false);
    assert_int_equal(claim_of(fixture, 0, &undated), CLAIM_GO);
    assert_string_equal(undated.claim.told_etag, "e2");
}

static void test_news__of_a_clock_that_is_ahead_is_of_now(void **state)
{
    struct fixture *fixture = *state;
    struct event ahead = upload(ALICE, "a.pdf", "v1");
    told_at(&ahead, "-1 h", "e1");

    assert_int_equal(claim_of(fixture, 0, &ahead), CLAIM_GO);

    assert_true(ahead.claim.told_ms + 1800000 < ahead.claim.event_time_ms);
    assert_true(ahead.claim.told_age_ms < 60000);
}

static void test_news__of_a_removal_is_known_to_the_upload_before_it(void **state)
{
    struct fixture *fixture = *state;
    struct event upload_of_a = upload(ALICE, "a.pdf", "v1"), gone = removal(ALICE, "a.pdf"),
                 again = removal(ALICE, "a.pdf");
    told_at(&upload_of_a, "20 s", "e1");
    told_at(&gone, "15 s", "");
    told_at(&again, "10 s", "");
    assert_int_equal(claim_of(fixture, 0, &gone), CLAIM_DONE); /* of nothing: there is no row yet */

    assert_int_equal(claim_of(fixture, 1, &upload_of_a), CLAIM_GO);

    assert_true(upload_of_a.claim.is_told_gone);
    assert_int_equal(upload_of_a.claim.told_ms, gone.claim.event_time_ms);
    finish(fixture, &upload_of_a, EFFECT_GONE, OUTCOME_SKIPPED);
    assert_int_equal(claim_of(fixture, 0, &again), CLAIM_DONE); /* a tombstone remembers, too */
    assert_int_equal(again.claim.told_ms, again.claim.event_time_ms);
    assert_string_equal(reconcile(), "");
}

static void test_news__of_a_replay_touch_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    process(fixture, &event, "e1", 2);
    char before[64];
    (void)text_format(before, sizeof(before), "%s", sql("select xmin from documents"));
    told_at(&event, "10 s", "e1");

    assert_int_equal(claim_of(fixture, 1, &event), CLAIM_DONE);

    assert_string_equal(sql("select xmin from documents"), before);
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

static struct event removal_of_a_version(const char *age)
{
    struct event event = removal(ALICE, "a.pdf");
    told_at(&event, age, "");
    event.claim.may_uncover = true;
    return event;
}

static struct event given_an_item_nobody_has_looked_at(struct fixture *fixture)
{
    struct uuid job = uuid_v4();
    struct event event = job_event(ALICE, "a.pdf", job);
    register_job(fixture, job, &event, 1);
    return event;
}

static void test_removal__of_what_is_gone_leaves_what_the_row_tells(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), version = removal(ALICE, "a.pdf");
    claim_of(fixture, 0, &event);
    finish(fixture, &event, EFFECT_GONE, OUTCOME_CANCELLED);
    version.claim.may_uncover = true;

    assert_int_equal(claim_of(fixture, 1, &version), CLAIM_GO);
    finish(fixture, &version, EFFECT_GONE, OUTCOME_SKIPPED);

    assert_string_equal(sql("select status || (deleted_at is not null) from documents"),
                        "cancelledtrue");
    assert_string_equal(reconcile(), "");
}

/* Whoever runs the item looks then; it may be paused, or over a quota, until it is. */
static void test_removal__of_what_has_no_vectors_is_left_to_its_item(void **state)
{
    struct fixture *fixture = *state;
    struct event item = given_an_item_nobody_has_looked_at(fixture),
                 version = removal_of_a_version("10 s"), plain = removal_of_a_version("9 s");
    plain.claim.may_uncover = false;

    assert_int_equal(claim_of(fixture, 0, &version), CLAIM_DONE);
    assert_int_equal(claim_of(fixture, 0, &plain), CLAIM_DONE);

    assert_string_equal(sql("select status || (fence is null) from documents"), "pendingtrue");
    assert_int_equal(claim_of(fixture, 1, &item), CLAIM_GO);
    assert_true(item.claim.is_told_gone); /* by the newest removal */
    assert_int_equal(item.claim.told_ms, plain.claim.event_time_ms);
    assert_string_equal(reconcile(), "");
}

/* Of a retried failure, too: these bytes may be others. But for rows that were there before us. */
static void test_removal__of_what_has_no_item_is_looked_at(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), version = removal_of_a_version("10 s");
    claim_of(fixture, 0, &event);
    finish(fixture, &event, EFFECT_DROP, OUTCOME_FAILED);
    sql("update job_items set outcome = null; update documents set status = 'pending'");
    assert_int_equal(claim_of(fixture, 0, &version), CLAIM_DONE);

    sql("delete from absorbed_events; delete from job_items;"
        "update documents set status = 'success', etag = null, processed_at = null");

    assert_int_equal(claim_of(fixture, 0, &version), CLAIM_GO);
}

/* It may have looked before the removal, and be about to make live what it saw. */
static void test_removal__is_work_while_an_attempt_has_not_ended(void **state)
{
    struct fixture *fixture = *state;
    struct event item = given_an_item_nobody_has_looked_at(fixture),
                 version = removal_of_a_version("10 s");
    assert_int_equal(claim_of(fixture, 0, &item), CLAIM_GO);

    assert_int_equal(claim_of(fixture, 1, &version), CLAIM_BUSY);
    expire_leases();
    assert_int_equal(claim_of(fixture, 1, &version), CLAIM_GO);
}

/* Nobody was let in to look: what was removed before then was given up with it. */
static void test_removal__of_before_a_failure_without_a_look_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), before = removal_of_a_version("10 s"),
                 after = removal_of_a_version("2 s"), undated = removal(ALICE, "a.pdf");
    undated.claim.may_uncover = true;
    claim_of(fixture, 0, &event);
    struct ledger_finish denied = finish_with(&event, EFFECT_DROP, OUTCOME_FAILED);
    denied.etag = TEXT_NONE;
    assert_int_equal(finish_run(fixture, &denied), FINISH_OK);
    sql("update documents set processed_at = now() - interval '5 s'");

    assert_int_equal(claim_of(fixture, 0, &before), CLAIM_DONE);
    assert_string_equal(sql("select status from documents"), "failed");
    assert_int_equal(claim_of(fixture, 0, &after), CLAIM_GO);
    release(fixture, &after, false);
    assert_int_equal(claim_of(fixture, 0, &undated), CLAIM_GO); /* nobody can tell */
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
        T(test_news__the_newest_event_is_remembered_whatever_comes_last),
        T(test_news__of_a_clock_that_is_ahead_is_of_now),
        T(test_news__of_a_removal_is_known_to_the_upload_before_it),
        T(test_news__of_a_replay_touch_nothing),
        T(test_removal__a_look_at_what_has_no_vectors_leaves_the_row_as_it_is),
        T(test_removal__of_what_is_gone_leaves_what_the_row_tells),
        T(test_removal__of_what_has_no_vectors_is_left_to_its_item),
        T(test_removal__of_what_has_no_item_is_looked_at),
        T(test_removal__is_work_while_an_attempt_has_not_ended),
        T(test_removal__of_before_a_failure_without_a_look_changes_nothing),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger_late", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
