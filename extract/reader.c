#include "extract/reader.h"

#include <assert.h>
#include <string.h>

#include "extract/range.h"

/* ---- for a format ---------------------------------------------------------------------------- */

static struct page *page_of(struct reader_block *block, uint32_t number)
{
    assert(number >= block->page_first && number <= block->page_last);
    return &block->pages[number - block->page_first];
}

bool reader_enter_page(struct reader_block *block, uint32_t number)
{
    struct page *page = page_of(block, number);
    if (page->flags & PAGE_IS_SKIPPED)
        return false;
    __atomic_store_n(block->progress, number, __ATOMIC_RELAXED);
    return true;
}

bool reader_add_page(struct reader_block *block, const struct page *page, struct error *err)
{
    struct page *kept = page_of(block, page->number);
    size_t at = page->number - block->page_first;
    assert(kept->text.bytes == 0 && !(kept->flags & PAGE_IS_SKIPPED));
    if (page->text.bytes > block->page_text_bytes_max)
        return error_set(err, ERR_TEXT_MAX, "page %u has more text than allowed", page->number);
    block->text_ats[at] = block->text.bytes;
    block->mark_ats[at] = block->marks.bytes;
    kept->text.bytes = page->text.bytes;
    kept->label = (struct text){block->labels[at], page->label.bytes};
    assert(page->label.bytes <= WIRE_LABEL_BYTES_MAX);
    if (page->label.bytes)
        memcpy(block->labels[at], page->label.start, page->label.bytes);
    kept->mark_count = wire_marks_count(page->mark_count, page->text.bytes);
    kept->flags = page->flags & ~(uint32_t)(PAGE_HAS_NO_TEXT | PAGE_IS_SKIPPED);
    if (page->text.bytes == 0)
        kept->flags |= PAGE_HAS_NO_TEXT;
    if (buffer_append_text(&block->text, page->text) &&
        buffer_append(&block->marks, page->marks, kept->mark_count * sizeof(*page->marks)))
        return true;
    return error_set(err, ERR_TEXT_MAX, "page %u has more text or marks than allowed",
                     page->number);
}

/* ---- for the caller of read() ---------------------------------------------------------------- */

void reader_block_init(struct reader_block *block, size_t page_text_bytes_max, uint32_t *progress)
{
    *block = (struct reader_block){
        .page_text_bytes_max = page_text_bytes_max,
        .progress = progress,
        .text = buffer_new(WIRE_BLOCK_PAGES * page_text_bytes_max),
        .marks = buffer_new(WIRE_BLOCK_PAGES * page_text_bytes_max),
    };
}

static bool is_skipped(const struct reader_block *block, uint32_t number)
{
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        if (block->page_skips[i] == number)
            return true;
    return false;
}

void reader_block_begin(struct reader_block *block, uint32_t page_number, uint32_t page_count)
{
    assert(page_number >= 1 && page_number <= page_count);
    block->page_first = block_first(page_number);
    block->page_last = block_last(page_number, page_count);
    buffer_clear(&block->text);
    buffer_clear(&block->marks);
    for (uint32_t number = block->page_first; number <= block->page_last; number++)
        *page_of(block, number) = (struct page){
            .number = number,
            .flags = is_skipped(block, number) ? PAGE_IS_SKIPPED : PAGE_HAS_NO_TEXT,
        };
}

void reader_block_end(struct reader_block *block)
{
    const struct mark *marks = (const struct mark *)(const void *)block->marks.data;
    for (size_t i = 0; i <= block->page_last - block->page_first; i++) {
        struct page *page = &block->pages[i];
        if (page->text.bytes)
            page->text.start = block->text.data + block->text_ats[i];
        if (page->mark_count)
            page->marks = marks + block->mark_ats[i] / sizeof(*marks);
    }
    __atomic_store_n(block->progress, 0, __ATOMIC_RELAXED);
}

void reader_block_release(struct reader_block *block)
{
    buffer_release(&block->text);
    buffer_release(&block->marks);
}
