#include "extract/furniture.h"

#include <math.h>
#include <stdlib.h>

#include "worker/base/memory.h"

#define MARGIN_SHARE 0.12f /* of the page's height */
#define PAGES_MIN 4
#define PAGES_SHARE 4 /* one page in so many */
#define KEY_BYTES_MAX 256
#define CANDIDATES_MAX 4 /* lines in each margin of a page, the outermost */
#define LETTERS_MIN 3    /* else it may be a row of a table */

/* A line in a margin. */
struct candidate {
    uint64_t key;
    uint32_t page, line;
    bool is_number;
};

struct candidates {
    struct candidate *items;
    size_t count;
};

/* ---- keys ------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_roman(char c)
{
    return c == 'i' || c == 'v' || c == 'x' || c == 'l' || c == 'c';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* FNV-1a of the letters; each number counts as one and the same, white space as nothing. */
static uint64_t key_of(struct text text)
{
    uint64_t key = 0xcbf29ce484222325;
    for (size_t i = 0; i < text.bytes && i < KEY_BYTES_MAX; i++) {
        char c = lower(text.start[i]);
        if (is_digit(c) && i > 0 && is_digit(text.start[i - 1]))
            continue;
        if (c == ' ' || c == '\t')
            continue;
        key = (key ^ (uint8_t)(is_digit(c) ? '#' : c)) * 0x100000001b3;
    }
    return key;
}

/* "12", "xiv", "- 12 -", "[12]": nothing but a number, in digits of ASCII or small Roman ones. */
static bool is_lone_number(struct text text)
{
    size_t digits = 0, romans = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        if (is_digit(c))
            digits++;
        else if (is_roman(lower(c)))
            romans++;
        else if (c != ' ' && c != '-' && c != '.' && c != '[' && c != ']' && c != '|')
            return false;
    }
    return (digits != 0) != (romans != 0) && digits <= 5 && romans <= 8;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static bool has_letters(struct text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.bytes; i++)
        count += (uint8_t)text.start[i] >= 0x80 ||
                 (lower(text.start[i]) >= 'a' && lower(text.start[i]) <= 'z');
    return count >= LETTERS_MIN;
}

static struct candidate candidate_of(const struct layout_page *page, size_t line, bool is_foot)
{
    struct text text = layout_line_text(page, &page->lines[line]);
    struct candidate candidate = {.line = (uint32_t)line, .is_number = is_lone_number(text)};
    if (candidate.is_number)
        candidate.key = 1;
    else if (has_letters(text))
        candidate.key = key_of(text);
    if (candidate.key && is_foot)
        candidate.key = ~candidate.key;
    return candidate;
}

/* How far from the edge of its margin a line is; negative: it is in neither. */
static float distance(const struct layout_page *page, const struct layout_line *line, bool is_foot)
{
    float margin = page->height * MARGIN_SHARE;
    float inner = is_foot ? page->height - line->box.y1 : line->box.y2;
    return inner <= margin ? fmaxf(inner, 0) : -1;
}

/* The outermost lines of one margin, found in one pass. */
static void add_margin(struct candidates *candidates, const struct layout_page *page,
                       uint32_t page_at, bool is_foot)
{
    size_t found[CANDIDATES_MAX], count = 0;
    for (size_t i = 0; i < page->line_count; i++) {
        float outer = distance(page, &page->lines[i], is_foot);
        size_t at = count;
        if (outer < 0)
            continue;
        while (at > 0 && distance(page, &page->lines[found[at - 1]], is_foot) > outer)
            at--;
        if (at == CANDIDATES_MAX)
            continue;
        count += count < CANDIDATES_MAX;
        for (size_t j = count - 1; j > at; j--)
            found[j] = found[j - 1];
        found[at] = i;
    }
    for (size_t i = 0; i < count; i++) {
        struct candidate candidate = candidate_of(page, found[i], is_foot);
        candidate.page = page_at;
        if (candidate.key)
            candidates->items[candidates->count++] = candidate;
    }
}

/* ---- judging --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct candidate *first = a, *second = b;
    if (first->key != second->key)
        return first->key < second->key ? -1 : 1;
    if (first->page != second->page)
        return first->page < second->page ? -1 : 1;
    return first->line < second->line ? -1 : first->line > second->line;
}

/* items: all of one key, by page. Is that often enough, on all pages or on every other one? */
static bool is_repeated(const struct candidate *items, size_t count, size_t page_count)
{
    size_t pages[2] = {0};
    for (size_t i = 0; i < count; i++)
        if (i == 0 || items[i].page != items[i - 1].page)
            pages[items[i].page % 2]++;
    if (pages[0] + pages[1] < PAGES_MIN)
        return false;
    size_t share = pages[0] == 0 || pages[1] == 0 ? 2 * PAGES_SHARE : PAGES_SHARE;
    return (pages[0] + pages[1]) * share >= page_count;
}

void furniture_find(struct layout_page *pages, size_t page_count)
{
    struct candidates candidates = {0};
    if (page_count < PAGES_MIN)
        return;
    candidates.items = xcalloc(page_count * 2 * CANDIDATES_MAX, sizeof(*candidates.items));
    for (size_t i = 0; i < page_count; i++)
        for (int is_foot = 0; pages[i].has_boxes && is_foot <= 1; is_foot++)
            add_margin(&candidates, &pages[i], (uint32_t)i, is_foot);
    qsort(candidates.items, candidates.count, sizeof(*candidates.items), compare);
    for (size_t from = 0, to; from < candidates.count; from = to) {
        const struct candidate *items = &candidates.items[from];
        for (to = from; to < candidates.count && candidates.items[to].key == items->key;)
            to++;
        if (!is_repeated(items, to - from, page_count))
            continue;
        for (size_t i = items->is_number ? 0 : 1; i < to - from; i++)
            pages[items[i].page].lines[items[i].line].is_furniture = true;
    }
    xfree(candidates.items);
}
