#include "extract/block.h"

#include "extract/furniture.h"
#include "extract/heading.h"
#include "extract/paragraph.h"
#include "extract/table.h"
#include "worker/model/chunk.h"

/* ---- studying -------------------------------------------------------------------------------- */

static void drop_furniture(struct layout_page *page)
{
    size_t count = 0;
    for (size_t i = 0; i < page->line_count; i++)
        if (!page->lines[i].is_furniture)
            page->lines[count++] = page->lines[i];
    page->line_count = count;
}

static void learn_words(struct vocabulary *vocabulary, const struct layout_page *page)
{
    bool is_broken = false;
    for (size_t i = 0; i < page->line_count; i++) {
        struct text line = paragraph_line_text(page, i);
        vocabulary_add(vocabulary, line, is_broken);
        is_broken = vocabulary_is_broken(line);
    }
}

void block_study(struct block *block)
{
    for (size_t i = 0; i < block->page_count; i++) {
        layout_order(&block->pages[i]);
        table_find(&block->pages[i]);
    }
    furniture_find(block->pages, block->page_count);
    for (size_t i = 0; i < block->page_count; i++) {
        drop_furniture(&block->pages[i]);
        learn_words(&block->vocabulary, &block->pages[i]);
    }
    block->body_size = heading_body_size(block->pages, block->page_count);
    block->pitch = paragraph_pitch(block->pages, block->page_count);
}

void block_release(struct block *block)
{
    vocabulary_release(&block->vocabulary);
}

/* ---- joining lines --------------------------------------------------------------------------- */

static bool is_digit_at(struct text text, size_t at)
{
    return at < text.bytes && text.start[at] >= '0' && text.start[at] <= '9';
}

/* Appends a wrapped line to what it goes on from, with a space between, or nothing. */
static void join(const struct block *block, struct buffer *raw, struct text line)
{
    struct text before = buffer_text(raw);
    if (text_ends_with(before, TEXT("\xc2\xad"))) {
        raw->bytes -= 2; /* a soft hyphen was only there for the end of the line */
    } else if (vocabulary_is_broken(before) && clean_starts_lower(line)) {
        if (!vocabulary_keeps_hyphen(&block->vocabulary, vocabulary_last_word(before),
                                     vocabulary_first_word(line)))
            raw->bytes--;
    } else if (text_ends_with(before, TEXT("-")) && before.bytes > 1 &&
               before.start[before.bytes - 2] != ' ' &&
               (vocabulary_first_word(line).bytes || is_digit_at(line, 0))) {
        /* "Levi-Civita", "2010-2012" */
    } else if (!clean_needs_no_space(before, line)) {
        buffer_append_char(raw, ' ');
    }
    buffer_append_text(raw, line);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* What stands on a line of its own in the text. */
struct piece {
    size_t from, to; /* lines */
    enum mark_kind kind;
    uint8_t level;
    bool is_marked;
    enum joint joint; /* to the piece before */
};

struct writing {
    const struct block *block;
    const struct layout_page *page;
    size_t page_at;
    size_t at;          /* the next line */
    enum joint joint;   /* between it and the one before */
    struct stack stack; /* it is in, or begins */
    struct buffer raw;  /* of the piece at hand */
    struct buffer *text, *marks;
    size_t text_start;
    struct piece last;
    struct clean_figures figures;
};

/* The joint is asked for once for each line, before its own stack is looked for. */
static void arrive(struct writing *writing)
{
    if (writing->at >= writing->page->line_count)
        return;
    writing->joint = writing->at ? paragraph_joint(writing->page, &writing->stack, writing->at)
                                 : JOINT_PARAGRAPH;
    if (writing->at == 0 || writing->at >= writing->stack.to)
        writing->stack = paragraph_stack(writing->page, writing->at, writing->block->pitch);
}

static void step_to(struct writing *writing, size_t to)
{
    while (writing->at < to) {
        writing->at++;
        arrive(writing);
    }
}

static size_t row_end(const struct layout_page *page, size_t at)
{
    size_t end = at + 1;
    while (end < page->line_count && page->lines[end].row == page->lines[at].row)
        end++;
    return end;
}

/* A line within a sentence is none, however bold. */
static uint8_t heading_here(const struct writing *writing, size_t *ret_end)
{
    bool may_begin = writing->joint >= JOINT_LINE ||
                     (writing->joint == JOINT_WRAPPED &&
                      paragraph_ends_sentence(paragraph_line_text(writing->page, writing->at - 1)));
    return may_begin ? heading_level(writing->block, writing->page_at, writing->at, ret_end) : 0;
}

static void take_paragraph(struct writing *writing)
{
    size_t end;
    do
        step_to(writing, writing->at + 1);
    while (writing->at < writing->page->line_count && writing->joint <= JOINT_WRAPPED &&
           writing->page->lines[writing->at].row == 0 && heading_here(writing, &end) == 0);
}

static struct piece next_piece(struct writing *writing)
{
    const struct layout_page *page = writing->page;
    struct piece piece = {.from = writing->at, .joint = writing->joint, .is_marked = true};
    size_t end;
    if (page->lines[piece.from].row == 0)
        piece.level = heading_here(writing, &end);
    if (page->lines[piece.from].row) {
        piece.kind = MARK_TABLE_ROW;
        step_to(writing, row_end(page, piece.from));
    } else if (piece.level) {
        piece.kind = MARK_HEADING;
        step_to(writing, end);
    } else {
        piece.is_marked = paragraph_is_item(paragraph_line_text(page, piece.from), true);
        piece.kind = piece.is_marked ? MARK_LIST_ITEM : MARK_PARAGRAPH;
        take_paragraph(writing);
    }
    piece.to = writing->at;
    return piece;
}

/* Is it with the piece before like an item of a list with the one before? */
static bool is_close(const struct piece *last, const struct piece *piece)
{
    if (last->kind == MARK_HEADING || piece->kind == MARK_HEADING)
        return false;
    bool is_same = last->kind == piece->kind;
    return piece->joint != JOINT_PARAGRAPH || (is_same && piece->kind != MARK_PARAGRAPH);
}

static void gather(struct writing *writing, const struct piece *piece)
{
    buffer_clear(&writing->raw);
    for (size_t i = piece->from; i < piece->to; i++) {
        struct text line = paragraph_line_text(writing->page, i);
        if (i > piece->from && piece->kind == MARK_TABLE_ROW)
            buffer_append_text(&writing->raw, TEXT(" | "));
        if (i == piece->from || piece->kind == MARK_TABLE_ROW)
            buffer_append_text(&writing->raw, line);
        else
            join(writing->block, &writing->raw, line);
    }
}

static void count(struct clean_figures *figures, const struct clean_figures *more)
{
    figures->char_count += more->char_count;
    figures->unusable_count += more->unusable_count;
    figures->right_to_left_count += more->right_to_left_count;
    figures->left_to_right_count += more->left_to_right_count;
}

static bool write_piece(struct writing *writing, const struct piece *piece)
{
    struct buffer *text = writing->text;
    struct clean_figures figures;
    size_t before = text->bytes;
    gather(writing, piece);
    if (before > writing->text_start)
        buffer_append_text(text, is_close(&writing->last, piece) ? TEXT("\n") : TEXT("\n\n"));
    size_t start = text->bytes;
    if (!clean_text(buffer_text(&writing->raw), text, &figures) || writing->raw.is_full)
        return false;
    count(&writing->figures, &figures);
    if (text->bytes == start) { /* nothing but what cannot be seen */
        text->bytes = before;
        return true;
    }
    writing->last = *piece;
    struct mark mark = {.kind = piece->kind,
                        .level = piece->level,
                        .byte_start = (uint32_t)(start - writing->text_start),
                        .byte_end = (uint32_t)(text->bytes - writing->text_start)};
    if (piece->is_marked)
        buffer_append(writing->marks, &mark, sizeof(mark));
    return true;
}

bool block_write(const struct block *block, size_t page_at, struct buffer *text,
                 struct buffer *marks, struct clean_figures *ret_figures)
{
    const struct layout_page *page = &block->pages[page_at];
    struct writing writing = {
        .block = block,
        .page = page,
        .page_at = page_at,
        .raw = buffer_new(4 * page->text.bytes + 64), /* cells of one letter */
        .text = text,
        .marks = marks,
        .text_start = text->bytes,
    };
    bool is_written = true;
    arrive(&writing);
    while (is_written && writing.at < page->line_count) {
        struct piece piece = next_piece(&writing);
        is_written = write_piece(&writing, &piece);
    }
    buffer_release(&writing.raw);
    *ret_figures = writing.figures;
    return is_written && !text->is_full;
}
