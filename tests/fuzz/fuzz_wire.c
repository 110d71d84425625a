/* Both ends: what decodes must encode to the same bytes, and a child's transcript must never let
 * anything through that a page may not hold. */
#include <assert.h>
#include <string.h>

#include "extract/merge.h"
#include "extract/range.h"
#include "extract/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void decode_and_encode(struct text input)
{
    struct wire_frame frame;
    size_t frame_bytes;
    while (wire_decode(input, 4096, &frame, &frame_bytes) == WIRE_IS_WHOLE) {
        struct buffer again = buffer_new(frame_bytes);
        bool is_encoded = wire_encode(&again, &frame);
        assert(is_encoded && again.bytes == frame_bytes);
        assert(memcmp(again.data, input.start, frame_bytes) == 0);
        buffer_release(&again);
        input = text_slice(input, frame_bytes, input.bytes);
    }
}

static void check(const struct transcript *transcript, const struct page *page)
{
    assert(page->number <= transcript->page_count && text_is_utf8(page->text));
    assert(page->text.bytes == 0 || !memchr(page->text.start, 0, page->text.bytes));
    uint32_t passed = 0;
    for (size_t i = 0; i < page->mark_count; i++) {
        const struct mark *mark = &page->marks[i];
        assert(mark->byte_start >= passed && mark->byte_end > mark->byte_start);
        assert(mark->byte_end <= page->text.bytes && mark->kind <= MARK_TABLE_ROW);
        passed = mark->byte_end;
    }
}

static void take_all(struct merge *merge)
{
    int64_t credit = INT64_MAX;
    uint32_t expected = merge->page_next;
    struct page pages[3];
    size_t count;
    while ((count = merge_take(merge, &credit, pages, 3)) > 0)
        for (size_t i = 0; i < count; i++)
            assert(pages[i].number == expected++);
}

/* What run.c tells the only child of a long document. */
static void tell_next(struct transcript *transcript, const struct merge *merge)
{
    struct wire_range next = {0};
    if (!transcript->has_document || transcript->range_count || transcript->is_told_all)
        return;
    if (merge->page_next <= transcript->page_count)
        next = (struct wire_range){merge->page_next,
                                   block_last(merge->page_next, transcript->page_count)};
    transcript_expect(transcript, next);
}

static void hear(struct text input, size_t step_bytes)
{
    struct transcript transcript;
    struct merge merge;
    struct page pages[4];
    struct error err;
    bool is_true = true;
    transcript_init(
        &transcript,
        (struct extract_limits){
            .pages_max = 99, .page_text_bytes_max = 256, .text_bytes_max = 512, .range_pages = 40},
        300);
    merge_init(&merge);
    while (is_true && input.bytes) {
        size_t room_bytes, count = 0;
        char *room = transcript_room(&transcript, &room_bytes);
        size_t part = input.bytes < step_bytes ? input.bytes : step_bytes;
        memcpy(room, input.start, part);
        transcript_received(&transcript, part);
        input = text_slice(input, part, input.bytes);
        do {
            is_true = transcript_pages(&transcript, pages, 4, &count, &err);
            for (size_t i = 0; is_true && i < count; i++) {
                check(&transcript, &pages[i]);
                merge_put(&merge, &pages[i]);
            }
            take_all(&merge);
            tell_next(&transcript, &merge);
        } while (is_true && count == 4);
    }
    assert(transcript.text_bytes <= 512);
    merge_release(&merge);
    transcript_release(&transcript);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text input = {(const char *)data, bytes};
    decode_and_encode(input);
    hear(input, 60000);
    hear(input, 7);
    return 0;
}
