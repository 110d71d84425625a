#include "chunker/chunker.h"

#include <assert.h>
#include <string.h>

#include "chunker/boundary.h"
#include "chunker/headings.h"
#include "chunker/plan.h"
#include "chunker/window.h"
#include "worker/base/memory.h"

/* A plan looks so many largest chunks ahead; what it says about the last of that text is thrown
 * away, since what lies beyond could have moved those cuts. */
#define LOOKAHEAD_CHUNKS 8
#define LOOKAHEAD_BYTES_MAX ((size_t)448 * 1024)
#define MARGIN_CHUNKS 3
/* Ordinary text has 2 to 5 bytes a token; only runs of one character have more than this. */
#define BYTES_PER_TOKEN_MAX 12
/* Without a tokenizer; it is also the estimate that providers check requests with. */
#define BYTES_PER_TOKEN 4
#define PIECE_BYTES_MAX 256 /* longer ones are cut, and then counted again */
#define OVERLAP_BYTES_MAX ((size_t)16 * 1024)
#define PREFIX_TOKENS_MAX 256
#define PREFIX_BYTES_MAX 1024
#define TITLE_BYTES_MAX 512

struct range {
    uint64_t start, end; /* places */
    uint64_t own_start;  /* behind `start` when sentences of the chunk before are repeated */
    uint32_t size;       /* 0: to be counted */
};

struct chunker {
    enum chunker_counting counting;
    struct plan_limits limits;
    uint32_t overlap_max, prefix_max; /* in what is counted */
    size_t title_bytes;
    char title[TITLE_BYTES_MAX];
    struct window window;
    struct headings headings; /* in effect where the next chunk begins */
    uint32_t page_number;     /* of the last page added */
    uint32_t chunk_no;
    bool is_ended;
    struct range *ranges; /* ranges[range_from, range_to): planned, not yet given out */
    size_t range_from, range_to, range_allocated;
    uint64_t planned;       /* place: all before it is planned */
    uint64_t overlap_start; /* place: the next plan's first chunk repeats from here */
    struct mark *marks;     /* scratch of a plan */
    size_t mark_allocated;
    struct measure measure;
    struct cuts cuts;
    struct plan plan;
    struct buffer path, prefix; /* of `headings`, unless stale */
    uint32_t prefix_size;
    bool is_prefix_stale;
};

struct chunker_options chunker_options_default(void)
{
    return (struct chunker_options){.counting = CHUNKER_CL100K,
                                    .tokens_target = 300,
                                    .tokens_min = 100,
                                    .tokens_max = 512,
                                    .prefix_tokens_max = 64};
}

const char *chunker_version(void)
{
    return "cuts2";
}

static uint32_t between(uint32_t low, uint32_t value, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Overlap is on top of what is planned, so that no chunk is larger than tokens_max with it. */
static void set_limits(struct chunker *chunker, const struct chunker_options *options)
{
    bool is_bytes = options->counting == CHUNKER_BYTES;
    uint32_t unit = is_bytes ? BYTES_PER_TOKEN : 1;
    uint32_t prefix_max = between(0, options->prefix_tokens_max, PREFIX_TOKENS_MAX);
    uint32_t max = between(16, options->tokens_max, CHUNKER_TOKENS_MAX / unit - prefix_max);
    uint32_t target = between(1, options->tokens_target, max);
    uint32_t overlap = between(0, options->tokens_overlap, target / 2);
    if (max - overlap < 16)
        overlap = max - 16;
    max -= overlap;
    target -= overlap;
    uint64_t bytes_max = (uint64_t)max * (is_bytes ? BYTES_PER_TOKEN : BYTES_PER_TOKEN_MAX);
    chunker->limits = (struct plan_limits){
        .size_target = target * unit,
        .size_min = between(1, options->tokens_min, target) * unit,
        .size_max = max * unit,
        .bytes_max = bytes_max < CHUNKER_CONTENT_BYTES_MAX ? (uint32_t)bytes_max
                                                           : (uint32_t)CHUNKER_CONTENT_BYTES_MAX,
    };
    chunker->overlap_max = overlap * unit;
    chunker->prefix_max = prefix_max * unit;
}

struct chunker *chunker_new(struct chunker_options options, struct text title)
{
    struct chunker *chunker = xcalloc(1, sizeof(*chunker));
    chunker->counting = chunker->measure.counting = options.counting;
    set_limits(chunker, &options);
    chunker->title_bytes = headings_clean(title, chunker->title, sizeof(chunker->title));
    chunker->path = buffer_new((size_t)HEADING_LEVELS_MAX * (HEADING_BYTES_MAX + 3));
    chunker->prefix = buffer_new(PREFIX_BYTES_MAX);
    chunker->is_prefix_stale = true;
    return chunker;
}

void chunker_free(struct chunker *chunker)
{
    if (!chunker)
        return;
    window_release(&chunker->window);
    measure_release(&chunker->measure);
    cuts_release(&chunker->cuts);
    plan_release(&chunker->plan);
    buffer_release(&chunker->path);
    buffer_release(&chunker->prefix);
    xfree(chunker->ranges);
    xfree(chunker->marks);
    xfree(chunker);
}

/* ---- planning -------------------------------------------------------------------------------- */

/* The marks that begin in the next `bytes` to plan, relative to their start. */
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
        if (mark->end <= chunker->planned)
            continue;
        uint64_t start = mark->start > chunker->planned ? mark->start - chunker->planned : 0;
        if (start >= bytes)
            break;
        chunker->marks[count++] =
            (struct mark){.kind = mark->kind,
                          .byte_start = (uint32_t)start,
                          .byte_end = (uint32_t)(mark->end - chunker->planned)};
    }
    return count;
}

/* The cut at which the sentences begin that are repeated before the chunk that begins at `at`; the
 * chunk before begins at `first`. Nothing is carried over into another section. */
static size_t overlap_cut(const struct chunker *chunker, size_t first, size_t at)
{
    const struct cut *cuts = chunker->cuts.items;
    size_t best = at;
    if (chunker->measure.is_estimate)
        return best;
    for (size_t i = at; i > first && cuts[i].kind != CUT_HEADING; i--) {
        const struct cut *from = &cuts[i - 1];
        if (cuts_size(from, &cuts[at]) > chunker->overlap_max ||
            cuts[at].end - from->start > OVERLAP_BYTES_MAX)
            break;
        if (from->kind <= CUT_SENTENCE)
            best = i - 1;
    }
    return best;
}

/* Where a chunk of more than size_max, which was planned by an estimate, is to end. */
static uint32_t shortened(const struct chunker *chunker, uint32_t start, uint32_t end)
{
    struct text text = chunker->measure.text;
    uint32_t size_max = chunker->limits.size_max;
    while (measure_count(chunker->counting, text_slice(text, start, end)) > size_max) {
        size_t middle = boundary_last_cluster(text, start, start + (end - start) / 2);
        size_t trimmed = boundary_trim_spaces(text, start, middle);
        end = (uint32_t)trimmed;
    }
    return end;
}

static void push_range(struct chunker *chunker, struct range range)
{
    if (chunker->range_to == chunker->range_allocated) {
        chunker->range_allocated = chunker->range_allocated ? 2 * chunker->range_allocated : 64;
        chunker->ranges =
            xrealloc(chunker->ranges, chunker->range_allocated, sizeof(*chunker->ranges));
    }
    chunker->ranges[chunker->range_to++] = range;
}

/* Whether so much of the plan is left behind this cut that nothing further could move it. */
static bool is_settled(const struct chunker *chunker, const struct cut *cut)
{
    const struct cut *last = &chunker->cuts.items[chunker->cuts.count - 1];
    return last->kind == CUT_END ||
           cuts_size(cut, last) >= MARGIN_CHUNKS * chunker->limits.size_max;
}

/* Keeps the chunks of the plan that are settled, and the first one anyhow. */
static void keep_planned(struct chunker *chunker)
{
    const struct plan *plan = &chunker->plan;
    const struct cut *cuts = chunker->cuts.items;
    uint64_t base = chunker->planned;
    size_t first = 0;
    chunker->range_from = chunker->range_to = 0;
    for (size_t i = 0; i < plan->chosen_count; i++) {
        const struct cut *from = &cuts[first], *to = &cuts[plan->chosen[i]];
        if (i > 0 && !is_settled(chunker, to))
            break;
        bool is_exact = !chunker->measure.is_estimate;
        uint32_t end = is_exact ? to->end : shortened(chunker, from->start, to->end);
        push_range(chunker, (struct range){
                                .start = chunker->overlap_start,
                                .end = base + end,
                                .own_start = base + from->start,
                                .size = is_exact ? cuts_size(from, to) : 0,
                            });
        if (end < to->end) { /* what follows was planned for another start */
            chunker->planned = chunker->overlap_start = base + end;
            return;
        }
        chunker->planned = base + to->start;
        chunker->overlap_start = base + cuts[overlap_cut(chunker, first, plan->chosen[i])].start;
        first = plan->chosen[i];
    }
}

/* Spaces before what is to be planned; false when what follows is not known yet, or nothing does. */
static bool find_stretch(struct chunker *chunker, struct text *ret_text)
{
    struct window *window = &chunker->window;
    struct text text = window_text(window);
    uint64_t at = boundary_skip_spaces(text, chunker->planned - window->place);
    bool has_overlap = chunker->overlap_start < chunker->planned &&
                       window->place + at - chunker->overlap_start <= 2 * OVERLAP_BYTES_MAX;
    chunker->planned = window->place + at;
    if (!has_overlap)
        chunker->overlap_start = chunker->planned;
    window_pass(window, chunker->overlap_start);
    text = window_slice(window, chunker->planned, UINT64_MAX);
    size_t ahead_bytes = (size_t)LOOKAHEAD_CHUNKS * chunker->limits.bytes_max;
    if (ahead_bytes > LOOKAHEAD_BYTES_MAX)
        ahead_bytes = LOOKAHEAD_BYTES_MAX;
    if (text.bytes == 0 || (text.bytes <= ahead_bytes && !chunker->is_ended))
        return false;
    *ret_text = text_utf8_prefix(text, ahead_bytes); /* never by chance of what was added already */
    return true;
}

static bool plan_more(struct chunker *chunker)
{
    struct text text;
    if (!find_stretch(chunker, &text))
        return false;
    size_t mark_count = marks_ahead(chunker, text.bytes);
    const struct plan_limits *limits = &chunker->limits;
    uint32_t piece_max = limits->size_max / 4;
    bool is_end = chunker->planned + text.bytes ==
                  chunker->window.place + (chunker->window.to - chunker->window.from);
    measure_take(&chunker->measure, text,
                 piece_max < PIECE_BYTES_MAX ? piece_max : PIECE_BYTES_MAX);
    cuts_find(&chunker->cuts, &(struct cuts_stretch){.measure = &chunker->measure,
                                                     .marks = chunker->marks,
                                                     .mark_count = mark_count,
                                                     .size_max = limits->size_max,
                                                     .bytes_max = limits->bytes_max,
                                                     .is_end = is_end && chunker->is_ended});
    plan_choose(&chunker->plan, &chunker->cuts, limits);
    keep_planned(chunker);
    return true;
}

/* ---- giving out ------------------------------------------------------------------------------ */

static void enter_heading(struct chunker *chunker, uint8_t level, struct text text)
{
    headings_enter(&chunker->headings, level, text);
    chunker->is_prefix_stale = true;
}

/* Headings that begin before `place` are in effect there. */
static void pass_headings(struct chunker *chunker, uint64_t place)
{
    struct window *window = &chunker->window;
    const struct window_mark *mark;
    while ((mark = window_first_mark(window)) && mark->start < place) {
        uint64_t start = mark->start > window->place ? mark->start : window->place;
        if (mark->kind == MARK_HEADING && mark->end > start)
            enter_heading(chunker, mark->level, window_slice(window, start, mark->end));
        window->mark_from++;
    }
}

/* A chunk that begins with headings, one below the other, stands under all of them. */
static void pass_leading_headings(struct chunker *chunker, struct range range)
{
    struct window *window = &chunker->window;
    const struct window_mark *mark;
    uint64_t place = range.own_start;
    while ((mark = window_first_mark(window)) && mark->kind == MARK_HEADING &&
           mark->start < range.end) {
        struct text between_them = window_slice(window, place, mark->start);
        if (boundary_skip_spaces(between_them, 0) < between_them.bytes)
            return;
        place = mark->end;
        pass_headings(chunker, mark->start + 1);
    }
}

/* The path and the prefix of where we are; the prefix as long as it may be. */
static void write_prefix(struct chunker *chunker)
{
    struct text title = {chunker->title, chunker->title_bytes};
    size_t bytes_max = chunker->prefix_max ? PREFIX_BYTES_MAX : 0;
    buffer_clear(&chunker->path);
    headings_write_path(&chunker->headings, chunker->path.bytes_max, &chunker->path);
    while (true) {
        buffer_clear(&chunker->prefix);
        headings_write_prefix(&chunker->headings, title, bytes_max, &chunker->prefix);
        chunker->prefix_size = measure_count(chunker->counting, buffer_text(&chunker->prefix));
        if (chunker->prefix_size <= chunker->prefix_max)
            break;
        size_t fitting = chunker->prefix.bytes * chunker->prefix_max / chunker->prefix_size;
        bytes_max = fitting < bytes_max ? fitting : bytes_max - 1;
    }
    chunker->is_prefix_stale = false;
}

/* One block of the slab, so that it has all of a chunk or nothing: prefix, content, heading. */
static bool copy_texts(struct chunker *chunker, struct arena *slab, struct text content,
                       struct chunk *chunk)
{
    if (chunker->is_prefix_stale)
        write_prefix(chunker);
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

/* What is repeated and what lies between can come to more than was reckoned with. */
static bool is_too_large(const struct chunker *chunker, struct range range)
{
    struct text content = window_slice(&chunker->window, range.start, range.end);
    return measure_count(chunker->counting, content) >
               chunker->limits.size_max + chunker->overlap_max ||
           content.bytes > CHUNKER_CONTENT_BYTES_MAX;
}

static bool give_out(struct chunker *chunker, struct arena *slab, struct chunk *ret_chunk,
                     struct error *err)
{
    struct window *window = &chunker->window;
    struct range *next = &chunker->ranges[chunker->range_from];
    if (next->start < next->own_start && is_too_large(chunker, *next))
        next->start = next->own_start;
    struct range range = *next;
    pass_headings(chunker, range.own_start); /* while the window still has their text */
    window_pass(window, range.start);
    pass_leading_headings(chunker, range);
    struct text content = window_slice(window, range.start, range.end);
    struct chunk chunk = {.no = chunker->chunk_no, .char_start = window->chars};
    if (!copy_texts(chunker, slab, content, &chunk))
        return error_set(err, ERR_NO_MEMORY, "chunk %u: the slab is full", chunk.no);
    bool is_counted = range.size > 0 && range.start == range.own_start;
    uint32_t size = is_counted ? range.size : measure_count(chunker->counting, content);
    chunk.char_end = chunk.char_start + text_utf8_count(content);
    chunk.page_first = window_page_number(window, range.start);
    chunk.page_last = window_page_number(window, range.end - 1);
    chunk.token_count = chunker->prefix_size + size; /* exact: an empty line parts them */
    assert(chunk.token_count <= CHUNKER_TOKENS_MAX && content.bytes > 0);

    pass_headings(chunker, range.end);
    chunker->range_from++;
    chunker->chunk_no++;
    window_pass(window, chunker->range_from < chunker->range_to
                            ? chunker->ranges[chunker->range_from].start
                            : chunker->overlap_start);
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
    const struct window *window = &chunker->window;
    struct text text = window_text(window);
    return chunker->is_ended && chunker->range_from == chunker->range_to &&
           boundary_skip_spaces(text, chunker->planned - window->place) == text.bytes;
}

size_t chunker_room_bytes(const struct chunker *chunker)
{
    size_t used = chunker->window.to - chunker->window.from + 1; /* and the form feed */
    return used < CHUNKER_WINDOW_BYTES ? CHUNKER_WINDOW_BYTES - used : 0;
}

size_t chunker_memory_bytes(const struct chunker *chunker)
{
    return sizeof(*chunker) + window_memory_bytes(&chunker->window) +
           chunker->range_allocated * sizeof(*chunker->ranges) +
           chunker->mark_allocated * sizeof(*chunker->marks) +
           chunker->measure.allocated * sizeof(*chunker->measure.pieces) +
           chunker->cuts.allocated * sizeof(*chunker->cuts.items) +
           plan_memory_bytes(&chunker->plan) + chunker->path.allocated_bytes +
           chunker->prefix.allocated_bytes;
}
