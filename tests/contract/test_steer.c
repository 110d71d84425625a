/* steer.h against a real server: what people want of a job, while workers are at it. */
#include "store/steer.h"
#include "tests/contract/ledger_fixture.h"

struct steer_call {
    struct steer request;
    bool is_done, has_failed;
    struct error err;
};

static void on_steered(struct steer *request, const struct error *err)
{
    struct steer_call *call = container_of(request, struct steer_call, request);
    take_answer(call, err);
}

static struct steer_call steer_call(struct fixture *fixture, struct uuid job, enum steer_kind kind)
{
    struct steer_call call = {
        .request = {.kind = kind, .job = job, .who = TEXT("ops@here"), .on_done = on_steered}};
    steer_run(fixture->pg[0], fixture->loop, &call.request);
    while (!call.is_done)
        loop_run_once(fixture->loop, 100);
    return call;
}

static struct steer steer(struct fixture *fixture, struct uuid job, enum steer_kind kind)
{
    struct steer_call call = steer_call(fixture, job, kind);
    if (call.has_failed)
        fail_msg("steer: %s", call.err.message);
    return call.request;
}

static void claim_at(struct fixture *fixture, struct event *event, uint64_t time_ms)
{
    event->claim.event_time_ms = time_ms;
    claim_start(fixture, 0, event);
    claim_wait(fixture, event);
}

static void test_steer__reaches_the_janitor(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "");
    struct uuid job = uuid_v4();
    struct due_item items[2];
    assert_int_equal(steer_call(fixture, job, STEER_PAUSE).err.code, ERR_NOT_FOUND);
    register_job(fixture, job, &event, 1);

    assert_true(steer(fixture, job, STEER_PAUSE).was_changed);
    assert_false(steer(fixture, job, STEER_PAUSE).was_changed);
    assert_true(steer(fixture, job, STEER_RESUME).was_changed);
    assert_int_equal(due(fixture, items, 2).item_count, 0); /* it waits for its upload */
    assert_true(steer(fixture, job, STEER_CANCEL).was_changed);
    assert_int_equal(due(fixture, items, 2).item_count, 1);
    assert_false(steer(fixture, job, STEER_RESUME).was_changed);
    assert_int_equal(steer(fixture, job, STEER_PAUSE).before, STEER_IS_CANCELLED);
    assert_string_equal(sql("select string_agg(who || ' ' || action || ' ' || count, ',' order by "
                            "id) from millrace_actions"),
                        "ops@here pause 1,ops@here resume 1,ops@here cancel 1");
}

static void test_steer__a_pause_is_no_time_of_trying(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct due_item items[2];
    struct event event = job_event(ALICE, "a.pdf", job);
    register_job(fixture, job, &event, 1);
    claim_of(fixture, 0, &event);
    steer(fixture, job, STEER_PAUSE);
    assert_true(release(fixture, &event, true).was_parked);
    sql("update job_items set parked_at = now() - interval '3 days', due = now()");
    assert_int_equal(due(fixture, items, 2).item_count, 0);

    steer(fixture, job, STEER_RESUME);

    assert_int_equal(due(fixture, items, 2).item_count, 1);
    assert_false(items[0].is_overdue);
}

/* A job of three: one is being read, one waits, one has vectors of another job. */
static struct uuid given_a_job_of_three(struct fixture *fixture, struct event *events)
{
    struct uuid job = uuid_v4();
    struct event bare = upload(ALICE, "live.pdf", "1");
    process(fixture, &bare, "e", 4);
    events[0] = job_event(ALICE, "read.pdf", job);
    events[1] = job_event(ALICE, "waits.pdf", job);
    events[2] = job_event(ALICE, "live.pdf", job);
    register_job(fixture, job, events, 3);
    assert_int_equal(claim_of(fixture, 0, &events[0]), CLAIM_GO);
    return job;
}

static const char *counters(struct uuid job)
{
    char id[UUID_TEXT_BYTES], statement[256];
    (void)text_format(statement, sizeof(statement),
                      "select status, total_documents, processed_count, failed_count, "
                      "cancelled_count, completed_at is not null from processing_jobs where id = "
                      "'%s'",
                      uuid_format(job, id));
    return sql(statement);
}

static void test_steer__a_cancel_ends_what_no_worker_is_at(void **state)
{
    struct fixture *fixture = *state;
    struct event events[3];
    struct uuid job = given_a_job_of_three(fixture, events);

    struct steer cancel = steer(fixture, job, STEER_CANCEL);
    assert_int_equal(cancel.open_count, 3);
    assert_int_equal(cancel.running_count, 1);
    struct steer ended = steer(fixture, job, STEER_CANCEL_ITEMS);
    assert_int_equal(ended.item_count, 1);
    assert_int_equal(ended.open_count, 2);
    assert_int_equal(steer(fixture, job, STEER_CANCEL_ITEMS).item_count, 0);
    assert_string_equal(counters(job), "processing|3|0|0|1|f");

    /* the running one hears it with its pulse; what is live is judged by its worker */
    assert_int_equal(intend(fixture, &events[0], 0), INTEND_STOP);
    assert_int_equal(finish(fixture, &events[0], EFFECT_DROP, OUTCOME_CANCELLED), FINISH_OK);
    assert_int_equal(claim_of(fixture, 1, &events[2]), CLAIM_GO);
    assert_true(events[2].claim.is_stopped);
    assert_int_equal(finish(fixture, &events[2], EFFECT_KEEP, OUTCOME_CANCELLED), FINISH_OK);
    assert_int_equal(claim_of(fixture, 1, &events[1]), CLAIM_DONE);
    assert_string_equal(counters(job), "cancelled|3|0|0|3|t");
    assert_string_equal(sql("select status || error_code from documents where title = 'waits.pdf'"),
                        "cancelledjob_cancelled");
    assert_string_equal(reconcile(), "");
}

/* Its worker was killed, or is about to come back: what it finishes is nobody's. */
static void test_steer__a_cancel_takes_over_what_a_dead_worker_held(void **state)
{
    struct fixture *fixture = *state;
    struct event events[3];
    struct uuid job = given_a_job_of_three(fixture, events);
    steer(fixture, job, STEER_CANCEL);
    assert_int_equal(intend(fixture, &events[0], 8), INTEND_STOP);
    expire_leases();

    assert_int_equal(steer(fixture, job, STEER_CANCEL_ITEMS).item_count, 2);

    assert_int_equal(finish(fixture, &events[0], EFFECT_LIVE, OUTCOME_SUCCESS), FINISH_LOST);
    assert_string_equal(counters(job), "processing|3|0|0|2|f");
    struct litter litter[4];
    assert_int_equal(dead(fixture, events[0].document.id, litter, 4), 1);
    assert_string_equal(reconcile(), "");
}

/* Told again, or only now: the cancel has decided it. What is removed later is news. */
static void test_steer__a_cancel_covers_the_removals_before_it(void **state)
{
    static const char ROW[] = "select status || error_code || (deleted_at is null) || "
                              "(leased_until is null) from documents";
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct event waits = job_event(ALICE, "a.pdf", job), before = removal(ALICE, "a.pdf"),
                 after = removal(ALICE, "a.pdf");
    uint64_t now_ms = loop_wall_ms(fixture->loop);
    register_job(fixture, job, &waits, 1);
    steer(fixture, job, STEER_CANCEL);
    assert_int_equal(steer(fixture, job, STEER_CANCEL_ITEMS).item_count, 1);
    sql("update documents set processed_at = now() - interval '10 s'");
    before.claim.may_uncover = after.claim.may_uncover = true;

    claim_at(fixture, &before, now_ms - 20000);
    assert_int_equal(before.claim.verdict, CLAIM_DONE);
    assert_string_equal(sql(ROW), "cancelledjob_cancelledtruetrue");
    claim_at(fixture, &after, now_ms - 5000);
    assert_int_equal(after.claim.verdict, CLAIM_GO);
    assert_string_equal(reconcile(), "");
}

static void test_steer__a_cancel_covers_the_removal_that_left_a_tombstone(void **state)
{
    static const char ROW[] = "select status || error_code || (deleted_at is null) from documents";
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct event bare = upload(ALICE, "a.pdf", "1"), gone = removal(ALICE, "a.pdf"), replay = gone,
                 waits = job_event(ALICE, "a.pdf", job);
    process(fixture, &bare, "e", 4);
    gone.claim.may_uncover = replay.claim.may_uncover = true;
    claim_at(fixture, &gone, loop_wall_ms(fixture->loop) - 60000);
    assert_int_equal(finish(fixture, &gone, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_OK);
    register_job(fixture, job, &waits, 1);
    steer(fixture, job, STEER_CANCEL);

    assert_int_equal(steer(fixture, job, STEER_CANCEL_ITEMS).item_count, 1);

    assert_string_equal(sql(ROW), "cancelledjob_cancelledtrue");
    claim_at(fixture, &replay, loop_wall_ms(fixture->loop) - 60000);
    assert_int_equal(replay.claim.verdict, CLAIM_DONE);
    assert_string_equal(sql(ROW), "cancelledjob_cancelledtrue");
    assert_string_equal(reconcile(), "");
}

/* The look may have met a view that lagged: what the cancel has decided, no replay may run. */
static void test_steer__a_cancel_that_found_it_gone_covers_the_removals_before_it(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct event bare = upload(ALICE, "a.pdf", "1"), waits = job_event(ALICE, "a.pdf", job),
                 before = removal(ALICE, "a.pdf"), after = removal(ALICE, "a.pdf");
    uint64_t now_ms = loop_wall_ms(fixture->loop);
    process(fixture, &bare, "e", 4);
    register_job(fixture, job, &waits, 1);
    steer(fixture, job, STEER_CANCEL);
    assert_int_equal(claim_of(fixture, 0, &waits), CLAIM_GO);
    assert_int_equal(finish(fixture, &waits, EFFECT_GONE, OUTCOME_CANCELLED), FINISH_OK);
    sql("update documents set processed_at = now() - interval '10 s'");
    before.claim.may_uncover = after.claim.may_uncover = true;

    claim_at(fixture, &before, now_ms - 20000);
    assert_int_equal(before.claim.verdict, CLAIM_DONE);
    claim_at(fixture, &after, now_ms - 5000);
    assert_int_equal(after.claim.verdict, CLAIM_GO);
    assert_string_equal(reconcile(), "");
}

/* Both want the same rows: whoever is first counts. */
static void test_steer__a_cancel_and_a_finish_at_once_count_once(void **state)
{
    struct fixture *fixture = *state;
    struct event events[3];
    struct uuid job = given_a_job_of_three(fixture, events);
    steer(fixture, job, STEER_CANCEL);
    expire_leases();
    struct steer_call call = {
        .request = {.kind = STEER_CANCEL_ITEMS, .job = job, .on_done = on_steered}};
    steer_run(fixture->pg[1], fixture->loop, &call.request);
    enum finish_answer answer = finish(fixture, &events[0], EFFECT_DROP, OUTCOME_FAILED);
    while (!call.is_done)
        loop_run_once(fixture->loop, 100);
    (void)steer(fixture, job, STEER_CANCEL_ITEMS);

    assert_string_equal(counters(job),
                        answer == FINISH_OK ? "processing|3|0|1|1|f" : "processing|3|0|0|2|f");
    assert_string_equal(reconcile(), "");
}

static void fail_with_costs(struct fixture *fixture, struct event *event)
{
    assert_int_equal(claim_of(fixture, 0, event), CLAIM_GO);
    struct ledger_finish request = finish_with(event, EFFECT_DROP, OUTCOME_FAILED);
    request.page_count = 7;
    request.token_count = 5;
    request.tokens_billed = 11;
    request.price = TEXT("0.5");
    assert_int_equal(finish_run(fixture, &request), FINISH_OK);
}

static void test_steer__a_retry_takes_only_what_failed_and_counts_it_once(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct due_item items[4];
    struct event good = job_event(ALICE, "good.pdf", job), bad = job_event(ALICE, "bad.pdf", job);
    struct event both[] = {good, bad};
    register_job(fixture, job, both, 2);
    process(fixture, &good, "e", 4);
    fail_with_costs(fixture, &bad);
    assert_string_equal(counters(job), "partial|2|1|1|0|t");

    struct steer retry = steer(fixture, job, STEER_RETRY);
    assert_true(retry.had_ended);
    assert_int_equal(retry.item_count, 1);
    assert_string_equal(counters(job), "processing|2|1|0|0|f");
    assert_string_equal(sql("select pages_done || ' ' || tokens_done || ' ' || tokens_billed from "
                            "processing_jobs"),
                        "2 12 11");
    assert_string_equal(reconcile(), "");
    assert_int_equal(due(fixture, items, 4).item_count, 1);
    assert_int_equal(steer(fixture, job, STEER_RETRY).item_count, 0);

    /* a replay of its event runs it, too: the item is open */
    bad.claim.fence = 0;
    fail_with_costs(fixture, &bad);
    assert_string_equal(counters(job), "partial|2|1|1|0|t");
    /* what failed after the first call began is not this command's */
    assert_int_equal(steer_call(fixture, job, STEER_RETRY).request.item_count, 1);
    bad.claim.fence = 0;
    process(fixture, &bad, "e2", 2);
    assert_string_equal(counters(job), "completed|2|2|0|0|t");
    assert_string_equal(sql("select tokens_billed || ' ' || price from processing_jobs"), "22 1.0");
    assert_int_equal(claim_of(fixture, 1, &good), CLAIM_DONE);
    assert_string_equal(reconcile(), "");
}

static void test_steer__a_retry_in_several_calls_ends(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct event bad = job_event(ALICE, "bad.pdf", job);
    register_job(fixture, job, &bad, 1);
    fail_with_costs(fixture, &bad);
    struct steer_call first = steer_call(fixture, job, STEER_RETRY);
    bad.claim.fence = 0;
    fail_with_costs(fixture, &bad);

    first.is_done = false;
    steer_run(fixture->pg[0], fixture->loop, &first.request); /* as of the first call */
    while (!first.is_done)
        loop_run_once(fixture->loop, 100);
    assert_int_equal(first.request.item_count, 0);
    assert_string_equal(counters(job), "failed|1|0|1|0|t");
}

/* A bucket that tells of uploads tells of those of `submit`, too. */
static void test_steer__a_cancel_means_the_buckets_own_events_of_its_uploads(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct event submitted = job_event(ALICE, "a.pdf", job), uploaded = upload(ALICE, "a.pdf", "1"),
                 older = upload(ALICE, "a.pdf", "0"), later = upload(ALICE, "a.pdf", "2");
    uint64_t now_ms = loop_wall_ms(fixture->loop);
    register_job(fixture, job, &submitted, 1);
    sql("update job_items set created_at = now() - interval '1 minute'");
    steer(fixture, job, STEER_CANCEL);
    assert_int_equal(steer(fixture, job, STEER_CANCEL_ITEMS).item_count, 1);

    claim_at(fixture, &uploaded, now_ms - 30000);
    assert_int_equal(uploaded.claim.verdict, CLAIM_DONE);
    assert_string_equal(sql("select count(*) from processing_jobs"), "1");
    assert_string_equal(sql("select count(*) from absorbed_events"), "1");

    claim_at(fixture, &older, now_ms - 90000); /* from before the job: an upload of its own */
    assert_int_equal(older.claim.verdict, CLAIM_GO);
    assert_int_equal(finish(fixture, &older, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    claim_at(fixture, &later, now_ms + 60000);
    assert_int_equal(later.claim.verdict, CLAIM_GO);
    assert_int_equal(finish(fixture, &later, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    uploaded.claim.fence = 0; /* whatever has come since, its replay finds it settled */
    claim_at(fixture, &uploaded, now_ms - 30000);
    assert_int_equal(uploaded.claim.verdict, CLAIM_DONE);
    assert_string_equal(sql("select count(*) from processing_jobs"), "3");
    assert_string_equal(reconcile(), "");
}

/* It left what was live, and then that was removed: the upload that comes next is told by nobody else. */
static void test_steer__a_cancel_that_changed_nothing_takes_no_upload(void **state)
{
    struct fixture *fixture = *state;
    struct uuid job = uuid_v4();
    struct event bare = upload(ALICE, "a.pdf", "1"), waits = job_event(ALICE, "a.pdf", job),
                 removed = removal(ALICE, "a.pdf"), again = upload(ALICE, "a.pdf", "2");
    uint64_t now_ms = loop_wall_ms(fixture->loop);
    process(fixture, &bare, "e", 4);
    register_job(fixture, job, &waits, 1);
    sql("update job_items set created_at = now() - interval '1 minute'");
    steer(fixture, job, STEER_CANCEL);
    assert_int_equal(claim_of(fixture, 0, &waits), CLAIM_GO);
    assert_int_equal(finish(fixture, &waits, EFFECT_KEEP, OUTCOME_CANCELLED), FINISH_OK);
    claim_at(fixture, &removed, now_ms - 40000);
    assert_int_equal(finish(fixture, &removed, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_OK);

    claim_at(fixture, &again, now_ms - 30000);

    assert_int_equal(again.claim.verdict, CLAIM_GO);
    assert_int_equal(finish(fixture, &again, EFFECT_LIVE, OUTCOME_SUCCESS), FINISH_OK);
    assert_string_equal(reconcile(), "");
}

static void test_steer__a_cancelled_job_is_not_retried(void **state)
{
    struct fixture *fixture = *state;
    struct event events[3];
    struct uuid job = given_a_job_of_three(fixture, events);
    assert_int_equal(finish(fixture, &events[0], EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    steer(fixture, job, STEER_CANCEL);
    struct steer retry = steer(fixture, job, STEER_RETRY);
    assert_int_equal(retry.item_count, 0);
    assert_int_equal(retry.before, STEER_IS_CANCELLED);
    assert_string_equal(reconcile(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_steer__reaches_the_janitor),
        T(test_steer__a_pause_is_no_time_of_trying),
        T(test_steer__a_cancel_ends_what_no_worker_is_at),
        T(test_steer__a_cancel_takes_over_what_a_dead_worker_held),
        T(test_steer__a_cancel_covers_the_removals_before_it),
        T(test_steer__a_cancel_covers_the_removal_that_left_a_tombstone),
        T(test_steer__a_cancel_that_found_it_gone_covers_the_removals_before_it),
        T(test_steer__a_cancel_and_a_finish_at_once_count_once),
        T(test_steer__a_retry_takes_only_what_failed_and_counts_it_once),
        T(test_steer__a_retry_in_several_calls_ends),
        T(test_steer__a_cancel_means_the_buckets_own_events_of_its_uploads),
        T(test_steer__a_cancel_that_changed_nothing_takes_no_upload),
        T(test_steer__a_cancelled_job_is_not_retried),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("steer", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
