#include "chunker/chunker.h"

#include <assert.h>
#include <string.h>

#include "chunker/boundary.h"
#include "chunker/headings.h"
#include "chunker/plan.h"
#include "chunker/window.h"
#include "worker/base/memory.h"

/* The estimate; it is also the one that providers check requests with. */
#define BYTES_PER_TOKEN 4
/* A plan looks so many largest chunks ahead, and its first half is kept: what lies beyond could
 * move the cuts near its end, but not those. */
#define LOOKAHEAD_CHUNKS 8
#define TITLE_BYTES_MAX 512

struct range {
    uint64_t start, end; /* places */
};

struct chunker {
    struct plan_limits limits;
    size_t prefix_bytes_max;
    size_t title_bytes;
    char title[TITLE_BYTES_MAX];
    struct window window;
    struct headings headings; /* in effect where the window begins */
    uint32_t page_number;     /* of the last page added */
    uint32_t chunk_no;
    bool is_ended;
    struct range *ranges; /* ranges[range_from, range_to): planned, not yet given out */
    size_t range_from, range_to, range_allocated;
    struct mark *marks; /* scratch of a plan */
    size_t mark_allocated;
    struct cuts cuts;
    struct plan plan;
    struct buffer path, prefix; /* scratch of a chunk */
};

struct chunker_options chunker_options_default(void)
{
    return (struct chunker_options){.counting = CHUNKER_BYTES,
                                    .tokens_target = 300,
                                    .tokens_min = 100,
                                    .tokens_max = 512,
                                    .prefix_tokens_max = 64};
}

const char *chunker_version(void)
{
    return "bytes1";
}

static uint32_t between(uint32_t low, uint32_t value, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

struct chunker *chunker_new(struct chunker_options options, struct text title)
{
    struct chunker *chunker = xcalloc(1, sizeof(*chunker));
    uint32_t prefix_max = between(0, options.prefix_tokens_max, 256);
    uint32_t content_max = (CHUNKER_EMBEDDED_BYTES_MAX / BYTES_PER_TOKEN) - prefix_max;
    uint32_t max = between(16, options.tokens_max, content_max);
    uint32_t target = between(1, options.tokens_target, max);
    chunker->limits = (struct plan_limits){
        .bytes_target = target * BYTES_PER_TOKEN,
        .bytes_min = between(1, options.tokens_min, target) * BYTES_PER_TOKEN,
        .bytes_max = max * BYTES_PER_TOKEN,
    };
    chunker->prefix_bytes_max = (size_t)prefix_max * BYTES_PER_TOKEN;
    chunker->title_bytes = headings_clean(title, chunker->title, sizeof(chunker->title));
    chunker->path = buffer_new((size_t)HEADING_LEVELS_MAX * (HEADING_BYTES_MAX + 3));
    chunker->prefix = buffer_new(chunker->prefix_bytes_max);
    return chunker;
}

void chunker_free(struct chunker *chunker)
{
    if (!chunker)
        return;
    window_release(&chunker->window);
    cuts_release(&chunker->cuts);
    plan_release(&chunker->plan);
    buffer_release(&chunker->path);
    buffer_release(&chunker->prefix);
    xfree(chunker->ranges);
    xfree(chunker->marks);
    xfree(chunker);
}

/* ---- planning -------------------------------------------------------------------------------- */

/* The marks that begin in the first `bytes` of the window, relative to its start. */
static size_t marks_ahead(struct chunker *chunker, size_t bytes)
{
    const struct window *window = &chunker->window;
    size_t waiting_count = window->mark_to - window->mark_from;
    if (waiting_count > chunker->mark_allocated) {
        chunker->mark_allocated = window->mark_allocated;
        chunker->marks = xrealloc(chunker->marks, chunker->mark_allocated, sizeof(*chunker->marks));
    }
    size_t count = 0;
    for (size_t i = window->mark_from; i < window->mark_to; i++) {
        const struct window_mark *mark = &window->marks[i];
        if (mark->end <= window->place)
            continue;
        uint64_t start = mark->start > window->place ? mark->start - window->place : 0;
        if (start >= bytes)
            break;
        chunker->marks[count++] = (struct mark){.kind = mark->kind,
                                                .byte_start = (uint32_t)start,
                                                .byte_end = (uint32_t)(mark->end - window->place)};
    }
    return count;
}

/* Keeps the chunks of the plan that end by bytes_kept. */
static void keep_planned(struct chunker *chunker, size_t bytes_kept)
{
    const struct plan *plan = &chunker->plan;
    if (plan->chosen_count > chunker->range_allocated) {
        chunker->range_allocated = plan->chosen_count;
        chunker->ranges =
            xrealloc(chunker->ranges, chunker->range_allocated, sizeof(*chunker->ranges));
    }
    chunker->range_from = chunker->range_to = 0;
    uint32_t start = 0;
    for (size_t i = 0; i < plan->chosen_count; i++) {
        const struct cut *cut = &chunker->cuts.items[plan->chosen[i]];
        if (cut->end > bytes_kept)
            break;
        chunker->ranges[chunker->range_to++] =
            (struct range){chunker->window.place + start, chunker->window.place + cut->end};
        start = cut->start;
    }
    assert(chunker->range_to > 0); /* no chunk is larger than bytes_kept */
}

/* False when what follows is not known yet, or nothing follows. */
static bool plan_more(struct chunker *chunker)
{
    struct window *window = &chunker->window;
    struct text text = window_text(window);
    window_pass(window, window->place + boundary_skip_spaces(text, 0));
    text = window_text(window);
    size_t ahead_bytes = (size_t)LOOKAHEAD_CHUNKS * chunker->limits.bytes_max;
    if (text.bytes == 0 || (text.bytes <= ahead_bytes && !chunker->is_ended))
        return false;
    bool is_end = text.bytes <= ahead_bytes; /* never by chance of what was added already */
    text = text_utf8_prefix(text, ahead_bytes);
    size_t mark_count = marks_ahead(chunker, text.bytes);
    cuts_find(&chunker->cuts, &(struct cuts_stretch){.text = text,
                                                     .marks = chunker->marks,
                                                     .mark_count = mark_count,
                                                     .bytes_max = chunker->limits.bytes_max,
                                                     .is_end = is_end});
    plan_choose(&chunker->plan, &chunker->cuts, &chunker->limits);
    keep_planned(chunker, is_end ? text.bytes : ahead_bytes / 2);
    return true;
}

/* ---- giving out ------------------------------------------------------------------------------ */

/* Headings that begin before `place` are in effect there. */
static void pass_headings(struct chunker *chunker, uint64_t place)
{
    struct window *window = &chunker->window;
    const struct window_mark *mark;
    while ((mark = window_first_mark(window)) && mark->start < place) {
        uint64_t start = mark->start > window->place ? mark->start : window->place;
        if (mark->kind == MARK_HEADING && mark->end > start)
            headings_enter(&chunker->headings, mark->level, window_slice(window, start, mark->end));
        window->mark_from++;
    }
}

/* A chunk that begins with headings, one below the other, stands under all of them. */
static void pass_leading_headings(struct chunker *chunker, struct range range)
{
    struct window *window = &chunker->window;
    const struct window_mark *mark;
    uint64_t place = range.start;
    while ((mark = window_first_mark(window)) && mark->kind == MARK_HEADING &&
           mark->start < range.end) {
        struct text between_them = window_slice(window, place, mark->start);
        if (boundary_skip_spaces(between_them, 0) < between_them.bytes)
            return;
        place = mark->end;
        pass_headings(chunker, mark->start + 1);
    }
}

/* One block of the slab, so that it has all of a chunk or nothing: prefix, content, heading. */
static bool copy_texts(struct chunker *chunker, struct arena *slab, struct text content,
                       struct chunk *chunk)
{
    struct text title = {chunker->title, chunker->title_bytes};
    buffer_clear(&chunker->path);
    buffer_clear(&chunker->prefix);
    headings_write_path(&chunker->headings, chunker->path.bytes_max, &chunker->path);
    headings_write_prefix(&chunker->headings, title, chunker->prefix_bytes_max, &chunker->prefix);
    struct text prefix = buffer_text(&chunker->prefix), path = buffer_text(&chunker->path);
    char *copy = arena_alloc(slab, prefix.bytes + content.bytes + path.bytes);
    if (!copy)
        return false;
    struct text *parts[] = {&prefix, &content, &path};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i]->bytes)
            memcpy(copy, parts[i]->start, parts[i]->bytes);
        parts[i]->start = copy;
        copy += parts[i]->bytes;
    }
    chunk->prefix = prefix;
    chunk->content = content;
    chunk->heading = path;
    return true;
}

static bool give_out(struct chunker *chunker, struct arena *slab, struct chunk *ret_chunk,
                     struct error *err)
{
    struct window *window = &chunker->window;
    struct range range = chunker->ranges[chunker->range_from];
    pass_headings(chunker, range.start); /* while the window still has their text */
    window_pass(window, range.start);
    pass_leading_headings(chunker, range);
    struct text content = window_slice(window, range.start, range.end);
    struct chunk chunk = {.no = chunker->chunk_no, .char_start = window->chars};
    if (!copy_texts(chunker, slab, content, &chunk))
        return error_set(err, ERR_NO_MEMORY, "chunk %u: the slab is full", chunk.no);
    struct text embedded = {chunk.prefix.start, chunk.prefix.bytes + chunk.content.bytes};
    chunk.char_end = chunk.char_start + text_utf8_count(content);
    chunk.page_first = window_page_number(window, range.start);
    chunk.page_last = window_page_number(window, range.end - 1);
    chunk.token_count = (uint32_t)embedded.bytes;
    assert(embedded.bytes <= CHUNKER_EMBEDDED_BYTES_MAX && content.bytes > 0);
    sha256_of(embedded, chunk.hash);

    pass_headings(chunker, range.end);
    window_pass(window, range.end);
    chunker->range_from++;
    chunker->chunk_no++;
    *ret_chunk = chunk;
    return true;
}

/* ---- public ---------------------------------------------------------------------------------- */

/* Whether this page, from byte `from` on, is what comes now. */
static bool check_order(const struct chunker *chunker, const struct page *page, size_t from,
                        struct error *err)
{
    uint32_t expected = chunker->page_number + (from == 0);
    if (chunker->is_ended)
        return error_set(err, ERR_BUG, "a page after the end");
    if (page->number == 0 || page->number != expected)
        return error_set(err, ERR_BUG, "page %u after page %u", page->number, chunker->page_number);
    return true;
}

bool chunker_add(struct chunker *chunker, const struct page *page, struct error *err)
{
    if (!page && !chunker->is_ended) {
        chunker->is_ended = true;
        return true;
    }
    if (!page)
        return error_set(err, ERR_BUG, "the end after the end");
    if (page->text.bytes > chunker_room_bytes(chunker))
        return error_set(err, ERR_TEXT_MAX, "page %u: %zu bytes of text at once, %zu fit",
                         page->number, page->text.bytes, chunker_room_bytes(chunker));
    size_t at = 0;
    return chunker_add_part(chunker, page, &at, err);
}

bool chunker_add_part(struct chunker *chunker, const struct page *page, size_t *at,
                      struct error *err)
{
    struct text rest = text_slice(page->text, *at, page->text.bytes);
    if (!check_order(chunker, page, *at, err))
        return false;
    if (*at == 0 && !text_is_utf8(page->text))
        return error_set(err, ERR_PROTOCOL, "page %u: text is not UTF-8", page->number);
    rest = text_utf8_prefix(rest, chunker_room_bytes(chunker));
    if (rest.bytes == 0 && *at < page->text.bytes)
        return error_set(err, ERR_TEXT_MAX, "page %u: no room before chunks are drawn",
                         page->number);
    window_add(&chunker->window, page, *at, *at + rest.bytes);
    chunker->page_number = page->number;
    *at += rest.bytes;
    return true;
}

bool chunker_next(struct chunker *chunker, struct arena *slab, struct chunk *ret_chunk,
                  struct error *err)
{
    if (err)
        err->message[0] = '\0';
    if (chunker->range_from == chunker->range_to && !plan_more(chunker))
        return false;
    return give_out(chunker, slab, ret_chunk, err);
}

bool chunker_is_dry(const struct chunker *chunker)
{
    struct text text = window_text(&chunker->window);
    return chunker->is_ended && boundary_skip_spaces(text, 0) == text.bytes;
}

size_t chunker_room_bytes(const struct chunker *chunker)
{
    size_t used = chunker->window.to - chunker->window.from + 1; /* and the form feed */
    return used < CHUNKER_WINDOW_BYTES ? CHUNKER_WINDOW_BYTES - used : 0;
}
