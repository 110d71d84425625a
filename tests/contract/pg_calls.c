#include "tests/contract/pg_calls.h"

#include "tests/contract/pg_closing.h"
#include "worker/base/memory.h"

struct pg_cluster *cluster;

static void on_call_done(struct pg_request *request, const struct pg_result *result,
                         const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
    call->row_count = pg_row_count(result);
    if (call->row_count)
        (void)text_format(call->value, sizeof(call->value), "%.*s",
                          TEXT_ARGS(pg_value(result, 0, 0)));
    if (call->next)
        pg_run(call->pg, &call->next->request);
}

void call_init(struct call *call, const char *sql)
{
    *call = (struct call){.statement = {.sql = sql, .params = call->params, .keeps_rows = true}};
    call->request = (struct pg_request){
        .statements = &call->statement, .statement_count = 1, .on_done = on_call_done};
}

void wait_for_call(struct fixture *fixture, const struct call *call)
{
    uint64_t start_ms = loop_now_ms(fixture->loop);
    while (!call->is_done && loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(fixture->loop, 100);
    assert_true(call->is_done);
}

void run_call(struct fixture *fixture, struct call *call, const char *sql)
{
    call_init(call, sql);
    pg_run(fixture->pg, &call->request);
    wait_for_call(fixture, call);
}

struct pg *pg_calls_open(struct loop *loop, struct text url)
{
    struct pg_options options = {
        .url = url,
        .application_name = TEXT("millrace-test"),
        .connect_timeout_ms = 5000,
        .statement_timeout_ms = 5000,
        .lock_timeout_ms = 1000,
        .transactions_max = 8,
    };
    struct error err;
    struct pg *pg = pg_open(loop, &options, &err);
    assert_non_null(pg);
    return pg;
}

int pg_calls_set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    fixture->loop = loop_new(&err);
    fixture->pg = pg_calls_open(fixture->loop, text_from(pg_cluster_url(cluster)));
    *state = fixture;
    return 0;
}

int pg_calls_tear_down(void **state)
{
    struct fixture *fixture = *state;
    pg_close_and_wait(fixture->loop, fixture->pg);
    loop_free(fixture->loop);
    xfree(fixture);
    return 0;
}
