#include "extract/helper_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extract/sniff.h"

#define FLUSH_BYTES (64 << 10)
#define EXIT_LOST 1 /* the worker is gone, or makes no sense */

struct child {
    const struct wire_job *job;
    struct buffer out; /* whole frames, not sent yet */
    struct reader_block block;
    int64_t credit;
    uint64_t text_bytes;
};

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

static void send_page(struct child *child, const struct page *page)
{
    struct wire_frame frame = {.type = WIRE_PAGE};
    frame.page = (struct wire_page){page->number, page->flags, page->text};
    if (child->credit <= 0)
        await_credit(child);
    send_frame(child, &frame);
    child->credit -= (int64_t)page->text.bytes;
    child->text_bytes += page->text.bytes;
    if (child->text_bytes > child->job->text_bytes_max) {
        struct error err;
        error_set(&err, ERR_TEXT_MAX, "more than %llu bytes of text by page %u",
                  (unsigned long long)child->job->text_bytes_max, page->number);
        fail(child, &err);
    }
    if (child->out.bytes >= FLUSH_BYTES)
        flush(child);
}

/* A block is read whole, also when its first pages were sent by another child: what a page's text
 * is must not depend on where a child began. */
static void send_block(struct child *child, struct reader *reader, uint32_t page_first)
{
    struct reader_block *block = &child->block;
    struct error err;
    reader_block_begin(block, page_first, reader->page_count);
    if (!reader->read(reader, block, &err))
        fail(child, &err);
    reader_block_end(block);
    for (uint32_t number = page_first; number <= block->page_last; number++)
        send_page(child, &block->pages[number - block->page_first]);
    flush(child);
}

static void send_document(struct child *child, const struct reader *reader)
{
    struct wire_frame frame = {.type = WIRE_DOCUMENT};
    frame.document.page_count = reader->page_count;
    frame.document.is_encrypted = reader->is_encrypted;
    frame.document.mime_type = reader->mime_type;
    frame.document.title = reader->title;
    send_frame(child, &frame);
    if (reader->page_count > WIRE_BLOCK_PAGES || child->job->page_skips[0])
        flush(child); /* else it goes with the pages, which are soon there */
}

static struct reader *open_body(struct child *child)
{
    const struct wire_job *job = child->job;
    struct error err;
    void *body = mmap(NULL, job->body_bytes, PROT_READ, MAP_SHARED, CHILD_FD_BODY, 0);
    if (body == MAP_FAILED) {
        error_set_errno(&err, ERR_HELPER, errno, "mapping the body");
        fail(child, &err);
    }
    struct reader *reader = sniff_open((struct text){body, job->body_bytes}, &err);
    if (!reader)
        fail(child, &err);
    if (reader->page_count > job->pages_max) {
        error_set(&err, ERR_PAGES_MAX, "%u pages, %u are allowed", reader->page_count,
                  job->pages_max);
        fail(child, &err);
    }
    return reader;
}

void helper_child_run(const struct sandbox *sandbox, const struct wire_job *job, uint32_t *progress)
{
    struct child child = {.job = job, .credit = job->credit};
    struct sandbox_limits limits = {job->memory_bytes, job->cpu_seconds};
    struct error err;
    child.out = buffer_new(FLUSH_BYTES + job->page_text_bytes_max + 2 * WIRE_PACKET_BYTES_MAX);
    reader_block_init(&child.block, job->page_text_bytes_max, progress);
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        child.block.page_skips[i] = job->page_skips[i];
    if (!sandbox_enter(sandbox, limits, CHILD_FD_END, &err)) {
        err.code = ERR_HELPER; /* the self-test passed: this machine can, this time it did not */
        fail(&child, &err);
    }
    struct reader *reader = open_body(&child);
    send_document(&child, reader);
    for (uint32_t number = job->page_first; number <= reader->page_count;) {
        send_block(&child, reader, number);
        number = child.block.page_last + 1;
    }
    finish(&child, &(struct wire_frame){.type = WIRE_END});
}
