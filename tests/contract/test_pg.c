/* pg.h against a real server: pipelining, timeouts, lost connections, lost names. */
#include "tests/contract/pg_calls.h"
#include "tests/contract/pg_closing.h"
#include "worker/base/memory.h"

/* ---- transactions ---------------------------------------------------------------------------- */

static void test_pg__answers_rows_with_parameters(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    call_init(&call, "select $1 || 'mill' || coalesce($2, '-') from generate_series(1, 3)");
    call.params[0] = (struct pg_param){.data = "wind", .bytes = 4, .type = PG_TEXT};
    call.params[1] = (struct pg_param){.type = PG_TEXT};
    call.statement.param_count = 2;

    pg_run(fixture->pg, &call.request);
    assert_false(call.is_done); /* never from inside the call */
    wait_for_call(fixture, &call);

    assert_false(call.has_failed);
    assert_int_equal(call.row_count, 3);
    assert_string_equal(call.value, "windmill-");
}

static void test_pg__binary_arrays_arrive_whole(void **state)
{
    struct fixture *fixture = *state;
    struct pg_array ids = pg_array_new(PG_UUID), texts = pg_array_new(PG_TEXT),
                    numbers = pg_array_new(PG_INT8), none = pg_array_new(PG_INT4);
    struct uuid id = {.bytes = {0x12, 0x34, [15] = 0xff}};
    pg_array_add_uuid(&ids, id);
    pg_array_add_uuid(&ids, UUID_NIL);
    pg_array_add_text(&texts, TEXT("käse"));
    pg_array_add_text(&texts, TEXT_NONE);
    pg_array_add_i64(&numbers, -2);
    pg_array_add_i64(&numbers, INT64_MAX);
    struct call call;
    call_init(&call, "select concat_ws('|', $1[1], $1[2], $2[1], $2[2] is null, $3[1], $3[2], "
                     "cardinality($4))");
    call.params[0] = pg_array_param(&ids);
    call.params[1] = pg_array_param(&texts);
    call.params[2] = pg_array_param(&numbers);
    call.params[3] = pg_array_param(&none);
    call.statement.param_count = 4;
    char value[256];

    pg_run(fixture->pg, &call.request);
    wait_for_call(fixture, &call);

    (void)text_format(value, sizeof(value), "%s", call.err.message);
    assert_string_equal(value, "");
    assert_true(text_starts_with(text_from(call.value),
                                 TEXT("12340000-0000-0000-0000-0000000000ff|00000000")));
    pg_array_release(&ids);
    pg_array_release(&texts);
    pg_array_release(&numbers);
    pg_array_release(&none);
}

static void test_pg__pipelines_many_in_order_and_from_inside_on_done(void **state)
{
    struct fixture *fixture = *state;
    enum { CALLS = 100 };
    static struct call calls[CALLS];
    struct call last;
    call_init(&last, "select 'last'");
    for (int i = 0; i < CALLS; i++) {
        call_init(&calls[i], "select 7");
        pg_run(fixture->pg, &calls[i].request);
    }
    calls[CALLS - 1].next = &last;
    calls[CALLS - 1].pg = fixture->pg;
    assert_int_equal(pg_waiting_count(fixture->pg), CALLS);

    wait_for_call(fixture, &last);

    for (int i = 0; i < CALLS; i++)
        assert_true(calls[i].is_done && !calls[i].has_failed);
    assert_string_equal(last.value, "last");
    assert_int_equal(pg_waiting_count(fixture->pg), 0);
}

static void test_pg__a_transaction_is_all_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    run_call(fixture, &call, "create table pair (n int primary key)");
    const struct pg_statement statements[] = {{.sql = "insert into pair values (1)"},
                                              {.sql = "insert into pair values (1)"}};
    call_init(&call, "");
    call.request.statements = statements;
    call.request.statement_count = 2;
    struct call behind;
    call_init(&behind, "select count(*) from pair");

    pg_run(fixture->pg, &call.request);
    pg_run(fixture->pg, &behind.request); /* pipelined behind the one that fails */
    wait_for_call(fixture, &behind);

    assert_true(call.has_failed);
    assert_int_equal(call.err.code, ERR_DATABASE);
    assert_string_equal(call.request.sqlstate, "23505");
    assert_false(call.request.was_maybe_committed);
    assert_string_equal(behind.value, "0");
}

static void test_pg__a_deferred_constraint_fails_the_transaction_at_its_commit(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    run_call(fixture, &call, "create table late (n int unique deferrable initially deferred)");

    run_call(fixture, &call, "insert into late values (1), (1)");

    assert_true(call.has_failed);
    assert_string_equal(call.request.sqlstate, "23505");
    run_call(fixture, &call, "select count(*) from late");
    assert_string_equal(call.value, "0");
}

static void test_pg__each_transaction_has_its_timeouts(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    run_call(fixture, &call,
             "select concat_ws(' ', current_setting('statement_timeout'), "
             "current_setting('lock_timeout'), current_setting('synchronous_commit'))");
    assert_string_equal(call.value, "5s 1s on");

    run_call(fixture, &call, "select pg_sleep(30)");

    assert_true(call.has_failed);
    assert_int_equal(call.err.code, ERR_TIMEOUT);
    assert_string_equal(call.request.sqlstate, "57014");
}

static void test_pg__a_lock_that_is_held_is_a_conflict(void **state)
{
    struct fixture *fixture = *state;
    struct call call, holder;
    struct pg *other = pg_calls_open(fixture->loop, text_from(pg_cluster_url(cluster)));
    const struct pg_statement statements[] = {{.sql = "select pg_advisory_xact_lock(5)"},
                                              {.sql = "select pg_sleep(2)"}};
    call_init(&holder, "");
    holder.request.statements = statements;
    holder.request.statement_count = 2;
    pg_run(other, &holder.request);
    do { /* until it holds the lock */
        run_call(fixture, &call,
                 "select count(*) from pg_locks where granted and locktype = 'advisory'");
    } while (strcmp(call.value, "0") == 0);

    run_call(fixture, &call, "select pg_advisory_xact_lock(5)");

    assert_true(call.has_failed);
    assert_int_equal(call.err.code, ERR_CONFLICT);
    wait_for_call(fixture, &holder);
    pg_close_and_wait(fixture->loop, other);
}

static void run_with_a_parameter(struct fixture *fixture, bool keeps_plans)
{
    static const char *const SQL = "select $1 + 1";
    const struct pg_param param = {.data = "20", .bytes = 2, .type = PG_INT4};
    struct call call;
    call_init(&call, SQL);
    call.statement.params = &param;
    call.statement.param_count = 1;
    call.request.keeps_plans = keeps_plans;
    pg_run(fixture->pg, &call.request);
    wait_for_call(fixture, &call);
    assert_string_equal(call.value, "21");
}

static void test_pg__plans_anew_unless_it_is_for_few_rows(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    for (int i = 0; i < 7; i++) /* PostgreSQL itself would change its mind after five */
        run_with_a_parameter(fixture, false);
    run_with_a_parameter(fixture, true);
    run_call(fixture, &call,
             "select concat_ws(' ', custom_plans, generic_plans) from pg_prepared_statements"
             " where statement = 'select $1 + 1'");
    assert_string_equal(call.value, "7 1");
}

/* ---- the connection beside the writer -------------------------------------------------------- */

/* Ends when another transaction has added a row, which a request behind it would never do. */
static const char UNTIL_THERE[] = "do $$ begin while not exists (select from signs) loop perform "
                                  "pg_sleep(0.01); end loop; end $$";

static void run_beside(struct fixture *fixture, struct call *call, const char *sql)
{
    call_init(call, sql);
    call->request.may_run_beside = true;
    pg_run(fixture->pg, &call->request);
}

/* It connects when there is something to run beside the writer, which takes that itself first.
 * Leaves the process of the server that is behind it in ret_call. */
static void given_a_connection_beside(struct fixture *fixture, struct call *ret_call)
{
    struct call writer, busy;
    run_call(fixture, &writer, "select pg_backend_pid()");
    do {
        call_init(&busy, "select 1");
        pg_run(fixture->pg, &busy.request);
        run_beside(fixture, ret_call, "select pg_backend_pid()");
        wait_for_call(fixture, &busy);
        wait_for_call(fixture, ret_call);
    } while (strcmp(ret_call->value, writer.value) == 0);
}

static void test_pg__what_may_run_beside_does_not_wait_for_what_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct call call, under_way, beside;
    run_call(fixture, &call, "create table signs (n int)");
    given_a_connection_beside(fixture, &beside);
    call_init(&under_way, UNTIL_THERE);

    pg_run(fixture->pg, &under_way.request);
    run_beside(fixture, &beside, "insert into signs values (1)");
    assert_int_equal(pg_waiting_count(fixture->pg), 2);
    wait_for_call(fixture, &under_way);

    assert_false(under_way.has_failed);
    assert_true(beside.is_done && !beside.has_failed);
    run_call(fixture, &call, "drop table signs");
}

/* It has a connection of its own once the other two are busy, and does not wait for either. */
static void test_pg__what_goes_ahead_waits_for_neither_of_the_busy_ones(void **state)
{
    struct fixture *fixture = *state;
    struct call call, under_way, beside, ahead;
    run_call(fixture, &call, "create table signs (n int)");
    given_a_connection_beside(fixture, &beside);
    do { /* until that connection is there */
        call_init(&under_way, "select 1");
        pg_run(fixture->pg, &under_way.request);
        run_beside(fixture, &beside, "select pg_backend_pid()");
        call_init(&ahead, "select pg_backend_pid()");
        ahead.request.goes_ahead = true;
        pg_run(fixture->pg, &ahead.request);
        wait_for_call(fixture, &under_way);
        wait_for_call(fixture, &beside);
        wait_for_call(fixture, &ahead);
    } while (strcmp(ahead.value, beside.value) == 0);

    call_init(&under_way, UNTIL_THERE);
    pg_run(fixture->pg, &under_way.request);
    run_beside(fixture, &beside, UNTIL_THERE);
    call_init(&ahead, "insert into signs values (1)");
    ahead.request.goes_ahead = true;
    pg_run(fixture->pg, &ahead.request);
    wait_for_call(fixture, &under_way);
    wait_for_call(fixture, &beside);

    assert_true(ahead.is_done && !ahead.has_failed);
    assert_false(under_way.has_failed || beside.has_failed);
    run_call(fixture, &call, "drop table signs");
}

static void test_pg__goes_on_without_the_connection_beside(void **state)
{
    struct fixture *fixture = *state;
    struct call busy, beside;
    given_a_connection_beside(fixture, &beside);
    char terminate[80];
    (void)text_format(terminate, sizeof(terminate), "select pg_terminate_backend(%s, 5000)",
                      beside.value);
    assert_string_equal(pg_cluster_sql(cluster, "postgres", terminate), "t");

    do { /* the first may meet the dead connection */
        call_init(&busy, "select 1");
        pg_run(fixture->pg, &busy.request);
        run_beside(fixture, &beside, "select 'done'");
        wait_for_call(fixture, &busy);
        wait_for_call(fixture, &beside);
        assert_false(busy.has_failed);
    } while (beside.has_failed);

    assert_string_equal(beside.value, "done");
}

/* ---- names and connections ------------------------------------------------------------------- */

static void test_pg__prepares_again_what_the_server_forgot(void **state)
{
    struct fixture *fixture = *state;
    static const char SQL[] = "select 11";
    struct call call, behind;
    run_call(fixture, &call, SQL);
    run_call(fixture, &call, "deallocate all");
    assert_false(call.has_failed);

    call_init(&call, SQL);
    call_init(&behind, SQL);
    pg_run(fixture->pg, &call.request);
    pg_run(fixture->pg, &behind.request);
    wait_for_call(fixture, &call);
    wait_for_call(fixture, &behind);
    assert_string_equal(call.value, "11");
    assert_string_equal(behind.value, "11");

    for (int i = 0; i < 20; i++) { /* as behind an old pooler: it goes on without names */
        run_call(fixture, &call, "deallocate all");
        assert_false(call.has_failed);
        run_call(fixture, &call, SQL);
        assert_string_equal(call.value, "11");
    }
}

static void test_pg__survives_a_change_of_result_types(void **state)
{
    struct fixture *fixture = *state;
    static const char SQL[] = "select * from shape";
    struct call call;
    run_call(fixture, &call, "create table shape as select 1 as n");
    run_call(fixture, &call, SQL);
    assert_string_equal(call.value, "1");
    pg_cluster_sql(cluster, "postgres", "alter table shape alter n type text using 'one'");

    run_call(fixture, &call, SQL);

    assert_false(call.has_failed);
    assert_string_equal(call.value, "one");
}

static void test_pg__a_statement_that_cannot_be_prepared_harms_nobody_behind(void **state)
{
    struct fixture *fixture = *state;
    static const char SQL[] = "select n from not_there_yet";
    struct call bad, behind, other;
    call_init(&bad, SQL);
    call_init(&behind, SQL);
    call_init(&other, "select 'other'");
    pg_run(fixture->pg, &bad.request);
    pg_run(fixture->pg, &behind.request);
    pg_run(fixture->pg, &other.request);
    wait_for_call(fixture, &behind);
    wait_for_call(fixture, &other);
    assert_string_equal(bad.request.sqlstate, "42P01");
    assert_string_equal(behind.request.sqlstate, "42P01");
    assert_string_equal(other.value, "other");

    pg_cluster_sql(cluster, "postgres", "create table not_there_yet as select 5 as n");
    run_call(fixture, &bad, SQL);
    assert_string_equal(bad.value, "5");
}

static void test_pg__reconnects_and_says_that_the_outcome_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    struct call call, waiting;
    run_call(fixture, &call, "select 1");
    call_init(&call, "select pg_sleep(10)");
    pg_run(fixture->pg, &call.request);
    while (strcmp(pg_cluster_sql(cluster, "postgres",
                                 "select count(*) from pg_stat_activity where query like 'select "
                                 "pg_sleep(10)%' and state = 'active' and pid <> pg_backend_pid()"),
                  "0") == 0)
        loop_run_once(fixture->loop, 10);

    pg_cluster_sql(cluster, "postgres",
                   "select pg_terminate_backend(pid) from pg_stat_activity where application_name "
                   "= 'millrace-test'");
    wait_for_call(fixture, &call);

    assert_true(call.has_failed);
    assert_true(call.request.was_maybe_committed);
    run_call(fixture, &waiting, "select 'again'");
    assert_string_equal(waiting.value, "again");
    assert_true(pg_is_connected(fixture->pg));
}

static void test_pg__a_server_that_is_away_is_unreachable_until_it_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    run_call(fixture, &call, "select 1");
    pg_cluster_halt(cluster);

    run_call(fixture, &call, "select 2"); /* meets the dead connection, or the refused one */
    assert_true(call.has_failed);
    run_call(fixture, &call, "select 3");
    assert_int_equal(call.err.code, ERR_UNREACHABLE);
    assert_false(call.request.was_maybe_committed);

    pg_cluster_resume(cluster);
    do {
        run_call(fixture, &call, "select 4");
    } while (call.has_failed);
    assert_string_equal(call.value, "4");
}

static void test_pg__finds_its_server_by_name(void **state)
{
    struct fixture *fixture = *state;
    char url[128];
    struct call call;
    (void)text_format(url, sizeof(url), "postgresql://postgres@localhost:%d/postgres",
                      pg_cluster_port(cluster));
    struct pg *named = pg_calls_open(fixture->loop, text_from(url));
    call_init(&call, "select 'by name'");
    pg_run(named, &call.request);
    wait_for_call(fixture, &call);
    assert_string_equal(call.value, "by name");
    pg_close_and_wait(fixture->loop, named);

    (void)text_format(url, sizeof(url),
                      "host=nowhere.invalid,127.0.0.1 port=%d user=postgres "
                      "dbname=postgres",
                      pg_cluster_port(cluster));
    named = pg_calls_open(fixture->loop, text_from(url));
    call_init(&call, "select 'the second'");
    pg_run(named, &call.request);
    wait_for_call(fixture, &call);
    assert_string_equal(call.value, "the second");
    pg_close_and_wait(fixture->loop, named);
}

static void test_pg__tells_why_it_cannot_connect(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    struct pg *other = pg_calls_open(fixture->loop, TEXT("postgresql://x@nowhere.invalid/x"));
    call_init(&call, "select 1");
    pg_run(other, &call.request);
    wait_for_call(fixture, &call);
    assert_int_equal(call.err.code, ERR_UNREACHABLE);
    assert_non_null(strstr(call.err.message, "nowhere.invalid"));
    pg_close_and_wait(fixture->loop, other);

    char url[200];
    (void)text_format(url, sizeof(url), "%s", pg_cluster_database_url(cluster, "no_such"));
    other = pg_calls_open(fixture->loop, text_from(url));
    call_init(&call, "select 1");
    pg_run(other, &call.request);
    wait_for_call(fixture, &call);
    assert_int_equal(call.err.code, ERR_DATABASE);
    assert_non_null(strstr(call.err.message, "no_such"));
    pg_close_and_wait(fixture->loop, other);
}

/* What a server says while it lets nobody in tells what may pass from what must be mended. */
static void test_pg__a_refused_connection_has_the_servers_own_reason(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *role;
        enum error_code code;
    } ROWS[] = {
        {"too_many", ERR_UNAVAILABLE}, /* 53300 */
        {"locked_out", ERR_DENIED},    /* 28000 */
        {"nobody", ERR_DENIED},        /* 28000 */
    };
    pg_cluster_sql(cluster, "postgres",
                   "create role too_many login connection limit 0; create role locked_out nologin");
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        char url[128];
        struct call call;
        (void)text_format(url, sizeof(url), "postgresql://%s@127.0.0.1:%d/postgres", ROWS[i].role,
                          pg_cluster_port(cluster));
        struct pg *other = pg_calls_open(fixture->loop, text_from(url));
        call_init(&call, "select 1");
        pg_run(other, &call.request);
        wait_for_call(fixture, &call);
        if (!call.has_failed || call.err.code != ROWS[i].code)
            fail_msg("%s: %s %s", ROWS[i].role, error_name(call.err.code), call.err.message);
        assert_false(call.request.was_maybe_committed);
        pg_close_and_wait(fixture->loop, other);
    }
}

static void test_pg__refuses_a_url_without_repeating_its_password(void **state)
{
    struct fixture *fixture = *state;
    static const char *const URLS[] = {"postgresql://u:sec%ret@h/d", "postgresql://u:a@secret@h/d",
                                       "host=h passwd=secret"};
    for (size_t i = 0; i < COUNT_OF(URLS); i++) {
        struct pg_options options = {.url = text_from(URLS[i]), .connect_timeout_ms = 1000};
        struct error err;
        assert_null(pg_open(fixture->loop, &options, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_null(strstr(err.message, "sec"));
    }
}

static void test_pg__closing_answers_everybody(void **state)
{
    struct fixture *fixture = *state;
    struct call first, second;
    call_init(&first, "select pg_sleep(5)");
    call_init(&second, "select 1");
    pg_run(fixture->pg, &first.request);
    pg_run(fixture->pg, &second.request);
    loop_run_once(fixture->loop, 50);

    pg_close_and_wait(fixture->loop, fixture->pg);
    fixture->pg = NULL;

    assert_int_equal(first.err.code, ERR_SHUTDOWN);
    assert_int_equal(second.err.code, ERR_SHUTDOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, pg_calls_set_up, pg_calls_tear_down)
        T(test_pg__answers_rows_with_parameters),
        T(test_pg__binary_arrays_arrive_whole),
        T(test_pg__pipelines_many_in_order_and_from_inside_on_done),
        T(test_pg__a_transaction_is_all_or_nothing),
        T(test_pg__a_deferred_constraint_fails_the_transaction_at_its_commit),
        T(test_pg__each_transaction_has_its_timeouts),
        T(test_pg__a_lock_that_is_held_is_a_conflict),
        T(test_pg__plans_anew_unless_it_is_for_few_rows),
        T(test_pg__what_may_run_beside_does_not_wait_for_what_is_under_way),
        T(test_pg__what_goes_ahead_waits_for_neither_of_the_busy_ones),
        T(test_pg__goes_on_without_the_connection_beside),
        T(test_pg__prepares_again_what_the_server_forgot),
        T(test_pg__survives_a_change_of_result_types),
        T(test_pg__a_statement_that_cannot_be_prepared_harms_nobody_behind),
        T(test_pg__reconnects_and_says_that_the_outcome_is_unknown),
        T(test_pg__a_server_that_is_away_is_unreachable_until_it_is_back),
        T(test_pg__finds_its_server_by_name),
        T(test_pg__tells_why_it_cannot_connect),
        T(test_pg__a_refused_connection_has_the_servers_own_reason),
        T(test_pg__refuses_a_url_without_repeating_its_password),
        T(test_pg__closing_answers_everybody),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("pg", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
