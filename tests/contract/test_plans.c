/* The statements of the ledger look rows up by their keys, whatever the statistics say: those of a
 * queue's tables are of another hour, when hardly a row was open. */
#include <stdlib.h>

#include "store/sql.h"
#include "tests/contract/ledger_fixture.h"

#define ROWS 500
#define ROWS_TEXT "500"
#define REMOVED_MAX (10 * ROWS) /* by a whole step, of rows that were read or joined in vain */
#define TENANTS_TEXT "5000"     /* of whom ANALYZE knew one */
#define READ_MAX (5 * ROWS)
#define JOB "'11111111-2222-3333-4444-555555555555'"

static const char *plan_mode; /* made anew, or for what has few rows kept (store/pg_writer.c) */

/* Settled history, seen by ANALYZE; then as many open items of leased documents, not seen, and jobs
 * of uploads by the same user. */
static void given_old_statistics(void)
{
    sql("alter table documents set (autovacuum_enabled = off);"
        "alter table job_items set (autovacuum_enabled = off);"
        "insert into processing_jobs (id, user_id, total_documents) values (" JOB ", '" ALICE
        "', " ROWS_TEXT ");"
        "insert into documents (id, user_id, bucket, object_key, status)"
        " select gen_random_uuid(), '" ALICE "', 'b', 'users/" ALICE "/' || n, 'success'"
        " from generate_series(1, " ROWS_TEXT ") n;"
        "insert into job_items (job_id, document_id, outcome)"
        " select gen_random_uuid(), id, 'success' from documents;"
        "analyze;"
        "insert into job_items (job_id, document_id) select " JOB ", id from documents;"
        "insert into processing_jobs (id, user_id, total_documents)"
        " select gen_random_uuid(), '" ALICE "', 1 from documents;"
        "update documents set fence = 7, leased_until = now() + interval '1 minute'");
}

/* The number behind the words, which may stand in the line. */
static void number_behind(struct text line, struct text words, unsigned long *ret_number)
{
    size_t at;
    if (text_find(line, words, &at))
        *ret_number = strtoul(line.start + at + words.bytes, NULL, 10);
}

struct step_rows {
    unsigned long read, removed; /* by the step with the most, in all its loops */
};

static struct step_rows rows_of(const char *statement, const char *arguments)
{
    struct buffer AUTO_BUFFER script = buffer_new(SIZE_MAX / 2);
    buffer_format(&script,
                  "set plan_cache_mode = %s; set jit = off; set enable_seqscan = off;"
                  "prepare statement as %s;"
                  "explain (analyze, costs off, timing off, summary off) execute statement (%s)",
                  plan_mode, statement, arguments);
    struct text rest = text_from(sql(buffer_string(&script)));
    struct step_rows most = {0};
    unsigned long loops = 0;
    while (rest.bytes) {
        struct text line = text_cut(rest, '\n', &rest);
        unsigned long read = 0, removed = 0; /* by each loop of the step that was named last */
        number_behind(line, TEXT("actual rows="), &read);
        number_behind(line, TEXT(" loops="), &loops);
        number_behind(line, TEXT("Rows Removed by Filter: "), &removed);
        number_behind(line, TEXT("Rows Removed by Join Filter: "), &removed);
        most.read = read * loops > most.read ? read * loops : most.read;
        most.removed = removed * loops > most.removed ? removed * loops : most.removed;
    }
    return most;
}

/* The most rows that one step of the statement has read or joined for nothing. */
static unsigned long rows_removed(const char *statement, const char *arguments)
{
    return rows_of(statement, arguments).removed;
}

/* "'{...}'::uuid[]", to be released. */
static struct buffer ids_literal(const char *from)
{
    struct buffer literal = buffer_new(SIZE_MAX / 2), query = buffer_new(4096);
    buffer_format(&query, "select quote_literal(array_agg(id order by id)::text) || '::uuid[]' %s",
                  from);
    buffer_append_text(&literal, text_from(sql(buffer_string(&query))));
    buffer_release(&query);
    return literal;
}

static struct buffer documents_literal(void)
{
    return ids_literal("from documents");
}

static const char *filled(char *text, size_t bytes, const char *value)
{
    assert_true(text_format(text, bytes, "array_fill(%s, array[" ROWS_TEXT "])", value));
    return text;
}

static void test_plans__claims_look_up_by_key(void **state)
{
    (void)state;
    given_old_statistics();
    /* The other way round for replays: all is settled, and nothing was when ANALYZE came by. */
    sql("delete from job_items where outcome is not null; analyze job_items;"
        "update job_items set outcome = 'success'");
    struct buffer AUTO_BUFFER documents = documents_literal(), arguments = buffer_new(SIZE_MAX / 2);
    char users[128], jobs[128], bare[64], times[64];
    filled(users, sizeof(users), "'" ALICE "'::uuid");
    filled(jobs, sizeof(jobs), JOB "::uuid");
    filled(bare, sizeof(bare), "true");
    filled(times, sizeof(times), "1::int8");

    buffer_format(&arguments, "%s, %s", buffer_string(&documents), jobs);
    assert_in_range(rows_removed(SQL_CLAIM_LOCK, buffer_string(&arguments)), 0, REMOVED_MAX);

    buffer_clear(&arguments);
    char etags[64];
    filled(etags, sizeof(etags), "'e'::text");
    buffer_format(&arguments, "%s, %s, %s, %s, 'user_', %s, %s, 'p1'", buffer_string(&documents),
                  users, jobs, bare, times, etags);
    assert_in_range(rows_removed(SQL_CLAIM_JOBS, buffer_string(&arguments)), 0, REMOVED_MAX);
}

static void test_plans__claims_of_new_uploads_are_linear_in_the_batch(void **state)
{
    (void)state;
    given_old_statistics();
    static const char NEW[] =
        "from (select gen_random_uuid() as id from generate_series(1, " ROWS_TEXT ")) n";
    struct buffer AUTO_BUFFER documents = ids_literal(NEW), jobs = ids_literal(NEW),
                              arguments = buffer_new(SIZE_MAX / 2);
    char users[128], bare[64], times[64], etags[64];

    buffer_format(&arguments, "%s, %s, %s, %s, 'user_', %s, %s, 'p1'", buffer_string(&documents),
                  filled(users, sizeof(users), "'" ALICE "'::uuid"), buffer_string(&jobs),
                  filled(bare, sizeof(bare), "true"), filled(times, sizeof(times), "1::int8"),
                  filled(etags, sizeof(etags), "'e'::text"));
    assert_in_range(rows_removed(SQL_CLAIM_JOBS, buffer_string(&arguments)), 0, REMOVED_MAX);

    assert_string_equal(
        sql("select count(*) from job_items i join processing_jobs j on j.id = i.job_id"
            " where i.job_id <> " JOB),
        ROWS_TEXT);
}

static void test_plans__bare_events_find_open_items_by_key(void **state)
{
    (void)state;
    given_old_statistics();
    struct buffer AUTO_BUFFER documents = documents_literal(), arguments = buffer_new(SIZE_MAX / 2),
                              jobs = ids_literal("from processing_jobs where id <> " JOB);
    static const char *const VALUES[] = {"true", "8::int8", "false", "1::int8", "'e'::text"};
    char users[128], columns[COUNT_OF(VALUES)][64];
    for (size_t i = 0; i < COUNT_OF(VALUES); i++)
        filled(columns[i], sizeof(columns[i]), VALUES[i]);

    buffer_format(&arguments, "%s, %s, %s, %s, %s, 'p1', 'user_', 15000, %s, %s, %s, true",
                  buffer_string(&documents), filled(users, sizeof(users), "'" ALICE "'::uuid"),
                  buffer_string(&jobs), columns[0], columns[1], columns[2], columns[3], columns[4]);
    assert_in_range(rows_removed(SQL_CLAIM, buffer_string(&arguments)), 0, REMOVED_MAX);

    assert_string_equal(sql("select count(*) from absorbed_events where job_id = " JOB), "0");
}

/* Each with a document and its settled job. */
static void given_tenants(const char *count)
{
    char grow[512];
    assert_true(text_format(
        grow, sizeof(grow),
        "with u as (insert into users (id) select gen_random_uuid() from generate_series(1, %s)"
        " returning id),"
        " j as (insert into processing_jobs (id, user_id, total_documents) select id, id, 1 from "
        "u),"
        " d as (insert into documents (id, user_id, bucket, object_key, status)"
        " select id, id, 'b', id, 'success' from u)"
        "insert into job_items (job_id, document_id, outcome) select id, id, 'success' from u",
        count));
    sql(grow);
}

/* Did they read all users, jobs or documents, each claim would cost more with each tenant. */
static void test_plans__claims_read_no_more_tenants_than_they_are_for(void **state)
{
    (void)state;
    sql("alter table users set (autovacuum_enabled = off);"
        "alter table processing_jobs set (autovacuum_enabled = off);"
        "alter table documents set (autovacuum_enabled = off);"
        "alter table job_items set (autovacuum_enabled = off); delete from users");
    given_tenants("1");
    sql("analyze");
    given_tenants(TENANTS_TEXT);
    static const char NEW[] =
        "from (select gen_random_uuid() as id from generate_series(1, " ROWS_TEXT ")) n";
    struct buffer AUTO_BUFFER users =
                                  ids_literal("from (select id from users limit " ROWS_TEXT ") u"),
                              documents = ids_literal(NEW), jobs = ids_literal(NEW),
                              ids = buffer_new(SIZE_MAX / 2), arguments = buffer_new(SIZE_MAX / 2);
    char bare[64], fences[64], times[64], etags[64], names[64];
    filled(names, sizeof(names), "'b'::text");
    filled(fences, sizeof(fences), "8::int8");
    filled(times, sizeof(times), "1::int8");
    filled(etags, sizeof(etags), "'e'::text");
    buffer_format(&ids, "%s, %s, %s, %s", buffer_string(&documents), buffer_string(&users),
                  buffer_string(&jobs), filled(bare, sizeof(bare), "true"));

    buffer_format(&arguments, "%s, 'user_', %s, %s, 'p1'", buffer_string(&ids), times, etags);
    assert_in_range(rows_of(SQL_CLAIM_JOBS, buffer_string(&arguments)).read, ROWS, READ_MAX);

    buffer_clear(&arguments);
    buffer_format(&arguments,
                  "%s, 'user_', %s, %s::text[], %s, "
                  "15000, %s, %s",
                  buffer_string(&ids), names, buffer_string(&documents), fences, times, etags);
    assert_in_range(rows_of(SQL_CLAIM_DOCUMENTS, buffer_string(&arguments)).read, ROWS, READ_MAX);

    buffer_clear(&arguments);
    buffer_format(&arguments, "%s, %s, 'p1', 'user_', 15000, %s, %s, %s, true", buffer_string(&ids),
                  fences, filled(bare, sizeof(bare), "false"), times, etags);
    assert_in_range(rows_of(SQL_CLAIM, buffer_string(&arguments)).read, ROWS, READ_MAX);

    assert_string_equal(sql("select count(*) from documents where fence = 8"), ROWS_TEXT);
}

static void test_plans__finish_looks_up_by_key(void **state)
{
    (void)state;
    given_old_statistics();
    struct buffer AUTO_BUFFER documents = documents_literal(), arguments = buffer_new(SIZE_MAX / 2);
    static const char *const VALUES[] = {
        "7::int8",    "" JOB "::uuid", "'live'::text", "'success'::text", "null::text",
        "null::text", "'e'::text",     "100::int8",    "0::int4",         "1::int4",
        "0::int8",    "false",         "null::text",   "null::text",      "'{}'::text",
        "null::text", "false",         "false",        "0::int8",         "null::text",
    };
    buffer_append_text(&arguments, buffer_text(&documents));
    for (size_t i = 0; i < COUNT_OF(VALUES); i++) {
        char column[128];
        buffer_format(&arguments, ", %s", filled(column, sizeof(column), VALUES[i]));
    }
    buffer_append_text(&arguments, TEXT(", 'p1', false, true"));

    assert_in_range(rows_removed(SQL_FINISH, buffer_string(&arguments)), 0, REMOVED_MAX);

    assert_string_equal(sql("select count(*) from job_items where outcome is null"), "0");
    assert_string_equal(sql("select processed_count from processing_jobs where id = " JOB),
                        ROWS_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plans__claims_look_up_by_key, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_plans__claims_of_new_uploads_are_linear_in_the_batch,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_plans__bare_events_find_open_items_by_key,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_plans__claims_read_no_more_tenants_than_they_are_for,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_plans__finish_looks_up_by_key, fixture_set_up,
                                        fixture_tear_down),
    };
    cluster = pg_cluster_start();
    plan_mode = "force_custom_plan";
    int failed = cmocka_run_group_tests_name("plans made anew", tests, NULL, NULL);
    plan_mode = "force_generic_plan";
    failed += cmocka_run_group_tests_name("plans that are kept", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
