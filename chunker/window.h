/*
 * window.h - the stretch of canonical text that a chunker holds: what was added and not yet passed.
 *
 * Places are byte offsets into the canonical text of the whole document.
 * Owns:   its bytes, until window_release().
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_WINDOW_H
#define CHUNKER_WINDOW_H

#include "worker/model/chunk.h"

struct window_mark {
    uint64_t start, end; /* places */
    enum mark_kind kind;
    uint8_t level;
};

struct window_page {
    uint64_t start; /* place */
    uint32_t number;
};

struct window {
    char *data;
    size_t from, to, allocated; /* data[from, to) is live */
    uint64_t place;             /* of data[from] */
    uint64_t chars;             /* code points before it */
    struct window_page *pages;  /* pages[page_from, page_to); the first holds `place` */
    size_t page_from, page_to, page_allocated;
    struct window_mark *marks; /* marks[mark_from, mark_to), by start, rising */
    size_t mark_from, mark_to, mark_allocated;
};

/* Bytes [from, to) of the page's text, with the marks that begin there; from 0 begins the page, and
 * puts a U+000C before it when it is not the first. */
void window_add(struct window *window, const struct page *page, size_t from, size_t to);
struct text
window_text(const struct window *window); /* from `place` to the end of what was added */
struct text window_slice(const struct window *window, uint64_t from, uint64_t to);
void window_pass(struct window *window, uint64_t place); /* forgets what is before it */
uint32_t window_page_number(const struct window *window, uint64_t place);
const struct window_mark *window_first_mark(const struct window *window); /* NULL: none waits */
size_t window_memory_bytes(const struct window *window);
void window_release(struct window *window);

#endif
