/* What a sandboxed child can still do, tried one by one against the real kernel. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/sandbox.h"
#include "tests/unit/test.h"

#define DATA_PATH "/usr/share"

static struct sandbox *sandbox;
static pid_t test_pid;

/* The wait status of a sandboxed child that runs this. */
static int status_of(int (*attempt)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct error err;
        struct sandbox_limits limits = {.memory_bytes = 256u << 20, .cpu_seconds = 1};
        if (!sandbox_die_with_parent(test_pid, &err) || !sandbox_enter(sandbox, limits, 3, &err))
            _exit(99);
        _exit(attempt());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int open_for_writing(void)
{
    return open("/tmp/millrace-sandbox-test", O_WRONLY | O_CREAT, 0600) >= 0;
}

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static int fork_again(void)
{
    return fork() >= 0;
}

static int execute(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
}

static int make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static int kill_parent(void)
{
    return kill(test_pid, SIGTERM) == 0;
}

static int kill_parent_thread(void)
{
    return syscall(SYS_tgkill, test_pid, test_pid, SIGTERM) == 0;
}

static int trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, test_pid, NULL, NULL) == 0;
}

static int raise_limits(void)
{
    return setrlimit(RLIMIT_CPU, &(struct rlimit){1000, 1000}) == 0;
}

static int remove_file(void)
{
    return unlink("/tmp/millrace-sandbox-test") == 0;
}

static void test_sandbox__kills_for_every_forbidden_call(void **state)
{
    (void)state;
    static int (*const attempts[])(void) = {
        open_for_writing, make_socket, fork_again,         execute,      map_code,     make_code,
        kill_parent,      remove_file, kill_parent_thread, trace_parent, raise_limits,
    };
    if (!sandbox_has_filter(sandbox))
        skip(); /* a build with a sanitizer */
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        int status = status_of(attempts[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("attempt %zu ended with status %#x", i, (unsigned)status);
    }
}

static int compute(void)
{
    char *memory = malloc(1 << 20);
    if (!memory)
        return 1;
    memset(memory, 1, 1 << 20);
    free(memory);
    return getpid() > 0 ? 0 : 1;
}

static int call_abort(void)
{
    abort();
}

static void test_sandbox__lets_a_child_compute_and_abort(void **state)
{
    (void)state;
    assert_int_equal(status_of(compute), 0);
    int status = status_of(call_abort);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static int read_elsewhere(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? 1 : errno == EACCES ? 0 : 2;
}

static int read_data(void)
{
    return open(DATA_PATH "/poppler", O_RDONLY | O_DIRECTORY) >= 0 ? 0 : 1;
}

static void test_sandbox__lets_read_the_data_folder_only(void **state)
{
    (void)state;
    assert_int_equal(status_of(read_data), 0);
    if (sandbox_landlock_abi(sandbox))
        assert_int_equal(status_of(read_elsewhere), 0);
    else
        print_message("no Landlock in this kernel or build: reading elsewhere is not tried\n");
}

static int use_memory(void)
{
    return mmap(NULL, 512u << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0
                                                                                               : 1;
}

static int use_time(void)
{
    volatile bool is_counting = true;
    while (is_counting)
        continue;
    return 1;
}

static void test_sandbox__limits_memory_and_time(void **state)
{
    (void)state;
    if (sandbox_has_filter(sandbox))
        assert_int_equal(status_of(use_memory), 0);
    int status = status_of(use_time);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGXCPU);
}

static int descriptor_is_open(void)
{
    return lseek(5, 0, SEEK_CUR) >= 0 || errno != EBADF;
}

static void test_sandbox__closes_the_other_descriptors(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(dup2(fd, 5), 5);
    assert_int_equal(status_of(descriptor_is_open), 0);
    close(5);
    close(fd);
}

static void test_sandbox__refuses_to_run_without_its_parent(void **state)
{
    (void)state;
    struct error err;
    pid_t pid = fork();
    if (pid == 0)
        _exit(sandbox_die_with_parent(test_pid + 1, &err) ? 1 : 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sandbox__kills_for_every_forbidden_call),
        cmocka_unit_test(test_sandbox__lets_a_child_compute_and_abort),
        cmocka_unit_test(test_sandbox__lets_read_the_data_folder_only),
        cmocka_unit_test(test_sandbox__limits_memory_and_time),
        cmocka_unit_test(test_sandbox__closes_the_other_descriptors),
        cmocka_unit_test(test_sandbox__refuses_to_run_without_its_parent),
    };
    struct error err;
    test_pid = getpid();
    sandbox = sandbox_prepare(DATA_PATH, &err);
    if (!sandbox) {
        printf("SKIPPED: %s\n", err.message);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
