/* A document as one line of text for a test: <h1>, <p>, <li> and <tr> where marks begin, \f between
 * pages. */
#ifndef TESTS_UNIT_PROSE_SHOW_H
#define TESTS_UNIT_PROSE_SHOW_H

#include "extract/prose.h"
#include "tests/unit/test.h"

static inline void show_page(const struct page *page, struct buffer *out)
{
    size_t at = 0;
    for (size_t i = 0; i < page->mark_count; i++) {
        const struct mark *mark = &page->marks[i];
        assert_true(mark->byte_start >= at && mark->byte_start < mark->byte_end);
        assert_true(mark->byte_end <= page->text.bytes);
        buffer_append_text(out, text_slice(page->text, at, mark->byte_start));
        at = mark->byte_start;
        switch (mark->kind) {
        case MARK_HEADING:
            buffer_format(out, "<h%u>", mark->level);
            break;
        case MARK_PARAGRAPH:
            buffer_append_text(out, TEXT("<p>"));
            break;
        case MARK_LIST_ITEM:
            buffer_append_text(out, TEXT("<li>"));
            break;
        case MARK_TABLE_ROW:
            buffer_append_text(out, TEXT("<tr>"));
            break;
        }
    }
    buffer_append_text(out, text_slice(page->text, at, page->text.bytes));
}

/* Finishes it. */
static inline void assert_prose(struct prose *prose, const char *expected)
{
    struct buffer out = buffer_new(16 << 20);
    prose_finish(prose, SIZE_MAX);
    for (uint32_t number = 1; number <= prose_page_count(prose); number++) {
        struct page page = prose_page(prose, number);
        assert_int_equal(page.number, number);
        if (number > 1)
            buffer_append_char(&out, '\f');
        show_page(&page, &out);
    }
    assert_text(buffer_text(&out), expected);
    buffer_release(&out);
}

#endif
