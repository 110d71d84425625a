#include "extract/transcript.h"

#include <assert.h>
#include <string.h>

#include "extract/range.h"

#define ROOM_BYTES ((size_t)64 << 10)
#define PAGE_FLAGS ((1 << PAGE_FLAG_COUNT) - 1)

/* The only reasons a child may give; whatever else ends it is seen from outside. */
static const enum error_code FAILURES[] = {
    ERR_UNSUPPORTED, ERR_IMAGE,     ERR_ARCHIVE,  ERR_OFFICE, ERR_NOT_PDF,        ERR_DAMAGED,
    ERR_PASSWORD,    ERR_PAGES_MAX, ERR_TEXT_MAX, ERR_BOMB,   ERR_EXTRACT_MEMORY, ERR_HELPER,
};

static bool is_lie(struct error *err, const char *what)
{
    return error_set(err, ERR_EXTRACT_CRASH, "the reader sent %s", what);
}

/* Clean text has no control but newline and tab; bytes above 0x7f are UTF-8's. */
static bool is_clean(struct text text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = (uint8_t)text.start[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            return false;
    }
    return text_is_utf8(text);
}

static bool is_told_to_skip(const struct transcript *transcript, uint32_t number)
{
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        if (transcript->skips[i] == number)
            return true;
    return false;
}

static bool take_document(struct transcript *transcript, const struct wire_document *document,
                          struct error *err)
{
    if (transcript->has_greeted)
        return is_lie(err, "two documents");
    if (document->page_count == 0 || document->page_count > transcript->limits.pages_max)
        return is_lie(err, "an impossible number of pages");
    if (transcript->has_document && document->page_count != transcript->page_count)
        return is_lie(err, "another number of pages than before");
    if (!is_clean(document->title))
        return is_lie(err, "a title that is not clean text");
    if (!is_clean(document->mime_type) ||
        !text_format(transcript->mime_type, sizeof(transcript->mime_type), "%.*s",
                     TEXT_ARGS(document->mime_type)))
        return is_lie(err, "a type that is none");
    if (!transcript->has_document)
        transcript_know(transcript, document->page_count, 1);
    transcript->has_greeted = true;
    transcript->is_encrypted = document->is_encrypted;
    transcript->title_bytes = document->title.bytes;
    if (document->title.bytes)
        memcpy(transcript->title, document->title.start, document->title.bytes);
    return true;
}

static bool check_page(const struct transcript *transcript, const struct wire_page *page,
                       struct error *err)
{
    bool is_skipped = page->flags & PAGE_IS_SKIPPED;
    if (!transcript->has_greeted)
        return is_lie(err, "a page before the document");
    if (!transcript->range_count || page->number != transcript->ranges[0].page_first)
        return is_lie(err, "a page out of turn");
    if (page->flags & ~(uint32_t)PAGE_FLAGS)
        return is_lie(err, "unknown page flags");
    if (is_skipped != is_told_to_skip(transcript, page->number))
        return is_lie(err, "a page left out, or not left out");
    if ((page->text.bytes == 0) != ((page->flags & (PAGE_HAS_NO_TEXT | PAGE_IS_SKIPPED)) != 0))
        return is_lie(err, "text on a page without text, or none on a page with");
    if (transcript->credit <= 0)
        return is_lie(err, "a page without credit");
    if (page->text.bytes > transcript->limits.text_bytes_max - transcript->text_bytes)
        return error_set(err, ERR_TEXT_MAX, "more than %llu bytes of text",
                         (unsigned long long)transcript->limits.text_bytes_max);
    if (!is_clean(page->text) || !is_clean(page->label))
        return is_lie(err, "a page that is not clean text");
    return true;
}

static void drop_range(struct transcript *transcript)
{
    transcript->range_count--;
    for (size_t i = 0; i < transcript->range_count; i++)
        transcript->ranges[i] = transcript->ranges[i + 1];
}

/* Where a code point begins, or the text ends. */
static bool is_boundary(struct text text, uint32_t at)
{
    return at == text.bytes || (at < text.bytes && ((uint8_t)text.start[at] & 0xc0) != 0x80);
}

/* Marks must rise and hold something. */
static bool take_marks(struct transcript *transcript, const struct wire_page *page,
                       struct error *err)
{
    struct text rest = page->marks;
    uint32_t passed = 0;
    size_t count = rest.bytes / WIRE_MARK_BYTES;
    if (count != wire_marks_count(count, page->text.bytes))
        return is_lie(err, "more marks than text");
    while (rest.bytes) {
        struct mark mark;
        if (!wire_marks_take(&rest, &mark))
            return is_lie(err, "a mark that is none");
        if (mark.byte_start < passed || mark.byte_end <= mark.byte_start ||
            !is_boundary(page->text, mark.byte_start) || !is_boundary(page->text, mark.byte_end))
            return is_lie(err, "a mark in the wrong place");
        passed = mark.byte_end;
        buffer_append(&transcript->marks, &mark, sizeof(mark));
    }
    return true;
}

static bool take_page(struct transcript *transcript, const struct wire_page *page,
                      struct page *ret_page, struct error *err)
{
    if (!check_page(transcript, page, err) || !take_marks(transcript, page, err))
        return false;
    if (transcript->ranges[0].page_first++ == transcript->ranges[0].page_last)
        drop_range(transcript);
    transcript->credit -= (int64_t)page->text.bytes;
    transcript->text_bytes += page->text.bytes;
    *ret_page = (struct page){
        .number = page->number,
        .flags = page->flags,
        .text = page->text,
        .label = page->label,
        .mark_count = page->marks.bytes / WIRE_MARK_BYTES,
    };
    return true;
}

static bool take_failure(struct transcript *transcript, const struct wire_failure *failure,
                         struct error *err)
{
    enum error_code code;
    if (!is_clean(failure->message) || !error_code_from_name(failure->code, &code))
        return is_lie(err, "an unknown failure");
    /* Before it has read anything it may blame the machine, later only the document. */
    bool is_its_own = code != ERR_HELPER || !transcript->has_greeted;
    for (size_t i = 0; i < COUNT_OF(FAILURES); i++)
        if (is_its_own && FAILURES[i] == code) {
            transcript->has_ended = transcript->has_failed = true;
            error_set(&transcript->failure, code, "%.*s", TEXT_ARGS(failure->message));
            return true;
        }
    return is_lie(err, "a failure that is not its to judge");
}

static bool take_end(struct transcript *transcript, struct error *err)
{
    if (!transcript->has_greeted || transcript->range_count || !transcript->is_told_all)
        return is_lie(err, "an end before the last page");
    transcript->has_ended = true;
    return true;
}

static bool take_frame(struct transcript *transcript, const struct wire_frame *frame,
                       struct page *ret_page, struct error *err)
{
    if (transcript->has_ended)
        return is_lie(err, "more after the end");
    switch (frame->type) {
    case WIRE_DOCUMENT:
        return take_document(transcript, &frame->document, err);
    case WIRE_PAGE:
        return take_page(transcript, &frame->page, ret_page, err);
    case WIRE_END:
        return take_end(transcript, err);
    case WIRE_FAILURE:
        return take_failure(transcript, &frame->failure, err);
    case WIRE_READY:
    case WIRE_BROKEN:
    case WIRE_STARTED:
    case WIRE_ENDED:
    case WIRE_JOB:
    case WIRE_CREDIT:
    case WIRE_RANGE:
        break;
    }
    return is_lie(err, "a frame that is not a child's");
}

/* ---- public ---------------------------------------------------------------------------------- */

void transcript_init(struct transcript *transcript, struct extract_limits limits, int64_t credit)
{
    *transcript = (struct transcript){.limits = limits, .credit = credit};
    /* a whole page, and room behind it */
    transcript->input =
        buffer_new(limits.page_text_bytes_max + WIRE_HEADER_BYTES + WIRE_PAGE_FIELDS_BYTES +
                   WIRE_MARKS_MAX * WIRE_MARK_BYTES + 2 * ROOM_BYTES);
    transcript->marks = buffer_new(SIZE_MAX / 2); /* in proportion to text that credit limits */
}

void transcript_know(struct transcript *transcript, uint32_t page_count, uint32_t page_first)
{
    uint32_t range_pages = transcript->limits.range_pages;
    transcript->has_document = true;
    transcript->page_count = page_count;
    transcript->ranges[0] = first_range(page_first, page_count, range_pages);
    transcript->range_count = 1;
    transcript->is_told_all = page_count < range_pages;
}

void transcript_release(struct transcript *transcript)
{
    buffer_release(&transcript->input);
    buffer_release(&transcript->marks);
}

void transcript_resume(struct transcript *transcript, const uint32_t skips[WIRE_SKIPS_MAX])
{
    buffer_clear(&transcript->input);
    transcript->input_at = 0;
    transcript->has_greeted = transcript->has_ended = transcript->has_failed = false;
    memcpy(transcript->skips, skips, sizeof(transcript->skips));
}

void transcript_expect(struct transcript *transcript, struct wire_range range)
{
    assert(transcript->has_document && !transcript->is_told_all);
    transcript->is_told_all = range.page_first == 0;
    if (transcript->is_told_all)
        return;
    assert(transcript->range_count < WIRE_RANGES_MAX);
    transcript->ranges[transcript->range_count++] = range;
}

char *transcript_room(struct transcript *transcript, size_t *ret_bytes)
{
    struct buffer *input = &transcript->input;
    size_t rest = input->bytes - transcript->input_at;
    if (rest && transcript->input_at)
        memmove(input->data, input->data + transcript->input_at, rest);
    input->bytes = rest;
    transcript->input_at = 0;
    char *room = buffer_reserve(input, ROOM_BYTES);
    assert(room); /* what is left is less than one frame, and frames are limited */
    *ret_bytes = ROOM_BYTES;
    return room;
}

void transcript_received(struct transcript *transcript, size_t bytes)
{
    transcript->input.bytes += bytes;
}

/* Only now: the buffer may have moved with each page. */
static void point_to_marks(const struct transcript *transcript, struct page *pages, size_t count)
{
    const struct mark *marks = (const struct mark *)(const void *)transcript->marks.data;
    for (size_t i = 0; i < count; i++) {
        pages[i].marks = pages[i].mark_count ? marks : NULL;
        marks += pages[i].mark_count;
    }
}

bool transcript_pages(struct transcript *transcript, struct page *pages, size_t pages_max,
                      size_t *ret_count, struct error *err)
{
    size_t count = 0;
    buffer_clear(&transcript->marks);
    while (count < pages_max) {
        struct text input = text_slice(buffer_text(&transcript->input), transcript->input_at,
                                       transcript->input.bytes);
        struct wire_frame frame;
        size_t frame_bytes;
        enum wire_result result =
            wire_decode(input, transcript->limits.page_text_bytes_max, &frame, &frame_bytes);
        if (result == WIRE_NEEDS_MORE)
            break;
        if (result == WIRE_IS_BAD)
            return is_lie(err, "a malformed frame");
        if (!take_frame(transcript, &frame, &pages[count], err))
            return false;
        transcript->input_at += frame_bytes;
        count += frame.type == WIRE_PAGE;
    }
    point_to_marks(transcript, pages, count);
    *ret_count = count;
    return true;
}
