/* What the roles of `migrate` may not do. (What the worker's may do, every suite of the ledger
 * shows: they run as that role.) */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/contract/ledger_fixture.h"

#define AS_BOB "set millrace.user_id = '" BOB "'; "

static bool may(const char *role, const char *statement)
{
    return pg_cluster_try_sql_as(cluster, "ledger", role, statement);
}

static void assert_refused(const char *role, const char *const *statements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (may(role, statements[i]))
            fail_msg("%s may: %s", role, statements[i]);
}

/* A document of Alice's with two chunks, and a table of somebody else's. */
static void given_a_document(void **state)
{
    struct event event = upload(ALICE, "a.pdf", "1");
    process(*state, &event, "e1", 2);
    sql("create schema payroll; create table payroll.salaries (amount int)");
}

static void test_roles__the_worker_makes_changes_and_drops_no_object(void **state)
{
    static const char *const STATEMENTS[] = {
        "create table mine (a int)",
        "create table " ALICE_SCHEMA ".mine (a int)",
        "create schema mine",
        "create extension if not exists pg_trgm",
        "create role mine",
        "drop table documents",
        "drop schema " ALICE_SCHEMA " cascade",
        "alter table documents add column mine int",
        "create index mine on documents (title)",
        "truncate litter",
        "alter function millrace_tenant_schema(uuid) owner to current_user",
        "alter function millrace_schema_name(uuid) security invoker",
        "drop function millrace_tenant_schema(uuid)",
        "create or replace function millrace_schema_name(tenant uuid) returns text language sql as "
        "'select $$x$$'",
        "drop view " ALICE_SCHEMA ".documents",
        "grant select on documents to public", /* not an error, but a warning: see below */
        "set role postgres",
    };
    given_a_document(state);
    assert_true(may(WORKER_ROLE, "select count(*) from documents"));
    assert_refused(WORKER_ROLE, STATEMENTS, COUNT_OF(STATEMENTS) - 2);
    assert_refused(WORKER_ROLE, &STATEMENTS[COUNT_OF(STATEMENTS) - 1], 1);
    (void)may(WORKER_ROLE, STATEMENTS[COUNT_OF(STATEMENTS) - 2]);
    assert_string_equal(sql("select count(*) from information_schema.role_table_grants where "
                            "grantee = 'PUBLIC' and table_name = 'documents'"),
                        "0");
}

static void test_roles__the_worker_touches_only_the_rows_that_it_must(void **state)
{
    static const char *const STATEMENTS[] = {
        "delete from documents",
        "delete from processing_jobs",
        "delete from job_items",
        "delete from dead_letters",
        "insert into users (id) values (gen_random_uuid())",
        "update users set is_active = true",
        "update users set email = 'x@example.org'",
        "delete from users",
        "update dead_letters set code = 'x'",
        "update millrace_settings set value = 'x_'",
        "insert into schema_version values (9, 'x', now(), 9)",
        "update tenant_settings set weight = 100",
        "update millrace_actions set who = 'x'",
        "delete from millrace_actions",
        "insert into " ALICE_SCHEMA ".chunks select * from " ALICE_SCHEMA ".chunks",
        "update " ALICE_SCHEMA ".chunks set content = 'x'",
        "delete from " ALICE_SCHEMA ".chunks",
        "update " ALICE_SCHEMA ".documents set title = 'x'",
        "select * from payroll.salaries",
        "select millrace_grant_tenant('payroll')",
    };
    given_a_document(state);
    assert_true(may(WORKER_ROLE, "select * from " ALICE_SCHEMA ".chunks"));
    assert_refused(WORKER_ROLE, STATEMENTS, COUNT_OF(STATEMENTS));
}

static void test_roles__the_application_changes_title_and_tags_through_the_view_alone(void **state)
{
    static const char *const STATEMENTS[] = {
        "update documents set title = 'x'",
        "update documents set status = 'failed'",
        "update " ALICE_SCHEMA ".documents set status = 'failed'",
        "update " ALICE_SCHEMA ".documents set user_id = '" BOB "'",
        "insert into " ALICE_SCHEMA ".documents (id) values (gen_random_uuid())",
        "delete from " ALICE_SCHEMA ".documents",
        "update " ALICE_SCHEMA ".chunks set content = 'x'",
        "delete from " ALICE_SCHEMA ".chunks",
        "update processing_jobs set processed_count = 0",
        "delete from job_items",
        "select * from litter",
        "select * from staged_chunks",
        "select * from dead_letters",
        "select * from millrace_actions",
        "update millrace_workers set seen_at = now()",
        "select millrace_tenant_schema('" ALICE "')",
        "select millrace_move_chunks('" ALICE "', false, '{}', '{}', '{}')",
        "create table mine (a int)",
        "create table " ALICE_SCHEMA ".mine (a int)",
    };
    given_a_document(state);
    assert_true(may(APPLICATION_ROLE,
                    "update " ALICE_SCHEMA ".documents set title = 'ours', tags = '[\"new\"]'"));
    assert_string_equal(sql("select title || tags from documents"), "ours[\"new\"]");
    assert_true(may(APPLICATION_ROLE, "select content from " ALICE_SCHEMA ".chunks"));
    assert_true(may(APPLICATION_ROLE, "select * from job_progress"));
    assert_refused(APPLICATION_ROLE, STATEMENTS, COUNT_OF(STATEMENTS));
}

/* A tenant's schema made by the worker belongs to the owner, however hostile the caller's path. */
static void test_roles__functions_do_not_look_where_the_caller_points(void **state)
{
    given_a_document(state);
    assert_true(may(WORKER_ROLE, "create temporary table users (id uuid); insert into users values "
                                 "('" NOBODY "'); set search_path = pg_temp, public; "
                                 "select millrace_tenant_schema('" BOB "')") ||
                may(WORKER_ROLE, "select millrace_tenant_schema('" BOB "')"));
    assert_false(may(WORKER_ROLE, "create temporary table users (id uuid); insert into users "
                                  "values ('" NOBODY "'); set search_path = pg_temp, public; "
                                  "select millrace_tenant_schema('" NOBODY "')"));
    assert_string_equal(sql("select count(*) from pg_namespace where nspname like 'user\\_%' and "
                            "nspowner = 'postgres'::regrole"),
                        "2");
}

/* docs/tenant-role.sql, as an operator runs it. */
static void given_the_tenants_reader(void)
{
    char path[512], script[8192];
    assert_true(
        text_format(path, sizeof(path), "%s/docs/tenant-role.sql", getenv("TEST_SOURCE_DIR")));
    FILE *file = fopen(path, "r");
    assert(file);
    size_t bytes = fread(script, 1, sizeof(script) - 1, file);
    fclose(file);
    assert_in_range(bytes, 1, sizeof(script) - 2);
    script[bytes] = '\0';
    sql("drop role if exists tenant_reader");
    sql(script);
}

/* Each statement fails, by dividing by nothing, when a claim does not hold. */
static void test_roles__the_tenants_reader_sees_one_tenant_or_none(void **state)
{
    static const char *const TRUE_STATEMENTS[] = {
        "select 1 / (count(*) = 0)::int from documents",
        "select 1 / (count(*) = 0)::int from processing_jobs",
        "select 1 / (count(*) = 0)::int from job_items",
        "select 1 / (count(*) = 0)::int from chunks",
        AS_BOB "select 1 / (count(*) = 1 and min(user_id::text) = '" BOB "')::int from documents",
        AS_BOB "select 1 / (count(*) = 1 and min(user_id::text) = '" BOB
               "')::int from processing_jobs",
        AS_BOB "select 1 / (count(*) = 1)::int from job_items",
        AS_BOB "select 1 / (count(*) = 3 and min(user_id::text) = '" BOB "')::int from chunks",
        AS_BOB "select 1 / (count(*) = 0)::int from documents where user_id = '" ALICE "'",
        AS_BOB "begin; set local millrace.user_id = ''; "
               "select 1 / (count(*) = 0)::int from documents",
        /* What a function of the reader's is shown before the policy has judged. */
        AS_BOB "create function pg_temp.leaks(uuid) returns boolean cost 0.0001 language plpgsql "
               "as 'begin return 1 / ($1 = ''" BOB "'')::int = 1; end'; "
               "select from documents where pg_temp.leaks(user_id)",
        AS_BOB "select 1 / (count(*) = 0)::int from pg_stats where tablename = 'documents'",
    };
    static const char *const REFUSED[] = {
        "set row_security = off; select * from documents",
        "alter table documents disable row level security",
        "drop policy of_one_tenant on documents",
        "set role " WORKER_ROLE,
        "select * from users",
        "select * from tenant_usage",
        "select * from job_progress",
        "select * from dead_letters",
        "select * from staged_chunks",
        "select * from millrace_reconcile('" ALICE "', true)",
        "select millrace_move_chunks('" ALICE "', true, '{}', '{}', '{}')",
        AS_BOB "update documents set title = 'x'",
        AS_BOB "delete from job_items",
        AS_BOB "insert into chunks select * from chunks",
        "set millrace.user_id = 'everybody'; select * from documents",
    };
    struct event alices = upload(ALICE, "a.pdf", "1"), bobs = upload(BOB, "b.pdf", "1");
    process(*state, &alices, "e1", 2);
    process(*state, &bobs, "e1", 3);
    given_the_tenants_reader();
    sql("analyze");

    for (size_t i = 0; i < COUNT_OF(TRUE_STATEMENTS); i++)
        if (!may("tenant_reader", TRUE_STATEMENTS[i]))
            fail_msg("not so: %s", TRUE_STATEMENTS[i]);
    assert_refused("tenant_reader", REFUSED, COUNT_OF(REFUSED));
}

static void test_roles__nobody_else_notices_the_tenants_reader(void **state)
{
    given_the_tenants_reader();
    struct event first = upload(ALICE, "a.pdf", "1"), second = upload(ALICE, "a.pdf", "2"),
                 bobs = upload(BOB, "b.pdf", "1");
    process(*state, &first, "e1", 2);
    process(*state, &second, "e2", 1);
    process(*state, &bobs, "e1", 3);
    assert_string_equal(reconcile(), "");
    assert_true(may(APPLICATION_ROLE, "select 1 / (count(*) = 2)::int from documents"));
    assert_true(may(APPLICATION_ROLE, "select 1 / (count(*) = 4)::int from chunks"));
    assert_true(may(WORKER_ROLE, "select 1 / (count(*) = 3)::int from job_items"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_roles__the_worker_makes_changes_and_drops_no_object),
        T(test_roles__the_worker_touches_only_the_rows_that_it_must),
        T(test_roles__the_application_changes_title_and_tags_through_the_view_alone),
        T(test_roles__functions_do_not_look_where_the_caller_points),
#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up_shared, fixture_tear_down)
        T(test_roles__the_tenants_reader_sees_one_tenant_or_none),
        T(test_roles__nobody_else_notices_the_tenants_reader),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("roles", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
