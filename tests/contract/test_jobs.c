/* jobs.h and report.h against a real server. */
#include "store/report.h"
#include "tests/contract/ledger_fixture.h"
#include "worker/base/memory.h"

#define MANY 20000

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

/* An item that was parked 25 hours ago, taken up by the janitor. */
static struct event take_up_parked(struct fixture *fixture, bool is_for_money)
{
    struct event event = upload(ALICE, "a.pdf", "v1");
    struct due_item items[4];
    claim_of(fixture, 0, &event);
    release(fixture, &event, true);
    sql("update job_items set parked_at = now() - interval '25 hours', due = now(), parked_until = "
        "now()");
    if (is_for_money)
        sql("update job_items set error_code = 'billing'");
    assert_int_equal(due(fixture, items, 4).item_count, 1);
    assert_int_equal(items[0].is_overdue, !is_for_money);
    return job_event(ALICE, "a.pdf", items[0].job);
}

static void test_park__for_a_day_is_enough(void **state)
{
    struct fixture *fixture = *state;
    struct event janitors = take_up_parked(fixture, false);
    claim_of(fixture, 0, &janitors);
    struct ledger_release answer = release(fixture, &janitors, true);
    assert_true(answer.is_exhausted && !answer.was_parked);
    assert_int_equal(finish(fixture, &janitors, EFFECT_DROP, OUTCOME_FAILED), FINISH_OK);
    assert_string_equal(reconcile(), "");
}

static void test_park__for_money_lasts_as_long_as_it_must(void **state)
{
    struct fixture *fixture = *state;
    struct event janitors = take_up_parked(fixture, true);
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
