#include "store/jobs.h"

#include "store/pg_again.h"
#include "store/sql.h"

#define DEADLINE_MS 60000

static bool is_one(const struct pg_result *result, size_t column)
{
    return text_equal(pg_value(result, 0, column), TEXT("1"));
}

static void on_registered(struct pg_again *again, const struct pg_result *result,
                          const struct error *err)
{
    struct jobs_register *request = again->owner;
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

static void add_documents(struct pg_again *again, const struct jobs_register *request)
{
    static const uint32_t TYPES[] = {PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT8, PG_TEXT};
    struct pg_array *columns = again->arrays;
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
        again->params[6 + i] = pg_array_param(&columns[i]);
}

void jobs_register(struct pg *pg, struct loop *loop, struct jobs_register *request)
{
    struct pg_again *again = pg_again_new(pg, loop, request);
    struct text schema = text_from(request->tenant->schema);
    assert(schema.bytes > 32 && request->document_count >= 1);
    request->private_state = again;
    again->on_answer = on_registered;
    again->deadline_ms = DEADLINE_MS;
    again->params[0] = pg_param_uuid(&request->job);
    again->params[1] = pg_param_uuid(&request->tenant->id);
    again->params[2] = pg_param_text(request->job_type);
    again->params[3] = pg_param_text(request->config.bytes ? request->config : TEXT("{}"));
    again->params[4] = pg_param_number(again, 0, request->due_ms);
    again->params[5] = pg_param_text(text_slice(schema, 0, schema.bytes - 32));
    add_documents(again, request);
    pg_again_add(again, SQL_JOB_REGISTER, PG_AGAIN_PARAMS_MAX);
    pg_again_start(again);
}
