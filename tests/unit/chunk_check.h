/* What must hold of all chunks of a document, for tests and the fuzz target. Ends the program
 * (assert) when it does not. */
#ifndef TESTS_UNIT_CHUNK_CHECK_H
#define TESTS_UNIT_CHUNK_CHECK_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "chunker/boundary.h"
#include "chunker/chunker.h"
#include "chunker/measure.h"
#include "worker/base/buffer.h"

/* How pages are handed over and chunks are drawn; the chunks may not depend on it. */
enum feed { FEED_PAGE_BY_PAGE, FEED_AS_MUCH_AS_FITS, FEED_IN_PARTS };

struct checked {
    struct chunker_options options;
    struct buffer canonical;
    struct buffer listing; /* one line a chunk: its numbers and its hash */
    uint64_t byte, chars;  /* canonical text so far accounted for */
    size_t chunk_count, overlap_count;
    uint64_t bytes_sum;
};

static inline uint32_t check_page_of(struct text canonical, size_t byte)
{
    uint32_t number = 1;
    for (size_t i = 0; i < byte; i++)
        number += canonical.start[i] == '\f';
    return number;
}

static inline void check_limits(const struct chunker_options *options, const struct chunk *chunk)
{
    uint32_t unit = options->counting == CHUNKER_BYTES ? 4 : 1;
    uint32_t max = options->tokens_max < 16 ? 16 : options->tokens_max;
    assert(chunk->token_count <= CHUNKER_TOKENS_MAX);
    assert(chunk->content.bytes <= CHUNKER_CONTENT_BYTES_MAX);
    assert(measure_count(options->counting, chunk->content) <= max * unit);
    assert(measure_count(options->counting, chunk->prefix) <= options->prefix_tokens_max * unit);
}

/* Whole sentences of the chunk before come again: back to where this one begins. */
static inline void check_overlap(struct checked *checked, const struct chunk *chunk)
{
    struct text text = buffer_text(&checked->canonical);
    size_t end = checked->byte;
    uint32_t unit = checked->options.counting == CHUNKER_BYTES ? 4 : 1;
    assert(checked->options.tokens_overlap > 0 && chunk->char_end > checked->chars);
    while (checked->chars > chunk->char_start) {
        do
            checked->byte--;
        while (((uint8_t)text.start[checked->byte] & 0xc0) == 0x80);
        checked->chars--;
    }
    struct text repeated = text_slice(text, checked->byte, end);
    assert(measure_count(checked->options.counting, repeated) <=
           checked->options.tokens_overlap * unit);
    checked->overlap_count++;
}

static inline void check_chunk(struct checked *checked, const struct chunk *chunk)
{
    struct text text = buffer_text(&checked->canonical);
    assert(chunk->no == checked->chunk_count && chunk->content.bytes > 0);
    if (chunk->char_start < checked->chars)
        check_overlap(checked, chunk);
    size_t end_before = checked->byte;
    assert(chunk->char_start >= checked->chars && chunk->char_end > chunk->char_start);
    while (checked->chars < chunk->char_start) { /* only white space lies between chunks */
        size_t space_bytes = boundary_space_bytes(text, checked->byte);
        assert(space_bytes > 0);
        checked->byte += space_bytes;
        checked->chars++;
    }
    size_t start = checked->byte, space_bytes_sum = start - end_before;
    /* Between chunks no mark is parted from its letter, but in clusters longer than a chunk (no
     * space between) and behind spaces without end. */
    if (checked->chunk_count && space_bytes_sum > 0 && space_bytes_sum < 64)
        assert(boundary_starts_cluster(text, start));
    assert(text_equal(text_slice(text, start, start + chunk->content.bytes), chunk->content));
    assert(text_utf8_count(chunk->content) == chunk->char_end - chunk->char_start);
    assert(text_is_utf8(chunk->content) && text_is_utf8(chunk->prefix));
    assert(chunk->page_first == check_page_of(text, start));
    assert(chunk->page_last == check_page_of(text, start + chunk->content.bytes - 1));
    struct text embedded = {chunk->prefix.start, chunk->prefix.bytes + chunk->content.bytes};
    assert(chunk->prefix.start + chunk->prefix.bytes == chunk->content.start);
    assert(chunk->token_count == measure_count(checked->options.counting, embedded));
    check_limits(&checked->options, chunk);
    checked->byte += chunk->content.bytes;
    checked->chars = chunk->char_end;
    checked->bytes_sum += chunk->content.bytes;
    checked->chunk_count++;

    char hex[2 * SHA256_BYTES + 1];
    struct chunk sealed = *chunk;
    chunk_seal(&sealed);
    hex_format(sealed.hash, sizeof(sealed.hash), hex);
    buffer_format(&checked->listing, "%llu %.*s %s\n", (unsigned long long)chunk->char_start,
                  TEXT_ARGS(chunk->heading), hex);
}

/* Draws what can be drawn, at most chunk_count_max; every other slab is too small at first. */
static inline void check_draw(struct checked *checked, struct chunker *chunker,
                              size_t chunk_count_max)
{
    for (size_t i = 0; i < chunk_count_max; i++) {
        struct arena slab = arena_new(i % 2 ? 16384 : 8);
        struct chunk chunk;
        struct error err;
        bool is_drawn = chunker_next(chunker, &slab, &chunk, &err);
        if (!is_drawn && err.message[0]) {
            assert(err.code == ERR_NO_MEMORY);
            slab.budget_bytes = 16384;
            is_drawn = chunker_next(chunker, &slab, &chunk, &err);
        }
        if (is_drawn)
            check_chunk(checked, &chunk);
        arena_release(&slab);
        if (!is_drawn)
            return;
    }
}

static inline void check_add(struct chunker *chunker, const struct page *page)
{
    struct error err;
    bool is_added = chunker_add(chunker, page, &err);
    assert(is_added);
}

/* By parts: the page's own end is hidden from the chunker until it is reached. */
static inline void check_add_parts(struct checked *checked, struct chunker *chunker,
                                   const struct page *page, size_t part_bytes)
{
    struct page part = *page;
    struct error err;
    size_t at = 0;
    do {
        check_draw(checked, chunker, SIZE_MAX);
        part.text = text_utf8_prefix(page->text, at + part_bytes);
        part.mark_count = part.text.bytes == page->text.bytes ? page->mark_count : 0;
        bool is_added = chunker_add_part(chunker, &part, &at, &err);
        assert(is_added);
    } while (at < page->text.bytes);
}

/* Chunks the pages, checking every invariant. The caller releases canonical and listing. */
static inline struct checked check_document(const struct page *pages, size_t page_count,
                                            enum feed feed, struct chunker_options options)
{
    struct checked checked = {
        .options = options, .canonical = buffer_new(64 << 20), .listing = buffer_new(64 << 20)};
    for (size_t i = 0; i < page_count; i++) {
        if (i > 0)
            buffer_append_char(&checked.canonical, '\f');
        buffer_append_text(&checked.canonical, pages[i].text);
    }
    struct chunker *chunker = chunker_new(options, TEXT("A title"));
    for (size_t i = 0; i < page_count; i++) {
        if (feed == FEED_IN_PARTS) {
            check_add_parts(&checked, chunker, &pages[i], 7);
            continue;
        }
        if (feed == FEED_PAGE_BY_PAGE || chunker_room_bytes(chunker) < pages[i].text.bytes)
            check_draw(&checked, chunker, feed == FEED_PAGE_BY_PAGE ? 1 : SIZE_MAX);
        if (chunker_room_bytes(chunker) < pages[i].text.bytes)
            check_draw(&checked, chunker, SIZE_MAX);
        check_add(chunker, &pages[i]);
    }
    check_add(chunker, NULL);
    check_draw(&checked, chunker, SIZE_MAX);
    assert(chunker_is_dry(chunker));
    struct text canonical = buffer_text(&checked.canonical);
    assert(boundary_skip_spaces(canonical, checked.byte) == canonical.bytes);
    chunker_free(chunker);
    return checked;
}

static inline void check_release(struct checked *checked)
{
    buffer_release(&checked->canonical);
    buffer_release(&checked->listing);
}

#endif
