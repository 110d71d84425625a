#include "extract/prose.h"

#include <assert.h>
#include <string.h>

#include "extract/clean.h"
#include "extract/wire.h"
#include "worker/base/memory.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30) /* places in it have 32 bits */
#define RAW_BYTES ((size_t)64 << 10)     /* a longer block is cleaned in parts */
#define LISTS_MAX 32                     /* deeper ones are not numbered */

/* Stands among the blocks where the document begins a new page. */
#define PROSE_BREAK (PROSE_TABLE_ROW + 1)

/* A block, or a part of one that is very long. */
struct prose_block {
    uint32_t start, end; /* in the text */
    uint32_t char_count, unusable_count, right_to_left_count, left_to_right_count;
    uint8_t kind, level;
    bool goes_on; /* a later part */
};

struct prose_page {
    uint32_t start, end;
    size_t block; /* the first that may begin in it */
};

struct prose {
    struct buffer text, raw, title;
    enum prose_kind kind;
    unsigned level;
    bool is_begun, has_part, is_full, has_breaks;
    bool is_item_fresh; /* its mark is all there is of it */
    unsigned row_depth, list_depth;
    unsigned items[LISTS_MAX]; /* of each list: the number of the next item; 0: has none */
    struct text joint;         /* what stood between the parts */
    struct prose_block *blocks;
    size_t block_count, block_max;
    struct prose_page *pages;
    size_t page_count, page_max;
    struct mark *marks; /* of the page given out last */
    size_t mark_max;
};

/* ---- collecting ------------------------------------------------------------------------------ */

static void *grow(void *items, size_t item_bytes, size_t count, size_t *max)
{
    if (count < *max)
        return items;
    *max = *max ? *max * 2 : 64;
    return xrealloc(items, *max, item_bytes);
}

static void add_block(struct prose *prose, struct prose_block block)
{
    prose->blocks =
        grow(prose->blocks, sizeof(*prose->blocks), prose->block_count, &prose->block_max);
    prose->blocks[prose->block_count++] = block;
}

/* What stands before the block at hand, or before the next part of it. */
static struct text separator(const struct prose *prose)
{
    if (prose->has_part)
        return prose->joint;
    if (prose->text.bytes == 0)
        return TEXT_NONE;
    const struct prose_block *last = &prose->blocks[prose->block_count - 1];
    bool is_series = prose->kind == PROSE_LIST_ITEM || prose->kind == PROSE_TABLE_ROW;
    return is_series && last->kind == prose->kind ? TEXT("\n") : TEXT("\n\n");
}

static void take_part(struct prose *prose, struct text raw)
{
    struct clean_figures figures;
    struct buffer *text = &prose->text;
    size_t old_bytes = text->bytes, start = old_bytes + separator(prose).bytes;
    bool fits = buffer_append_text(text, separator(prose)) && clean_text(raw, text, &figures);
    if (!fits || text->bytes == start) {
        prose->is_full = prose->is_full || !fits;
        text->bytes = old_bytes;
        text->is_full = false;
        return;
    }
    add_block(prose, (struct prose_block){
                         .start = (uint32_t)start,
                         .end = (uint32_t)text->bytes,
                         .char_count = (uint32_t)figures.char_count,
                         .unusable_count = (uint32_t)figures.unusable_count,
                         .right_to_left_count = (uint32_t)figures.right_to_left_count,
                         .left_to_right_count = (uint32_t)figures.left_to_right_count,
                         .kind = (uint8_t)prose->kind,
                         .level = (uint8_t)prose->level,
                         .goes_on = prose->has_part,
                     });
    prose->has_part = true;
}

/* Behind the last end of a line in the second half, else the last space, else a whole character. */
static size_t place_to_cut(struct text text)
{
    size_t space = 0;
    for (size_t at = text.bytes; at > text.bytes / 2; at--) {
        if (text.start[at - 1] == '\n')
            return at;
        if (!space && text.start[at - 1] == ' ')
            space = at;
    }
    size_t whole = text_utf8_prefix(text, text.bytes - 1).bytes;
    return space ? space : whole ? whole : text.bytes;
}

static void flush_part(struct prose *prose)
{
    struct text raw = buffer_text(&prose->raw);
    size_t cut = place_to_cut(raw);
    take_part(prose, text_slice(raw, 0, cut));
    char last = raw.start[cut - 1];
    prose->joint = last == '\n' ? TEXT("\n") : last == ' ' ? TEXT(" ") : TEXT_NONE;
    prose->raw.bytes = raw.bytes - cut;
    memmove(prose->raw.data, raw.start + cut, prose->raw.bytes);
}

/* All of the raw text at hand. */
static void take_raw(struct prose *prose)
{
    if (prose->is_begun && prose->raw.bytes && !prose->is_full && !prose->is_item_fresh)
        take_part(prose, buffer_text(&prose->raw));
    buffer_clear(&prose->raw);
}

static void end_block(struct prose *prose)
{
    take_raw(prose);
    prose->is_begun = prose->has_part = prose->is_item_fresh = false;
}

static void begin_block(struct prose *prose, enum prose_kind kind, unsigned level)
{
    end_block(prose);
    prose->kind = kind;
    prose->level = level;
    prose->is_begun = true;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

static void add_page(struct prose *prose, struct prose_page page)
{
    const char *text = prose->text.data;
    while (page.end > page.start && is_space(text[page.end - 1]))
        page.end--;
    prose->pages = grow(prose->pages, sizeof(*prose->pages), prose->page_count, &prose->page_max);
    prose->pages[prose->page_count++] = page;
}

/* Adds all pages of page.start .. end but the last, which is returned. */
static struct prose_page cut_pages(struct prose *prose, struct prose_page page, size_t end,
                                   size_t bytes_max)
{
    while (end - page.start > bytes_max) {
        struct text text = text_slice(buffer_text(&prose->text), page.start, end);
        page.end = page.start + (uint32_t)place_to_cut(text_slice(text, 0, bytes_max));
        add_page(prose, page);
        page.start = page.end;
        while (page.start < end && is_space(prose->text.data[page.start]))
            page.start++;
    }
    page.end = (uint32_t)end;
    return page;
}

static void make_pages(struct prose *prose, size_t page_bytes_max)
{
    size_t usual = prose->has_breaks ? PROSE_PAGE_BYTES : PROSE_PIECE_BYTES;
    size_t bytes_max = usual < page_bytes_max ? usual : page_bytes_max;
    struct prose_page page = {0};
    bool is_empty = true;
    for (size_t i = 0; i < prose->block_count; i++) {
        const struct prose_block *block = &prose->blocks[i];
        bool is_break = block->kind == PROSE_BREAK;
        if (is_break || (!is_empty && block->end - page.start > bytes_max)) {
            add_page(prose, page);
            is_empty = true;
        }
        if (is_empty)
            page = (struct prose_page){block->start, block->start, i};
        if (is_break)
            continue;
        page = cut_pages(prose, page, block->end, bytes_max);
        page.block = page.start > block->start ? i : page.block;
        is_empty = false;
    }
    if (!is_empty || prose->page_count == 0)
        add_page(prose, page);
}

static size_t mark_blocks(struct prose *prose, const struct prose_page *page,
                          const struct prose_block *block)
{
    static const enum mark_kind KINDS[] = {
        [PROSE_PARAGRAPH] = MARK_PARAGRAPH,
        [PROSE_HEADING] = MARK_HEADING,
        [PROSE_LIST_ITEM] = MARK_LIST_ITEM,
        [PROSE_TABLE_ROW] = MARK_TABLE_ROW,
    };
    size_t count = 0;
    for (; block < prose->blocks + prose->block_count && block->start < page->end; block++) {
        bool is_marked = block->kind != PROSE_PLAIN && block->kind != PROSE_BREAK;
        if (!is_marked || block->goes_on || block->start < page->start)
            continue;
        uint32_t end = block->end < page->end ? block->end : page->end;
        prose->marks = grow(prose->marks, sizeof(*prose->marks), count, &prose->mark_max);
        prose->marks[count++] = (struct mark){KINDS[block->kind], block->level,
                                              block->start - page->start, end - page->start};
    }
    return count;
}

static uint32_t flags_of(const struct prose *prose, const struct prose_page *page,
                         const struct prose_block *block)
{
    struct clean_figures sum = {0};
    for (; block < prose->blocks + prose->block_count && block->start < page->end; block++) {
        sum.char_count += block->char_count;
        sum.unusable_count += block->unusable_count;
        sum.right_to_left_count += block->right_to_left_count;
        sum.left_to_right_count += block->left_to_right_count;
    }
    return clean_page_flags(&sum);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct prose *prose_new(size_t text_bytes_max)
{
    struct prose *prose = xcalloc(1, sizeof(*prose));
    prose->text = buffer_new(text_bytes_max < TEXT_BYTES_MAX ? text_bytes_max : TEXT_BYTES_MAX);
    prose->raw = buffer_new(2 * RAW_BYTES);
    prose->title = buffer_new(8 * WIRE_TEXT_BYTES_MAX); /* cleaning may lengthen */
    return prose;
}

void prose_free(struct prose *prose)
{
    if (!prose)
        return;
    buffer_release(&prose->text);
    buffer_release(&prose->raw);
    buffer_release(&prose->title);
    xfree(prose->blocks);
    xfree(prose->pages);
    xfree(prose->marks);
    xfree(prose);
}

void prose_begin(struct prose *prose, enum prose_kind kind, unsigned level)
{
    bool is_of_item = prose->is_item_fresh && kind == PROSE_PARAGRAPH;
    if (prose->row_depth)
        prose_end(prose);
    else if (!is_of_item)
        begin_block(prose, kind, level);
}

void prose_add(struct prose *prose, struct text raw)
{
    if (!prose->is_begun)
        begin_block(prose, PROSE_PARAGRAPH, 0);
    prose->is_item_fresh = prose->is_item_fresh && !raw.bytes;
    while (raw.bytes && !prose->is_full) {
        struct text some = text_slice(raw, 0, RAW_BYTES);
        bool has_room = buffer_append_text(&prose->raw, some);
        assert(has_room); /* it held less than RAW_BYTES */
        raw = text_slice(raw, some.bytes, raw.bytes);
        if (prose->raw.bytes >= RAW_BYTES)
            flush_part(prose);
    }
}

void prose_break_line(struct prose *prose)
{
    prose_add(prose, prose->row_depth ? TEXT(" ") : TEXT("\n"));
}

void prose_end(struct prose *prose)
{
    if (!prose->row_depth)
        end_block(prose);
    else if (prose_is_open(prose))
        prose_add(prose, TEXT(" "));
}

void prose_begin_row(struct prose *prose)
{
    prose_begin(prose, PROSE_TABLE_ROW, 0);
    prose->row_depth++;
}

void prose_begin_cell(struct prose *prose)
{
    if (!prose->row_depth)
        prose_begin(prose, PROSE_PARAGRAPH, 0);
    else if (prose_is_open(prose))
        prose_add(prose, TEXT(" | "));
}

void prose_end_row(struct prose *prose)
{
    prose->row_depth -= prose->row_depth != 0;
    prose_end(prose);
}

void prose_begin_list(struct prose *prose, unsigned first)
{
    prose_end(prose);
    prose->list_depth++;
    if (prose->list_depth <= LISTS_MAX)
        prose->items[prose->list_depth - 1] = first;
}

void prose_begin_item(struct prose *prose)
{
    char mark[16] = "- ";
    bool has_list = prose->list_depth > 0 && prose->list_depth <= LISTS_MAX;
    unsigned *item = has_list ? &prose->items[prose->list_depth - 1] : NULL;
    if (item && *item)
        (void)text_format(mark, sizeof(mark), "%u. ", (*item)++);
    prose_begin(prose, PROSE_LIST_ITEM, 0);
    prose_add(prose, text_from(mark));
    prose->is_item_fresh = !prose->row_depth;
}

void prose_end_list(struct prose *prose)
{
    prose_end(prose);
    prose->list_depth -= prose->list_depth != 0;
}

bool prose_is_open(const struct prose *prose)
{
    return prose->is_begun && (prose->has_part || prose->raw.bytes);
}

void prose_page_break(struct prose *prose)
{
    if (prose->row_depth) /* a row that goes on overleaf stays in one piece */
        return;
    take_raw(prose);
    prose->joint = TEXT_NONE;
    prose->has_breaks = true;
    uint32_t at = (uint32_t)prose->text.bytes;
    add_block(prose, (struct prose_block){.start = at, .end = at, .kind = PROSE_BREAK});
}

void prose_set_title(struct prose *prose, struct text raw)
{
    if (prose->title.bytes == 0 && !clean_line(raw, WIRE_TEXT_BYTES_MAX, &prose->title))
        buffer_clear(&prose->title);
}

bool prose_is_full(const struct prose *prose)
{
    return prose->is_full;
}

void prose_finish(struct prose *prose, size_t page_bytes_max)
{
    end_block(prose);
    make_pages(prose, page_bytes_max);
}

struct text prose_title(const struct prose *prose)
{
    return buffer_text(&prose->title);
}

uint32_t prose_page_count(const struct prose *prose)
{
    return (uint32_t)prose->page_count;
}

struct page prose_page(struct prose *prose, uint32_t number)
{
    assert(number >= 1 && number <= prose->page_count);
    const struct prose_page *at = &prose->pages[number - 1];
    const struct prose_block *block = prose->blocks + at->block;
    struct page page = {.number = number, .flags = flags_of(prose, at, block)};
    if (page.flags & PAGE_IS_GARBLED) /* noise is of no use to anybody, and costs as much as text */
        return page;
    page.text = text_slice(buffer_text(&prose->text), at->start, at->end);
    page.mark_count = mark_blocks(prose, at, block);
    page.marks = prose->marks;
    return page;
}
