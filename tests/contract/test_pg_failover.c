/* pg.h over two servers of which one is read-only at a time, as a standby is. */
#include "store/pg.h"
#include "tests/contract/pg_cluster.h"
#include "worker/base/memory.h"

#define WAIT_MS_MAX 30000

static struct pg_cluster *clusters[2];

struct fixture {
    struct loop *loop;
    struct pg *pg;
    bool is_closed;
};

struct call {
    struct pg_request request;
    struct pg_statement statement;
    bool is_done, has_failed;
    struct error err;
};

static void on_call_done(struct pg_request *request, const struct pg_result *result,
                         const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    (void)result;
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
}

static void run_call(struct fixture *fixture, struct call *call, const char *sql)
{
    uint64_t start_ms = loop_now_ms(fixture->loop);
    *call = (struct call){.statement = {.sql = sql}};
    call->request = (struct pg_request){
        .statements = &call->statement, .statement_count = 1, .on_done = on_call_done};
    pg_run(fixture->pg, &call->request);
    while (!call->is_done && loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(fixture->loop, 100);
    assert_true(call->is_done);
}

static void set_read_only(int at, bool is_read_only)
{
    pg_cluster_sql(clusters[at], "postgres",
                   is_read_only ? "alter system set default_transaction_read_only = on"
                                : "alter system reset default_transaction_read_only");
    pg_cluster_sql(clusters[at], "postgres", "select pg_reload_conf()");
    /* Signals take a moment to arrive. */
    const char *wanted = is_read_only ? "on" : "off";
    for (int tries = 0; tries < 1000; tries++)
        if (text_equal(text_from(pg_cluster_sql(clusters[at], "postgres",
                                                "show default_transaction_read_only")),
                       text_from(wanted)))
            return;
    fail_msg("the setting did not arrive");
}

static void open_url(struct fixture *fixture, const char *url)
{
    struct pg_options options = {
        .url = text_from(url),
        .connect_timeout_ms = 5000,
        .statement_timeout_ms = 5000,
        .lock_timeout_ms = 1000,
        .transactions_max = 4,
    };
    struct error err;
    fixture->pg = pg_open(fixture->loop, &options, &err);
    assert_non_null(fixture->pg);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    fixture->loop = loop_new(&err);
    for (int i = 0; i < 2; i++)
        pg_cluster_sql(clusters[i], "postgres", "create table if not exists t (a int); truncate t");
    *state = fixture;
    return 0;
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->is_closed = true;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pg_close(fixture->pg, on_closed, fixture);
    while (!fixture->is_closed)
        loop_run_once(fixture->loop, 100);
    loop_free(fixture->loop);
    xfree(fixture);
    for (int i = 0; i < 2; i++)
        set_read_only(i, false);
    return 0;
}

static const char *rows(int at)
{
    return pg_cluster_sql(clusters[at], "postgres", "select count(*) from t");
}

static void test_failover__follows_the_server_that_can_be_written(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    char url[300];
    (void)text_format(url, sizeof(url), "postgresql://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres",
                      pg_cluster_port(clusters[0]), pg_cluster_port(clusters[1]));
    set_read_only(0, true);
    open_url(fixture, url);

    run_call(fixture, &call, "insert into t values (1)");
    assert_string_equal(call.err.message, "");
    assert_string_equal(rows(1), "1");

    set_read_only(1, true);
    set_read_only(0, false);
    unsigned refusals = 0;
    for (int tries = 0; tries < 50; tries++) { /* whoever wants it asks again, as the ledger does */
        run_call(fixture, &call, "insert into t values (2)");
        if (!call.has_failed)
            break;
        assert_true(call.err.code == ERR_UNAVAILABLE || call.err.code == ERR_UNREACHABLE);
        assert_false(call.request.was_maybe_committed); /* it was refused, not lost */
        refusals++;
    }
    assert_false(call.has_failed);
    assert_true(refusals > 0);
    assert_string_equal(rows(0), "1");
    assert_string_equal(rows(1), "1");
}

static void test_failover__a_lone_standby_is_unavailable(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    set_read_only(0, true);
    open_url(fixture, pg_cluster_url(clusters[0]));
    run_call(fixture, &call, "insert into t values (1)");
    assert_int_equal(call.err.code, ERR_UNAVAILABLE);
    assert_string_equal(call.request.sqlstate, "25006");

    set_read_only(0, false);
    for (int tries = 0; tries < 50 && call.has_failed; tries++)
        run_call(fixture, &call, "insert into t values (1)");
    assert_string_equal(rows(0), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failover__follows_the_server_that_can_be_written,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failover__a_lone_standby_is_unavailable, set_up,
                                        tear_down),
    };
    for (int i = 0; i < 2; i++)
        clusters[i] = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("failover", tests, NULL, NULL);
    for (int i = 0; i < 2; i++)
        pg_cluster_stop(clusters[i]);
    return failed;
}
