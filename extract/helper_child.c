#include "extract/helper_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extract/document.h"
#include "extract/range.h"

#define FLUSH_BYTES (64 << 10)
#define INPUT_BYTES 1024
#define EXIT_LOST 1 /* the worker is gone, or makes no sense */

struct child {
    const struct wire_job *job;
    struct buffer out;   /* whole frames, not sent yet */
    struct buffer marks; /* of the page at hand, as they go out */
    struct reader_block block;
    char input[INPUT_BYTES]; /* a part of a frame */
    size_t input_bytes;
    struct wire_range ranges[WIRE_RANGES_MAX]; /* to be read, in this order */
    size_t range_count;
    bool is_told_all; /* no more ranges come */
    int64_t credit;
    uint64_t text_bytes;
};

/* ---- talking --------------------------------------------------------------------------------- */

static void flush(struct child *child)
{
    struct text rest = buffer_text(&child->out); /* may be empty */
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

static void take_range(struct child *child, struct wire_range range)
{
    if (child->is_told_all || child->range_count == WIRE_RANGES_MAX)
        _exit(EXIT_LOST);
    child->is_told_all = range.page_first == 0;
    if (!child->is_told_all)
        child->ranges[child->range_count++] = range;
}

static void take_frame(struct child *child, const struct wire_frame *frame)
{
    if (frame->type == WIRE_RANGE)
        take_range(child, frame->range);
    else if (frame->type != WIRE_CREDIT ||
             __builtin_add_overflow(child->credit, frame->credit_bytes, &child->credit))
        _exit(EXIT_LOST);
}

/* Waits for something to be said by the worker. */
static void hear(struct child *child)
{
    char *input = child->input;
    flush(child);
    ssize_t got = read(CHILD_FD_SOCKET, input + child->input_bytes,
                       sizeof(child->input) - child->input_bytes);
    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0)
        _exit(EXIT_LOST);
    struct text rest = {input, child->input_bytes + (size_t)got};
    struct wire_frame frame;
    size_t frame_bytes;
    enum wire_result result;
    while ((result = wire_decode(rest, 0, &frame, &frame_bytes)) == WIRE_IS_WHOLE) {
        take_frame(child, &frame);
        rest = text_slice(rest, frame_bytes, rest.bytes);
    }
    if (result == WIRE_IS_BAD)
        _exit(EXIT_LOST);
    for (size_t i = 0; i < rest.bytes; i++)
        input[i] = rest.start[i];
    child->input_bytes = rest.bytes;
}

/* False: there is nothing more to be read. */
static bool await_range(struct child *child, struct wire_range *ret_range)
{
    while (!child->range_count && !child->is_told_all)
        hear(child);
    if (!child->range_count)
        return false;
    *ret_range = child->ranges[0];
    child->range_count--;
    for (size_t i = 0; i < child->range_count; i++)
        child->ranges[i] = child->ranges[i + 1];
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void send_page(struct child *child, const struct page *page)
{
    struct wire_frame frame = {.type = WIRE_PAGE};
    buffer_clear(&child->marks);
    for (size_t i = 0; i < page->mark_count; i++)
        if (!wire_marks_put(&child->marks, &page->marks[i]))
            _exit(EXIT_LOST); /* reader_add_page() sees to it that they are not too many */
    frame.page = (struct wire_page){page->number, page->flags, buffer_text(&child->marks),
                                    page->text, page->label};
    while (child->credit <= 0)
        hear(child);
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
static void send_block(struct child *child, struct reader *reader, struct wire_range range)
{
    struct reader_block *block = &child->block;
    struct error err;
    reader_block_begin(block, range.page_first, reader->page_count);
    if (!reader->read(reader, block, &err))
        fail(child, &err);
    reader_block_end(block);
    for (uint32_t number = range.page_first; number <= range.page_last; number++)
        send_page(child, &block->pages[number - block->page_first]);
    if (range.page_last < reader->page_count) /* else END follows at once */
        flush(child);
}

static void send_range(struct child *child, struct reader *reader, struct wire_range range)
{
    if (range.page_first > range.page_last || range.page_last > reader->page_count)
        _exit(EXIT_LOST);
    while (range.page_first <= range.page_last) {
        struct wire_range part = range;
        uint32_t last = block_last(range.page_first, reader->page_count);
        if (part.page_last > last)
            part.page_last = last;
        send_block(child, reader, part);
        range.page_first = part.page_last + 1;
    }
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
    struct reader *reader = document_open((struct text){body, job->body_bytes}, job, &err);
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
    child.marks = buffer_new(WIRE_MARKS_MAX * WIRE_MARK_BYTES);
    child.out = buffer_new(FLUSH_BYTES + job->page_text_bytes_max + child.marks.bytes_max +
                           2 * WIRE_PACKET_BYTES_MAX);
    reader_block_init(&child.block, job->page_text_bytes_max, progress);
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        child.block.page_skips[i] = job->page_skips[i];
    if (!sandbox_enter(sandbox, limits, CHILD_FD_END, &err)) {
        err.code = ERR_HELPER; /* the self-test passed: this machine can, this time it did not */
        fail(&child, &err);
    }
    struct reader *reader = open_body(&child);
    send_document(&child, reader);
    child.is_told_all = reader->page_count < job->range_pages;
    struct wire_range range = first_range(job->page_first, reader->page_count, job->range_pages);
    do
        send_range(&child, reader, range);
    while (await_range(&child, &range));
    finish(&child, &(struct wire_frame){.type = WIRE_END});
}
