#include "chunker/cuts.h"

#include <assert.h>
#include <string.h>

#include "chunker/boundary.h"
#include "worker/base/memory.h"

/* A line at least so long that ends within a sentence was wrapped to fit the page. */
#define WRAPPED_LINE_BYTES 50

struct scan {
    struct cuts *cuts;
    const struct cuts_stretch *stretch;
    struct text text;
    size_t mark_at;     /* the first mark not yet passed */
    size_t heading_end; /* of the last heading passed */
    size_t line_start;
};

static void push(struct cuts *cuts, size_t end, size_t start, enum cut_kind kind)
{
    if (cuts->count == cuts->allocated) {
        cuts->allocated = cuts->allocated ? cuts->allocated * 2 : 256;
        cuts->items = xrealloc(cuts->items, cuts->allocated, sizeof(struct cut));
    }
    cuts->items[cuts->count++] = (struct cut){(uint32_t)end, (uint32_t)start, kind};
}

static const struct cut *last_cut(const struct scan *scan)
{
    return &scan->cuts->items[scan->cuts->count - 1];
}

/* The last white space in (from, to) with text on both sides; false when there is none. */
static bool find_word_cut(const struct scan *scan, size_t from, size_t to, struct cut *ret_cut)
{
    for (size_t at = to; at > from + 1; at--) {
        if (((uint8_t)scan->text.start[at - 1] & 0xc0) == 0x80 ||
            boundary_space_bytes(scan->text, at - 1) == 0)
            continue;
        size_t start = boundary_skip_spaces(scan->text, at - 1);
        size_t end = boundary_trim_spaces(scan->text, from, at - 1);
        if (end == from)
            return false;
        if (start < scan->text.bytes && boundary_starts_cluster(scan->text, start)) {
            *ret_cut = (struct cut){(uint32_t)end, (uint32_t)start, CUT_WORD};
            return true;
        }
        at = end + 1;
    }
    return false;
}

/* Nothing better was found for more than bytes_max: words, and where a word is too long, graphemes;
 * one in each eighth of bytes_max is plenty. */
static void fill(struct scan *scan, size_t to)
{
    const uint32_t bytes_max = scan->stretch->bytes_max;
    while (to - last_cut(scan)->start > bytes_max) {
        size_t from = last_cut(scan)->start;
        size_t goal = from + bytes_max / 8;
        struct cut cut;
        if (!find_word_cut(scan, from, goal, &cut)) {
            uint32_t at = (uint32_t)boundary_last_cluster(scan->text, from, goal);
            cut = (struct cut){at, at, CUT_CLUSTER};
        }
        assert(cut.end > from);
        push(scan->cuts, cut.end, cut.start, cut.kind);
    }
}

static void add(struct scan *scan, size_t end, size_t start, enum cut_kind kind)
{
    if (end <= last_cut(scan)->start)
        return;
    fill(scan, end);
    struct cuts *cuts = scan->cuts;
    const struct cut *last = last_cut(scan);
    if (cuts->count > 1 && end - last->end < scan->stretch->bytes_max / CUT_SPACING) {
        if (kind >= last->kind)
            return;
        if (end - cuts->items[cuts->count - 2].start <= scan->stretch->bytes_max)
            cuts->count--;
    }
    push(cuts, end, start, kind);
}

/* Passes the marks that begin up to `at`; the strongest of them that begins after `from`, if any.
 */
static bool pass_marks(struct scan *scan, size_t from, size_t at, enum cut_kind *ret_kind)
{
    static const enum cut_kind KINDS[] = {
        [MARK_HEADING] = CUT_HEADING,
        [MARK_PARAGRAPH] = CUT_PARAGRAPH,
        [MARK_LIST_ITEM] = CUT_ITEM,
        [MARK_TABLE_ROW] = CUT_ITEM,
    };
    bool is_found = false;
    for (; scan->mark_at < scan->stretch->mark_count; scan->mark_at++) {
        const struct mark *mark = &scan->stretch->marks[scan->mark_at];
        if (mark->byte_start > at)
            break;
        if (mark->kind == MARK_HEADING && mark->byte_end > scan->heading_end)
            scan->heading_end = mark->byte_end;
        if (mark->byte_start <= from)
            continue;
        enum cut_kind kind = KINDS[mark->kind];
        if (!is_found || kind < *ret_kind)
            *ret_kind = kind;
        is_found = true;
    }
    return is_found;
}

/* By the text alone. CUT_KIND_COUNT: nothing is to be cut there. */
static enum cut_kind kind_of_break(const struct scan *scan, struct cut space, size_t newline_count,
                                   bool is_page_end)
{
    if (newline_count >= 2 && !is_page_end)
        return CUT_PARAGRAPH;
    bool goes_on = boundary_starts_lower(scan->text, space.start);
    bool is_finished = !goes_on && boundary_ends_sentence(scan->text, space.end);
    if (is_page_end)
        return goes_on ? CUT_WRAPPED : CUT_PAGE;
    if (newline_count) {
        bool is_long = space.end - scan->line_start >= WRAPPED_LINE_BYTES;
        return is_finished || (!goes_on && !is_long) ? CUT_LINE : CUT_WRAPPED;
    }
    if (is_finished || boundary_ends_clause(scan->text, space.end))
        return CUT_SENTENCE;
    return CUT_KIND_COUNT;
}

/* What the white space [end, start) separates; marks know better than the text. */
static enum cut_kind kind_of_space(struct scan *scan, size_t end, size_t start)
{
    struct text space = text_slice(scan->text, end, start);
    size_t heading_end = scan->heading_end;
    size_t newline_count = 0;
    for (size_t i = 0; i < space.bytes; i++)
        newline_count += space.start[i] == '\n';
    bool is_page_end = memchr(space.start, '\f', space.bytes) != NULL;

    enum cut_kind marked;
    bool is_below_heading = end <= heading_end;
    if (pass_marks(scan, end, start, &marked))
        return is_below_heading && marked != CUT_HEADING ? CUT_BELOW_HEADING : marked;
    if (is_below_heading)
        return newline_count || is_page_end ? CUT_BELOW_HEADING : CUT_KIND_COUNT;
    struct cut cut = {.end = (uint32_t)end, .start = (uint32_t)start};
    return kind_of_break(scan, cut, newline_count, is_page_end);
}

/* Returns the place after the white space at `at`. */
static size_t take_space(struct scan *scan, size_t at)
{
    size_t start = boundary_skip_spaces(scan->text, at);
    if (start == scan->text.bytes)
        return start; /* what comes after it is not known, or is the end */
    enum cut_kind kind = kind_of_space(scan, at, start);
    if (kind != CUT_KIND_COUNT && boundary_starts_cluster(scan->text, start))
        add(scan, at, start, kind);
    if (memchr(scan->text.start + at, '\n', start - at))
        scan->line_start = start;
    return start;
}

static size_t take_stop(struct scan *scan, size_t at, size_t stop_bytes)
{
    size_t end = at + stop_bytes;
    if (end < scan->text.bytes && boundary_space_bytes(scan->text, end) == 0 &&
        boundary_starts_cluster(scan->text, end))
        add(scan, end, end, CUT_SENTENCE);
    return end;
}

static void scan_text(struct scan *scan)
{
    struct text text = scan->text;
    size_t at = 0;
    while ((at = boundary_next_interesting(text, at)) < text.bytes) {
        size_t stop_bytes = boundary_ideographic_stop_bytes(text, at);
        if (stop_bytes)
            at = take_stop(scan, at, stop_bytes);
        else if (boundary_space_bytes(text, at))
            at = take_space(scan, at);
        else
            at++; /* its following bytes are never interesting */
    }
}

void cuts_find(struct cuts *cuts, const struct cuts_stretch *stretch)
{
    assert(stretch->bytes_max >= CUT_SPACING && stretch->text.bytes < UINT32_MAX);
    struct scan scan = {.cuts = cuts, .stretch = stretch, .text = stretch->text};
    enum cut_kind ignored;
    cuts->count = 0;
    push(cuts, 0, 0, CUT_END);
    (void)pass_marks(&scan, 0, 0, &ignored);
    scan_text(&scan);
    size_t end = boundary_trim_spaces(stretch->text, 0, stretch->text.bytes);
    if (stretch->is_end)
        add(&scan, end, stretch->text.bytes, CUT_END);
    else if (end < stretch->text.bytes)
        add(&scan, end, stretch->text.bytes, CUT_WRAPPED);
    else
        fill(&scan, end);
}

void cuts_release(struct cuts *cuts)
{
    xfree(cuts->items);
    *cuts = (struct cuts){0};
}
