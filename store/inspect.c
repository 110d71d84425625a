#include "store/inspect.h"

#include "store/query.h"

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

static void on_rows(void *owner, const struct pg_result *rows, const struct error *err)
{
    struct inspect *inspect = owner;
    inspect->on_done(inspect, rows, err);
}

void inspect_run(struct pg *pg, struct loop *loop, struct inspect *inspect)
{
    struct query *query = query_new(loop, PG_TEXT, inspect, on_rows);
    for (size_t i = 0; i < inspect->name_count; i++)
        pg_array_add_text(&query->array, inspect->names[i]);
    query->params[0] = (struct pg_param){.data = (const char *)inspect->tenant.bytes,
                                         .bytes = sizeof(inspect->tenant.bytes),
                                         .type = PG_UUID,
                                         .is_binary = true};
    query->params[1] = query_text(inspect->after);
    query->params[2] = query_number(query, INSPECT_ROWS_MAX);
    query->params[3] = query_text(inspect->bucket);
    query->params[4] = pg_array_param(&query->array);
    query->params[5] =
        (struct pg_param){.data = inspect->are_vectors_rows ? "t" : "f", .type = PG_BOOL};
    query_run(pg, query, STATEMENTS[inspect->kind]);
}
