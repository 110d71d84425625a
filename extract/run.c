#include "extract/run.h"

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

#define CREDIT_AT_FIRST (256 << 10)
#define PAGES_AT_ONCE 64
#define READS_PER_TURN 8 /* then the loop sees to others */
#define WALL_PER_PAGE_MS 50
#define WALL_MAX_MS 600000u
#define FROZEN_MS 250 /* a clock that comes later than that has been stopped with us */

/* The worker's end of a child's socket; closing it takes a turn longer than the run may live. */
struct stream {
    uv_poll_t poll;
    struct run *run; /* NULL: closing */
    int fd;
};

static void step(struct run *run);

/* ---- ending a child -------------------------------------------------------------------------- */

static void on_stream_closed(uv_handle_t *handle)
{
    xfree(container_of((uv_poll_t *)handle, struct stream, poll));
}

static void close_stream(struct run *run)
{
    struct stream *stream = run->stream;
    if (!stream)
        return;
    run->stream = NULL;
    stream->run = NULL;
    uv_close((uv_handle_t *)&stream->poll, on_stream_closed);
    close(stream->fd);
}

static void kill_child(struct run *run)
{
    run->is_killed = true; /* where the pidfd is still on its way: when it comes */
    if (run->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, run->pidfd, SIGKILL, NULL,
                      0); /* ESRCH: it has ended */
}

/* From here on nothing that the child says matters. */
static void set_verdict(struct run *run, const struct error *err)
{
    if (!run->has_verdict)
        run->verdict = *err;
    run->has_verdict = true;
    if (run->has_child)
        kill_child(run);
    close_stream(run);
}

/* ---- clocks: they run while the child has credit --------------------------------------------- */

static uint64_t wall_max_ms(const struct run *run)
{
    uint64_t pages_ms = (uint64_t)run->transcript.page_count * WALL_PER_PAGE_MS;
    uint64_t limit_ms = run->transcript.limits.wall_ms + pages_ms;
    return limit_ms < WALL_MAX_MS ? limit_ms : WALL_MAX_MS;
}

static uint64_t wall_used_ms(const struct run *run)
{
    uint64_t now_ms = loop_now_ms(run->loop);
    return run->wall_used_ms + (run->is_clock_on ? now_ms - run->clock_since_ms : 0);
}

/* By the child's own account, 0: none. Only a hint. */
static uint32_t page_in_progress(const struct run *run)
{
    const struct transcript *transcript = &run->transcript;
    uint32_t page = 0, page_max = transcript->page_count;
    if (!transcript->has_document)
        page_max = transcript->limits.pages_max;
    if (pread(run->progress_fd, &page, sizeof(page), 0) != sizeof(page) || page > page_max)
        return 0;
    return page;
}

static void stop_clock(struct run *run)
{
    run->wall_used_ms = wall_used_ms(run);
    run->is_clock_on = false;
    timer_stop(run->loop, &run->clock);
}

static void update_clock(struct run *run, bool has_progress);

/* Time in which we ourselves stood still (SIGSTOP, a suspended machine) does not count: the child
 * did so too, or we have not read what it sent. */
static void on_clock(struct timer *timer)
{
    struct run *run = container_of(timer, struct run, clock);
    uint64_t now_ms = loop_now_ms(run->loop);
    if (now_ms - run->clock_since_ms > run->clock_ms + FROZEN_MS) {
        run->clock_since_ms = now_ms;
        timer_start(run->loop, timer, run->clock_ms, on_clock);
        return;
    }
    uint32_t page = page_in_progress(run);
    if (page != run->clock_page && wall_used_ms(run) < wall_max_ms(run)) {
        stop_clock(run);
        run->clock_page = page;
        update_clock(run, true);
        return;
    }
    run->is_late = true;
    kill_child(run); /* step() follows when it has ended */
}

/* has_progress: a page came, the next one has its whole time. */
static void update_clock(struct run *run, bool has_progress)
{
    bool is_running = run->has_child && run->stream && !run->is_killed &&
                      run->transcript.credit > 0 && !run->transcript.has_ended;
    if (run->is_clock_on && (!is_running || has_progress))
        stop_clock(run);
    if (!is_running || run->is_clock_on)
        return;
    uint64_t page_ms = run->transcript.limits.page_timeout_ms, max_ms = wall_max_ms(run);
    uint64_t rest_ms = max_ms > run->wall_used_ms ? max_ms - run->wall_used_ms : 0;
    run->is_clock_on = true;
    run->clock_since_ms = loop_now_ms(run->loop);
    run->clock_ms = page_ms < rest_ms ? page_ms : rest_ms;
    timer_start(run->loop, &run->clock, run->clock_ms, on_clock);
}

/* ---- what comes from the child --------------------------------------------------------------- */

static void announce(struct run *run)
{
    const struct transcript *transcript = &run->transcript;
    struct extract_request *request = run->request;
    if (run->is_announced || !transcript->has_document)
        return;
    run->is_announced = true;
    if (request->on_document)
        request->on_document(request, &(struct extract_document){
                                          transcript->page_count,
                                          {transcript->title, transcript->title_bytes},
                                          text_from(transcript->mime_type),
                                      });
}

static bool deliver(struct run *run)
{
    struct page pages[PAGES_AT_ONCE];
    struct error err;
    size_t count;
    do {
        bool is_true = transcript_pages(&run->transcript, pages, PAGES_AT_ONCE, &count, &err);
        announce(run);
        if (!is_true) {
            set_verdict(run, &err);
            return false;
        }
        if (count && !run->has_verdict)
            run->request->on_pages(run->request, pages, count);
        if (run->has_verdict) /* cancelled from there */
            return false;
    } while (count == PAGES_AT_ONCE);
    return true;
}

/* False: there is nothing more at present, or never. */
static bool receive(struct run *run)
{
    size_t room_bytes;
    char *room = transcript_room(&run->transcript, &room_bytes);
    ssize_t got = recv(run->stream->fd, room, room_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) { /* also ECONNRESET: it left credit unread */
        close_stream(run);
        return false;
    }
    transcript_received(&run->transcript, (size_t)got);
    return deliver(run);
}

static void on_stream(uv_poll_t *poll, int status, int events);

static void send_credit(struct run *run)
{
    struct buffer out = buffer_new(WIRE_PACKET_BYTES_MAX);
    struct wire_frame frame = {.type = WIRE_CREDIT, .credit_bytes = run->credit_unsent};
    bool is_encoded = wire_encode(&out, &frame);
    assert(is_encoded);
    ssize_t sent = send(run->stream->fd, out.data, out.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    bool is_blocked = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (!is_blocked)
        run->credit_unsent = 0; /* sent in one piece, or there is no reader: its end will be seen */
    buffer_release(&out);
    uv_poll_start(&run->stream->poll, is_blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE,
                  on_stream);
}

static void on_stream(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = container_of(poll, struct stream, poll);
    struct run *run = stream->run;
    if (!run)
        return;
    uint32_t page_next = run->transcript.page_next;
    bool has_document = run->transcript.has_document;
    if (status == 0 && (events & UV_WRITABLE) && run->credit_unsent)
        send_credit(run);
    /* An error stops the poll: then everything there is has to be read now. */
    for (int i = 0; (status < 0 || i < READS_PER_TURN) && run->stream && receive(run); i++)
        continue;
    if (status < 0)
        close_stream(run);
    update_clock(run, run->transcript.page_next != page_next ||
                          run->transcript.has_document != has_document);
    step(run);
}

/* ---- how it ends ----------------------------------------------------------------------------- */

static struct extract_summary summarize(const struct run *run)
{
    const struct transcript *transcript = &run->transcript;
    return (struct extract_summary){
        .page_count = transcript->page_count,
        .pages_skipped = transcript->pages_skipped,
        .text_bytes = transcript->text_bytes,
        .title = {transcript->title, transcript->title_bytes},
        .mime_type = text_from(transcript->mime_type),
        .is_encrypted = transcript->is_encrypted,
        .cpu_us = run->cpu_us,
    };
}

static void answer(struct run *run, const struct error *err)
{
    struct extract_request *request = run->request;
    struct extract_summary summary = summarize(run);
    later_cancel(run->loop, &run->answering);
    run->request = NULL;
    request->private_state = NULL;
    request->on_done(request, run->transcript.has_document ? &summary : NULL, err);
}

static void answer_whole(struct run *run)
{
    const struct transcript *transcript = &run->transcript;
    struct error err;
    if (transcript->pages_with_text) {
        answer(run, NULL);
        return;
    }
    if (transcript->pages_skipped)
        err = run->damage;
    else
        error_set(&err, ERR_NO_TEXT, "none of %u pages has text", transcript->page_count);
    answer(run, &err);
}

/* An unexpected SIGKILL is the kernel's, out of memory, and not this document's fault alone: it is
 * tried again. abort() is how poppler answers to an allocation that fails. */
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

static struct error describe_death(const struct run *run, uint32_t page)
{
    struct error err;
    int status = (int)run->ended.status;
    if (run->is_late && run->wall_used_ms >= wall_max_ms(run))
        error_set(&err, ERR_EXTRACT_TIMEOUT, "not done after %llu ms",
                  (unsigned long long)run->wall_used_ms);
    else if (run->is_late)
        error_set(&err, ERR_EXTRACT_TIMEOUT, "page %u took longer than %llu ms", page,
                  (unsigned long long)run->transcript.limits.page_timeout_ms);
    else if (WIFSIGNALED(status))
        error_set(&err, code_of_signal(WTERMSIG(status)),
                  "the reader ended by signal %d at page %u", WTERMSIG(status), page);
    else
        error_set(&err, WEXITSTATUS(status) == WIRE_EXIT_UNREADY ? ERR_HELPER : ERR_EXTRACT_CRASH,
                  "the reader ended with status %d and without a last word", WEXITSTATUS(status));
    return err;
}

/* Another child may go on: behind a bad page, or where a child has used up its time on good ones.
 */
static bool can_resume(struct run *run, uint32_t page)
{
    const struct transcript *transcript = &run->transcript;
    enum error_code code = run->damage.code;
    bool is_of_a_page =
        code == ERR_EXTRACT_TIMEOUT || code == ERR_EXTRACT_MEMORY || code == ERR_EXTRACT_CRASH;
    if (!(transcript->has_greeted || page) || !is_of_a_page ||
        run->wall_used_ms >= wall_max_ms(run))
        return false;
    uint64_t fair_ms = (uint64_t)(transcript->page_next - run->page_first) * WALL_PER_PAGE_MS;
    if (!run->is_late && code == ERR_EXTRACT_TIMEOUT &&
        fair_ms >= (uint64_t)transcript->limits.cpu_seconds * 1000)
        return true;
    if (run->death_count == WIRE_SKIPS_MAX)
        return false;
    run->death_count++;
    if (page) /* else it was between two */
        run->skips[run->skip_count++] = page;
    return true;
}

static void judge(struct run *run)
{
    const struct transcript *transcript = &run->transcript;
    if (run->has_verdict) {
        answer(run, &run->verdict);
    } else if (!run->ended.has_run) {
        struct error err;
        error_set_errno(&err, ERR_HELPER, (int)run->ended.status, "forking a reader");
        answer(run, &err);
    } else if (transcript->has_failed) {
        answer(run, &transcript->failure);
    } else if (transcript->has_ended) {
        answer_whole(run);
    } else {
        uint32_t page = page_in_progress(run);
        run->damage = describe_death(run, page);
        if (!can_resume(run, page))
            answer(run, &run->damage);
    }
}

static void forget_child(struct run *run)
{
    stop_clock(run);
    if (run->pidfd >= 0)
        close(run->pidfd);
    run->pidfd = -1;
    run->has_child = false;
}

/* Every event ends here: is the child gone, and what then? */
static void step(struct run *run)
{
    if (run->has_child) {
        if (run->stream || !run->has_ended)
            return;
        forget_child(run);
        if (run->request)
            judge(run);
        close(run->progress_fd);
        run->progress_fd = -1;
    }
    run->on_idle(run);
}

static void on_answering(struct later *later)
{
    struct run *run = container_of(later, struct run, answering);
    answer(run, &run->verdict);
    step(run);
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

static struct wire_job job_of(const struct run *run, uint64_t job)
{
    const struct extract_limits *limits = &run->transcript.limits;
    struct wire_job wire = {
        .job = job,
        .body_bytes = run->request->body_bytes,
        .memory_bytes = limits->memory_bytes + run->request->body_bytes,
        .page_text_bytes_max = limits->page_text_bytes_max,
        .text_bytes_max = limits->text_bytes_max - run->transcript.text_bytes,
        .credit = run->transcript.credit,
        .cpu_seconds = limits->cpu_seconds,
        .pages_max = limits->pages_max,
        .page_first = run->transcript.page_next,
    };
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        wire.page_skips[i] = run->skips[i];
    return wire;
}

static void open_stream(struct run *run, int fd)
{
    struct stream *stream = xcalloc(1, sizeof(*stream));
    stream->run = run;
    stream->fd = fd;
    int status = uv_poll_init(loop_uv(run->loop), &stream->poll, fd);
    assert(status == 0); /* epoll takes sockets */
    run->stream = stream;
    uv_poll_start(&stream->poll, UV_READABLE, on_stream);
}

bool run_launch(struct run *run, struct zygote *zygote, uint64_t job, struct error *err)
{
    int sockets[2] = {-1, -1};
    struct wire_job wire = job_of(run, job);
    run->progress_fd = make_progress_word();
    if (run->progress_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
        error_set_errno(err, ERR_HELPER, errno, "descriptors for a reader");
        goto failed;
    }
    const int fds[WIRE_JOB_FDS] = {run->request->body_fd, sockets[1], run->progress_fd};
    if (!zygote_send_job(zygote, &wire, fds, err)) {
        close(sockets[0]);
        close(sockets[1]);
        goto failed;
    }
    close(sockets[1]);
    transcript_resume(&run->transcript, run->skips);
    run->job = job;
    run->page_first = run->transcript.page_next;
    run->credit_unsent = 0; /* the job says it all */
    run->has_child = true;
    run->has_ended = run->is_killed = run->is_late = false;
    open_stream(run, sockets[0]);
    update_clock(run, false);
    return true;
failed:
    if (run->progress_fd >= 0)
        close(run->progress_fd);
    run->progress_fd = -1;
    return false;
}

/* ---- public ---------------------------------------------------------------------------------- */

struct run *run_new(struct loop *loop, struct extract_request *request)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->loop = loop;
    run->request = request;
    run->pidfd = run->progress_fd = -1;
    transcript_init(&run->transcript, request->limits, CREDIT_AT_FIRST);
    return run;
}

void run_free(struct run *run)
{
    assert(!run->request && !run->has_child);
    transcript_release(&run->transcript);
    xfree(run);
}

void run_started(struct run *run, int pidfd)
{
    run->pidfd = pidfd;
    if (run->is_killed)
        kill_child(run);
}

void run_ended(struct run *run, const struct wire_ended *ended)
{
    run->has_ended = true;
    run->ended = *ended;
    run->cpu_us += ended->cpu_us;
    step(run);
}

void run_lost(struct run *run, const struct error *err)
{
    if (!run->has_child)
        return;
    set_verdict(run, err);
    run->has_ended = true;
    /* Where the worker is process 1, its orphans are its zombies; elsewhere this is ECHILD. */
    if (run->pidfd >= 0)
        (void)waitid(P_PIDFD, (id_t)run->pidfd, &(siginfo_t){0}, WEXITED);
    step(run);
}

void run_credit(struct run *run, uint64_t text_bytes)
{
    int64_t *credit = &run->transcript.credit;
    if (text_bytes > INT64_MAX / 2 || *credit > INT64_MAX / 2)
        text_bytes = 0; /* it has more than it can ever use */
    *credit += (int64_t)text_bytes;
    run->credit_unsent += text_bytes;
    if (run->stream && run->credit_unsent)
        send_credit(run);
    update_clock(run, false);
}

void run_give_up(struct run *run, const struct error *err)
{
    if (!run->request || run->has_verdict)
        return;
    set_verdict(run, err);
    stop_clock(run);
    loop_later(run->loop, &run->answering, on_answering);
}
