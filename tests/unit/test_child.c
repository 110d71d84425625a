#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/child.h"

static void read_file(const char *path, char *content, size_t content_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t bytes = read(fd, content, content_bytes - 1);
    assert_true(bytes >= 0);
    content[bytes] = '\0';
    close(fd);
}

static void make_path(char path[64])
{
    (void)text_format(path, 64, "/tmp/test-child-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static bool run_shell(const char *script, const char *log_path, const char *directory,
                      struct error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct child_options options = {.argv = argv, .log_path = log_path, .directory = directory};
    return child_run(&options, err);
}

static void test_child__writes_both_streams_behind_what_the_log_holds(void **state)
{
    (void)state;
    char path[64], content[256];
    struct error err;
    make_path(path);
    assert_true(run_shell("echo one", path, NULL, &err));
    assert_true(run_shell("echo two >&2; cat", path, NULL, &err)); /* its input is empty */
    read_file(path, content, sizeof(content));
    unlink(path);
    assert_string_equal(content, "one\ntwo\n");
}

static void test_child__runs_in_the_folder_it_is_given_else_in_the_root(void **state)
{
    (void)state;
    char path[64], content[256];
    struct error err;
    make_path(path);
    assert_true(run_shell("pwd", path, NULL, &err));
    assert_true(run_shell("pwd", path, "/tmp", &err));
    read_file(path, content, sizeof(content));
    unlink(path);
    assert_string_equal(content, "/\n/tmp\n");
}

static void test_child__says_how_it_ended(void **state)
{
    (void)state;
    struct error err;
    assert_false(run_shell("exit 3", NULL, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.message, "/bin/sh ended with code 3; its log: none");
    assert_false(run_shell("kill -KILL $$", NULL, NULL, &err));
    assert_string_equal(err.message, "/bin/sh ended with signal 9; its log: none");
}

static void test_child__a_program_that_is_not_there_is_code_127(void **state)
{
    (void)state;
    const char *const argv[] = {"/nowhere/at/all", NULL};
    struct child_options options = {.argv = argv};
    struct error err;
    assert_false(child_run(&options, &err));
    assert_string_equal(err.message, "/nowhere/at/all ended with code 127; its log: none");
}

static void test_child__inherits_no_files_but_its_three(void **state)
{
    (void)state;
    char path[64], content[256];
    struct error err;
    make_path(path);
    /* The shell's own reading of the folder is one more than the three. */
    assert_true(run_shell("for f in /proc/$$/fd/*; do echo ${f##*/}; done", path, NULL, &err));
    read_file(path, content, sizeof(content));
    unlink(path);
    assert_null(strstr(content, "4\n"));
}

static void test_child__has_its_own_session_and_no_signal_blocked(void **state)
{
    (void)state;
    sigset_t term, before;
    struct error err;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    bool is_good = run_shell("kill -TERM $$; exit 0", NULL, NULL, &err);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_false(is_good); /* the signal came through */
    assert_true(run_shell("test \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$", NULL, NULL, &err));
}

/* Starts a shell and waits until it says that it is ready. */
static pid_t start_shell(const char *script, char path[64])
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct child_options options = {.argv = argv, .log_path = path, .death_signal = SIGKILL};
    struct error err;
    char content[64] = "";
    pid_t pid;
    make_path(path);
    assert_true(child_start(&options, &pid, &err));
    while (!strstr(content, "ready"))
        read_file(path, content, sizeof(content));
    unlink(path);
    return pid;
}

static void test_child__stops_on_the_signal_it_is_given(void **state)
{
    (void)state;
    char path[64];
    pid_t pid = start_shell("trap 'exit 0' INT; echo ready; while :; do sleep 0.01; done", path);
    assert_false(child_has_ended(pid, NULL));
    child_stop(pid, SIGINT, 60000);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_child__is_killed_when_it_does_not_listen(void **state)
{
    (void)state;
    char path[64];
    pid_t pid = start_shell("trap '' INT; echo ready; while :; do sleep 0.01; done", path);
    child_stop(pid, SIGINT, 50);
    assert_int_equal(kill(pid, 0), -1);
}

static void test_child__dies_with_its_parent(void **state)
{
    (void)state;
    char path[64];
    int pids[2];
    pid_t pid = 0;
    assert_int_equal(pipe2(pids, O_CLOEXEC), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        pid = start_shell("echo ready; exec sleep 1000", path);
        bool is_told = write(pids[1], &pid, sizeof(pid)) == sizeof(pid);
        _exit(is_told ? 0 : 1);
    }
    close(pids[1]);
    assert_int_equal(read(pids[0], &pid, sizeof(pid)), sizeof(pid));
    close(pids[0]);
    waitpid(parent, NULL, 0);
    char stat_path[64], content[256] = "";
    (void)text_format(stat_path, sizeof(stat_path), "/proc/%d/stat", (int)pid);
    for (int fd; (fd = open(stat_path, O_RDONLY | O_CLOEXEC)) >= 0;) {
        ssize_t bytes = read(fd, content, sizeof(content) - 1);
        close(fd);
        if (bytes <= 0 || strstr(content, ") Z "))
            break; /* nobody may be there to reap it */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child__writes_both_streams_behind_what_the_log_holds),
        cmocka_unit_test(test_child__runs_in_the_folder_it_is_given_else_in_the_root),
        cmocka_unit_test(test_child__says_how_it_ended),
        cmocka_unit_test(test_child__a_program_that_is_not_there_is_code_127),
        cmocka_unit_test(test_child__inherits_no_files_but_its_three),
        cmocka_unit_test(test_child__has_its_own_session_and_no_signal_blocked),
        cmocka_unit_test(test_child__stops_on_the_signal_it_is_given),
        cmocka_unit_test(test_child__is_killed_when_it_does_not_listen),
        cmocka_unit_test(test_child__dies_with_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
