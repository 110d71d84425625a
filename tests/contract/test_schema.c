/* schema.h against a real server: fresh, again, many at once, beside an application's tables. */
#include "store/schema.h"
#include "tests/contract/pg_closing.h"
#include "tests/contract/pg_cluster.h"
#include "worker/base/memory.h"

#define RUNNERS 4
#define WAIT_MS_MAX 60000

static struct pg_cluster *cluster;
static struct loop *loop;

struct call {
    struct schema_request request;
    struct pg *pg;
    bool is_done, has_failed;
    struct error err;
};

static void on_done(struct schema_request *request, const struct error *err)
{
    struct call *call = container_of(request, struct call, request);
    take_answer(call, err);
}

static void open_call_in(struct call *call, const char *database, struct text control_schema)
{
    struct pg_options options = {
        .url = text_from(pg_cluster_database_url(cluster, database)),
        .control_schema = control_schema,
        .connect_timeout_ms = 5000,
        .statement_timeout_ms = 10000,
        .lock_timeout_ms = 200, /* several migrates wait for each other: they meet it */
        .transactions_max = 4,
    };
    struct error err;
    *call = (struct call){.request = {.options = {.has_user_schemas = true,
                                                  .schema_prefix = TEXT("user_"),
                                                  .dimension_count = 8},
                                      .on_done = on_done}};
    call->pg = pg_open(loop, &options, &err);
    assert_non_null(call->pg);
}

static void open_call(struct call *call, const char *database)
{
    open_call_in(call, database, TEXT_NONE);
}

static void finish_call(struct call *call)
{
    uint64_t start_ms = loop_now_ms(loop);
    while (!call->is_done && loop_now_ms(loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(loop, 100);
    assert_true(call->is_done);
    pg_close_and_wait(loop, call->pg);
}

static void migrate(struct call *call, const char *database)
{
    open_call(call, database);
    schema_migrate(call->pg, loop, &call->request);
    finish_call(call);
}

static void check(struct call *call, const char *database)
{
    open_call(call, database);
    schema_check(call->pg, loop, &call->request);
    finish_call(call);
}

static int set_up(void **state)
{
    struct error err;
    (void)state;
    loop = loop_new(&err);
    pg_cluster_make_database(cluster, "fresh");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        loop_run_once(loop, 1);
    loop_free(loop);
    return 0;
}

static void test_schema__makes_everything_and_then_changes_nothing(void **state)
{
    (void)state;
    struct call call;
    check(&call, "fresh");
    assert_int_equal(call.err.code, ERR_SCHEMA);
    assert_true(call.request.is_superuser);

    migrate(&call, "fresh");
    assert_string_equal(call.err.message, "");
    assert_int_equal(call.request.version_before, 0);
    assert_int_equal(call.request.version_after, call.request.version_needed);
    migrate(&call, "fresh");
    assert_false(call.has_failed);
    assert_int_equal(call.request.version_before, call.request.version_needed);
    check(&call, "fresh");
    assert_false(call.has_failed);

    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select count(*) from unnest('{users,processing_jobs,documents,job_items,"
                       "litter,dead_letters,tenant_settings,staged_chunks,job_progress,"
                       "tenant_usage,throughput,failures_by_reason,dead_letters_by_reason}'::text[]"
                       ") t where to_regclass(t) is not null"),
        "13");
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select count(*) from pg_class c join pg_namespace n on "
                       "n.oid = relnamespace where nspname = 'public' and relkind "
                       "in ('r','v') and obj_description(c.oid) is null and relname "
                       "<> 'schema_version'"),
        "0");
}

static void test_schema__several_runners_at_once_are_one(void **state)
{
    (void)state;
    struct call calls[RUNNERS];
    for (int i = 0; i < RUNNERS; i++) {
        open_call(&calls[i], "fresh");
        schema_migrate(calls[i].pg, loop, &calls[i].request);
    }
    for (int i = 0; i < RUNNERS; i++) {
        finish_call(&calls[i]);
        assert_string_equal(calls[i].err.message, "");
        assert_int_equal(calls[i].request.version_after, calls[i].request.version_needed);
    }
}

static void test_schema__keeps_the_tables_of_an_application(void **state)
{
    (void)state;
    struct call call;
    pg_cluster_sql(
        cluster, "fresh",
        "create table users (id uuid primary key, email varchar(255) not null unique, name text, "
        "is_active boolean not null);"
        "create table processing_jobs (id uuid primary key, user_id uuid not null references "
        "users(id), job_type varchar(50) not null, status varchar(20) not null, total_documents "
        "integer not null, processed_count integer not null, failed_count integer not null, config "
        "jsonb, error_message text, started_at timestamptz, completed_at timestamptz, created_at "
        "timestamptz not null, updated_at timestamptz not null);"
        "create table documents (id uuid primary key, job_id uuid references processing_jobs(id), "
        "user_id uuid not null references users(id), title varchar(500) not null, file_path text "
        "not null, file_source_type varchar(20) not null, file_size bigint, mime_type "
        "varchar(100), status varchar(20) not null, tags jsonb, extracted_text text, "
        "processing_metadata jsonb, error_message text, processed_at timestamptz, created_at "
        "timestamptz not null, updated_at timestamptz not null);"
        "insert into users values ('a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11', 'a@example.org', 'A', "
        "true);"
        "insert into documents select gen_random_uuid(), null, id, 'old', '/old', 'upload', 1, "
        "null, 'success', null, null, null, null, null, now(), now() from users, "
        "generate_series(1, 3)");

    migrate(&call, "fresh");

    assert_string_equal(call.err.message, "");
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select name || total_documents || (select count(*) from documents where "
                       "title = 'old' and chunk_count = 0 and gen is null) from users"),
        "A03");
}

static void test_schema__a_tenant_gets_a_schema_of_its_own(void **state)
{
    (void)state;
    struct call call;
    migrate(&call, "fresh");
    pg_cluster_sql(
        cluster, "fresh",
        "insert into users (id) values ('a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11'), "
        "('b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3');"
        "insert into documents (id, user_id, title, bucket, object_key) select gen_random_uuid(), "
        "id, 'paper', 'b', id::text from users");

    for (int i = 0; i < 2; i++)
        assert_string_equal(
            pg_cluster_sql(cluster, "fresh",
                           "select millrace_tenant_schema('a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11')"),
            "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11");

#define VIEW "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11.documents"
    assert_string_equal(pg_cluster_sql(cluster, "fresh", "select count(*) from " VIEW), "1");
    pg_cluster_sql(cluster, "fresh", "update " VIEW " set title = 'mine', tags = '[\"x\"]'");
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select string_agg(title || coalesce(tags::text, ''), ',' order by title) "
                       "from documents"),
        "mine[\"x\"],paper");
    assert_false(pg_cluster_try_sql(cluster, "fresh", "update " VIEW " set status = 'failed'"));
    assert_false(pg_cluster_try_sql(cluster, "fresh", "delete from " VIEW));
    assert_false(pg_cluster_try_sql(
        cluster, "fresh", "select millrace_tenant_schema('00000000-0000-0000-0000-000000000001')"));
    assert_false(pg_cluster_try_sql(cluster, "fresh",
                                    "create role stranger; set role stranger; select "
                                    "millrace_tenant_schema('a1f6c2d0-5b7e-4c1a-9d3f-"
                                    "2e8b7a640c11')"));
}

static void test_schema__refuses_what_it_does_not_know(void **state)
{
    (void)state;
    struct call call;
    migrate(&call, "fresh");
    pg_cluster_sql(cluster, "fresh",
                   "insert into schema_version (version, name, oldest_program) values (99, "
                   "'x', 99)");
    migrate(&call, "fresh");
    assert_int_equal(call.err.code, ERR_SCHEMA);
    check(&call, "fresh");
    assert_int_equal(call.err.code, ERR_SCHEMA);

    pg_cluster_sql(cluster, "fresh", "delete from schema_version where version = 99");
    open_call(&call, "fresh");
    call.request.options.schema_prefix = TEXT("tenant_");
    schema_check(call.pg, loop, &call.request);
    finish_call(&call);
    assert_int_equal(call.err.code, ERR_CONFIG);

    open_call(&call, "fresh");
    call.request.options.schema_prefix = TEXT("a'b");
    schema_migrate(call.pg, loop, &call.request);
    finish_call(&call);
    assert_int_equal(call.err.code, ERR_CONFIG);
}

static void test_schema__makes_the_shared_table_on_request(void **state)
{
    (void)state;
    struct call call;
    open_call(&call, "fresh");
    call.request.options.has_user_schemas = false;
    schema_migrate(call.pg, loop, &call.request);
    finish_call(&call);
    assert_string_equal(call.err.message, "");
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select count(*) from pg_attribute where attrelid = 'chunks'::regclass and "
                       "attname in ('user_id', 'document_id', 'embedding')"),
        "3");
}

static void test_schema__lets_older_workers_go_on_beside_a_newer_schema(void **state)
{
    (void)state;
    struct call call;
    migrate(&call, "fresh");
    pg_cluster_sql(cluster, "fresh",
                   "insert into schema_version (version, name, oldest_program) select 99, 'x', "
                   "max(version) from schema_version");

    check(&call, "fresh");
    assert_false(call.has_failed);
    assert_int_equal(call.request.version_after, 99);
    migrate(&call, "fresh");
    assert_int_equal(call.err.code, ERR_SCHEMA);
}

static void test_schema__keeps_its_tables_where_it_is_told(void **state)
{
    (void)state;
    struct call call;
    open_call_in(&call, "fresh", TEXT("control"));
    schema_migrate(call.pg, loop, &call.request);
    finish_call(&call);
    assert_string_equal(call.err.message, "");
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select relnamespace::regnamespace, count(*) > 20 from pg_class where "
                       "relname !~ 'toast' and relnamespace::regnamespace::text in ('public', "
                       "'control') group by 1"),
        "control|t");
    check(&call, "fresh");
    assert_int_equal(call.err.code, ERR_SCHEMA);

    struct error err;
    struct pg_options bad = {.url = TEXT("host=/nowhere"), .control_schema = TEXT("a\"b")};
    assert_null(pg_open(loop, &bad, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void test_schema__makes_no_role_that_could_act_as_the_owner(void **state)
{
    (void)state;
    struct call call;
    open_call(&call, "fresh");
    call.request.options.worker_role = TEXT("postgres");
    schema_migrate(call.pg, loop, &call.request);
    finish_call(&call);
    assert_true(call.has_failed);

    open_call(&call, "fresh");
    call.request.options.worker_role = TEXT("o'brien");
    schema_migrate(call.pg, loop, &call.request);
    finish_call(&call);
    assert_int_equal(call.err.code, ERR_CONFIG);

    open_call(&call, "fresh");
    call.request.options.worker_role = TEXT("weak");
    schema_migrate(call.pg, loop, &call.request);
    finish_call(&call);
    assert_string_equal(call.err.message, "");
    migrate(&call, "fresh"); /* without the option: kept, and granted anew */
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh",
                       "select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls from "
                       "pg_roles where rolname = 'weak'"),
        "f");
}

/* Old rows in tables of an application: the indexes on them are made without holding up anybody. */
static void test_schema__makes_indexes_concurrently_and_mends_what_broke(void **state)
{
    (void)state;
    struct call call;
    migrate(&call, "fresh");
    assert_int_equal(call.request.index_count, 6);
    migrate(&call, "fresh");
    assert_int_equal(call.request.index_count, 0);

    pg_cluster_sql(cluster, "fresh",
                   "drop index documents_of_user; update pg_index set indisvalid = false where "
                   "indexrelid = 'documents_object'::regclass");
    migrate(&call, "fresh");
    assert_string_equal(call.err.message, "");
    assert_int_equal(call.request.index_count, 2);
    assert_string_equal(
        pg_cluster_sql(cluster, "fresh", "select count(*) from pg_index where not indisvalid"),
        "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(test_schema__makes_everything_and_then_changes_nothing),
        T(test_schema__several_runners_at_once_are_one),
        T(test_schema__keeps_the_tables_of_an_application),
        T(test_schema__a_tenant_gets_a_schema_of_its_own),
        T(test_schema__refuses_what_it_does_not_know),
        T(test_schema__makes_the_shared_table_on_request),
        T(test_schema__lets_older_workers_go_on_beside_a_newer_schema),
        T(test_schema__keeps_its_tables_where_it_is_told),
        T(test_schema__makes_no_role_that_could_act_as_the_owner),
        T(test_schema__makes_indexes_concurrently_and_mends_what_broke),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("schema", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
