#include "extract/layout.h"

#include <string.h>

#include "extract/columns.h"
#include "worker/base/memory.h"

#define FAR_POINTS 30000.0f /* further out than any page: the largest is 14,400 */
/* Heights of a character between it and the next one on a line: more is another line, which poppler
 * has not told from this one. */
#define GAP_ACROSS_MAX 2.0f /* the space between them has its own box, as wide as the gap */
#define WORD_GAP 0.05f      /* heights between two words */
#define GAP_DOWN_MAX 0.5f   /* letters of text that is turned touch each other */

/* Not fminf() and fmaxf(), which are calls; there is no NaN behind sane(). */
static float lower(float a, float b)
{
    return a < b ? a : b;
}

static float higher(float a, float b)
{
    return a > b ? a : b;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool is_bidi_mark(struct text text, size_t at) /* U+202A .. U+202E */
{
    const char *mark = text.start + at;
    return text.bytes - at >= 3 && mark[0] == '\xe2' && mark[1] == '\x80' && mark[2] >= '\xaa' &&
           mark[2] <= '\xae';
}

/* Bytes of the next character that has a glyph, skipping bidi marks; 0 at the end. */
static size_t next_char(struct text text, size_t *at)
{
    if (*at < text.bytes && (uint8_t)text.start[*at] < 0x80)
        return 1;
    while (*at < text.bytes && is_bidi_mark(text, *at))
        *at += 3;
    return text_utf8_sequence(text_slice(text, *at, text.bytes));
}

static bool glyphs_match(struct text text, size_t glyph_count)
{
    size_t at = 0, count = 0, bytes;
    if (glyph_count > LAYOUT_GLYPHS_MAX)
        return false;
    for (; (bytes = next_char(text, &at)) != 0; at += bytes)
        count++;
    return count == glyph_count;
}

static float sane(float value)
{
    return value > -FAR_POINTS && value < FAR_POINTS ? value : 0; /* not a number: 0 too */
}

static struct layout_box sane_box(const struct layout_page *page, struct layout_box box)
{
    float x1 = sane(lower(box.x1, box.x2)), x2 = sane(higher(box.x1, box.x2));
    struct layout_box upright = {x1, sane(lower(box.y1, box.y2)), x2, sane(higher(box.y1, box.y2))};
    if (page->is_right_to_left) {
        upright.x1 = page->width - x2;
        upright.x2 = page->width - x1;
    }
    return upright;
}

static void widen(struct layout_box *box, struct layout_box other)
{
    box->x1 = lower(box->x1, other.x1);
    box->y1 = lower(box->y1, other.y1);
    box->x2 = higher(box->x2, other.x2);
    box->y2 = higher(box->y2, other.y2);
}

/* A line while its characters are read. */
struct reading {
    struct layout_line line;
    struct layout_box first; /* of the first word */
    struct layout_box word;  /* of the word at hand, if has_word */
    struct layout_box last;  /* of the last character, unless is_new */
    bool is_new, is_past_first, has_word;
    uint32_t bold_count;
    uint32_t size_votes, base_votes; /* for what most characters have: see vote() */
};

/* The majority in one pass: whoever is outvoted gives way to the next. */
static void vote(float *elected, uint32_t *votes, float value)
{
    if (*votes == 0)
        *elected = value;
    if (*elected == value)
        (*votes)++;
    else
        (*votes)--;
}

static void read_glyph(struct reading *reading, struct layout_box box,
                       const struct layout_glyph *glyph)
{
    struct layout_line *line = &reading->line;
    if (line->char_count++ == 0)
        line->box = reading->first = box;
    widen(&line->box, box);
    if (!reading->is_past_first)
        widen(&reading->first, box);
    reading->bold_count += glyph->is_bold;
    vote(&line->base, &reading->base_votes, box.y2);
    vote(&line->font_size, &reading->size_votes, higher(0, sane(glyph->font_size)));
}

/* Blocks and cells of tables come without a newline, or even a space, between them. */
static bool is_elsewhere(const struct layout_page *page, const struct reading *reading,
                         struct layout_box box, bool is_space)
{
    const struct layout_box *last = &reading->last;
    float height = higher(last->y2 - last->y1, 1);
    if (reading->is_new)
        return false;
    if (box.y1 - last->y2 > height * GAP_DOWN_MAX || last->y1 - box.y2 > height * GAP_DOWN_MAX)
        return true;
    if (page->is_right_to_left) /* the boxes of a word are in the order of the eye */
        return false;
    float gap = is_space ? box.x2 - box.x1 : box.x1 - last->x2;
    return gap > height * GAP_ACROSS_MAX || box.x2 < last->x1;
}

static void push_line(struct layout_page *page, size_t *allocated, struct reading *reading)
{
    struct layout_line *line = &reading->line;
    if (line->char_count == 0)
        return;
    if (page->line_count == *allocated) {
        *allocated = *allocated ? 2 * *allocated : 64;
        page->lines = xrealloc(page->lines, *allocated, sizeof(*page->lines));
    }
    line->is_bold = reading->bold_count * 2 > line->char_count;
    line->first_word_width = reading->first.x2 - reading->first.x1;
    page->lines[page->line_count++] = *line;
}

static void end_line(struct layout_page *page, size_t *allocated, struct reading *reading,
                     size_t at, size_t next_at)
{
    reading->line.byte_end = (uint32_t)at;
    push_line(page, allocated, reading);
    *reading = (struct reading){.line.byte_start = (uint32_t)next_at, .is_new = true};
}

/* There is room: layout_read() saw to it. */
static void put(struct buffer *text, struct text one)
{
    memcpy(text->data + text->bytes, one.start, one.bytes);
    text->bytes += one.bytes;
}

static void read_char(struct layout_page *page, size_t *allocated, struct reading *reading,
                      struct text one, const struct layout_glyph *glyph)
{
    size_t at = page->text.bytes;
    bool is_space = one.start[0] == ' ' || one.start[0] == '\t';
    struct layout_box box = sane_box(page, glyph->box);
    put(&page->text, one);
    if (one.start[0] == '\n') {
        end_line(page, allocated, reading, at, at + 1);
        return;
    }
    if (is_elsewhere(page, reading, box, is_space))
        end_line(page, allocated, reading, at, at);
    if (is_space) {
        reading->is_past_first = reading->line.char_count != 0;
    } else {
        read_glyph(reading, box, glyph);
        if (!reading->has_word)
            reading->word = box;
        widen(&reading->word, box);
        page->hidden_count += glyph->is_hidden;
    }
    reading->last = box;
    reading->has_word = !is_space;
    reading->is_new = reading->line.char_count == 0;
}

/* The box of the characters from `at` on until a space, a newline or a bidi mark. */
static struct layout_box word_box(const struct layout_page *page, struct text text, size_t at,
                                  const struct layout_glyph *glyphs)
{
    struct layout_box box = sane_box(page, glyphs->box);
    size_t bytes;
    while (!is_bidi_mark(text, at) && (bytes = next_char(text, &at)) != 0 &&
           text.start[at] != ' ' && text.start[at] != '\n') {
        widen(&box, sane_box(page, glyphs++->box));
        at += bytes;
    }
    return box;
}

/* poppler puts the space behind a word of a script that is written from the right where it is seen,
 * to the word's right: a line's first two words come without one, the marks between them tell. */
static void read_word_start(struct layout_page *page, struct reading *reading, struct text rest,
                            const struct layout_glyph *glyphs)
{
    bool is_inside = reading->has_word && rest.start[0] != ' ' && rest.start[0] != '\n';
    if (is_inside && page->has_boxes) {
        struct layout_box next = word_box(page, rest, 0, glyphs);
        float gap = higher(next.x1 - reading->word.x2, reading->word.x1 - next.x2);
        is_inside = gap > higher(next.y2 - next.y1, 1) * WORD_GAP;
    }
    if (is_inside) {
        put(&page->text, TEXT(" "));
        reading->is_past_first = true;
    }
    reading->has_word = false;
}

void layout_read(struct layout_page *page, struct text text, const struct layout_glyph *glyphs,
                 size_t glyph_count)
{
    static const struct layout_glyph nowhere = {.font_size = 0};
    size_t allocated = 0, at = 0, bytes;
    struct reading reading = {.is_new = true};
    page->has_boxes = glyphs_match(text, glyph_count);
    page->text = buffer_new(text.bytes); /* a space takes the place of marks */
    (void)buffer_reserve(&page->text, text.bytes);
    for (size_t i = 0, from = 0; (bytes = next_char(text, &at)) != 0; from = at, i++) {
        const struct layout_glyph *glyph = page->has_boxes ? &glyphs[i] : &nowhere;
        if (at != from)
            read_word_start(page, &reading, text_slice(text, at, text.bytes), glyph);
        read_char(page, &allocated, &reading, (struct text){text.start + at, bytes}, glyph);
        at += bytes;
    }
    end_line(page, &allocated, &reading, page->text.bytes, page->text.bytes);
}

void layout_order(struct layout_page *page)
{
    if (page->has_boxes)
        page->gutters_found = columns_order(page->lines, page->line_count);
}

void layout_release(struct layout_page *page)
{
    buffer_release(&page->text);
    xfree(page->lines);
    *page = (struct layout_page){0};
}

size_t layout_char_count(const struct layout_page *page)
{
    size_t count = 0;
    for (size_t i = 0; i < page->line_count; i++)
        count += page->lines[i].char_count;
    return count;
}

struct text layout_line_text(const struct layout_page *page, const struct layout_line *line)
{
    return text_slice(buffer_text(&page->text), line->byte_start, line->byte_end);
}
