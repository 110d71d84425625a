#include "extract/helper_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "extract/pdf.h"
#include "worker/model/chunk.h"

#define FLUSH_BYTES (64 << 10)
#define FLUSH_US 5000 /* a page that took its time is not kept waiting for others */
#define EXIT_LOST 1   /* the worker is gone, or makes no sense */

struct child {
    const struct wire_job *job;
    uint32_t *progress;
    struct buffer out; /* whole frames, not sent yet */
    uint64_t flushed_us;
    int64_t credit;
    uint64_t text_bytes;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- talking --------------------------------------------------------------------------------- */

static void flush(struct child *child)
{
    struct text rest = buffer_text(&child->out);
    while (rest.bytes) {
        ssize_t written = write(CHILD_FD_SOCKET, rest.start, rest.bytes);
        if (written < 0 && errno != EINTR)
            _exit(EXIT_LOST);
        rest = text_slice(rest, written > 0 ? (size_t)written : 0, rest.bytes);
    }
    buffer_clear(&child->out);
    child->flushed_us = now_us();
}

static void send_frame(struct child *child, const struct wire_frame *frame)
{
    if (!wire_encode(&child->out, frame))
        _exit(EXIT_LOST); /* our own texts are short */
}

_Noreturn static void finish(struct child *child, const struct wire_frame *last)
{
    send_frame(child, last);
    flush(child);
    _exit(0); /* no destructors: the process and its memory go as they are */
}

_Noreturn static void fail(struct child *child, const struct error *err)
{
    struct wire_frame frame = {.type = WIRE_FAILURE};
    frame.failure.code = text_from(error_name(err->code));
    frame.failure.message = text_from(err->message);
    finish(child, &frame);
}

/* Credits are whole frames of 20 bytes, written by one send each; a part of one stays for later. */
static void await_credit(struct child *child)
{
    char input[1024];
    size_t bytes = 0;
    flush(child);
    while (child->credit <= 0 || bytes) {
        ssize_t got = read(CHILD_FD_SOCKET, input + bytes, sizeof(input) - bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(EXIT_LOST);
        bytes += (size_t)got;
        struct text rest = {input, bytes};
        struct wire_frame frame;
        size_t frame_bytes;
        enum wire_result result;
        while ((result = wire_decode(rest, 0, &frame, &frame_bytes)) == WIRE_IS_WHOLE) {
            if (frame.type != WIRE_CREDIT ||
                __builtin_add_overflow(child->credit, frame.credit_bytes, &child->credit))
                _exit(EXIT_LOST);
            rest = text_slice(rest, frame_bytes, rest.bytes);
        }
        if (result == WIRE_IS_BAD)
            _exit(EXIT_LOST);
        for (size_t i = 0; i < rest.bytes; i++)
            input[i] = rest.start[i];
        bytes = rest.bytes;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_skipped(const struct wire_job *job, uint32_t number)
{
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        if (job->page_skips[i] == number)
            return true;
    return false;
}

static void send_page(struct child *child, struct pdf *pdf, uint32_t number)
{
    size_t page_at, text_at;
    uint32_t flags = PAGE_IS_SKIPPED;
    struct error err;
    __atomic_store_n(child->progress, number, __ATOMIC_RELAXED);
    bool has_room = wire_page_begin(&child->out, &page_at);
    text_at = child->out.bytes;
    if (!has_room)
        _exit(EXIT_LOST); /* out has room for a full flush and a page */
    size_t bytes_max = child->out.bytes_max;
    child->out.bytes_max = text_at + child->job->page_text_bytes_max;
    bool is_read =
        is_skipped(child->job, number) || pdf_page(pdf, number, &child->out, &flags, &err);
    child->out.bytes_max = bytes_max;
    if (!is_read) {
        child->out.bytes = page_at;
        child->out.is_full = false;
        fail(child, &err);
    }
    size_t text_bytes = child->out.bytes - text_at;
    wire_page_finish(&child->out, page_at, number, flags);
    child->credit -= (int64_t)text_bytes;
    child->text_bytes += text_bytes;
}

static void send_pages(struct child *child, struct pdf *pdf)
{
    const struct wire_job *job = child->job;
    struct error err;
    bool is_careful = job->page_skips[0] != 0; /* the file is bad: what is read is sent at once */
    for (uint32_t number = job->page_first; number <= pdf_page_count(pdf); number++) {
        if (child->credit <= 0)
            await_credit(child);
        send_page(child, pdf, number);
        if (child->text_bytes > job->text_bytes_max) {
            error_set(&err, ERR_TEXT_MAX, "more than %llu bytes of text by page %u",
                      (unsigned long long)job->text_bytes_max, number);
            fail(child, &err);
        }
        if (is_careful || child->out.bytes >= FLUSH_BYTES ||
            now_us() - child->flushed_us >= FLUSH_US)
            flush(child);
    }
}

static void send_document(struct child *child, const struct pdf *pdf)
{
    struct buffer title = buffer_new(4 * WIRE_TEXT_BYTES_MAX);
    struct wire_frame frame = {.type = WIRE_DOCUMENT};
    pdf_title(pdf, &title);
    frame.document.page_count = pdf_page_count(pdf);
    frame.document.is_encrypted = pdf_is_encrypted(pdf);
    frame.document.title = buffer_text(&title);
    send_frame(child, &frame);
    buffer_release(&title);
    flush(child); /* the worker's deadline depends on the number of pages */
}

void helper_child_run(const struct sandbox *sandbox, const struct wire_job *job, uint32_t *progress)
{
    struct child child = {.job = job, .progress = progress, .credit = job->credit};
    struct error err;
    child.out = buffer_new(FLUSH_BYTES + WIRE_HEADER_BYTES + WIRE_PAGE_FIELDS_BYTES +
                           job->page_text_bytes_max + WIRE_PACKET_BYTES_MAX);
    struct sandbox_limits limits = {job->memory_bytes, job->cpu_seconds};
    if (!sandbox_enter(sandbox, limits, CHILD_FD_END, &err)) {
        err.code = ERR_HELPER; /* the self-test passed: this machine can, this time it did not */
        fail(&child, &err);
    }
    void *body = mmap(NULL, job->body_bytes, PROT_READ, MAP_SHARED, CHILD_FD_BODY, 0);
    if (body == MAP_FAILED) {
        error_set_errno(&err, ERR_HELPER, errno, "mapping the body");
        fail(&child, &err);
    }
    struct pdf *pdf = pdf_open((struct text){body, job->body_bytes}, &err);
    if (!pdf)
        fail(&child, &err);
    if (pdf_page_count(pdf) > job->pages_max) {
        error_set(&err, ERR_PAGES_MAX, "%u pages, %u are allowed", pdf_page_count(pdf),
                  job->pages_max);
        fail(&child, &err);
    }
    send_document(&child, pdf);
    send_pages(&child, pdf);
    finish(&child, &(struct wire_frame){.type = WIRE_END});
}
