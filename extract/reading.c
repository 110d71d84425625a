#include "extract/reading.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "worker/base/memory.h"

#define READS_PER_TURN 8 /* then the loop sees to others */
#define UNSENT_BYTES_MAX ((size_t)1 << 20)

/* The worker's end of a child's socket; closing it takes a turn longer than the reading may live. */
struct stream {
    uv_poll_t poll;
    struct reading *reading; /* NULL: closing */
    int fd;
};

/* ---- ending a child -------------------------------------------------------------------------- */

static void on_stream_closed(uv_handle_t *handle)
{
    xfree(container_of((uv_poll_t *)handle, struct stream, poll));
}

static void close_stream(struct reading *reading)
{
    struct stream *stream = reading->stream;
    if (!stream)
        return;
    reading->stream = NULL;
    stream->reading = NULL;
    uv_close((uv_handle_t *)&stream->poll, on_stream_closed);
    close(stream->fd);
    buffer_clear(&reading->unsent);
}

static void kill_child(struct reading *reading)
{
    reading->is_killed = true; /* where the pidfd is still on its way: when it comes */
    if (reading->pidfd >= 0)   /* ESRCH: it has ended */
        (void)syscall(SYS_pidfd_send_signal, reading->pidfd, SIGKILL, NULL, 0);
}

/* Every event ends here: is all heard and the process gone? */
static void step(struct reading *reading)
{
    if (!reading->has_child || reading->stream || !reading->has_ended)
        return;
    if (reading->pidfd >= 0)
        close(reading->pidfd);
    reading->pidfd = -1;
    reading->has_child = false;
    later_cancel(reading->loop, &reading->stopping);
    reading->on_over(reading);
}

static void on_stopping(struct later *later)
{
    step(container_of(later, struct reading, stopping));
}

/* ---- talking --------------------------------------------------------------------------------- */

static void on_stream(uv_poll_t *poll, int status, int events);

static void send_unsent(struct reading *reading)
{
    struct buffer *unsent = &reading->unsent;
    struct text rest = buffer_text(unsent);
    bool is_blocked = false;
    while (rest.bytes && !is_blocked) {
        ssize_t sent =
            send(reading->stream->fd, rest.start, rest.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        is_blocked = sent < 0 && (errno == EAGAIN || errno == EINTR);
        if (sent < 0 && !is_blocked)
            sent = (ssize_t)rest.bytes; /* there is no reader: its end will be seen */
        rest = text_slice(rest, sent > 0 ? (size_t)sent : 0, rest.bytes);
    }
    for (size_t i = 0; i < rest.bytes; i++)
        unsent->data[i] = rest.start[i];
    unsent->bytes = rest.bytes;
    uv_poll_start(&reading->stream->poll, is_blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE,
                  on_stream);
}

static void say(struct reading *reading, const struct wire_frame *frame)
{
    if (!reading->stream)
        return;
    bool is_encoded = wire_encode(&reading->unsent, frame);
    assert(is_encoded); /* who says so much to one that does not listen? */
    send_unsent(reading);
}

/* False: there is nothing more at present, or never. */
static bool receive(struct reading *reading)
{
    size_t room_bytes;
    char *room = transcript_room(&reading->transcript, &room_bytes);
    ssize_t got = recv(reading->stream->fd, room, room_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) { /* also ECONNRESET: it left something unread */
        close_stream(reading);
        return false;
    }
    transcript_received(&reading->transcript, (size_t)got);
    reading->stuck_ms = 0;
    reading->on_heard(reading);
    return true;
}

static void on_stream(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = container_of(poll, struct stream, poll);
    struct reading *reading = stream->reading;
    if (!reading)
        return;
    if (status == 0 && (events & UV_WRITABLE))
        send_unsent(reading);
    /* An error stops the poll: then everything there is has to be read now. */
    for (int i = 0; (status < 0 || i < READS_PER_TURN) && reading->stream && receive(reading); i++)
        continue;
    if (status < 0)
        close_stream(reading);
    step(reading);
}

/* ---- launching ------------------------------------------------------------------------------- */

/* A word that the child writes and we read. Sealed in size: reading must not fault here. */
static int make_progress_word(void)
{
    int fd = memfd_create("progress", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (ftruncate(fd, sizeof(uint32_t)) != 0 ||
                    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static struct wire_job job_of(const struct reading *reading, uint64_t job,
                              const struct extract_request *request)
{
    const struct transcript *transcript = &reading->transcript;
    const struct extract_limits *limits = &transcript->limits;
    struct wire_job wire = {
        .job = job,
        .body_bytes = request->body_bytes,
        .memory_bytes = limits->memory_bytes + request->body_bytes,
        .page_text_bytes_max = limits->page_text_bytes_max,
        .text_bytes_max = limits->text_bytes_max - transcript->text_bytes,
        .credit = transcript->credit,
        .cpu_seconds = limits->cpu_seconds,
        .pages_max = limits->pages_max,
        .named = format_of_name(request->name),
        .range_pages = limits->range_pages,
        .page_first = transcript->range_count ? transcript->ranges[0].page_first : 1,
    };
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        wire.page_skips[i] = transcript->skips[i];
    return wire;
}

static void open_stream(struct reading *reading, int fd)
{
    struct stream *stream = xcalloc(1, sizeof(*stream));
    stream->reading = reading;
    stream->fd = fd;
    int status = uv_poll_init(loop_uv(reading->loop), &stream->poll, fd);
    assert(status == 0); /* epoll takes sockets */
    reading->stream = stream;
    uv_poll_start(&stream->poll, UV_READABLE, on_stream);
}

/* What a child that goes on for another one has to be told again. */
static void say_ranges(struct reading *reading)
{
    const struct transcript *transcript = &reading->transcript;
    struct wire_frame frame = {.type = WIRE_RANGE};
    bool is_alone = transcript->page_count < transcript->limits.range_pages;
    if (!transcript->has_document || is_alone)
        return;
    for (size_t i = 1; i < transcript->range_count; i++) {
        frame.range = transcript->ranges[i];
        say(reading, &frame);
    }
    frame.range = (struct wire_range){0};
    if (transcript->is_told_all)
        say(reading, &frame);
}

bool reading_launch(struct reading *reading, struct zygote *zygote, uint64_t job,
                    const struct extract_request *request, struct error *err)
{
    int sockets[2] = {-1, -1};
    struct wire_job wire = job_of(reading, job, request);
    if (reading->progress_fd >= 0)
        close(reading->progress_fd);
    reading->progress_fd = make_progress_word();
    if (reading->progress_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return error_set_errno(err, ERR_HELPER, errno, "descriptors for a reader");
    const int fds[WIRE_JOB_FDS] = {request->body_fd, sockets[1], reading->progress_fd};
    bool is_sent = zygote_send_job(zygote, &wire, fds, err);
    close(sockets[1]);
    if (!is_sent) {
        close(sockets[0]);
        return false;
    }
    reading->job = job;
    reading->has_child = true;
    reading->has_ended = reading->is_killed = reading->is_late = false;
    reading->begun_ms = loop_now_ms(reading->loop);
    reading->stuck_ms = reading->page_seen = reading->pages_read = 0;
    open_stream(reading, sockets[0]);
    say_ranges(reading);
    return true;
}

/* An unexpected SIGKILL is the kernel's, out of memory, and not this document's fault alone: when
 * other processes end so too, the pipeline tries again later. abort() is how poppler answers to an
 * allocation that fails. */
static enum error_code code_of_signal(int signal)
{
    switch (signal) {
    case SIGSYS:
        return ERR_EXTRACT_FORBIDDEN;
    case SIGXCPU:
        return ERR_EXTRACT_TIMEOUT;
    case SIGABRT:
    case SIGTRAP:
        return ERR_EXTRACT_MEMORY;
    case SIGKILL:
        return ERR_HELPER;
    default:
        return ERR_EXTRACT_CRASH;
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

void reading_init(struct reading *reading, struct loop *loop, const struct transcript *transcript)
{
    *reading = (struct reading){
        .loop = loop,
        .transcript = *transcript,
        .unsent = buffer_new(UNSENT_BYTES_MAX),
        .pidfd = -1,
        .progress_fd = -1,
    };
}

void reading_release(struct reading *reading)
{
    assert(!reading->has_child);
    if (reading->progress_fd >= 0)
        close(reading->progress_fd);
    buffer_release(&reading->unsent);
    transcript_release(&reading->transcript);
}

void reading_started(struct reading *reading, int pidfd)
{
    reading->pidfd = pidfd;
    if (reading->is_killed)
        kill_child(reading);
}

void reading_ended(struct reading *reading, const struct wire_ended *ended)
{
    reading->has_ended = true;
    reading->ended = *ended;
    step(reading);
}

void reading_lost(struct reading *reading)
{
    if (!reading->has_child)
        return;
    reading_stop(reading);
    reading_ended(reading, &(struct wire_ended){.job = reading->job});
}

void reading_add_credit(struct reading *reading, uint64_t text_bytes)
{
    struct wire_frame frame = {.type = WIRE_CREDIT, .credit_bytes = text_bytes};
    reading->transcript.credit += (int64_t)text_bytes;
    say(reading, &frame);
}

void reading_add_range(struct reading *reading, struct wire_range range)
{
    struct wire_frame frame = {.type = WIRE_RANGE, .range = range};
    transcript_expect(&reading->transcript, range);
    say(reading, &frame);
}

/* Waiting for the worker, for credit or for something to read, it is at no page; and what is stuck
 * behind us is not stuck. */
static bool is_waiting(const struct reading *reading, uint32_t page)
{
    const struct transcript *transcript = &reading->transcript;
    bool has_nothing_to_do = transcript->has_greeted && !transcript->range_count;
    return page == 0 && (transcript->credit <= 0 || has_nothing_to_do);
}

void reading_tick(struct reading *reading, uint64_t elapsed_ms)
{
    if (!reading->stream || reading->is_killed)
        return;
    uint32_t page = reading_page(reading);
    reading->stuck_ms += elapsed_ms;
    if (page != reading->page_seen || is_waiting(reading, page))
        reading->stuck_ms = 0;
    reading->page_seen = page;
    if (reading->stuck_ms < reading->transcript.limits.page_timeout_ms)
        return;
    reading->is_late = true;
    kill_child(reading); /* on_over() follows when it has ended */
}

void reading_stop(struct reading *reading)
{
    if (!reading->has_child)
        return;
    kill_child(reading);
    close_stream(reading);
    if (reading->has_ended) /* nothing else will come that could tell of it */
        loop_later(reading->loop, &reading->stopping, on_stopping);
}

uint32_t reading_page(const struct reading *reading)
{
    const struct transcript *transcript = &reading->transcript;
    uint32_t page = 0, page_max = transcript->page_count;
    if (!transcript->has_document)
        page_max = transcript->limits.pages_max;
    if (pread(reading->progress_fd, &page, sizeof(page), 0) != sizeof(page) || page > page_max)
        return 0;
    return page;
}

/* Where it was, at the start of a sentence. */
static void name_place(const struct reading *reading, char *name, size_t name_bytes)
{
    uint32_t page = reading_page(reading);
    if (page)
        (void)text_format(name, name_bytes, "page %u", page);
    else if (reading->transcript.has_greeted)
        (void)text_format(name, name_bytes, "a step between two pages");
    else
        (void)text_format(name, name_bytes, "opening the file");
}

void reading_describe_end(const struct reading *reading, struct error *ret_damage)
{
    char what[32];
    int status = (int)reading->ended.status;
    name_place(reading, what, sizeof(what));
    if (reading->is_late)
        error_set(ret_damage, ERR_EXTRACT_TIMEOUT, "%s took longer than %llu ms", what,
                  (unsigned long long)reading->transcript.limits.page_timeout_ms);
    else if (WIFSIGNALED(status))
        error_set(ret_damage, code_of_signal(WTERMSIG(status)), "%s ended the reader by signal %d",
                  what, WTERMSIG(status));
    else
        error_set(ret_damage,
                  WEXITSTATUS(status) == WIRE_EXIT_UNREADY ? ERR_HELPER : ERR_EXTRACT_CRASH,
                  "the reader ended with status %d and without a last word", WEXITSTATUS(status));
}

bool reading_was_killed(const struct reading *reading)
{
    int status = (int)reading->ended.status;
    return !reading->is_late && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
