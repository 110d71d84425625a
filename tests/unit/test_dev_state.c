#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/memory.h"
#include "worker/dev_state.h"

struct bench {
    char root[64]; /* a temporary folder: the state home, and two folders to watch */
    char one[80], two[80];
    struct environment environment;
    struct dev_state state;
};

static int set_up(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    (void)text_format(bench->root, sizeof(bench->root), "/tmp/test-dev-state-XXXXXX");
    assert_non_null(mkdtemp(bench->root));
    (void)text_format(bench->one, sizeof(bench->one), "%s/one", bench->root);
    (void)text_format(bench->two, sizeof(bench->two), "%s/two", bench->root);
    assert_int_equal(mkdir(bench->one, 0755), 0);
    assert_int_equal(mkdir(bench->two, 0755), 0);
    environment_set(&bench->environment, TEXT("XDG_STATE_HOME"), text_from(bench->root));
    bench->state.lock_fd = -1;
    *state = bench;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    dev_state_close(&bench->state);
    environment_release(&bench->environment);
    nftw(bench->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    xfree(bench);
    return 0;
}

static bool open_one(struct bench *bench, bool is_fresh)
{
    struct error err;
    return dev_state_open(&bench->state, bench->one, is_fresh, &bench->environment, &err);
}

static bool exists(const struct dev_state *state, const char *name)
{
    char path[STATE_PATH_BYTES];
    struct error err;
    return dev_state_path(state, name, path, &err) && access(path, F_OK) == 0;
}

static void make_file(const struct dev_state *state, const char *name)
{
    char path[STATE_PATH_BYTES];
    struct error err;
    assert_true(dev_state_path(state, name, path, &err));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_dev_state__each_folder_has_a_state_of_its_own(void **state)
{
    struct bench *bench = *state;
    struct dev_state other, same;
    struct error err;
    char roundabout[128];
    assert_true(open_one(bench, false));
    assert_string_equal(bench->state.directory, bench->one);
    assert_true(dev_state_open(&other, bench->two, false, &bench->environment, &err));
    assert_string_not_equal(other.folder, bench->state.folder);
    dev_state_close(&other);
    dev_state_close(&bench->state);
    (void)text_format(roundabout, sizeof(roundabout), "%s/../one/.", bench->two);
    assert_true(dev_state_open(&same, roundabout, false, &bench->environment, &err));
    assert_string_equal(same.folder, bench->state.folder);
    dev_state_close(&same);
}

static void test_dev_state__lets_one_at_a_folder_at_a_time(void **state)
{
    struct bench *bench = *state;
    struct dev_state second;
    struct error err;
    assert_true(open_one(bench, false));
    assert_false(dev_state_open(&second, bench->one, false, &bench->environment, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "another `millrace dev`"));
    dev_state_close(&second);
    dev_state_close(&bench->state);
    assert_true(open_one(bench, false));
}

static void test_dev_state__who_comes_second_takes_nothing_from_the_first(void **state)
{
    struct bench *bench = *state;
    struct dev_state second;
    struct error err;
    char path[STATE_PATH_BYTES];
    assert_true(open_one(bench, false));
    make_file(&bench->state, "data");
    assert_true(dev_state_write_env(&bench->state, TEXT("A=1\n"), &err));
    assert_false(dev_state_open(&second, bench->one, true, &bench->environment, &err));
    dev_state_close(&second);
    assert_true(exists(&bench->state, "data"));
    assert_true(exists(&bench->state, "env"));
    assert_int_equal(dev_state_find_running(&bench->environment, path), 1);
}

static void test_dev_state__fresh_empties_it_and_only_fresh(void **state)
{
    struct bench *bench = *state;
    char folder[STATE_PATH_BYTES];
    struct error err;
    assert_true(open_one(bench, false));
    assert_true(dev_state_path(&bench->state, "postgres", folder, &err));
    assert_int_equal(mkdir(folder, 0700), 0);
    make_file(&bench->state, "postgres/data");
    make_file(&bench->state, "postgres/lock"); /* only ours stays */
    dev_state_close(&bench->state);
    assert_true(open_one(bench, false));
    assert_true(exists(&bench->state, "postgres/data"));
    dev_state_close(&bench->state);
    assert_true(open_one(bench, true));
    assert_false(exists(&bench->state, "postgres"));
    assert_true(exists(&bench->state, "lock"));
}

static void test_dev_state__removes_what_is_there_and_does_not_mind_what_is_not(void **state)
{
    struct bench *bench = *state;
    char folder[STATE_PATH_BYTES];
    struct error err;
    assert_true(open_one(bench, false));
    assert_true(dev_state_path(&bench->state, "draft", folder, &err));
    assert_int_equal(mkdir(folder, 0700), 0);
    make_file(&bench->state, "draft/half");
    make_file(&bench->state, "data");
    assert_true(dev_state_remove(&bench->state, "draft", &err));
    assert_true(dev_state_remove(&bench->state, "draft", &err));
    assert_false(exists(&bench->state, "draft"));
    assert_true(exists(&bench->state, "data"));
}

static void test_dev_state__others_find_the_env_file_while_it_runs(void **state)
{
    struct bench *bench = *state;
    char path[STATE_PATH_BYTES];
    struct stat status;
    struct error err;
    assert_int_equal(dev_state_find_running(&bench->environment, path), 0);
    assert_true(open_one(bench, false));
    assert_int_equal(dev_state_find_running(&bench->environment, path),
                     0); /* nothing written yet */
    assert_true(dev_state_write_env(&bench->state, TEXT("A=1\n"), &err));
    assert_true(dev_state_write_env(&bench->state, TEXT("A=2\n"), &err));
    assert_int_equal(dev_state_find_running(&bench->environment, path), 1);

    struct environment found = {0};
    assert_true(environment_add_file(&found, path, &err));
    assert_string_equal(environment_get(&found, "A"), "2");
    environment_release(&found);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    dev_state_close(&bench->state);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(dev_state_find_running(&bench->environment, path), 0);
}

static void test_dev_state__an_env_file_that_a_crash_left_is_not_believed(void **state)
{
    struct bench *bench = *state;
    char path[STATE_PATH_BYTES];
    struct error err;
    assert_true(open_one(bench, false));
    assert_true(dev_state_write_env(&bench->state, TEXT("A=1\n"), &err));
    close(bench->state.lock_fd); /* as a death would */
    bench->state.lock_fd = -1;
    assert_true(exists(&bench->state, "env"));
    assert_int_equal(dev_state_find_running(&bench->environment, path), 0);
}

static void test_dev_state__counts_those_that_run(void **state)
{
    struct bench *bench = *state;
    struct dev_state other;
    char path[STATE_PATH_BYTES];
    struct error err;
    assert_true(open_one(bench, false));
    assert_true(dev_state_write_env(&bench->state, TEXT("A=1\n"), &err));
    assert_true(dev_state_open(&other, bench->two, false, &bench->environment, &err));
    assert_true(dev_state_write_env(&other, TEXT("A=2\n"), &err));
    assert_int_equal(dev_state_find_running(&bench->environment, path), 2);
    dev_state_close(&other);
    assert_int_equal(dev_state_find_running(&bench->environment, path), 1);
}

static void test_dev_state__says_what_is_no_folder(void **state)
{
    struct bench *bench = *state;
    struct error err;
    assert_false(dev_state_open(&bench->state, "/nowhere", false, &bench->environment, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err.message, "/nowhere: No such file or directory");
    assert_false(dev_state_open(&bench->state, "/dev/null", false, &bench->environment, &err));
    assert_string_equal(err.message, "/dev/null is not a folder");
}

static void test_dev_state__says_where_state_cannot_be_kept(void **state)
{
    struct bench *bench = *state;
    struct error err;
    environment_set(&bench->environment, TEXT("XDG_STATE_HOME"), TEXT("/dev/null"));
    assert_false(dev_state_open(&bench->state, bench->one, false, &bench->environment, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err.message, "/dev/null/millrace: Not a directory");
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_dev_state__each_folder_has_a_state_of_its_own),
        WITH_BENCH(test_dev_state__lets_one_at_a_folder_at_a_time),
        WITH_BENCH(test_dev_state__who_comes_second_takes_nothing_from_the_first),
        WITH_BENCH(test_dev_state__fresh_empties_it_and_only_fresh),
        WITH_BENCH(test_dev_state__removes_what_is_there_and_does_not_mind_what_is_not),
        WITH_BENCH(test_dev_state__others_find_the_env_file_while_it_runs),
        WITH_BENCH(test_dev_state__an_env_file_that_a_crash_left_is_not_believed),
        WITH_BENCH(test_dev_state__counts_those_that_run),
        WITH_BENCH(test_dev_state__says_what_is_no_folder),
        WITH_BENCH(test_dev_state__says_where_state_cannot_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
