/* What PostgreSQL and the wire to it do to a transaction of the ledger: deadlocks, serialization
 * failures, locks and statements that take too long, COMMITs whose reply is lost. */
#include "tests/contract/ledger_fixture.h"
#include "tests/contract/lossy_wire.h"
#include "tests/contract/pg_closing.h"

#define WAIT_MS_MAX 30000

/* ---- somebody else's transaction ------------------------------------------------------------- */

/* Statements of one transaction on the second worker's connection. */
struct other {
    struct pg_statement statements[4];
    struct pg_request request;
    bool is_done, has_failed;
};

static void on_other(struct pg_request *request, const struct pg_result *result,
                     const struct error *err)
{
    struct other *other = container_of(request, struct other, request);
    (void)result;
    other->is_done = true;
    other->has_failed = err != NULL;
}

/* Until somebody waits for a lock of this transaction. */
#define MEET                                                                             \
    "do $$ begin while not exists (select from pg_locks where not granted) loop perform" \
    " pg_sleep(0.01); end loop; end $$"

/* Whoever looks for a deadlock first is its victim: not this one. */
#define PATIENCE "set local deadlock_timeout = '1min'"

/* Runs the first one, and MEET is running then. */
static void other_start(struct fixture *fixture, struct other *other, const char *first,
                        const char *last)
{
    sql("grant set on parameter deadlock_timeout to " WORKER_ROLE);
    *other = (struct other){.statements = {{.sql = PATIENCE, .is_dynamic = true},
                                           {.sql = first, .is_dynamic = true},
                                           {.sql = MEET, .is_dynamic = true},
                                           {.sql = last, .is_dynamic = true}}};
    other->request = (struct pg_request){
        .statements = other->statements, .statement_count = 4, .on_done = on_other};
    pg_run(fixture->pg[1], &other->request);
    uint64_t start_ms = loop_now_ms(fixture->loop);
    do {
        loop_run_once(fixture->loop, 10);
        assert_true(loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX);
    } while (text_equal(text_from(sql("select count(*) from pg_stat_activity"
                                      " where wait_event = 'PgSleep'")),
                        TEXT("0")));
}

static void other_wait(struct fixture *fixture, const struct other *other)
{
    uint64_t start_ms = loop_now_ms(fixture->loop);
    while (!other->is_done && loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(fixture->loop, 100);
    assert_true(other->is_done && !other->has_failed);
}

/* The server's own count, which it tells a moment later. */
static void assert_server_counted(struct fixture *fixture, const char *column)
{
    char statement[128];
    (void)text_format(statement, sizeof(statement),
                      "select %s > 0 from pg_stat_database where datname = 'ledger'", column);
    uint64_t start_ms = loop_now_ms(fixture->loop);
    while (!text_equal(text_from(sql(statement)), TEXT("t"))) {
        loop_run_once(fixture->loop, 50);
        assert_true(loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX);
    }
}

#define LOW "(select min(id::text)::uuid from documents)"
#define HIGH "(select max(id::text)::uuid from documents)"
#define TOUCH "update documents set updated_at = now() where id = "

static void given_two_documents(struct fixture *fixture, struct event events[2])
{
    events[0] = upload(ALICE, "a.pdf", "v1");
    events[1] = upload(ALICE, "b.pdf", "v1");
    process(fixture, &events[0], "e1", 1);
    process(fixture, &events[1], "e1", 1);
    events[0] = upload(ALICE, "a.pdf", "v2");
    events[1] = upload(ALICE, "b.pdf", "v2");
}

static void test_conflict__a_deadlock_is_run_again(void **state)
{
    struct fixture *fixture = *state;
    struct event events[2];
    struct other other;
    given_two_documents(fixture, events);
    /* It holds the second document and wants the first when we have that. */
    other_start(fixture, &other, TOUCH HIGH, TOUCH LOW);
    claim_start(fixture, 0, &events[0]);
    claim_start(fixture, 0, &events[1]);

    claim_wait(fixture, &events[0]);
    claim_wait(fixture, &events[1]);

    other_wait(fixture, &other);
    assert_server_counted(fixture, "deadlocks");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(events[i].claim.verdict, CLAIM_GO);
        assert_int_equal(events[i].claim.starts, 1);
    }
    assert_string_equal(reconcile(), "");
}

static void test_conflict__a_serialization_failure_is_run_again(void **state)
{
    struct fixture *fixture = *state;
    struct event events[2];
    struct other other;
    sql("alter database ledger set default_transaction_isolation = 'repeatable read'");
    sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'ledger' and pid "
        "<> "
        "pg_backend_pid()");
    given_two_documents(fixture, events);
    other_start(fixture, &other, TOUCH LOW, "select 1");
    claim_start(fixture, 0, &events[0]);
    claim_start(fixture, 0, &events[1]);

    claim_wait(fixture, &events[0]);
    claim_wait(fixture, &events[1]);

    other_wait(fixture, &other);
    assert_server_counted(fixture, "xact_rollback");
    assert_int_equal(events[0].claim.starts, 1);
    assert_int_equal(finish(fixture, &events[0], EFFECT_KEEP, OUTCOME_SKIPPED), FINISH_OK);
    assert_string_equal(reconcile(), "");
}

/* ---- what takes too long --------------------------------------------------------------------- */

static struct pg *pg_with(struct fixture *fixture, const char *url, uint64_t statement_timeout_ms,
                          uint64_t lock_timeout_ms)
{
    struct error err;
    struct pg_options options = {.url = text_from(url),
                                 .control_schema = pg_control_schema(fixture->pg[1]),
                                 .connect_timeout_ms = 5000,
                                 .statement_timeout_ms = statement_timeout_ms,
                                 .lock_timeout_ms = lock_timeout_ms,
                                 .transactions_max = 16};
    struct pg *pg = pg_open(fixture->loop, &options, &err);
    assert_non_null(pg);
    return pg;
}

/* The first worker goes on with this connection. */
static void use(struct fixture *fixture, struct pg *pg)
{
    struct error err;
    struct ledger_options options = fixture_options();
    ledger_close(fixture->ledger[0]);
    pg_close_and_wait(fixture->loop, fixture->pg[0]);
    fixture->pg[0] = pg;
    fixture->ledger[0] = ledger_open(fixture->loop, pg, &options, &err);
    assert_non_null(fixture->ledger[0]);
}

static void test_timeout__a_lock_is_waited_for_again(void **state)
{
    struct fixture *fixture = *state;
    struct event events[2];
    struct other other;
    given_two_documents(fixture, events);
    use(fixture, pg_with(fixture, pg_cluster_role_url(cluster, "ledger", WORKER_ROLE), 20000, 100));
    other_start(fixture, &other, TOUCH LOW, "select pg_sleep(0.5)");
    claim_start(fixture, 0, &events[0]);
    claim_start(fixture, 0, &events[1]);

    claim_wait(fixture, &events[0]);
    claim_wait(fixture, &events[1]);

    other_wait(fixture, &other);
    assert_server_counted(fixture, "xact_rollback");
    assert_int_equal(events[0].claim.starts, 1);
    assert_int_equal(events[1].claim.starts, 1);
}

static void test_timeout__a_slow_row_delays_itself_alone(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 8 };
    struct event events[COUNT];
    char name[16];
    use(fixture, pg_with(fixture, pg_cluster_role_url(cluster, "ledger", WORKER_ROLE), 300, 10000));
    sql("create sequence slow; grant usage on sequence slow to public;"
        "create function be_slow() returns trigger language plpgsql as $$ begin"
        " if new.object_key like '%/3.pdf' and nextval('slow') <= 4 then perform pg_sleep(5); end "
        "if;"
        " return new; end $$;"
        "create trigger be_slow before insert on documents for each row execute function "
        "be_slow()");
    for (int i = 0; i < COUNT; i++) {
        (void)text_format(name, sizeof(name), "%d.pdf", i);
        events[i] = upload(ALICE, name, "v1");
        claim_start(fixture, 0, &events[i]);
    }

    for (int i = 0; i < COUNT; i++)
        claim_wait(fixture, &events[i]);

    /* 8, 4, 2 and 1 rows were stopped; the fifth time it went through. */
    assert_string_equal(sql("select last_value from slow"), "5");
    assert_string_equal(sql("select count(*) from documents where starts = 1"), "8");
    assert_string_equal(reconcile(), "");
}

/* ---- lost replies ---------------------------------------------------------------------------- */

static struct lossy_wire *wire;

/* set_up has made a database; the first worker reaches it by a wire that can lose things. */
static void given_a_wire(struct fixture *fixture)
{
    char url[128];
    wire = lossy_wire_start(pg_cluster_port(cluster));
    (void)text_format(url, sizeof(url), "postgresql://" WORKER_ROLE "@127.0.0.1:%d/ledger",
                      lossy_wire_port(wire));
    use(fixture, pg_with(fixture, url, 20000, 10000));
    struct event warm = upload(BOB, "warm.pdf", "v1");
    process(fixture, &warm, "e", 0);
}

static int tear_down(void **state)
{
    int failed = fixture_tear_down(state);
    if (wire)
        lossy_wire_stop(wire);
    wire = NULL;
    return failed;
}

static void test_lost__the_reply_of_a_claim(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    given_a_wire(fixture);
    lossy_wire_lose_next(wire);

    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);

    assert_int_equal(lossy_wire_lost_count(wire), 1);
    assert_int_equal(event.claim.starts, 1);
    assert_string_equal(sql("select count(*) from processing_jobs where user_id = '" ALICE "'"),
                        "1");
    assert_string_equal(reconcile(), "");
}

static void test_lost__the_reply_of_a_finish(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    given_a_wire(fixture);
    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);
    assert_int_equal(intend(fixture, &event, 3), INTEND_GO);
    stage(fixture, &event, 0, 3);
    struct ledger_finish request = finish_with(&event, EFFECT_LIVE, OUTCOME_SUCCESS);
    request.chunk_count = 3;
    request.token_count = 9;
    lossy_wire_lose_next(wire);

    assert_int_equal(finish_run(fixture, &request), FINISH_OK);

    assert_int_equal(lossy_wire_lost_count(wire), 1);
    assert_string_equal(
        sql("select processed_count from processing_jobs where user_id = '" ALICE "'"), "1");
    assert_string_equal(
        sql("select total_documents, total_vectors from users where id = '" ALICE "'"), "1|3");
    assert_string_equal(reconcile(), "");
}

static void test_lost__the_reply_of_an_intend_and_of_a_release(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    given_a_wire(fixture);
    assert_int_equal(claim_of(fixture, 0, &event), CLAIM_GO);
    lossy_wire_lose_next(wire);
    assert_int_equal(intend(fixture, &event, 7), INTEND_GO);
    assert_string_equal(sql("select n from litter"), "7");
    lossy_wire_lose_next(wire);

    assert_true(release(fixture, &event, true).was_parked);

    assert_int_equal(lossy_wire_lost_count(wire), 2);
    assert_string_equal(sql("select starts, leased_until is null from documents where object_key "
                            "like '%/a.pdf'"),
                        "0|t");
    assert_string_equal(reconcile(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, tear_down)
        T(test_conflict__a_deadlock_is_run_again),
        T(test_conflict__a_serialization_failure_is_run_again),
        T(test_timeout__a_lock_is_waited_for_again),
        T(test_timeout__a_slow_row_delays_itself_alone),
        T(test_lost__the_reply_of_a_claim),
        T(test_lost__the_reply_of_a_finish),
        T(test_lost__the_reply_of_an_intend_and_of_a_release),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger_faults", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
