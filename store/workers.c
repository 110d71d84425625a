#include "store/workers.h"

#include "worker/base/memory.h"

/* $1 id, $2 host, $3 version, $4 age in ms, $5 tasks, $6 waiting, $7 lag, $8 oldest in s, $9 trouble
 * code, $10 its message, $11 its age in ms. Rows of those long gone go with it. */
static const char BEAT[] =
    "with old as (delete from millrace_workers where seen_at < now() - interval '1 day') "
    "insert into millrace_workers (id, host, version, started_at, seen_at, tasks, waiting, "
    "kafka_lag, oldest_seconds, trouble_code, trouble_message, trouble_at) values ($1, $2, $3, "
    "now() - $4 * interval '1 millisecond', now(), $5, $6, $7, $8, $9, $10, case when $9 is not "
    "null then now() - $11 * interval '1 millisecond' end) on conflict (id) do update set seen_at "
    "= excluded.seen_at, tasks = excluded.tasks, waiting = excluded.waiting, kafka_lag = "
    "excluded.kafka_lag, oldest_seconds = excluded.oldest_seconds, trouble_code = "
    "excluded.trouble_code, trouble_message = excluded.trouble_message, trouble_at = "
    "excluded.trouble_at returning exists (select from job_items where outcome is null and due <= "
    "now())::int";
static const char LEAVE[] = "delete from millrace_workers where id = $1 returning 0";

#define PARAM_COUNT 11

struct run {
    struct worker_beat *beat;
    struct loop *loop;
    char numbers[6][24];
    struct pg_param params[PARAM_COUNT];
    struct pg_statement statement;
    struct pg_request request;
};

static void on_done(struct pg_request *request, const struct pg_result *rows,
                    const struct error *err)
{
    struct run *run = container_of(request, struct run, request);
    struct worker_beat *beat = run->beat;
    loop_bury(run->loop, run);
    beat->has_due_items =
        !err && pg_row_count(rows) > 0 && text_equal(pg_value(rows, 0, 0), TEXT("1"));
    beat->private_state = NULL;
    beat->on_done(beat, err);
}

static struct pg_param text_param(struct text text)
{
    return (struct pg_param){.data = text.bytes ? text.start : NULL,
                             .bytes = (int)text.bytes,
                             .type = PG_TEXT,
                             .is_binary = true};
}

static struct pg_param number_param(struct run *run, size_t slot, uint64_t number)
{
    (void)text_format(run->numbers[slot], sizeof(run->numbers[slot]), "%llu",
                      (unsigned long long)number);
    return (struct pg_param){.data = run->numbers[slot], .type = PG_INT8};
}

void worker_beat(struct pg *pg, struct loop *loop, struct worker_beat *beat)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->beat = beat;
    run->loop = loop;
    beat->private_state = run;
    run->params[0] = (struct pg_param){.data = (const char *)beat->id.bytes,
                                       .bytes = sizeof(beat->id.bytes),
                                       .type = PG_UUID,
                                       .is_binary = true};
    run->params[1] = text_param(beat->host);
    run->params[2] = text_param(beat->version);
    run->params[3] = number_param(run, 0, beat->age_ms);
    run->params[4] = number_param(run, 1, beat->tasks);
    run->params[5] = number_param(run, 2, beat->waiting);
    run->params[6] = number_param(run, 3, beat->kafka_lag);
    run->params[7] = number_param(run, 4, beat->oldest_seconds);
    run->params[8] = text_param(beat->trouble_code);
    run->params[9] = text_param(beat->trouble_message);
    run->params[10] = number_param(run, 5, beat->trouble_age_ms);
    run->statement = (struct pg_statement){.sql = beat->is_leaving ? LEAVE : BEAT,
                                           .params = run->params,
                                           .param_count = beat->is_leaving ? 1 : PARAM_COUNT,
                                           .keeps_rows = true};
    run->request = (struct pg_request){
        .statements = &run->statement, .statement_count = 1, .on_done = on_done};
    pg_run(pg, &run->request);
}
