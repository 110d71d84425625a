#include "extract/paragraph.h"

#include <math.h>

#include "extract/clean.h"
#include "extract/vocabulary.h"

#define PITCH_BINS 40 /* of a tenth of a font size */
#define PITCH_DEFAULT 1.2f
#define PITCH_SLACK 0.35f /* font sizes more than usual between two lines: a gap */
#define SIZE_SLACK 0.15f  /* lines of one stack may differ by so much in size */
#define ROW_OVERLAP 0.5f
#define INDENT 0.7f /* font sizes */
#define ROOM_SLACK 0.5f

/* ---- words of a line ------------------------------------------------------------------------- */

static bool is_bidi_mark(const char *at) /* U+202A .. U+202E, U+200E, U+200F */
{
    return at[0] == '\xe2' && at[1] == '\x80' &&
           ((at[2] >= '\xaa' && at[2] <= '\xae') || at[2] == '\x8e' || at[2] == '\x8f');
}

struct text paragraph_line_text(const struct layout_page *page, size_t at)
{
    struct text text = layout_line_text(page, &page->lines[at]);
    for (;;) {
        size_t bytes = text.bytes;
        text = text_trim(text);
        if (text.bytes >= 3 && is_bidi_mark(text.start))
            text = text_slice(text, 3, text.bytes);
        if (text.bytes >= 3 && is_bidi_mark(text.start + text.bytes - 3))
            text = text_slice(text, 0, text.bytes - 3);
        if (text.bytes == bytes)
            return text;
    }
}

static bool is_plain(char c) /* no mark of a kind that matters here */
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* Bytes of the ending that the text has; 0: none of them. NULL is behind the last. */
static size_t ending_bytes(struct text text, const char *const *endings)
{
    for (; *endings; endings++)
        if (text_ends_with(text, text_from(*endings)))
            return text_from(*endings).bytes;
    return 0;
}

bool paragraph_ends_sentence(struct text text)
{
    static const char *const closers[] = {")", "]", "\"", "'", "”", "’", "»", "」", "』", NULL};
    static const char *const stops[] = {".", "!", "?", ":", "。", "！", "？", "۔", "؟", "।", NULL};
    size_t bytes;
    if (text.bytes && is_plain(text.start[text.bytes - 1]))
        return false;
    while ((bytes = ending_bytes(text, closers)) != 0)
        text = text_slice(text, 0, text.bytes - bytes);
    return ending_bytes(text, stops) != 0;
}

/* "1. ", "12) ", "(a) ", "b) ": a number or a letter, then what closes it, then a space. */
static bool is_enumerated(struct text text)
{
    size_t at = text.bytes && text.start[0] == '(', from = at;
    while (at < text.bytes && at - from < 2 && text.start[at] >= '0' && text.start[at] <= '9')
        at++;
    bool is_number = at > from;
    if (!is_number && at < text.bytes && (text.start[at] | 0x20) >= 'a' &&
        (text.start[at] | 0x20) <= 'z')
        at++;
    if (at == from || at + 1 >= text.bytes || text.start[at + 1] != ' ')
        return false;
    return text.start[at] == ')' || (is_number && from == 0 && text.start[at] == '.');
}

bool paragraph_is_item(struct text text, bool is_certain)
{
    /* The two without a picture are bullets of the font Symbol. */
    static const char *const bullets[] = {
        "•",  "‣",  "◦",  "▪", "●", "○", "■", "□", "►", "·", "\xef\x82\xb7", "\xef\x82\xa7",
        "– ", "— ", "- ", "* "};
    bool may_be_bullet = text.bytes && !is_plain(text.start[0]);
    for (size_t i = 0; i < COUNT_OF(bullets) && may_be_bullet; i++) {
        struct text bullet = text_from(bullets[i]);
        if (text_starts_with(text, bullet) && text.bytes > bullet.bytes)
            return true;
    }
    return is_certain && is_enumerated(text);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static float height(const struct layout_line *line)
{
    return line->box.y2 - line->box.y1;
}

static float size_of(const struct layout_line *line)
{
    return line->font_size > 0 ? line->font_size : fmaxf(height(line), 1);
}

static bool is_same_size(const struct layout_line *a, const struct layout_line *b)
{
    return fabsf(size_of(a) - size_of(b)) <= fmaxf(size_of(a), size_of(b)) * SIZE_SLACK;
}

static bool is_same_row(const struct layout_line *last, const struct layout_line *line)
{
    float overlap = fminf(last->box.y2, line->box.y2) - fmaxf(last->box.y1, line->box.y1);
    return overlap > fminf(height(last), height(line)) * ROW_OVERLAP &&
           line->box.x1 >= last->box.x2 - 1;
}

/* From line to line, in font sizes. */
static float pitch_between(const struct layout_line *last, const struct layout_line *line)
{
    return (line->base - last->base) / size_of(line);
}

float paragraph_pitch(const struct layout_page *pages, size_t page_count)
{
    uint64_t counts[PITCH_BINS] = {0};
    size_t most = 0;
    for (size_t page = 0; page < page_count; page++)
        for (size_t i = 1; i < pages[page].line_count; i++) {
            const struct layout_line *last = &pages[page].lines[i - 1], *line = last + 1;
            float bin = pitch_between(last, line) * 10;
            if (is_same_size(last, line) && bin >= 8 && bin < PITCH_BINS)
                counts[(size_t)bin] += line->char_count;
        }
    for (size_t bin = 1; bin < PITCH_BINS; bin++)
        most = counts[bin] > counts[most] ? bin : most;
    return counts[most] ? ((float)most + 0.5f) / 10 : PITCH_DEFAULT;
}

static bool goes_on(const struct stack *stack, const struct layout_line *last,
                    const struct layout_line *line, float pitch)
{
    if (is_same_row(last, line))
        return true;
    float between = pitch_between(last, line);
    return is_same_size(last, line) && between > 0.3f && between < pitch + PITCH_SLACK &&
           line->box.x1 < stack->x2 && line->box.x2 > stack->x1;
}

struct stack paragraph_stack(const struct layout_page *page, size_t from, float pitch)
{
    const struct layout_line *lines = page->lines;
    struct stack stack = {from, from + 1, lines[from].box.x1, lines[from].box.x2, false};
    for (; stack.to < page->line_count; stack.to++) {
        const struct layout_line *line = &lines[stack.to];
        if (line->row || lines[stack.to - 1].row || !goes_on(&stack, line - 1, line, pitch))
            break;
        stack.x1 = fminf(stack.x1, line->box.x1);
        stack.x2 = fmaxf(stack.x2, line->box.x2);
    }
    size_t indented_count = 0;
    for (size_t i = from; i < stack.to; i++)
        indented_count += lines[i].box.x1 > stack.x1 + INDENT * size_of(&lines[i]);
    stack.is_hanging = indented_count * 2 > stack.to - from;
    return stack;
}

/* ---- joints ---------------------------------------------------------------------------------- */

static bool is_indented(const struct stack *stack, const struct layout_line *line)
{
    return line->box.x1 > stack->x1 + INDENT * size_of(line);
}

static bool is_indented_from(const struct layout_line *last, const struct layout_line *line)
{
    return line->box.x1 > last->box.x1 + INDENT * size_of(line) / 2;
}

/* The next word would have had room: the line was ended before. */
static bool has_room(const struct stack *stack, const struct layout_line *last,
                     const struct layout_line *line)
{
    return stack->x2 - last->box.x2 > line->first_word_width + ROOM_SLACK * size_of(last);
}

/* The next column, or what stands below a figure: only what is plainly the same sentence. */
static enum joint joint_of_stacks(const struct layout_page *page, const struct stack *stack,
                                  size_t at)
{
    const struct layout_line *line = &page->lines[at], *last = line - 1;
    struct text before = paragraph_line_text(page, at - 1), after = paragraph_line_text(page, at);
    bool is_higher = line->box.y2 < last->box.y1;
    bool is_sentence = !paragraph_ends_sentence(before) && clean_starts_lower(after);
    return is_higher && is_sentence && is_same_size(last, line) && !line->row && !last->row &&
                   stack->to - stack->from > 1 && !has_room(stack, last, line)
               ? JOINT_WRAPPED
               : JOINT_PARAGRAPH;
}

/* "Chapter . . . . .": a line of a table of contents, as full as it may be. */
static bool has_leader(struct text text)
{
    return text_ends_with(text, TEXT(". .")) || text_ends_with(text, TEXT("...."));
}

enum joint paragraph_joint(const struct layout_page *page, const struct stack *stack, size_t at)
{
    const struct layout_line *line = &page->lines[at], *last = line - 1;
    if (!page->has_boxes)
        return JOINT_LINE;
    if (at == stack->to)
        return joint_of_stacks(page, stack, at);
    if (is_same_row(last, line))
        return JOINT_ROW;
    struct text before = paragraph_line_text(page, at - 1), after = paragraph_line_text(page, at);
    if (vocabulary_is_broken(before) && clean_starts_lower(after))
        return JOINT_WRAPPED;
    if (has_leader(before))
        return JOINT_LINE;
    if (paragraph_is_item(before, true) && is_indented_from(last, line) &&
        !has_room(stack, last, line))
        return JOINT_WRAPPED;
    bool is_sentence_end = paragraph_ends_sentence(before);
    bool was_ended = has_room(stack, last, line);
    if (paragraph_is_item(after, was_ended || is_sentence_end))
        return JOINT_LINE;
    bool is_outer_change = is_indented(stack, line) != is_indented(stack, last);
    bool begins = is_outer_change && is_indented(stack, line) != stack->is_hanging;
    if (was_ended)
        return is_sentence_end || begins ? JOINT_PARAGRAPH : JOINT_LINE;
    return begins && (is_sentence_end || !clean_starts_lower(after)) ? JOINT_PARAGRAPH
                                                                     : JOINT_WRAPPED;
}
