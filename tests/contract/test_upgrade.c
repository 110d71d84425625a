/* A live upgrade: tables with rows, as the schema had them before, become those of now while workers
 * of the new build claim and finish. */
#include "store/schema.h"
#include "tests/contract/ledger_fixture.h"
#include "tests/contract/pg_closing.h"

#define OLD_COUNT 40 /* documents from before */
#define NEW_COUNT 40 /* that come meanwhile */

struct upgrade {
    struct schema_request request;
    struct pg *pg;
    bool is_done, has_failed;
    struct error err;
};

/* What 0006 to 0008, indexes.sql and settings.sql have added or changed since version 5. */
static void go_back(void)
{
    sql("alter table documents drop column told_at, drop column told_etag, drop column removing, "
        "drop column look_due, drop column look_since");
    sql("drop table early_removals");
    sql("drop index documents_of_user, job_items_due_at");
    sql("create index job_items_due on job_items (due) where outcome is null");
    sql("alter table documents set (fillfactor = 50)");
    sql("delete from schema_version where version > 5");
}

static void on_upgraded(struct schema_request *request, const struct error *err)
{
    struct upgrade *upgrade = container_of(request, struct upgrade, request);
    take_answer(upgrade, err);
}

static void upgrade_start(struct fixture *fixture, struct upgrade *upgrade)
{
    struct error err;
    struct pg_options options = {.url =
                                     text_from(pg_cluster_role_url(cluster, "ledger", "postgres")),
                                 .connect_timeout_ms = 5000,
                                 .statement_timeout_ms = 20000,
                                 .lock_timeout_ms = 2000,
                                 .transactions_max = 4};
    *upgrade = (struct upgrade){.request = {.options = {.schema_prefix = TEXT("user_"),
                                                        .has_user_schemas = true,
                                                        .dimension_count = DIMENSIONS},
                                            .on_done = on_upgraded}};
    upgrade->pg = pg_open(fixture->loop, &options, &err);
    assert_non_null(upgrade->pg);
    schema_migrate(upgrade->pg, fixture->loop, &upgrade->request);
}

static struct event numbered(const char *kind, unsigned number, const char *version)
{
    char name[32];
    assert_true(text_format(name, sizeof(name), "%s%u.pdf", kind, number));
    return upload(number % 2 ? ALICE : BOB, name, version);
}

/* As a task does it: what the schema of before cannot answer is asked again. */
static enum claim_verdict claim_until_answered(struct fixture *fixture, int worker,
                                               struct event *event, unsigned *refused)
{
    for (unsigned tries = 0; tries < 200; tries++) {
        event->is_done = event->has_failed = false;
        claim_start(fixture, worker, event);
        while (!event->is_done)
            loop_run_once(fixture->loop, 10);
        if (!event->has_failed)
            return event->claim.verdict;
        assert_int_equal(error_disposition(event->err.code), DISPOSITION_RETRY);
        ++*refused;
        loop_run_once(fixture->loop, 10); /* the migrate has its turn */
    }
    fail_msg("never answered: %s", event->err.message);
    return CLAIM_GO;
}

static void test_upgrade__of_tables_with_rows_while_workers_claim(void **state)
{
    struct fixture *fixture = *state;
    static struct event events[NEW_COUNT];
    struct upgrade upgrade;
    unsigned refused = 0;
    for (unsigned i = 0; i < OLD_COUNT; i++) {
        struct event event = numbered("old", i, "v1");
        process(fixture, &event, "e1", 2);
    }
    struct event early = numbered("early", 0, "v1");
    assert_int_equal(claim_of(fixture, 0, &early), CLAIM_GO); /* parked over the upgrade */
    release(fixture, &early, true);
    go_back();

    upgrade_start(fixture, &upgrade);
    for (unsigned i = 0; i < NEW_COUNT; i++) {
        struct event again = numbered("old", i % OLD_COUNT, "v1");
        events[i] = numbered("new", i, "v1");
        assert_int_equal(claim_until_answered(fixture, (int)i % WORKERS, &events[i], &refused),
                         CLAIM_GO);
        assert_int_equal(claim_until_answered(fixture, (int)i % WORKERS, &again, &refused),
                         CLAIM_DONE);
    }
    while (!upgrade.is_done)
        loop_run_once(fixture->loop, 10);
    pg_close_and_wait(fixture->loop, upgrade.pg);
    assert_string_equal(upgrade.err.message, "");
    assert_true(refused > 0); /* they did meet the tables of before */

    for (unsigned i = 0; i < NEW_COUNT; i++)
        process(fixture, &events[i], "e1", 2);
    struct event next = numbered("old", 1, "v2"), gone = removal(ALICE, "old3.pdf");
    process(fixture, &next, "e2", 1);
    assert_int_equal(claim_of(fixture, 1, &gone), CLAIM_GO);
    assert_int_equal(finish(fixture, &gone, EFFECT_GONE, OUTCOME_SKIPPED), FINISH_OK);
    assert_string_equal(sql("select count(*), count(*) filter (where gen is not null), "
                            "sum(chunk_count) from documents"),
                        "81|79|157");
    assert_string_equal(sql("select count(*) from job_items where outcome is null and due is not "
                            "null"),
                        "1");
    assert_string_equal(reconcile(), "");
}

static void test_upgrade__leaves_what_a_fresh_schema_has(void **state)
{
    struct fixture *fixture = *state;
    static const char SHAPE[] =
        "select md5(string_agg(line, E'\\n' order by line)) from ("
        "select attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) "
        "as line from pg_attribute a join pg_class c on c.oid = attrelid where relnamespace = "
        "'public'::regnamespace and relkind in ('r', 'v') and attnum > 0 and not attisdropped "
        "union all select indexdef from pg_indexes where schemaname = 'public' "
        "union all select relname || array_to_string(reloptions, ',') from pg_class where "
        "relnamespace = 'public'::regnamespace and relkind = 'r') s";
    struct upgrade upgrade;
    char fresh[64];
    assert_true(text_format(fresh, sizeof(fresh), "%s", sql(SHAPE)));
    go_back();
    assert_string_not_equal(sql(SHAPE), fresh);
    upgrade_start(fixture, &upgrade);
    while (!upgrade.is_done)
        loop_run_once(fixture->loop, 10);
    pg_close_and_wait(fixture->loop, upgrade.pg);
    assert_string_equal(upgrade.err.message, "");
    assert_string_equal(sql(SHAPE), fresh);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_upgrade__of_tables_with_rows_while_workers_claim),
        T(test_upgrade__leaves_what_a_fresh_schema_has),
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
