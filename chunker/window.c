#include "chunker/window.h"

#include <assert.h>
#include <string.h>

#include "worker/base/memory.h"

/* Marks nearer than this to the one before are left out: so many hints help nobody, and their
 * memory stays in proportion to the text's. */
#define MARK_DISTANCE_MIN 4

/* Room for one more item of an array of which [*from, *to) is live. */
static void *grow(void *items, size_t item_bytes, size_t live[2], size_t *allocated)
{
    if (live[1] < *allocated)
        return items;
    size_t count = live[1] - live[0];
    if (live[0] > *allocated / 2) {
        memmove(items, (char *)items + live[0] * item_bytes, count * item_bytes);
        live[0] = 0;
        live[1] = count;
        return items;
    }
    *allocated = *allocated ? *allocated * 2 : 16;
    return xrealloc(items, *allocated, item_bytes);
}

static void add_page(struct window *window, struct window_page page)
{
    size_t live[2] = {window->page_from, window->page_to};
    window->pages = grow(window->pages, sizeof(page), live, &window->page_allocated);
    window->pages[live[1]] = page;
    window->page_from = live[0];
    window->page_to = live[1] + 1;
}

static void add_mark(struct window *window, struct window_mark mark)
{
    if (window->mark_to > window->mark_from &&
        mark.start < window->marks[window->mark_to - 1].start + MARK_DISTANCE_MIN)
        return;
    size_t live[2] = {window->mark_from, window->mark_to};
    window->marks = grow(window->marks, sizeof(mark), live, &window->mark_allocated);
    window->marks[live[1]] = mark;
    window->mark_from = live[0];
    window->mark_to = live[1] + 1;
}

static void append(struct window *window, struct text text)
{
    size_t live_bytes = window->to - window->from;
    if (text.bytes > window->allocated - window->to && window->from > live_bytes) {
        memmove(window->data, window->data + window->from, live_bytes);
        window->from = 0;
        window->to = live_bytes;
    }
    if (text.bytes > window->allocated - window->to) {
        size_t doubled = window->allocated * 2;
        window->allocated = window->to + text.bytes > doubled ? window->to + text.bytes : doubled;
        window->data = xrealloc(window->data, window->allocated, 1);
    }
    if (text.bytes)
        memcpy(window->data + window->to, text.start, text.bytes);
    window->to += text.bytes;
}

void window_add(struct window *window, const struct page *page, size_t from, size_t to)
{
    if (from == 0 && page->number > 1)
        append(window, TEXT("\f"));
    uint64_t start = window->place + (window->to - window->from); /* of byte `from` */
    if (from == 0)
        add_page(window, (struct window_page){start, page->number});
    for (size_t i = 0; i < page->mark_count; i++) {
        const struct mark *mark = &page->marks[i];
        if (mark->byte_start >= mark->byte_end || mark->byte_end > page->text.bytes)
            continue; /* a hint that makes no sense is none */
        if (mark->byte_start < from || mark->byte_start >= to)
            continue; /* it came or comes with another part */
        add_mark(window, (struct window_mark){.start = start + (mark->byte_start - from),
                                              .end = start + (mark->byte_end - from),
                                              .kind = mark->kind,
                                              .level = mark->level});
    }
    append(window, text_slice(page->text, from, to));
}

struct text window_text(const struct window *window)
{
    if (window->from == window->to)
        return TEXT_NONE;
    return (struct text){window->data + window->from, window->to - window->from};
}

struct text window_slice(const struct window *window, uint64_t from, uint64_t to)
{
    assert(from >= window->place);
    return text_slice(window_text(window), from - window->place, to - window->place);
}

void window_pass(struct window *window, uint64_t place)
{
    assert(place >= window->place && place - window->place <= window->to - window->from);
    window->chars += text_utf8_count(window_slice(window, window->place, place));
    window->from += place - window->place;
    window->place = place;
    while (window->page_to - window->page_from > 1 &&
           window->pages[window->page_from + 1].start <= place)
        window->page_from++;
}

/* Places asked for lie in the window, and mostly near its start. */
uint32_t window_page_number(const struct window *window, uint64_t place)
{
    size_t low = window->page_from, high = window->page_to; /* pages[low].start <= place */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (window->pages[middle].start <= place)
            low = middle;
        else
            high = middle;
    }
    return window->pages[low].number;
}

const struct window_mark *window_first_mark(const struct window *window)
{
    return window->mark_from < window->mark_to ? &window->marks[window->mark_from] : NULL;
}

size_t window_memory_bytes(const struct window *window)
{
    return window->allocated + window->page_allocated * sizeof(*window->pages) +
           window->mark_allocated * sizeof(*window->marks);
}

void window_release(struct window *window)
{
    xfree(window->data);
    xfree(window->pages);
    xfree(window->marks);
    *window = (struct window){0};
}
