#include "store/users.h"

/* $1 uuid[]: the ids. */
static const char ENSURE[] =
    "insert into users(id, email, s3_bucket_prefix, pinecone_namespace, is_active)"
    " select id, id || '@localhost', 'users/' || id || '/', 'user_' || replace(id::text, '-', ''), "
    "true"
    " from unnest($1::uuid[]) id on conflict do nothing";

/* $1 text: the bucket. Rows: user_id, object_key. */
static const char LIST_KEYS[] =
    "select user_id, object_key from documents where bucket = $1 and deleted_at is null";

static void on_done(struct pg_request *pg, const struct pg_result *result, const struct error *err)
{
    struct users_request *request = container_of(pg, struct users_request, pg);
    pg_array_release(&request->array);
    for (size_t row = 0; !err && request->on_key && row < pg_row_count(result); row++) {
        struct uuid user;
        if (pg_value_uuid(result, row, 0, &user))
            request->on_key(request, user, pg_value(result, row, 1));
    }
    request->on_done(request, err);
}

static void run(struct pg *pg, struct users_request *request, const char *sql, bool keeps_rows)
{
    request->statement = (struct pg_statement){
        .sql = sql,
        .params = &request->param,
        .param_count = 1,
        .keeps_rows = keeps_rows,
    };
    request->pg = (struct pg_request){
        .statements = &request->statement,
        .statement_count = 1,
        .on_done = on_done,
    };
    pg_run(pg, &request->pg);
}

void users_ensure(struct pg *pg, struct users_request *request)
{
    request->array = pg_array_new(PG_UUID);
    for (size_t i = 0; i < request->id_count; i++)
        pg_array_add_uuid(&request->array, request->ids[i]);
    request->param = pg_array_param(&request->array);
    request->on_key = NULL;
    run(pg, request, ENSURE, false);
}

void users_list_keys(struct pg *pg, struct users_request *request)
{
    request->array = pg_array_new(PG_TEXT);
    request->param = (struct pg_param){
        .data = request->bucket.start,
        .bytes = (int)request->bucket.bytes,
        .type = PG_TEXT,
        .is_binary = true,
    };
    run(pg, request, LIST_KEYS, true);
}
