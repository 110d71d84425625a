#include "store/inspect.h"

#include "worker/base/memory.h"

/* A document that is settled shows what its object was when it was read last. What was cancelled
 * before that shows nothing: its object may never have been uploaded. */
#define SETTLED                                                                           \
    "leased_until is null and status not in ('pending', 'processing') and not (status = " \
    "'cancelled' and etag is null)"
#define LIMIT " limit $3"

/* $1 tenant, $2 after, $3 rows at most, $4 bucket, $5 names text[], $6 vectors are rows; types are
 * declared, so that a statement need not use them all. */
static const char *const STATEMENTS[] = {
    [INSPECT_TENANTS] = "select id from users where $2 is null or id > $2::uuid order by id" LIMIT,
    [INSPECT_TENANT] = "select kind, subject, message from millrace_reconcile($1, $6)" LIMIT,
    [INSPECT_STRAYS] = "select kind, subject, message from millrace_strays()" LIMIT,
    [INSPECT_OBJECTS] =
        "select n.at, d.id, (" SETTLED ")::int, (deleted_at is not null)::int, status, etag, "
        "file_size from unnest($5) with ordinality n(key, at) join documents d on d.bucket = $4 "
        "and d.object_key = n.key where d.user_id = $1",
    [INSPECT_OBJECT_COUNT] = "select count(*) from documents where user_id = $1 and bucket = $4 "
                             "and deleted_at is null and " SETTLED,
    [INSPECT_OBJECT_PAGE] =
        "select id, object_key from documents where user_id = $1 and bucket = $4 and deleted_at is "
        "null and " SETTLED " and ($2 is null or object_key collate \"C\" > $2) "
        "and starts_with(object_key, 'users/' || user_id || '/') "
        "order by object_key collate \"C\"" LIMIT,
    [INSPECT_GENERATIONS] =
        "select d.id, d.user_id, d.gen, d.chunk_count, "
        "(select string_agg(l.gen || ':' || l.n, ' ') from litter l where l.document_id = d.id) "
        "from documents d where d.id = any($5::uuid[])",
    [INSPECT_LIVE_COUNT] = "select coalesce(sum(chunk_count), 0) from documents where user_id = $1 "
                           "and gen is not null",
    [INSPECT_LIVE_PAGE] =
        "select id, gen, chunk_count from documents where user_id = $1 and gen is "
        "not null and ($2 is null or id > $2::uuid) order by id" LIMIT,
    [INSPECT_USERS] = "select id from users where id = any($5::uuid[])",
};

struct run {
    struct inspect *inspect;
    struct loop *loop;
    char row_max[16];
    struct pg_array names;
    struct pg_param params[6];
    struct pg_statement statement;
    struct pg_request request;
};

static void on_rows(struct pg_request *request, const struct pg_result *result,
                    const struct error *err)
{
    struct run *run = container_of(request, struct run, request);
    pg_array_release(&run->names);
    loop_bury(run->loop, run);
    run->inspect->private_state = NULL;
    run->inspect->on_done(run->inspect, result, err);
}

static struct pg_param text_param(struct text text)
{
    return (struct pg_param){.data = text.bytes ? text.start : NULL,
                             .bytes = (int)text.bytes,
                             .type = PG_TEXT,
                             .is_binary = true};
}

void inspect_run(struct pg *pg, struct loop *loop, struct inspect *inspect)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->inspect = inspect;
    run->loop = loop;
    inspect->private_state = run;
    (void)text_format(run->row_max, sizeof(run->row_max), "%d", INSPECT_ROWS_MAX);
    run->names = pg_array_new(PG_TEXT);
    for (size_t i = 0; i < inspect->name_count; i++)
        pg_array_add_text(&run->names, inspect->names[i]);
    run->params[0] = (struct pg_param){.data = (const char *)inspect->tenant.bytes,
                                       .bytes = sizeof(inspect->tenant.bytes),
                                       .type = PG_UUID,
                                       .is_binary = true};
    run->params[1] = text_param(inspect->after);
    run->params[2] = (struct pg_param){.data = run->row_max, .type = PG_INT8};
    run->params[3] = text_param(inspect->bucket);
    run->params[4] = pg_array_param(&run->names);
    run->params[5] =
        (struct pg_param){.data = inspect->are_vectors_rows ? "t" : "f", .type = PG_BOOL};
    run->statement = (struct pg_statement){.sql = STATEMENTS[inspect->kind],
                                           .params = run->params,
                                           .param_count = COUNT_OF(run->params),
                                           .keeps_rows = true};
    run->request = (struct pg_request){
        .statements = &run->statement, .statement_count = 1, .on_done = on_rows};
    pg_run(pg, &run->request);
}
