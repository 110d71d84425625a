#include "store/schema.h"

#include "store/migrations.h"
#include "worker/base/memory.h"

#define SCRIPT_BYTES_MAX (1024 * 1024)
#define DEADLINE_MS 120000 /* of a migrate, waiting for locks and other migrates included */
#define RETRY_MS 200
#define LOCK_NUMBER 7239413501825463 /* of the advisory lock; any number, but always this one */

/* The oldest version whose programs may go on beside this schema: a rolling upgrade migrates first,
 * and workers of before run (and start again) until they are replaced. A migration that takes
 * something away from them raises it. */
#define OLDEST_PROGRAM 4

/* What the database knows whatever our tables are. Columns: is_superuser, has_pgvector, may_write,
 * may_make_schemas, its clock in milliseconds, is_owner, stages_halves. */
static const char FACTS_SQL[] =
    "select (select rolsuper::int from pg_roles where rolname = current_user), "
    "(select count(*) from pg_extension where extname = 'vector'), "
    "(select coalesce(bool_and(has_table_privilege(to_regclass(name), 'insert') and "
    "has_table_privilege(to_regclass(name), 'update')), false)::int from "
    "unnest('{documents,job_items,processing_jobs}'::text[]) name), "
    "coalesce(has_function_privilege(to_regprocedure('millrace_tenant_schema(uuid)'), "
    "'execute'), false)::int, "
    "floor(extract(epoch from clock_timestamp()) * 1000)::bigint, "
    "(select pg_has_role(relowner, 'usage')::int from pg_class where oid = "
    "to_regclass('documents')), "
    "(select count(*) from pg_attribute where attrelid = to_regclass('staged_chunks') and "
    "attname = 'embedding_half')";
/* Columns: version, schema_prefix, the oldest program that it allows. */
static const char VERSION_SQL[] =
    "select coalesce(max(version), 0), (select value from millrace_settings where name = "
    "'schema_prefix'), coalesce(max(oldest_program), 0) from schema_version";

/* Every script: one runner at a time, and only from the version it was made for. */
static const char GUARD_SQL[] =
    "select pg_advisory_xact_lock(%llu); "
    "do $guard$ begin if to_regnamespace('\"%.*s\"') is null then create schema \"%.*s\"; end if; "
    "end $guard$; "
    "create table if not exists schema_version (version integer primary key, name text not null, "
    "applied_at timestamptz not null default now(), oldest_program integer not null); "
    "do $guard$ begin "
    "if (select coalesce(max(version), 0) from schema_version) <> %u then "
    "raise exception 'another migrate was faster' using errcode = 'MR001'; end if; "
    "end $guard$;\n";

struct run {
    struct pg *pg;
    struct loop *loop;
    struct schema_request *request;
    bool is_check;
    bool has_read_before;  /* version_before is set */
    bool is_last;          /* the script under way is SETTINGS_SQL */
    struct buffer indexes; /* statements that are still to be run alone, a NUL after each */
    size_t index_at;
    struct pg_param params[2];
    char dimensions[16], rows_min[24];
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
static void find_indexes(struct run *run);

static void finish(struct run *run, const struct error *err)
{
    struct schema_request *request = run->request;
    request->private_state = NULL;
    buffer_release(&run->sql);
    buffer_release(&run->indexes);
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
        find_indexes(run);
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
    struct text place = pg_control_schema(run->pg);
    buffer_format(sql, GUARD_SQL, (unsigned long long)LOCK_NUMBER, TEXT_ARGS(place),
                  TEXT_ARGS(place), version);
    if (run->is_last) {
        buffer_format(sql,
                      "select set_config('millrace.schema_prefix', '%.*s', true), "
                      "set_config('millrace.has_vectors', '%s', true), "
                      "set_config('millrace.has_user_schemas', '%s', true), "
                      "set_config('millrace.worker_role', '%.*s', true), "
                      "set_config('millrace.application_role', '%.*s', true);\n%s\n%s",
                      TEXT_ARGS(options->schema_prefix),
                      options->vectors_in_postgres ? "on" : "off",
                      options->has_user_schemas ? "on" : "off", TEXT_ARGS(options->worker_role),
                      TEXT_ARGS(options->application_role), SETTINGS_SQL, ROLES_SQL);
    } else {
        buffer_format(
            sql,
            "%s;\ninsert into schema_version (version, name, oldest_program) values (%u, '%s', %u)",
            MIGRATIONS[version].sql, version + 1, MIGRATIONS[version].name, OLDEST_PROGRAM);
    }
    assert(!sql->is_full);
    run->script = (struct pg_copy){.sql = buffer_string(sql), .on_done = on_script_done};
    pg_run_script(run->pg, &run->script);
}

/* ---- what is there --------------------------------------------------------------------------- */

static bool check_versions(const struct run *run, struct text prefix, uint64_t oldest_program,
                           struct error *err)
{
    const struct schema_request *request = run->request;
    bool is_newer = request->version_after > request->version_needed;
    if (is_newer && (!run->is_check || oldest_program > request->version_needed))
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
    uint64_t version = 0, oldest_program = 0;
    bool is_missing = text_equal(text_from(query->sqlstate), TEXT("42P01"));
    struct text prefix = TEXT_NONE;
    if (err && !is_missing) {
        fail_or_retry(run, err);
        return;
    }
    if (result &&
        (!pg_value_u64(result, 0, 0, &version) || !pg_value_u64(result, 0, 2, &oldest_program))) {
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
    if (!check_versions(run, prefix, oldest_program, &problem))
        finish(run, &problem);
    else if (run->is_check)
        finish(run, NULL);
    else
        run_script(run);
}

static void run_query(struct run *run, const char *sql, int param_count,
                      void (*on_done)(struct pg_request *, const struct pg_result *,
                                      const struct error *))
{
    run->statement = (struct pg_statement){.sql = sql,
                                           .params = run->params,
                                           .param_count = param_count,
                                           .is_dynamic = true,
                                           .keeps_rows = true};
    run->query = (struct pg_request){
        .statements = &run->statement, .statement_count = 1, .on_done = on_done};
    pg_run(run->pg, &run->query);
}

static void read_version(struct run *run)
{
    run_query(run, VERSION_SQL, 0, on_version);
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
    run->request->is_owner = text_equal(pg_value(result, 0, 5), TEXT("1"));
    run->request->stages_halves = text_equal(pg_value(result, 0, 6), TEXT("1"));
    read_version(run);
}

/* ---- indexes, after everything else ---------------------------------------------------------- */

static void run_index(struct run *run);

/* Another migrate is at the same index: deadlock, duplicate_table, or a clash in the catalog. */
static bool is_race(const struct pg_copy *script, const struct error *err)
{
    size_t at;
    return err->code == ERR_CONFLICT || text_equal(text_from(script->sqlstate), TEXT("42P07")) ||
           text_find(text_from(err->message), TEXT("pg_class_relname_nsp_index"), &at);
}

static void on_index_retry(struct timer *timer)
{
    find_indexes(container_of(timer, struct run, retry));
}

static void on_index_made(struct pg_copy *script, const struct error *err)
{
    struct run *run = container_of(script, struct run, script);
    struct error wrapped;
    bool is_late = loop_now_ms(run->loop) - run->start_ms > DEADLINE_MS;
    if (err && is_race(script, err) && !is_late) {
        timer_start(run->loop, &run->retry, RETRY_MS, on_index_retry);
        return;
    }
    if (err) {
        wrapped = *err;
        error_wrap(&wrapped, "%s", script->sql);
        finish(run, &wrapped);
        return;
    }
    run->request->index_count += text_starts_with(text_from(script->sql), TEXT("create"));
    run->index_at += text_from(script->sql).bytes + 1;
    run_index(run);
}

static void run_index(struct run *run)
{
    if (run->index_at == run->indexes.bytes) {
        finish(run, NULL);
        return;
    }
    run->script = (struct pg_copy){
        .sql = run->indexes.data + run->index_at, .is_alone = true, .on_done = on_index_made};
    pg_run_script(run->pg, &run->script);
}

static void on_indexes(struct pg_request *query, const struct pg_result *result,
                       const struct error *err)
{
    struct run *run = container_of(query, struct run, query);
    if (err) {
        finish(run, err);
        return;
    }
    for (size_t i = 0; i < pg_row_count(result); i++) {
        buffer_append_text(&run->indexes, pg_value(result, i, 0));
        buffer_append_char(&run->indexes, '\0');
    }
    run_index(run);
}

static void find_indexes(struct run *run)
{
    const struct schema_options *options = &run->request->options;
    (void)text_format(run->dimensions, sizeof(run->dimensions), "%u", options->dimension_count);
    (void)text_format(run->rows_min, sizeof(run->rows_min), "%llu",
                      (unsigned long long)options->index_rows_min);
    run->params[0] = (struct pg_param){.data = run->dimensions, .type = PG_TEXT};
    run->params[1] = (struct pg_param){.data = run->rows_min, .type = PG_TEXT};
    run->index_at = 0;
    buffer_clear(&run->indexes);
    run_query(run, INDEXES_SQL, COUNT_OF(run->params), on_indexes);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void on_bad_options(struct later *later)
{
    struct run *run = container_of(later, struct run, failing);
    finish(run, &run->err);
}

/* A role's name becomes part of a literal, which is quoted as an identifier later. */
static bool is_role(struct text role)
{
    for (size_t i = 0; i < role.bytes; i++)
        if (role.start[i] <= ' ' || role.start[i] > '~' || role.start[i] == '\'' ||
            role.start[i] == '\\')
            return false;
    return role.bytes <= 63;
}

static bool check_options(const struct schema_options *options, struct error *err)
{
    if (!text_is_identifier(options->schema_prefix, 30))
        return error_set(err, ERR_CONFIG, "DB_SCHEMA_PREFIX must be [a-z_][a-z0-9_]{0,29}");
    if (!is_role(options->worker_role) || !is_role(options->application_role))
        return error_set(err, ERR_CONFIG,
                         "DB_WORKER_ROLE and DB_APPLICATION_ROLE must be at most 63 characters of "
                         "ASCII without spaces and quotes");
    return true;
}

static void start(struct pg *pg, struct loop *loop, struct schema_request *request, bool is_check)
{
    struct run *run = xcalloc(1, sizeof(*run));
    *run = (struct run){.pg = pg, .loop = loop, .request = request, .is_check = is_check};
    run->sql = buffer_new(SCRIPT_BYTES_MAX);
    run->indexes = buffer_new(SIZE_MAX / 2);
    run->start_ms = loop_now_ms(loop);
    request->private_state = run;
    request->version_before = request->version_after = 0;
    request->version_needed = (uint32_t)MIGRATION_COUNT;
    request->index_count = 0;
    request->is_superuser = request->is_owner = request->has_pgvector = false;
    if (check_options(&request->options, &run->err))
        run_query(run, FACTS_SQL, 0, on_facts);
    else
        loop_later(loop, &run->failing, on_bad_options);
}

void schema_migrate(struct pg *pg, struct loop *loop, struct schema_request *request)
{
    start(pg, loop, request, false);
}

void schema_check(struct pg *pg, struct loop *loop, struct schema_request *request)
{
    start(pg, loop, request, true);
}
