/* COPY and scripts against a real server: one transaction each, large ones too. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/contract/pg_calls.h"

struct copy_call {
    struct pg_copy copy;
    bool is_done, has_failed;
    struct error err;
};

static void on_copied(struct pg_copy *copy, const struct error *err)
{
    struct copy_call *call = container_of(copy, struct copy_call, copy);
    take_answer(call, err);
}

static void wait_for_copy(struct fixture *fixture, const struct copy_call *call)
{
    uint64_t start_ms = loop_now_ms(fixture->loop);
    while (!call->is_done && loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(fixture->loop, 100);
    assert_true(call->is_done);
}

static void run_copy(struct fixture *fixture, struct copy_call *call, struct text data)
{
    *call = (struct copy_call){.copy = {.sql = "copy pile from stdin",
                                        .sql_before = "delete from pile",
                                        .data = data,
                                        .on_done = on_copied}};
    pg_run_copy(fixture->pg, &call->copy);
    wait_for_copy(fixture, call);
}

static void test_pg__copies_large_data_in_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    struct copy_call copy, second;
    run_call(fixture, &call, "create table pile (n bigint check (n >= 0))");
    struct buffer AUTO_BUFFER rows = buffer_new(64 << 20);
    for (uint64_t i = 0; i < 1000000; i++)
        buffer_format(&rows, "%llu\n", (unsigned long long)i);

    run_copy(fixture, &copy, buffer_text(&rows));
    assert_string_equal(copy.err.message, "");
    run_call(fixture, &call, "select count(*) from pile");
    assert_string_equal(call.value, "1000000");

    buffer_append_text(&rows, TEXT("-1\n")); /* fails at the end: the delete is undone, too */
    run_copy(fixture, &copy, buffer_text(&rows));
    assert_true(copy.has_failed);
    assert_int_equal(copy.err.code, ERR_DATABASE);
    run_copy(fixture, &second, TEXT("5\n"));
    assert_false(second.has_failed);
    run_call(fixture, &call, "select count(*) from pile");
    assert_string_equal(call.value, "1");
    run_copy(fixture, &second, TEXT(""));
    assert_false(second.has_failed);
}

/* Takes a core from everybody else until it is killed. */
static pid_t start_noise(void)
{
    pid_t parent = getpid(), noise = fork();
    assert_true(noise >= 0);
    if (noise > 0)
        return noise;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        continue;
    _exit(0);
}

static void
test_pg__no_copy_stalls_when_the_server_catches_up_while_we_wait_for_a_core(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    pid_t noises[3];
    run_call(fixture, &call, "create unlogged table sack (n text)");
    struct buffer AUTO_BUFFER rows = buffer_new(4 << 20); /* far more than a socket holds */
    buffer_format(&rows, "%0850000d\n%0850000d\n%0850000d\n%0850000d\n", 1, 2, 3, 4);

    for (size_t i = 0; i < COUNT_OF(noises); i++)
        noises[i] = start_noise();
    for (int i = 0; i < 100; i++) {
        struct copy_call copy = {.copy = {.sql = "copy sack from stdin",
                                          .sql_before = "truncate sack",
                                          .data = buffer_text(&rows),
                                          .on_done = on_copied}};
        pg_run_copy(fixture->pg, &copy.copy);
        wait_for_copy(fixture, &copy);
        assert_string_equal(copy.err.message, "");
    }
    for (size_t i = 0; i < COUNT_OF(noises); i++) {
        kill(noises[i], SIGKILL);
        waitpid(noises[i], NULL, 0);
    }
}

static void test_pg__a_script_is_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct copy_call script = {
        .copy = {.sql = "create table s1 (n int); insert into s1 values (1); select 1/0",
                 .on_done = on_copied}};
    pg_run_script(fixture->pg, &script.copy);
    wait_for_copy(fixture, &script);
    assert_true(script.has_failed);
    assert_string_equal(pg_cluster_sql(cluster, "postgres", "select to_regclass('s1') is null"),
                        "t");

    script =
        (struct copy_call){.copy = {.sql = "create table s1 (n int); insert into s1 values (1)",
                                    .on_done = on_copied}};
    pg_run_script(fixture->pg, &script.copy);
    wait_for_copy(fixture, &script);
    assert_false(script.has_failed);
    assert_string_equal(pg_cluster_sql(cluster, "postgres", "select n from s1"), "1");
}

static void test_pg__a_copy_whose_connection_breaks_is_unreachable(void **state)
{
    struct fixture *fixture = *state;
    struct copy_call script = {.copy = {.sql = "select pg_sleep(10)", .on_done = on_copied}};
    pg_run_script(fixture->pg, &script.copy);
    while (strcmp(pg_cluster_sql(cluster, "postgres",
                                 "select count(*) from pg_stat_activity where query like 'set "
                                 "local%pg_sleep(10)' and state = 'active'"),
                  "0") == 0)
        loop_run_once(fixture->loop, 10);
    pg_cluster_sql(cluster, "postgres",
                   "select pg_terminate_backend(pid) from pg_stat_activity where query like 'set "
                   "local%pg_sleep(10)'");
    wait_for_copy(fixture, &script);
    assert_true(script.has_failed);
    assert_int_equal(error_disposition(script.err.code), DISPOSITION_RETRY);

    script = (struct copy_call){.copy = {.sql = "select 1", .on_done = on_copied}};
    pg_run_script(fixture->pg, &script.copy);
    wait_for_copy(fixture, &script);
    assert_false(script.has_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, pg_calls_set_up, pg_calls_tear_down)
        T(test_pg__copies_large_data_in_one_transaction),
        T(test_pg__no_copy_stalls_when_the_server_catches_up_while_we_wait_for_a_core),
        T(test_pg__a_script_is_one_transaction),
        T(test_pg__a_copy_whose_connection_breaks_is_unreachable),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("pg_copy", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
