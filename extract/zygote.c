#include "extract/zygote.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "extract/handover.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define CONTROL_FD 3    /* where the helper expects it */
#define PARTING_MS 1000 /* to end by itself when the control socket is closed */

struct zygote {
    struct loop *loop;
    struct zygote_events events;
    pid_t pid;
    int pidfd, control_fd;
    uv_poll_t exit_poll, control_poll;
    unsigned handle_count; /* not closed yet */
    bool is_ready, is_lost, is_reaped, is_closing;
    struct error lost;
    struct timer parting;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* ---- the process ----------------------------------------------------------------------------- */

/* Names are looked up once, before all forks, not by each child anew. */
static char bind_now[] = "LD_BIND_NOW=1";

/* Nothing but the control socket goes over: no descriptors, default signals, none of the worker's
 * environment, and a session of its own, so that Ctrl-C at the worker's terminal is the worker's
 * business. */
static int spawn(const char *path, int socket_fd, pid_t *ret_pid)
{
    char parent[24];
    text_format(parent, sizeof(parent), "%lld", (long long)getpid());
    char *arguments[] = {"millrace-extract", parent, NULL};
    char *environment[] = {bind_now, NULL};
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int failed = posix_spawnattr_init(&attributes);
    failed |= posix_spawn_file_actions_init(&actions);
    failed |= posix_spawnattr_setsigmask(&attributes, &none);
    failed |= posix_spawnattr_setsigdefault(&attributes, &all);
    failed |= posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                        POSIX_SPAWN_SETSIGDEF);
    failed |= posix_spawn_file_actions_adddup2(&actions, socket_fd, CONTROL_FD);
    failed |= posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    failed |= posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
#ifndef HOUSE_SANITIZED /* a sanitizer's report goes where ours go */
    failed |= posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#endif
    failed |= posix_spawn_file_actions_addclosefrom_np(&actions, CONTROL_FD + 1);
    int errno_value =
        failed ? ENOMEM : posix_spawn(ret_pid, path, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return errno_value;
}

/* ---- losing it ------------------------------------------------------------------------------- */

static void lose(struct zygote *zygote, const struct error *err)
{
    if (zygote->is_lost)
        return;
    zygote->is_lost = true;
    zygote->lost = *err;
    uv_poll_stop(&zygote->control_poll);
    if (!zygote->is_reaped)
        (void)kill(zygote->pid, SIGKILL); /* nothing when it is dead; on_exit_seen() follows */
}

static void lose_with(struct zygote *zygote, const char *what)
{
    struct error err;
    error_set(&err, ERR_HELPER, "extraction helper: %s", what);
    lose(zygote, &err);
}

/* ---- packets --------------------------------------------------------------------------------- */

/* Answers the size, 0 at the end of the connection, -1 with errno. */
static ssize_t receive(struct zygote *zygote, char *packet, size_t packet_bytes, int *ret_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec span = {packet, packet_bytes};
    struct msghdr message = {.msg_iov = &span,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t got = recvmsg(zygote->control_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    *ret_fd = -1;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
    return got;
}

static void take_ready(struct zygote *zygote, const struct wire_ready *ready)
{
    if (!text_equal(ready->version, TEXT(MILLRACE_VERSION))) {
        struct error err;
        error_set(&err, ERR_SANDBOX, "millrace-extract is version %.*s, not " MILLRACE_VERSION,
                  TEXT_ARGS(ready->version));
        lose(zygote, &err);
        return;
    }
    zygote->is_ready = true;
    metric_set(METRIC_LANDLOCK, 0, ready->landlock_abi);
    if (zygote->events.on_ready)
        zygote->events.on_ready(zygote->events.arg);
}

static void take_broken(struct zygote *zygote, const struct wire_failure *failure)
{
    struct error err;
    error_set(&err, ERR_SANDBOX, "millrace-extract: %.*s", TEXT_ARGS(failure->message));
    lose(zygote, &err);
}

/* Takes fd. */
static void take_packet(struct zygote *zygote, const struct wire_frame *frame, int fd)
{
    bool is_started = frame->type == WIRE_STARTED && zygote->is_ready && fd >= 0;
    if (is_started)
        zygote->events.on_started(zygote->events.arg, frame->started.job, fd);
    else if (fd >= 0)
        close(fd);
    if (is_started)
        return;
    if (frame->type == WIRE_ENDED && zygote->is_ready)
        zygote->events.on_ended(zygote->events.arg, &frame->ended);
    else if (frame->type == WIRE_READY && !zygote->is_ready)
        take_ready(zygote, &frame->ready);
    else if (frame->type == WIRE_BROKEN && !zygote->is_ready)
        take_broken(zygote, &frame->failure);
    else
        lose_with(zygote, "a frame out of turn");
}

/* False: there is nothing more at present. */
static bool take_one(struct zygote *zygote)
{
    char packet[WIRE_PACKET_BYTES_MAX];
    int fd;
    ssize_t got = receive(zygote, packet, sizeof(packet), &fd);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    struct wire_frame frame;
    size_t frame_bytes;
    bool is_whole = got > 0 && wire_decode((struct text){packet, (size_t)got}, 0, &frame,
                                           &frame_bytes) == WIRE_IS_WHOLE;
    if (is_whole) {
        take_packet(zygote, &frame, fd);
        return !zygote->is_lost && !zygote->is_closing;
    }
    if (fd >= 0)
        close(fd);
    lose_with(zygote, got > 0 ? "a malformed packet" : "it has ended");
    return false;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    struct zygote *zygote = poll->data;
    (void)status; /* recvmsg() says it better */
    (void)events;
    while (take_one(zygote))
        continue;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct zygote *zygote = handle->data;
    if (--zygote->handle_count)
        return;
    close(zygote->pidfd);
    if (zygote->control_fd >= 0)
        close(zygote->control_fd);
    void (*on_closed)(void *arg) = zygote->on_closed;
    void *arg = zygote->closed_arg;
    xfree(zygote);
    if (on_closed)
        on_closed(arg);
}

static void close_handles(struct zygote *zygote)
{
    timer_stop(zygote->loop, &zygote->parting);
    uv_close((uv_handle_t *)&zygote->exit_poll, on_handle_closed);
    uv_close((uv_handle_t *)&zygote->control_poll, on_handle_closed);
}

static void on_exit_seen(uv_poll_t *poll, int status, int events)
{
    struct zygote *zygote = poll->data;
    int wait_status;
    (void)status;
    (void)events;
    while (!zygote->is_lost && !zygote->is_closing && take_one(zygote))
        continue; /* its last words may say why */
    if (zygote->is_reaped)
        return;
    /* Its number is its own as long as it is not reaped, and so is that of its group. */
    (void)kill(-zygote->pid, SIGKILL);
    if (waitpid(zygote->pid, &wait_status, WNOHANG) != zygote->pid)
        return;
    /* Where the worker is process 1, the orphans are its own: also those of which no word has come.
     * Elsewhere there is nothing to wait for. */
    while (waitpid(-zygote->pid, &wait_status, 0) > 0)
        continue;
    zygote->is_reaped = true;
    uv_poll_stop(&zygote->exit_poll);
    lose_with(zygote, "it has ended");
    if (zygote->is_closing)
        close_handles(zygote);
    else
        zygote->events.on_lost(zygote->events.arg, &zygote->lost);
}

static void on_parting_over(struct timer *timer)
{
    struct zygote *zygote = container_of(timer, struct zygote, parting);
    (void)kill(zygote->pid, SIGKILL);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void poll_fd(struct zygote *zygote, uv_poll_t *poll, int fd, uv_poll_cb on_readable)
{
    poll->data = zygote;
    int status = uv_poll_init(loop_uv(zygote->loop), poll, fd);
    assert(status == 0); /* epoll takes sockets and pidfds */
    status = uv_poll_start(poll, UV_READABLE, on_readable);
    assert(status == 0);
    zygote->handle_count++;
}

struct zygote *zygote_start(struct loop *loop, const char *program_path,
                            const struct zygote_events *events, struct error *err)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        error_set_errno(err, ERR_SANDBOX, errno, "socketpair");
        return NULL;
    }
    pid_t pid;
    int errno_value = spawn(program_path, sockets[1], &pid);
    close(sockets[1]);
    int pidfd = errno_value ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (errno_value || pidfd < 0) {
        error_set_errno(err, ERR_SANDBOX, errno_value ? errno_value : errno, program_path);
        close(sockets[0]); /* the helper, if there is one, ends by that */
        if (!errno_value)
            waitpid(pid, &(int){0}, 0);
        return NULL;
    }
    struct zygote *zygote = xcalloc(1, sizeof(*zygote));
    zygote->loop = loop;
    zygote->events = *events;
    zygote->pid = pid;
    zygote->pidfd = pidfd;
    zygote->control_fd = sockets[0];
    poll_fd(zygote, &zygote->exit_poll, pidfd, on_exit_seen);
    poll_fd(zygote, &zygote->control_poll, sockets[0], on_control);
    return zygote;
}

bool zygote_await_ready(struct zygote *zygote, uint64_t timeout_ms, struct error *err)
{
    struct pollfd control = {zygote->control_fd, POLLIN, 0};
    void (*on_ready)(void *arg) = zygote->events.on_ready;
    zygote->events.on_ready = NULL;
    if (poll(&control, 1, (int)timeout_ms) == 1)
        (void)take_one(zygote);
    zygote->events.on_ready = on_ready;
    if (zygote->is_ready && !zygote->is_lost)
        return true;
    if (!zygote->is_lost)
        lose_with(zygote, "not ready in time");
    /* The caller gives up, and its loop may never run: leave nothing for later. */
    zygote->is_reaped = waitpid(zygote->pid, &(int){0}, 0) == zygote->pid;
    *err = zygote->lost;
    err->code = ERR_SANDBOX; /* at start-up there is nothing to try again */
    return false;
}

bool zygote_send_job(struct zygote *zygote, const struct wire_job *job, const int fds[WIRE_JOB_FDS],
                     struct error *err)
{
    struct buffer packet = buffer_new(WIRE_PACKET_BYTES_MAX);
    struct wire_frame frame = {.type = WIRE_JOB, .job = *job};
    bool is_encoded = wire_encode(&packet, &frame);
    assert(is_encoded);
    bool is_sent = !zygote->is_lost && handover_send(zygote->control_fd, buffer_text(&packet), fds,
                                                     WIRE_JOB_FDS, MSG_DONTWAIT);
    buffer_release(&packet);
    if (is_sent)
        return true;
    /* There is room for every job that may run at once: one that does not take them has hung. */
    lose_with(zygote, "it does not take jobs");
    return error_set(err, ERR_HELPER, "extraction helper: it does not take jobs");
}

uint64_t zygote_resident_bytes(const struct zygote *zygote)
{
    char path[64], line[128];
    uint64_t pages;
    if (!text_format(path, sizeof(path), "/proc/%d/statm", zygote->pid))
        return 0;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, line, sizeof(line)) : -1;
    struct text rest, all = {line, got > 0 ? (size_t)got : 0};
    (void)text_cut(all, ' ', &rest); /* the whole address space; then what is resident */
    bool is_known = text_parse_u64(text_cut(rest, ' ', &rest), &pages);
    return is_known ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void zygote_close(struct zygote *zygote, void (*on_closed)(void *arg), void *arg)
{
    zygote->is_closing = true;
    zygote->on_closed = on_closed;
    zygote->closed_arg = arg;
    if (zygote->is_reaped) {
        close_handles(zygote);
        return;
    }
    uv_poll_stop(&zygote->control_poll);
    shutdown(zygote->control_fd, SHUT_RDWR); /* its sign to end */
    timer_start(zygote->loop, &zygote->parting, PARTING_MS, on_parting_over);
}
