#include "extract/wire.h"

#include <assert.h>
#include <string.h>

#define WIRE_MAGIC 0x314c5258u /* "XRL1", the last character is the version of this format */

/* ---- numbers --------------------------------------------------------------------------------- */

static void put_u32(struct buffer *out, uint32_t value)
{
    uint8_t bytes[4];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    buffer_append(out, bytes, sizeof(bytes));
}

static void put_u64(struct buffer *out, uint64_t value)
{
    put_u32(out, (uint32_t)value);
    put_u32(out, (uint32_t)(value >> 32));
}

static uint32_t read_u32(const char *at)
{
    const uint8_t *bytes = (const uint8_t *)at;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void write_u32(char *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (char)(uint8_t)(value >> (8 * i));
}

/* What is left of a payload. Past its end everything reads as 0 and is_short stays set: read it
 * all, check once. */
struct reader {
    struct text rest;
    bool is_short;
};

static uint32_t take_u32(struct reader *reader)
{
    if (reader->rest.bytes < 4) {
        reader->is_short = true;
        reader->rest = TEXT_NONE;
        return 0;
    }
    uint32_t value = read_u32(reader->rest.start);
    reader->rest = text_slice(reader->rest, 4, reader->rest.bytes);
    return value;
}

static uint64_t take_u64(struct reader *reader)
{
    uint64_t low = take_u32(reader);
    uint64_t high = take_u32(reader);
    return low | high << 32;
}

static bool take_bool(struct reader *reader)
{
    uint32_t value = take_u32(reader);
    reader->is_short = reader->is_short || value > 1;
    return value == 1;
}

static enum format take_format(struct reader *reader)
{
    uint32_t value = take_u32(reader);
    reader->is_short = reader->is_short || value >= FORMAT_COUNT;
    return value < FORMAT_COUNT ? (enum format)value : FORMAT_UNKNOWN;
}

static struct text take_text(struct reader *reader)
{
    uint32_t bytes = take_u32(reader);
    if (bytes > WIRE_TEXT_BYTES_MAX || bytes > reader->rest.bytes) {
        reader->is_short = true;
        return TEXT_NONE;
    }
    struct text text = text_slice(reader->rest, 0, bytes);
    reader->rest = text_slice(reader->rest, bytes, reader->rest.bytes);
    return text;
}

/* ---- encoding -------------------------------------------------------------------------------- */

static bool put_text(struct buffer *out, struct text text)
{
    if (text.bytes > WIRE_TEXT_BYTES_MAX)
        return false;
    put_u32(out, (uint32_t)text.bytes);
    return buffer_append_text(out, text);
}

static bool put_failure(struct buffer *out, const struct wire_failure *failure)
{
    return put_text(out, failure->code) && put_text(out, failure->message);
}

static bool put_job(struct buffer *out, const struct wire_job *job)
{
    put_u64(out, job->job);
    put_u64(out, job->body_bytes);
    put_u64(out, job->memory_bytes);
    put_u64(out, job->page_text_bytes_max);
    put_u64(out, job->text_bytes_max);
    put_u64(out, (uint64_t)job->credit);
    put_u32(out, job->cpu_seconds);
    put_u32(out, job->pages_max);
    put_u32(out, job->range_pages);
    put_u32(out, job->named);
    put_u32(out, job->page_first);
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        put_u32(out, job->page_skips[i]);
    return true;
}

static bool put_page(struct buffer *out, const struct wire_page *page)
{
    if (page->marks.bytes % WIRE_MARK_BYTES ||
        page->marks.bytes > WIRE_MARKS_MAX * WIRE_MARK_BYTES ||
        page->label.bytes > WIRE_LABEL_BYTES_MAX)
        return false;
    put_u32(out, page->number);
    put_u32(out, page->flags);
    (void)put_text(out, page->label); /* its caller asks whether out is full */
    put_u32(out, (uint32_t)(page->marks.bytes / WIRE_MARK_BYTES));
    buffer_append_text(out, page->marks);
    return buffer_append_text(out, page->text);
}

static bool put_ended(struct buffer *out, const struct wire_ended *ended)
{
    put_u64(out, ended->job);
    put_u32(out, ended->has_run);
    put_u32(out, ended->status);
    put_u64(out, ended->cpu_us);
    put_u64(out, ended->peak_bytes);
    return true;
}

static bool put_payload(struct buffer *out, const struct wire_frame *frame)
{
    switch (frame->type) {
    case WIRE_READY:
        put_u32(out, frame->ready.landlock_abi);
        return put_text(out, frame->ready.version);
    case WIRE_STARTED:
        put_u64(out, frame->started.job);
        put_u32(out, frame->started.pid);
        return true;
    case WIRE_ENDED:
        return put_ended(out, &frame->ended);
    case WIRE_JOB:
        return put_job(out, &frame->job);
    case WIRE_DOCUMENT:
        put_u32(out, frame->document.page_count);
        put_u32(out, frame->document.is_encrypted);
        return put_text(out, frame->document.mime_type) && put_text(out, frame->document.title);
    case WIRE_PAGE:
        return put_page(out, &frame->page);
    case WIRE_END:
        return true;
    case WIRE_BROKEN:
    case WIRE_FAILURE:
        return put_failure(out, &frame->failure);
    case WIRE_CREDIT:
        put_u64(out, frame->credit_bytes);
        return true;
    case WIRE_RANGE:
        put_u32(out, frame->range.page_first);
        put_u32(out, frame->range.page_last);
        return true;
    }
    return false;
}

static void put_header(struct buffer *out, enum wire_type type)
{
    put_u32(out, WIRE_MAGIC);
    put_u32(out, (uint32_t)type);
    put_u32(out, 0); /* patched when the payload is known */
}

static void patch_length(struct buffer *out, size_t frame_at)
{
    size_t payload_bytes = out->bytes - frame_at - WIRE_HEADER_BYTES;
    assert(payload_bytes <= UINT32_MAX);
    write_u32(out->data + frame_at + 8, (uint32_t)payload_bytes);
}

bool wire_encode(struct buffer *out, const struct wire_frame *frame)
{
    size_t frame_at = out->bytes;
    put_header(out, frame->type);
    if (!put_payload(out, frame) || out->is_full) {
        out->bytes = frame_at;
        return false;
    }
    patch_length(out, frame_at);
    return true;
}

/* ---- decoding -------------------------------------------------------------------------------- */

static size_t payload_bytes_limit(uint32_t type, size_t page_bytes_max)
{
    if (type < WIRE_READY || type > WIRE_RANGE)
        return 0;
    if (type == WIRE_PAGE)
        return WIRE_PAGE_FIELDS_BYTES + WIRE_MARKS_MAX * WIRE_MARK_BYTES +
               (page_bytes_max < WIRE_PAGE_BYTES_MAX ? page_bytes_max : WIRE_PAGE_BYTES_MAX);
    if (type == WIRE_FAILURE || type == WIRE_BROKEN)
        return 2 * (4 + WIRE_TEXT_BYTES_MAX);
    return 128 + 2 * WIRE_TEXT_BYTES_MAX;
}

/* Statements, not an initialiser: the order of reading is the order on the wire. */
static struct wire_job take_job(struct reader *reader)
{
    struct wire_job job = {0};
    job.job = take_u64(reader);
    job.body_bytes = take_u64(reader);
    job.memory_bytes = take_u64(reader);
    job.page_text_bytes_max = take_u64(reader);
    job.text_bytes_max = take_u64(reader);
    job.credit = (int64_t)take_u64(reader);
    job.cpu_seconds = take_u32(reader);
    job.pages_max = take_u32(reader);
    job.range_pages = take_u32(reader);
    job.named = take_format(reader);
    job.page_first = take_u32(reader);
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        job.page_skips[i] = take_u32(reader);
    return job;
}

static struct wire_page take_page(struct reader *reader, size_t page_bytes_max)
{
    struct wire_page page = {0};
    page.number = take_u32(reader);
    page.flags = take_u32(reader);
    page.label = take_text(reader);
    uint32_t mark_count = take_u32(reader);
    size_t mark_bytes = mark_count * (size_t)WIRE_MARK_BYTES;
    reader->is_short = reader->is_short || mark_count > WIRE_MARKS_MAX ||
                       page.label.bytes > WIRE_LABEL_BYTES_MAX || mark_bytes > reader->rest.bytes ||
                       reader->rest.bytes - mark_bytes > page_bytes_max;
    page.marks = text_slice(reader->rest, 0, mark_bytes);
    page.text = text_slice(reader->rest, mark_bytes, reader->rest.bytes);
    reader->rest = TEXT_NONE;
    return page;
}

static void take_payload(struct reader *reader, size_t page_bytes_max, struct wire_frame *frame)
{
    switch (frame->type) {
    case WIRE_READY:
        frame->ready.landlock_abi = take_u32(reader);
        frame->ready.version = take_text(reader);
        return;
    case WIRE_BROKEN:
    case WIRE_FAILURE:
        frame->failure.code = take_text(reader);
        frame->failure.message = take_text(reader);
        return;
    case WIRE_STARTED:
        frame->started.job = take_u64(reader);
        frame->started.pid = take_u32(reader);
        return;
    case WIRE_ENDED:
        frame->ended.job = take_u64(reader);
        frame->ended.has_run = take_bool(reader);
        frame->ended.status = take_u32(reader);
        frame->ended.cpu_us = take_u64(reader);
        frame->ended.peak_bytes = take_u64(reader);
        return;
    case WIRE_JOB:
        frame->job = take_job(reader);
        return;
    case WIRE_DOCUMENT:
        frame->document.page_count = take_u32(reader);
        frame->document.is_encrypted = take_bool(reader);
        frame->document.mime_type = take_text(reader);
        frame->document.title = take_text(reader);
        return;
    case WIRE_PAGE:
        frame->page = take_page(reader, page_bytes_max);
        return;
    case WIRE_END:
        return;
    case WIRE_CREDIT:
        frame->credit_bytes = take_u64(reader);
        return;
    case WIRE_RANGE:
        frame->range.page_first = take_u32(reader);
        frame->range.page_last = take_u32(reader);
        return;
    }
}

enum wire_result wire_decode(struct text input, size_t page_bytes_max, struct wire_frame *ret_frame,
                             size_t *ret_bytes)
{
    if (input.bytes >= 4 && read_u32(input.start) != WIRE_MAGIC)
        return WIRE_IS_BAD;
    if (input.bytes < WIRE_HEADER_BYTES)
        return WIRE_NEEDS_MORE;
    uint32_t type = read_u32(input.start + 4), payload_bytes = read_u32(input.start + 8);
    size_t limit = payload_bytes_limit(type, page_bytes_max);
    if (limit == 0 || payload_bytes > limit)
        return WIRE_IS_BAD;
    if (input.bytes - WIRE_HEADER_BYTES < payload_bytes)
        return WIRE_NEEDS_MORE;
    struct reader reader = {
        .rest = text_slice(input, WIRE_HEADER_BYTES, WIRE_HEADER_BYTES + payload_bytes)};
    struct wire_frame frame = {.type = (enum wire_type)type};
    take_payload(&reader, page_bytes_max, &frame);
    if (reader.is_short || reader.rest.bytes)
        return WIRE_IS_BAD;
    *ret_frame = frame;
    *ret_bytes = WIRE_HEADER_BYTES + payload_bytes;
    return WIRE_IS_WHOLE;
}
