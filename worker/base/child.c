#include "worker/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 10
#define EXIT_NOT_STARTED 127

static bool move(int fd, int to)
{
    if (fd < 0 || dup2(fd, to) < 0)
        return false;
    if (fd > STDERR_FILENO)
        close(fd);
    return true;
}

static bool redirect(const struct child_options *options)
{
    if (!move(open("/dev/null", O_RDONLY), STDIN_FILENO))
        return false;
    if (options->keeps_output)
        return true;
    setsid(); /* Ctrl-C is ours to handle: the child is stopped in order */
    int log = open(options->log_path ? options->log_path : "/dev/null",
                   O_WRONLY | O_CREAT | O_APPEND, 0600);
    return move(log, STDOUT_FILENO) && dup2(STDOUT_FILENO, STDERR_FILENO) >= 0;
}

/* Between fork and exec: async-signal-safe calls only. */
static void become(const struct child_options *options, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!redirect(options))
        _exit(EXIT_NOT_STARTED);
    /* Ours close by themselves; who started us may have left more. An old kernel cannot: no harm.
     */
    (void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    if (options->has_user && (setgroups(0, NULL) != 0 || setgid(options->group_id) != 0 ||
                              setuid(options->user_id) != 0))
        _exit(EXIT_NOT_STARTED);
    if (chdir(options->directory ? options->directory : "/") != 0)
        _exit(EXIT_NOT_STARTED);
    /* After setuid(), which clears it; and the parent may have died before it was set. */
    if (options->death_signal && prctl(PR_SET_PDEATHSIG, options->death_signal) != 0)
        _exit(EXIT_NOT_STARTED);
    if (options->death_signal && getppid() != parent)
        _exit(EXIT_NOT_STARTED);
}

bool child_start(const struct child_options *options, pid_t *ret_pid, struct error *err)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return error_set_errno(err, ERR_IO, errno, options->argv[0]);
    if (pid == 0) {
        become(options, parent);
        execv(options->argv[0], (char *const *)options->argv);
        _exit(EXIT_NOT_STARTED);
    }
    *ret_pid = pid;
    return true;
}

static int wait_for(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

bool child_run(const struct child_options *options, struct error *err)
{
    pid_t pid = 0;
    if (!child_start(options, &pid, err))
        return false;
    int status = wait_for(pid);
    if (status == 0)
        return true;
    return error_set(err, ERR_IO, "%s ended with %s %d; its log: %s", options->argv[0],
                     WIFSIGNALED(status) ? "signal" : "code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                     options->log_path ? options->log_path : "none");
}

bool child_has_ended(pid_t pid, int *ret_code)
{
    int status;
    if (waitpid(pid, &status, WNOHANG) != pid)
        return false;
    if (ret_code)
        *ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

void child_stop(pid_t pid, int signal_number, uint64_t timeout_ms)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    kill(pid, signal_number);
    for (uint64_t waited_ms = 0; waited_ms < timeout_ms; waited_ms += LOOK_MS) {
        if (child_has_ended(pid, NULL))
            return;
        nanosleep(&look, NULL);
    }
    kill(pid, SIGKILL);
    wait_for(pid);
}
