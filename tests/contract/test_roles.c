/* What the roles of `migrate` may not do. (What the worker's may do, every suite of the ledger
 * shows: they run as that role.) */
#include "tests/contract/ledger_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_roles__the_worker_makes_changes_and_drops_no_object),
        T(test_roles__the_worker_touches_only_the_rows_that_it_must),
        T(test_roles__the_application_changes_title_and_tags_through_the_view_alone),
        T(test_roles__functions_do_not_look_where_the_caller_points),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("roles", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
