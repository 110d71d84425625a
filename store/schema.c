#include "store/schema.h"

#include "store/migrations.h"
#include "worker/base/memory.h"

#define SCRIPT_BYTES_MAX (1024 * 1024)
#define DEADLINE_MS 120000 /* of a migrate, waiting for locks and other migrates included */
#define RETRY_MS 200
#define LOCK_NUMBER 7239413501825463 /* of the advisory lock; any number, but always this one */

/* What the database knows whatever our tables are. Columns: is_superuser, has_pgvector, may_write,
 * may_make_schemas, its clock in milliseconds. */
static const char FACTS_SQL[] =
    "select (select rolsuper::int from pg_roles where rolname = current_user), "
    "(select count(*) from pg_extension where extname = 'vector'), "
    "(select coalesce(bool_and(has_table_privilege(to_regclass('public.' || name), 'insert') and "
    "has_table_privilege(to_regclass('public.' || name), 'update')), false)::int from "
    "unnest('{documents,job_items,processing_jobs}'::text[]) name), "
    "coalesce(has_function_privilege(to_regprocedure('public.millrace_tenant_schema(uuid)'), "
    "'execute'), false)::int, "
    "floor(extract(epoch from clock_timestamp()) * 1000)::bigint";
/* Columns: version, schema_prefix. */
static const char VERSION_SQL[] =
    "select coalesce(max(version), 0), (select value from public.millrace_settings where name = "
    "'schema_prefix') from public.schema_version";

/* Every script: one runner at a time, and only from the version it was made for. */
static const char GUARD_SQL[] =
    "set local search_path = public; "
    "select pg_advisory_xact_lock(%llu); "
    "create table if not exists schema_version (version integer primary key, name text not null, "
    "applied_at timestamptz not null default now()); "
    "do $guard$ begin "
    "if (select coalesce(max(version), 0) from schema_version) <> %u then "
    "raise exception 'another migrate was faster' using errcode = 'MR001'; end if; "
    "end $guard$;\n";

struct run {
    struct pg *pg;
    struct loop *loop;
    struct schema_request *request;
    bool is_check;
    bool has_read_before; /* version_before is set */
    bool is_last;         /* the script under way is SETTINGS_SQL */
    uint64_t start_ms;
    struct timer retry;
    struct pg_statement statement;
    struct pg_request query;
    struct pg_copy script;
    struct buffer sql;
    struct later failing;
    struct error err;
};

static void read_version(struct run *run);

static void finish(struct run *run, const struct error *err)
{
    struct schema_request *request = run->request;
    request->private_state = NULL;
    buffer_release(&run->sql);
    loop_bury(run->loop, run);
    request->on_done(request, err);
}

static void on_retry(struct timer *timer)
{
    read_version(container_of(timer, struct run, retry));
}

/* A check answers what it finds; a migrate waits for locks and for a server that restarts. */
static void fail_or_retry(struct run *run, const struct error *err)
{
    bool is_late = loop_now_ms(run->loop) - run->start_ms > DEADLINE_MS;
    if (run->is_check || is_late || err->code != ERR_CONFLICT)
        finish(run, err);
    else
        timer_start(run->loop, &run->retry, RETRY_MS, on_retry);
}

/* ---- scripts --------------------------------------------------------------------------------- */

static void on_script_done(struct pg_copy *script, const struct error *err)
{
    struct run *run = container_of(script, struct run, script);
    if (err && !text_equal(text_from(script->sqlstate), TEXT("MR001"))) {
        struct error wrapped = *err;
        if (!run->is_last)
            error_wrap(&wrapped, "migration %s", MIGRATIONS[run->request->version_after].name);
        fail_or_retry(run, &wrapped);
        return;
    }
    if (!err && run->is_last)
        finish(run, NULL);
    else
        read_version(run);
}

static void run_script(struct run *run)
{
    const struct schema_options *options = &run->request->options;
    uint32_t version = run->request->version_after;
    struct buffer *sql = &run->sql;
    run->is_last = version == MIGRATION_COUNT;
    buffer_clear(sql);
    buffer_format(sql, GUARD_SQL, (unsigned long long)LOCK_NUMBER, version);
    if (run->is_last) {
        buffer_format(sql,
                      "select set_config('millrace.schema_prefix', '%.*s', true), "
                      "set_config('millrace.has_vectors', '%s', true), "
                      "set_config('millrace.has_user_schemas', '%s', true);\n%s",
                      TEXT_ARGS(options->schema_prefix),
                      options->vectors_in_postgres ? "on" : "off",
                      options->has_user_schemas ? "on" : "off", SETTINGS_SQL);
    } else {
        buffer_format(sql, "%s;\ninsert into schema_version (version, name) values (%u, '%s')",
                      MIGRATIONS[version].sql, version + 1, MIGRATIONS[version].name);
    }
    assert(!sql->is_full);
    run->script = (struct pg_copy){.sql = buffer_string(sql), .on_done = on_script_done};
    pg_run_script(run->pg, &run->script);
}

/* ---- what is there --------------------------------------------------------------------------- */

static bool check_versions(const struct run *run, struct text prefix, struct error *err)
{
    const struct schema_request *request = run->request;
    if (request->version_after > request->version_needed)
        return error_set(err, ERR_SCHEMA, "the schema has version %u, this program knows %u only",
                         request->version_after, request->version_needed);
    if (!run->is_check)
        return true;
    if (request->version_after < request->version_needed)
        return error_set(err, ERR_SCHEMA, "the schema has version %u, this program needs %u",
                         request->version_after, request->version_needed);
    if (!text_equal(prefix, request->options.schema_prefix))
        return error_set(err, ERR_CONFIG,
                         "DB_SCHEMA_PREFIX is %.*s, but the schema was made with %.*s",
                         TEXT_ARGS(request->options.schema_prefix), TEXT_ARGS(prefix));
    return true;
}

static void on_version(struct pg_request *query, const struct pg_result *result,
                       const struct error *err)
{
    struct run *run = container_of(query, struct run, query);
    struct error problem;
    uint64_t version = 0;
    bool is_missing = text_equal(text_from(query->sqlstate), TEXT("42P01"));
    struct text prefix = TEXT_NONE;
    if (err && !is_missing) {
        fail_or_retry(run, err);
        return;
    }
    if (result && !pg_value_u64(result, 0, 0, &version)) {
        error_set(&problem, ERR_SCHEMA, "the table schema_version is not ours");
        finish(run, &problem);
        return;
    }
    if (result)
        prefix = pg_value(result, 0, 1);
    run->request->version_after = (uint32_t)version;
    if (!run->has_read_before)
        run->request->version_before = (uint32_t)version;
    run->has_read_before = true;
    if (!check_versions(run, prefix, &problem))
        finish(run, &problem);
    else if (run->is_check)
        finish(run, NULL);
    else
        run_script(run);
}

static void run_query(struct run *run, const char *sql,
                      void (*on_done)(struct pg_request *, const struct pg_result *,
                                      const struct error *))
{
    run->statement = (struct pg_statement){.sql = sql, .is_dynamic = true, .keeps_rows = true};
    run->query = (struct pg_request){
        .statements = &run->statement, .statement_count = 1, .on_done = on_done};
    pg_run(run->pg, &run->query);
}

static void read_version(struct run *run)
{
    run_query(run, VERSION_SQL, on_version);
}

static void on_facts(struct pg_request *query, const struct pg_result *result,
                     const struct error *err)
{
    struct run *run = container_of(query, struct run, query);
    if (err) {
        finish(run, err);
        return;
    }
    run->request->is_superuser = text_equal(pg_value(result, 0, 0), TEXT("1"));
    run->request->has_pgvector = text_equal(pg_value(result, 0, 1), TEXT("1"));
    run->request->may_write = text_equal(pg_value(result, 0, 2), TEXT("1"));
    run->request->may_make_schemas = text_equal(pg_value(result, 0, 3), TEXT("1"));
    uint64_t server_ms;
    if (pg_value_u64(result, 0, 4, &server_ms))
        run->request->clock_ahead_ms = (int64_t)server_ms - (int64_t)loop_wall_ms(run->loop);
    read_version(run);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void on_bad_prefix(struct later *later)
{
    struct run *run = container_of(later, struct run, failing);
    finish(run, &run->err);
}

/* It becomes part of identifiers and of a literal: the same rule as for tenants. */
static bool is_prefix(struct text prefix)
{
    bool is_good =
        prefix.bytes > 0 && prefix.bytes <= 30 && (prefix.start[0] < '0' || prefix.start[0] > '9');
    for (size_t i = 0; i < prefix.bytes; i++) {
        char c = prefix.start[i];
        is_good = is_good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    }
    return is_good;
}

static void start(struct pg *pg, struct loop *loop, struct schema_request *request, bool is_check)
{
    struct run *run = xcalloc(1, sizeof(*run));
    *run = (struct run){.pg = pg, .loop = loop, .request = request, .is_check = is_check};
    run->sql = buffer_new(SCRIPT_BYTES_MAX);
    run->start_ms = loop_now_ms(loop);
    request->private_state = run;
    request->version_before = request->version_after = 0;
    request->version_needed = (uint32_t)MIGRATION_COUNT;
    request->is_superuser = request->has_pgvector = false;
    if (is_prefix(request->options.schema_prefix)) {
        run_query(run, FACTS_SQL, on_facts);
        return;
    }
    error_set(&run->err, ERR_CONFIG, "DB_SCHEMA_PREFIX must be [a-z_][a-z0-9_]{0,29}");
    loop_later(loop, &run->failing, on_bad_prefix);
}

void schema_migrate(struct pg *pg, struct loop *loop, struct schema_request *request)
{
    start(pg, loop, request, false);
}

void schema_check(struct pg *pg, struct loop *loop, struct schema_request *request)
{
    start(pg, loop, request, true);
}
