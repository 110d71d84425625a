#include "store/jobs.h"

#include "store/sql.h"
#include "worker/base/memory.h"

#define DEADLINE_MS 60000
#define RETRY_MS 500
#define PARAMS_MAX 13

/* A statement that is asked again, with the same ids, until it is answered. */
struct run {
    struct pg *pg;
    struct loop *loop;
    void *owner; /* the request */
    void (*on_answer)(struct run *run, const struct pg_result *result, const struct error *err);
    uint64_t start_ms;
    struct timer retry;
    struct pg_array arrays[7];
    struct pg_param params[PARAMS_MAX];
    char due_ms[24];
    struct pg_statement statement;
    struct pg_request request;
};

static void run_end(struct run *run)
{
    for (size_t i = 0; i < COUNT_OF(run->arrays); i++)
        pg_array_release(&run->arrays[i]);
    loop_bury(run->loop, run);
}

static void send_again(struct timer *timer)
{
    struct run *run = container_of(timer, struct run, retry);
    pg_run(run->pg, &run->request);
}

static void on_answer(struct pg_request *request, const struct pg_result *result,
                      const struct error *err)
{
    struct run *run = container_of(request, struct run, request);
    bool is_passing = err && (err->code == ERR_CONFLICT || err->code == ERR_UNREACHABLE ||
                              err->code == ERR_UNAVAILABLE);
    if (is_passing && loop_now_ms(run->loop) - run->start_ms < DEADLINE_MS) {
        timer_start(run->loop, &run->retry, RETRY_MS, send_again);
        return;
    }
    run->on_answer(run, result, err);
    run_end(run);
}

static struct run *run_new(struct pg *pg, struct loop *loop, void *owner)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->pg = pg;
    run->loop = loop;
    run->owner = owner;
    run->start_ms = loop_now_ms(loop);
    return run;
}

static void run_start(struct run *run, const char *sql, int param_count)
{
    run->statement = (struct pg_statement){
        .sql = sql, .params = run->params, .param_count = param_count, .keeps_rows = true};
    run->request = (struct pg_request){
        .statements = &run->statement, .statement_count = 1, .on_done = on_answer};
    pg_run(run->pg, &run->request);
}

static struct pg_param uuid_param(const struct uuid *id)
{
    return (struct pg_param){.data = (const char *)id->bytes,
                             .bytes = sizeof(id->bytes),
                             .type = PG_UUID,
                             .is_binary = true};
}

static struct pg_param text_param(struct text text)
{
    return (struct pg_param){
        .data = text.start, .bytes = (int)text.bytes, .type = PG_TEXT, .is_binary = true};
}

static bool is_one(const struct pg_result *result, size_t column)
{
    return text_equal(pg_value(result, 0, column), TEXT("1"));
}

/* ---- registering ----------------------------------------------------------------------------- */

static void on_registered(struct run *run, const struct pg_result *result, const struct error *err)
{
    struct jobs_register *request = run->owner;
    struct error refused;
    char id[UUID_TEXT_BYTES];
    if (!err && is_one(result, 2)) {
        error_set(&refused, ERR_DENIED, "the job %s belongs to another user",
                  uuid_format(request->job, id));
        err = &refused;
    } else if (!err && !is_one(result, 0)) {
        error_set(&refused, ERR_NO_TENANT, "no user %s, or its columns contradict its id",
                  uuid_format(request->tenant->id, id));
        err = &refused;
    }
    request->was_new = !err && is_one(result, 1);
    request->private_state = NULL;
    request->on_done(request, err);
}

static void add_documents(struct run *run, const struct jobs_register *request)
{
    static const uint32_t TYPES[] = {PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT8, PG_TEXT};
    struct pg_array *columns = run->arrays;
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        columns[i] = pg_array_new(TYPES[i]);
    for (size_t i = 0; i < request->document_count; i++) {
        const struct job_document *row = &request->documents[i];
        pg_array_add_uuid(&columns[0], row->document.id);
        pg_array_add_text(&columns[1], row->document.bucket);
        pg_array_add_text(&columns[2], row->document.key);
        pg_array_add_text(&columns[3], row->title.bytes ? row->title : TEXT_NONE);
        pg_array_add_text(&columns[4], row->source_type.bytes ? row->source_type : TEXT("upload"));
        pg_array_add_i64(&columns[5], (int64_t)row->size_bytes);
        pg_array_add_text(&columns[6], row->link.bytes ? row->link : TEXT_NONE);
    }
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        run->params[6 + i] = pg_array_param(&columns[i]);
}

void jobs_register(struct pg *pg, struct loop *loop, struct jobs_register *request)
{
    struct run *run = run_new(pg, loop, request);
    struct text schema = text_from(request->tenant->schema);
    assert(schema.bytes > 32 && request->document_count >= 1);
    (void)text_format(run->due_ms, sizeof(run->due_ms), "%llu",
                      (unsigned long long)request->due_ms);
    request->private_state = run;
    run->on_answer = on_registered;
    run->params[0] = uuid_param(&request->job);
    run->params[1] = uuid_param(&request->tenant->id);
    run->params[2] = text_param(request->job_type);
    run->params[3] = text_param(request->config.bytes ? request->config : TEXT("{}"));
    run->params[4] = (struct pg_param){.data = run->due_ms, .type = PG_INT8};
    run->params[5] = text_param(text_slice(schema, 0, schema.bytes - 32));
    add_documents(run, request);
    run_start(run, SQL_JOB_REGISTER, PARAMS_MAX);
}

/* ---- control --------------------------------------------------------------------------------- */

static void on_controlled(struct run *run, const struct pg_result *result, const struct error *err)
{
    struct jobs_control *request = run->owner;
    struct error missing;
    char id[UUID_TEXT_BYTES];
    if (!err && !is_one(result, 0)) {
        error_set(&missing, ERR_NOT_FOUND, "no job %s", uuid_format(request->job, id));
        err = &missing;
    }
    request->was_changed = !err && is_one(result, 1);
    request->private_state = NULL;
    request->on_done(request, err);
}

void jobs_control(struct pg *pg, struct loop *loop, struct jobs_control *request)
{
    static const char *const WORDS[] = {[JOB_CONTROL_NONE] = "none",
                                        [JOB_CONTROL_PAUSE] = "pause",
                                        [JOB_CONTROL_CANCEL] = "cancel"};
    struct run *run = run_new(pg, loop, request);
    request->private_state = run;
    run->on_answer = on_controlled;
    run->params[0] = uuid_param(&request->job);
    run->params[1] = text_param(text_from(WORDS[request->control]));
    run_start(run, SQL_JOB_CONTROL, 2);
}
