#include "chunker/cuts.h"

#include <assert.h>
#include <string.h>

#include "chunker/boundary.h"
#include "chunker/sentence.h"
#include "worker/base/memory.h"

/* A line at least so long that ends within a sentence was wrapped to fit the page. */
#define WRAPPED_LINE_BYTES 50
#define ROW_BYTES_MAX 400        /* of a line, looked at to see whether it is a row of a table */
#define CASELESS_LETTERS_MIN 200 /* so many small letters without a capital are no accident */

struct scan {
    struct cuts *cuts;
    const struct cuts_stretch *stretch;
    struct text text;
    size_t mark_at;     /* the first mark not yet passed */
    size_t heading_end; /* of the last heading passed */
    size_t line_start;
    bool has_case;     /* capitals occur, so that small letters mean something */
    bool is_after_row; /* the line before is a row of a table */
};

static void push(struct cuts *cuts, struct cut cut)
{
    if (cuts->count == cuts->allocated) {
        cuts->allocated = cuts->allocated ? cuts->allocated * 2 : 256;
        cuts->items = xrealloc(cuts->items, cuts->allocated, sizeof(struct cut));
    }
    cuts->items[cuts->count++] = cut;
}

static struct cut cut_at(const struct scan *scan, size_t end, size_t start, enum cut_kind kind)
{
    struct measure *measure = scan->stretch->measure;
    return (struct cut){(uint32_t)end, (uint32_t)start, measure_until(measure, end),
                        measure_from(measure, start), kind};
}

static const struct cut *last_cut(const struct scan *scan)
{
    return &scan->cuts->items[scan->cuts->count - 1];
}

/* The last white space in (from, to] with text on both sides; false when there is none. */
static bool find_word_cut(const struct scan *scan, size_t from, size_t to, struct cut *ret_cut)
{
    for (size_t at = to + 1; at > from + 1; at--) {
        if (((uint8_t)scan->text.start[at - 1] & 0xc0) == 0x80 ||
            boundary_space_bytes(scan->text, at - 1) == 0)
            continue;
        size_t start = boundary_skip_spaces(scan->text, at - 1);
        size_t end = boundary_trim_spaces(scan->text, from, at - 1);
        if (end == from)
            return false;
        if (start < scan->text.bytes && boundary_starts_cluster(scan->text, start)) {
            *ret_cut = cut_at(scan, end, start, CUT_WORD);
            return true;
        }
        at = end + 1;
    }
    return false;
}

static bool fits(const struct scan *scan, const struct cut *from, const struct cut *to)
{
    return cuts_size(from, to) <= scan->stretch->size_max &&
           to->end - from->start <= scan->stretch->bytes_max;
}

/* Nothing better was found for more than a chunk may have: words, and where a word is too long,
 * graphemes; one in each eighth of a chunk is plenty. */
static void fill(struct scan *scan, const struct cut *to)
{
    while (!fits(scan, last_cut(scan), to)) {
        size_t from = last_cut(scan)->start;
        size_t goal = measure_reach(scan->stretch->measure, from, scan->stretch->size_max / 8);
        if (goal > from + scan->stretch->bytes_max / 8)
            goal = from + scan->stretch->bytes_max / 8;
        struct cut cut;
        if (!find_word_cut(scan, from, goal, &cut)) {
            size_t at = boundary_last_cluster(scan->text, from, goal);
            cut = cut_at(scan, at, at, CUT_CLUSTER);
        }
        assert(cut.end > from && cut.end < to->end);
        push(scan->cuts, cut);
    }
}

static void add(struct scan *scan, size_t end, size_t start, enum cut_kind kind)
{
    if (end <= last_cut(scan)->start)
        return;
    struct cut cut = cut_at(scan, end, start, kind);
    fill(scan, &cut);
    struct cuts *cuts = scan->cuts;
    const struct cut *last = last_cut(scan);
    int32_t spacing = (int32_t)(scan->stretch->size_max / CUT_SPACING);
    if (cuts->count > 1 && cut.until - last->until < spacing) {
        if (kind >= last->kind)
            return;
        if (fits(scan, last - 1, &cut))
            cuts->count--;
    }
    push(cuts, cut);
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

/* Rows of tables come as "one | two | three". */
static bool is_row(struct text text, size_t start)
{
    size_t ignored, line_end;
    struct text line = text_slice(text, start, start + ROW_BYTES_MAX);
    if (text_find(line, TEXT("\n"), &line_end))
        line = text_slice(line, 0, line_end);
    return text_find(line, TEXT(" | "), &ignored);
}

static enum cut_kind kind_of_line_break(struct scan *scan, struct cut space, bool goes_on)
{
    bool is_long = space.end - scan->line_start >= WRAPPED_LINE_BYTES;
    bool is_after_row = scan->is_after_row;
    scan->is_after_row = is_row(scan->text, space.start);
    if (is_after_row && scan->is_after_row)
        return CUT_ITEM;
    if (is_after_row || scan->is_after_row || (!is_long && !goes_on))
        return CUT_LINE;
    bool is_finished = sentence_ends(scan->text, space.end, space.start, scan->has_case);
    return is_finished && !goes_on ? CUT_LINE : CUT_WRAPPED;
}

/* By the text alone. CUT_KIND_COUNT: nothing is to be cut there. */
static enum cut_kind kind_of_break(struct scan *scan, struct cut space, size_t newline_count,
                                   bool is_page_end)
{
    bool goes_on = scan->has_case && boundary_starts_lower(scan->text, space.start);
    if (newline_count >= 2 && !is_page_end)
        return CUT_PARAGRAPH;
    if (is_page_end)
        return goes_on && !sentence_ends(scan->text, space.end, space.start, false) ? CUT_WRAPPED
                                                                                    : CUT_PAGE;
    if (newline_count)
        return kind_of_line_break(scan, space, goes_on);
    if (sentence_ends(scan->text, space.end, space.start, scan->has_case) ||
        boundary_ends_clause(scan->text, space.end))
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

/* Where the next mark begins: the space before that is looked at, whatever it is. */
static size_t next_mark(const struct scan *scan)
{
    const struct cuts_stretch *stretch = scan->stretch;
    return scan->mark_at < stretch->mark_count ? stretch->marks[scan->mark_at].byte_start
                                               : SIZE_MAX;
}

static void scan_text(struct scan *scan)
{
    struct text text = scan->text;
    size_t at = 0;
    while ((at = boundary_next_interesting(text, at, next_mark(scan))) < text.bytes) {
        size_t stop_bytes = boundary_ideographic_stop_bytes(text, at);
        if (stop_bytes)
            at = take_stop(scan, at, stop_bytes);
        else if (boundary_space_bytes(text, at))
            at = take_space(scan, at);
        else
            at++; /* its following bytes are never interesting */
    }
}

static bool has_case(struct text text)
{
    size_t upper = 0, lower = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        upper += text.start[i] >= 'A' && text.start[i] <= 'Z';
        lower += text.start[i] >= 'a' && text.start[i] <= 'z';
    }
    return upper > 0 || lower < CASELESS_LETTERS_MIN;
}

void cuts_find(struct cuts *cuts, const struct cuts_stretch *stretch)
{
    assert(stretch->size_max >= 16 && stretch->bytes_max >= 64);
    struct text text = stretch->measure->text;
    struct scan scan = {.cuts = cuts, .stretch = stretch, .text = text, .has_case = has_case(text)};
    enum cut_kind ignored;
    cuts->count = 0;
    push(cuts, cut_at(&scan, 0, 0, CUT_END));
    (void)pass_marks(&scan, 0, 0, &ignored);
    scan_text(&scan);
    size_t end = boundary_trim_spaces(text, 0, text.bytes);
    struct cut rest = cut_at(&scan, end, text.bytes, CUT_WRAPPED);
    if (stretch->is_end)
        add(&scan, end, text.bytes, CUT_END);
    else if (end < text.bytes)
        add(&scan, end, text.bytes, CUT_WRAPPED);
    else
        fill(&scan, &rest);
}

void cuts_release(struct cuts *cuts)
{
    xfree(cuts->items);
    *cuts = (struct cuts){0};
}
