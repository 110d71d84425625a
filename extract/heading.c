#include "extract/heading.h"

#include <math.h>

#include "extract/paragraph.h"

#define SIZE_BINS 400 /* of half a point */
#define LINES_MAX 4
#define CHARS_MAX 160
#define TITLES_MAX 100 /* of one page: more are no help to a reader */
#define BOLD_CHARS_MAX 100
#define LARGER 1.12f   /* than the body's text */
#define PITCH_MAX 1.8f /* font sizes between two lines of one heading */
#define LEVEL_BOLD 5
#define LEVEL_LAST 6

float heading_body_size(const struct layout_page *pages, size_t page_count)
{
    uint64_t counts[SIZE_BINS] = {0};
    size_t most = 0;
    for (size_t page = 0; page < page_count; page++)
        for (size_t i = 0; i < pages[page].line_count; i++) {
            const struct layout_line *line = &pages[page].lines[i];
            float bin = line->font_size * 2 + 0.5f;
            if (bin >= 1 && bin < SIZE_BINS)
                counts[(size_t)bin] += line->char_count;
        }
    for (size_t bin = 1; bin < SIZE_BINS; bin++)
        most = counts[bin] > counts[most] ? bin : most;
    return (float)most / 2;
}

/* ---- titles of the table of contents --------------------------------------------------------- */

/* Letters and digits alone: spaces, numbering's dots and hyphens differ between the two. */
static bool is_spelt(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (uint8_t)c >= 0x80;
}

static bool is_number_part(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == ' ';
}

/* The text behind "2.1 ". */
static struct text without_number(struct text text)
{
    size_t at = 0;
    while (at < text.bytes && is_number_part(text.start[at]))
        at++;
    return at < text.bytes ? text_slice(text, at, text.bytes) : text;
}

/* How much of text stands at the start of title; SIZE_MAX: it says something else. Both are read by
 * their letters alone; *title moves on. */
static bool takes(struct text *title, struct text text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        if (!is_spelt(c))
            continue;
        while (title->bytes && !is_spelt(title->start[0]))
            *title = text_slice(*title, 1, title->bytes);
        if (title->bytes == 0 || (title->start[0] | 0x20) != (c | 0x20))
            return false;
        *title = text_slice(*title, 1, title->bytes);
    }
    return true;
}

static bool is_used_up(struct text title)
{
    for (size_t i = 0; i < title.bytes; i++)
        if (is_spelt(title.start[i]))
            return false;
    return true;
}

/* The lines from line_at on spell the title, with or without its number. */
static bool is_title(const struct layout_page *page, size_t line_at, struct text title,
                     size_t *ret_end)
{
    struct text rest = without_number(title);
    for (size_t at = line_at; at < page->line_count && at < line_at + LINES_MAX; at++) {
        struct text text = paragraph_line_text(page, at);
        if (!takes(&rest, at == line_at ? without_number(text) : text))
            return false;
        *ret_end = at + 1;
        if (is_used_up(rest))
            return true;
    }
    return false;
}

static uint8_t titled_level(const struct block *block, size_t page_at, size_t line_at,
                            size_t *ret_end)
{
    size_t from = 0, to = block->title_count;
    while (from < to) {
        size_t half = from + (to - from) / 2;
        if (block->titles[half].page < page_at)
            from = half + 1;
        else
            to = half;
    }
    to = block->title_count - from < TITLES_MAX ? block->title_count : from + TITLES_MAX;
    for (size_t i = from; i < to && block->titles[i].page == page_at; i++)
        if (is_title(&block->pages[page_at], line_at, block->titles[i].title, ret_end))
            return block->titles[i].level;
    return 0;
}

/* ---- looks ----------------------------------------------------------------------------------- */

static uint8_t level_of_looks(const struct block *block, const struct layout_line *line)
{
    static const float ratios[] = {1.9f, 1.5f, 1.25f, LARGER};
    if (block->body_size <= 0)
        return 0;
    for (size_t i = 0; i < COUNT_OF(ratios); i++)
        if (line->font_size >= block->body_size * ratios[i])
            return (uint8_t)(i + 1);
    return line->is_bold && line->font_size > block->body_size * 0.95f ? LEVEL_BOLD : 0;
}

/* A stamp along the page's edge. */
static bool is_turned(const struct layout_line *line)
{
    return line->char_count > 3 && line->box.y2 - line->box.y1 > 2 * (line->box.x2 - line->box.x1);
}

static bool looks_alike(const struct layout_line *a, const struct layout_line *b)
{
    float down = b->base - a->base;
    return a->is_bold == b->is_bold && fabsf(a->font_size - b->font_size) < 0.5f && !b->row &&
           down > -b->font_size * 0.5f && down < b->font_size * PITCH_MAX;
}

/* Two letters at least, and not what only goes on to a sentence. */
static bool reads_like_heading(struct text last, const struct layout_page *page, size_t line_at)
{
    struct text first = paragraph_line_text(page, line_at);
    size_t letters = 0;
    for (size_t i = 0; i < first.bytes; i++)
        letters += is_spelt(first.start[i]) && !is_number_part(first.start[i]);
    return letters >= 2 && !text_ends_with(last, TEXT(",")) && !text_ends_with(last, TEXT(";")) &&
           !text_ends_with(last, TEXT("."));
}

uint8_t heading_level(const struct block *block, size_t page_at, size_t line_at, size_t *ret_end)
{
    const struct layout_page *page = &block->pages[page_at];
    const struct layout_line *first = &page->lines[line_at];
    uint8_t level = titled_level(block, page_at, line_at, ret_end);
    if (level || first->row || !page->has_boxes || is_turned(first))
        return level;
    level = level_of_looks(block, first);
    if (level == 0)
        return 0;
    size_t end = line_at + 1, chars = first->char_count;
    for (; end < page->line_count && end - line_at <= LINES_MAX &&
           looks_alike(&page->lines[end - 1], &page->lines[end]);
         end++)
        chars += page->lines[end].char_count;
    size_t chars_max = level < LEVEL_BOLD ? CHARS_MAX : BOLD_CHARS_MAX;
    if (end - line_at > LINES_MAX || chars > chars_max ||
        !reads_like_heading(paragraph_line_text(page, end - 1), page, line_at))
        return 0;
    *ret_end = end;
    return block->has_outline ? LEVEL_LAST : level;
}
