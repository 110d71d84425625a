/* What holds for every prose, whoever wrote it. */
#ifndef TESTS_FUZZ_PROSE_CHECK_H
#define TESTS_FUZZ_PROSE_CHECK_H

#include <assert.h>

#include "extract/prose.h"

static inline void check_prose_text(struct text text)
{
    assert(text_is_utf8(text));
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = (uint8_t)text.start[i];
        assert((c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f);
    }
}

/* Finishes and frees it. */
static inline void check_prose(struct prose *prose)
{
    prose_finish(prose, SIZE_MAX);
    check_prose_text(prose_title(prose));
    for (uint32_t number = 1; number <= prose_page_count(prose); number++) {
        struct page page = prose_page(prose, number);
        uint32_t passed = 0;
        check_prose_text(page.text);
        assert(page.text.bytes <= PROSE_PAGE_BYTES);
        for (size_t i = 0; i < page.mark_count; i++) {
            const struct mark *mark = &page.marks[i];
            assert(mark->byte_start >= passed && mark->byte_end > mark->byte_start);
            assert(mark->byte_end <= page.text.bytes);
            assert(text_is_utf8(text_slice(page.text, mark->byte_start, mark->byte_end)));
            passed = mark->byte_end;
        }
    }
    prose_free(prose);
}

/* The first byte sets the limit, so that running out is tried too. */
static inline struct prose *prose_of_first_byte(const uint8_t *data, size_t bytes)
{
    return prose_new(bytes && data[0] < 16 ? (size_t)data[0] * 8 : 1 << 20);
}

#endif
