/* jobs.h, steer.h and report.h against a real server. */
#include "store/jobs.h"
#include "store/report.h"
#include "store/steer.h"
#include "tests/contract/ledger_fixture.h"
#include "worker/base/memory.h"

#define MANY 20000

struct register_call {
    struct jobs_register request;
    bool is_done, has_failed;
    struct error err;
};

static void on_registered(struct jobs_register *request, const struct error *err)
{
    struct register_call *call = container_of(request, struct register_call, request);
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
}

/* One job over all these events' objects. */
static struct register_call register_job(struct fixture *fixture, struct uuid job,
                                         struct event *events, size_t count)
{
    struct job_document *documents = xcalloc(count, sizeof(*documents));
    for (size_t i = 0; i < count; i++) {
        events[i].document.key = text_from(events[i].key);
        documents[i].document = events[i].document;
        documents[i].size_bytes = 10;
    }
    struct register_call call = {.request = {.tenant = &events[0].tenant,
                                             .job = job,
                                             .job_type = TEXT("batch"),
                                             .documents = documents,
                                             .document_count = count,
                                             .due_ms = 3600000,
                                             .on_done = on_registered}};
    jobs_register(fixture->pg[0], fixture->loop, &call.request);
    while (!call.is_done)
        loop_run_once(fixture->loop, 100);
    xfree(documents);
    return call;
}

struct steer_call {
    struct steer request;
    bool is_done, has_failed;
    struct error err;
};

static void on_steered(struct steer *request, const struct error *err)
{
    struct steer_call *call = container_of(request, struct steer_call, request);
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
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

struct report_call {
    struct report report;
    bool is_done, has_failed;
    size_t row_count;
    char row[512]; /* the first, its columns with | between */
    size_t columns;
};

static void on_reported(struct report *report, const struct pg_result *result,
                        const struct error *err)
{
    struct report_call *call = container_of(report, struct report_call, report);
    call->is_done = true;
    if (err)
        fail_msg("report: %s", err->message);
    call->row_count = pg_row_count(result);
    struct buffer AUTO_BUFFER row = buffer_new(sizeof(call->row) - 1);
    for (size_t i = 0; call->row_count && i < call->columns; i++)
        buffer_format(&row, "%s%.*s", i ? "|" : "", TEXT_ARGS(pg_value(result, 0, i)));
    (void)text_format(call->row, sizeof(call->row), "%s", buffer_string(&row));
}

static struct report_call report_of(struct fixture *fixture, const struct report *report,
                                    size_t columns)
{
    struct report_call call = {.report = *report, .columns = columns};
    call.report.row_max = 100;
    call.report.on_done = on_reported;
    report_run(fixture->pg[0], fixture->loop, &call.report);
    while (!call.is_done)
        loop_run_once(fixture->loop, 100);
    return call;
}

static void test_jobs__registers_once(void **state)
{
    struct fixture *fixture = *state;
    struct event events[] = {upload(ALICE, "a.pdf", ""), upload(ALICE, "b.pdf", ""),
                             upload(ALICE, "a.pdf", "")}; /* twice the same object */
    struct uuid job = uuid_v4();

    struct register_call call = register_job(fixture, job, events, COUNT_OF(events));
    assert_false(call.has_failed);
    assert_true(call.request.was_new);
    call = register_job(fixture, job, events, COUNT_OF(events));
    assert_false(call.has_failed || call.request.was_new);

    assert_string_equal(sql("select total_documents || ' ' || bytes_total || status from "
                            "processing_jobs"),
                        "2 20pending");
    assert_string_equal(sql("select count(*) || min(d.status) || min(d.title) from job_items join "
                            "documents d on d.id = document_id where due > now()"),
                        "2pendinga.pdf");
    assert_string_equal(reconcile(), "");
}

static void test_jobs__belong_to_users_that_exist(void **state)
{
    struct fixture *fixture = *state;
    struct event nobody = upload(NOBODY, "a.pdf", ""), alice = upload(ALICE, "a.pdf", ""),
                 bob = upload(BOB, "a.pdf", "");
    struct uuid job = uuid_v4();
    assert_int_equal(register_job(fixture, job, &nobody, 1).err.code, ERR_NO_TENANT);
    assert_true(register_job(fixture, job, &alice, 1).request.was_new);
    assert_int_equal(register_job(fixture, job, &bob, 1).err.code, ERR_DENIED);
    assert_string_equal(sql("select count(*) from documents"), "1");
}

static void test_jobs__takes_many_documents_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct event *events = xcalloc(MANY, sizeof(*events));
    char name[32];
    for (int i = 0; i < MANY; i++) {
        (void)text_format(name, sizeof(name), "%d.pdf", i);
        events[i] = upload(ALICE, name, "");
    }
    assert_true(register_job(fixture, uuid_v4(), events, MANY).request.was_new);
    assert_string_equal(sql("select count(*) from job_items where outcome is null"), "20000");
    xfree(events);
}

/* ---- steering -------------------------------------------------------------------------------- */

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
    request.metadata = TEXT("{\"tokens_billed\": 11, \"price\": 0.5}");
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

static void claim_at(struct fixture *fixture, struct event *event, uint64_t time_ms)
{
    event->claim.event_time_ms = time_ms;
    claim_start(fixture, 0, event);
    claim_wait(fixture, event);
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

static void test_report__tells_people_what_there_is(void **state)
{
    struct fixture *fixture = *state;
    struct event good = upload(ALICE, "a.pdf", "1"), bad = upload(ALICE, "b.pdf", "1");
    process(fixture, &good, "e", 4);
    claim_of(fixture, 0, &bad);
    finish(fixture, &bad, EFFECT_DROP, OUTCOME_FAILED);
    struct report jobs = {.kind = REPORT_JOBS}, none = {.kind = REPORT_JOBS, .has_id = true},
                  one = {.kind = REPORT_JOB, .has_id = true, .id = good.claim.item_job},
                  items = {.kind = REPORT_JOB_ITEMS, .has_id = true, .id = bad.claim.item_job},
                  tenants = {.kind = REPORT_TENANTS}, failures = {.kind = REPORT_FAILURES},
                  letters = {.kind = REPORT_DEAD_LETTERS}, lanes = {.kind = REPORT_LANES},
                  live = {.kind = REPORT_LIVE, .documents = &good.document.id, .document_count = 1};

    assert_int_equal(report_of(fixture, &jobs, 21).row_count, 2);
    assert_int_equal(report_of(fixture, &none, 21).row_count, 0);
    struct report_call call = report_of(fixture, &one, 21);
    assert_int_equal(call.row_count, 1);
    assert_non_null(strstr(call.row, "||upload|completed|none|1|1|0|0|2|4|12|100|||2"));
    assert_non_null(strstr(report_of(fixture, &items, 11).row, "b.pdf|failed|damaged|The file"));
    assert_non_null(strstr(report_of(fixture, &tenants, 9).row, ALICE "||t|1|2|4|4|100|1"));
    assert_non_null(strstr(report_of(fixture, &failures, 4).row, "damaged|1|The file"));
    assert_int_equal(report_of(fixture, &letters, 9).row_count, 0);
    assert_string_equal(report_of(fixture, &lanes, 4).row, "0|0|0|0");
    assert_non_null(strstr(report_of(fixture, &live, 4).row, "|a.pdf|users/" ALICE "/a.pdf"));
}

/* ---- parked items, which the janitor takes up again ------------------------------------------- */

static void test_park__for_a_day_is_enough(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    struct due_item items[4];
    claim_of(fixture, 0, &event);
    release(fixture, &event, true);
    sql("update job_items set parked_at = now() - interval '25 hours', due = now(), parked_until = "
        "now()");
    assert_int_equal(due(fixture, items, 4).item_count, 1);
    assert_true(items[0].is_overdue);

    struct event janitors = job_event(ALICE, "a.pdf", items[0].job);
    claim_of(fixture, 0, &janitors);
    struct ledger_release answer = release(fixture, &janitors, true);
    assert_true(answer.is_exhausted && !answer.was_parked);
    assert_int_equal(finish(fixture, &janitors, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    assert_string_equal(reconcile(), "");
}

static void test_park__for_money_lasts_as_long_as_it_must(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    struct due_item items[4];
    claim_of(fixture, 0, &event);
    release(fixture, &event, true);
    sql("update job_items set parked_at = now() - interval '25 hours', due = now(), parked_until = "
        "now(), error_code = 'billing'");
    assert_int_equal(due(fixture, items, 4).item_count, 1);
    assert_false(items[0].is_overdue);

    struct event janitors = job_event(ALICE, "a.pdf", items[0].job);
    claim_of(fixture, 0, &janitors);
    struct ledger_release answer = release(fixture, &janitors, true); /* for another reason */
    assert_true(!answer.is_exhausted && answer.was_parked);
    assert_string_equal(sql("select parked_at > now() - interval '1 hour' from job_items"), "t");
    assert_string_equal(reconcile(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_jobs__registers_once),
        T(test_jobs__belong_to_users_that_exist),
        T(test_jobs__takes_many_documents_at_once),
        T(test_steer__reaches_the_janitor),
        T(test_steer__a_pause_is_no_time_of_trying),
        T(test_steer__a_cancel_ends_what_no_worker_is_at),
        T(test_steer__a_cancel_takes_over_what_a_dead_worker_held),
        T(test_steer__a_cancel_and_a_finish_at_once_count_once),
        T(test_steer__a_retry_takes_only_what_failed_and_counts_it_once),
        T(test_steer__a_retry_in_several_calls_ends),
        T(test_steer__a_cancel_means_the_buckets_own_events_of_its_uploads),
        T(test_steer__a_cancelled_job_is_not_retried),
        T(test_report__tells_people_what_there_is),
        T(test_park__for_a_day_is_enough),
        T(test_park__for_money_lasts_as_long_as_it_must),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
