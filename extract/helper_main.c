/*
 * helper_main.c - millrace-extract: the zygote that forks a sandboxed child for each document.
 *
 * The worker executes it without its own environment, with descriptor 3 as the control socket and
 * its own process id as the only argument. It loads poppler once, reads only a PDF of its own, and
 * never touches a byte of a user's. One child is always forked ahead of its document. When the
 * socket closes it ends its children and itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/document.h"
#include "extract/handover.h"
#include "extract/helper_child.h"
#include "extract/selftest.h"
#include "worker/base/memory.h"

/* So far below the children's own descriptors that those can be put in place by dup2(). */
enum { FD_CONTROL = 3, FD_SIGNALS = 4 };

static const char ABOUT[] =
    "millrace-extract " MILLRACE_VERSION ": reads documents for millrace, which starts it.\n"
    "As a built program it is covered by the GNU GPL, version 2 or later, through libpoppler.\n";

struct nursery {
    struct sandbox *sandbox;
    struct {
        pid_t pid; /* 0: free */
        uint64_t job;
    } children[WIRE_JOBS_MAX];
    /* The next child, made ahead: no document waits for a fork and its page faults. */
    struct {
        pid_t pid;     /* 0: none */
        int socket_fd; /* where it waits for its job */
    } spare;
};

/* ---- control socket -------------------------------------------------------------------------- */

/* fd: goes along as a copy, -1 for none. False: the worker is gone. */
static bool send_packet(const struct wire_frame *frame, int fd)
{
    struct buffer packet = buffer_new(WIRE_PACKET_BYTES_MAX);
    bool is_sent = wire_encode(&packet, frame) &&
                   handover_send(FD_CONTROL, buffer_text(&packet), &fd, fd >= 0, 0);
    buffer_release(&packet);
    return is_sent;
}

struct packet {
    char bytes[WIRE_PACKET_BYTES_MAX];
    size_t packet_bytes;
    int fds[WIRE_JOB_FDS]; /* body, socket, progress word */
    struct wire_job job;
};

static void close_fds(const int *fds)
{
    for (size_t i = 0; i < WIRE_JOB_FDS; i++)
        close(fds[i]);
}

/* False: whoever sends jobs is gone, or talks nonsense. */
static bool receive_job(int socket_fd, struct packet *packet)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(packet->fds))];
    } control;
    struct iovec span = {packet->bytes, sizeof(packet->bytes)};
    struct msghdr message = {.msg_iov = &span,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(packet->fds)))
        return false;
    memcpy(packet->fds, CMSG_DATA(header), sizeof(packet->fds));
    struct wire_frame frame;
    size_t frame_bytes;
    if (wire_decode((struct text){packet->bytes, (size_t)got}, 0, &frame, &frame_bytes) !=
            WIRE_IS_WHOLE ||
        frame.type != WIRE_JOB) {
        close_fds(packet->fds);
        return false;
    }
    packet->packet_bytes = (size_t)got;
    packet->job = frame.job;
    return true;
}

/* As it came. False: nobody takes it. */
static bool forward_job(int socket_fd, const struct packet *packet)
{
    struct text bytes = {packet->bytes, packet->packet_bytes};
    return handover_send(socket_fd, bytes, packet->fds, WIRE_JOB_FDS, 0);
}

/* ---- children -------------------------------------------------------------------------------- */

/* A spare, until its job comes: it has seen no document yet. */
_Noreturn static void become_child(const struct nursery *nursery, int socket_fd, pid_t parent)
{
    struct error err;
    struct packet packet;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!sandbox_die_with_parent(parent, &err) || dup2(socket_fd, FD_CONTROL) < 0 ||
        !selftest_rehearse(&err) || !receive_job(FD_CONTROL, &packet))
        _exit(WIRE_EXIT_UNREADY);
    prctl(PR_SET_NAME, WIRE_READER_NAME);
    uint32_t *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED, packet.fds[2], 0);
    /* The descriptors that came are above both numbers: they were in use when these came. */
    if (progress == MAP_FAILED || dup2(packet.fds[0], CHILD_FD_BODY) < 0 ||
        dup2(packet.fds[1], CHILD_FD_SOCKET) < 0)
        _exit(WIRE_EXIT_UNREADY);
    helper_child_run(nursery->sandbox, &packet.job, progress);
}

static bool report_ended(uint64_t job, bool has_run, int status, const struct rusage *usage)
{
    struct wire_frame frame = {.type = WIRE_ENDED};
    frame.ended = (struct wire_ended){.job = job, .has_run = has_run, .status = (uint32_t)status};
    if (usage) {
        const struct timeval *user = &usage->ru_utime, *system = &usage->ru_stime;
        frame.ended.cpu_us = (uint64_t)(user->tv_sec + system->tv_sec) * 1000000 +
                             (uint64_t)(user->tv_usec + system->tv_usec);
        frame.ended.peak_bytes = (uint64_t)usage->ru_maxrss * 1024;
    }
    return send_packet(&frame, -1);
}

static size_t free_slot(const struct nursery *nursery)
{
    size_t slot = 0;
    while (slot < WIRE_JOBS_MAX && nursery->children[slot].pid)
        slot++;
    return slot;
}

static void forget_spare(struct nursery *nursery)
{
    close(nursery->spare.socket_fd);
    nursery->spare.pid = 0;
}

/* False with errno. */
static bool raise_spare(struct nursery *nursery)
{
    int sockets[2];
    pid_t self = getpid();
    if (nursery->spare.pid)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(sockets[0]);
        become_child(nursery, sockets[1], self);
    }
    close(sockets[1]);
    nursery->spare.pid = pid > 0 ? pid : 0;
    nursery->spare.socket_fd = sockets[0];
    if (pid < 0)
        forget_spare(nursery);
    return pid > 0;
}

/* To the spare, or to a new one where that has been killed while it waited. 0 with errno. */
static pid_t give_job(struct nursery *nursery, struct packet *packet)
{
    for (int tries = 0; tries < 2 && raise_spare(nursery); tries++) {
        pid_t pid = nursery->spare.pid;
        bool is_given = forward_job(nursery->spare.socket_fd, packet);
        forget_spare(nursery);
        if (is_given)
            return pid;
    }
    return 0;
}

static bool start_child(struct nursery *nursery, struct packet *packet)
{
    size_t slot = free_slot(nursery);
    errno = EAGAIN;
    pid_t pid = slot < WIRE_JOBS_MAX ? give_job(nursery, packet) : 0;
    if (!pid)
        return report_ended(packet->job.job, false, errno, NULL);
    nursery->children[slot].pid = pid;
    nursery->children[slot].job = packet->job.job;
    /* Nobody but us can reap it, so that the number is still its own. */
    AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct wire_frame frame = {.type = WIRE_STARTED};
    frame.started = (struct wire_started){packet->job.job, (uint32_t)pid};
    return pidfd >= 0 && send_packet(&frame, pidfd);
}

static bool reap(struct nursery *nursery)
{
    int status;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        if (pid == nursery->spare.pid)
            forget_spare(nursery);
        for (size_t slot = 0; slot < WIRE_JOBS_MAX; slot++) {
            if (nursery->children[slot].pid != pid)
                continue;
            nursery->children[slot].pid = 0;
            if (!report_ended(nursery->children[slot].job, true, status, &usage))
                return false;
        }
    }
    return true;
}

static void end_children(const struct nursery *nursery)
{
    for (size_t slot = 0; slot < WIRE_JOBS_MAX; slot++)
        if (nursery->children[slot].pid)
            kill(nursery->children[slot].pid, SIGKILL);
    if (nursery->spare.pid)
        kill(nursery->spare.pid, SIGKILL);
    while (wait(NULL) > 0) /* where the worker is process 1 they would be its zombies */
        continue;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool serve_signals(struct nursery *nursery)
{
    struct signalfd_siginfo info;
    return read(FD_SIGNALS, &info, sizeof(info)) == sizeof(info) && reap(nursery);
}

static bool serve_control(struct nursery *nursery)
{
    struct packet packet;
    if (!receive_job(FD_CONTROL, &packet))
        return false;
    bool is_started = start_child(nursery, &packet);
    close_fds(packet.fds);
    (void)raise_spare(nursery); /* else it is tried again when a job comes */
    return is_started;
}

/* Returns when the worker is gone. */
static void serve(struct nursery *nursery)
{
    struct pollfd polled[] = {{FD_CONTROL, POLLIN, 0}, {FD_SIGNALS, POLLIN, 0}};
    for (;;) {
        if (poll(polled, COUNT_OF(polled), -1) < 0 && errno != EINTR)
            return;
        if (polled[1].revents && !serve_signals(nursery))
            return;
        if (polled[0].revents && !serve_control(nursery))
            return;
    }
}

/* A service manager or a terminal tells every process to end. The worker drains, and ends us when
 * it needs us no more: a reader that obeyed would look like one that its document has crashed. */
static bool open_signals(struct error *err)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    sigset_t signals;
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN); /* the readers inherit it */
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0 || (fd != FD_SIGNALS && (dup2(fd, FD_SIGNALS) < 0 || close(fd) != 0)))
        return error_set_errno(err, ERR_SANDBOX, errno, "signalfd");
    return true;
}

static bool set_up(struct nursery *nursery, pid_t parent, struct error *err)
{
    if (!sandbox_die_with_parent(parent, err) || !open_signals(err))
        return false;
    nursery->sandbox = sandbox_prepare(POPPLER_DATADIR, err);
    return nursery->sandbox && document_warm_up(err) && selftest_warm_up(err) &&
           selftest_sandbox(nursery->sandbox, err);
}

int main(int argc, char **argv)
{
    static struct nursery nursery;
    struct error err;
    struct wire_frame frame = {.type = WIRE_READY};
    uint64_t parent;
    if (argc != 2 || !text_parse_u64(text_from(argv[1]), &parent))
        return write(STDOUT_FILENO, ABOUT, sizeof(ABOUT) - 1) < 0 ? 1 : 2;
    prctl(PR_SET_DUMPABLE, 0); /* readers are forked of us: no core file has a document */
    if (!set_up(&nursery, (pid_t)parent, &err)) {
        frame.type = WIRE_BROKEN;
        frame.failure.code = text_from(error_name(err.code));
        frame.failure.message = text_from(err.message);
        (void)send_packet(&frame, -1); /* the exit says it too */
        _exit(1);
    }
    frame.ready.landlock_abi = sandbox_landlock_abi(nursery.sandbox);
    frame.ready.version = TEXT(MILLRACE_VERSION);
    if (send_packet(&frame, -1)) {
        (void)raise_spare(&nursery);
        serve(&nursery);
    }
    end_children(&nursery);
    _exit(0); /* poppler's destructors have nothing to do for us */
}
