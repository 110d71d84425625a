/*
 * prose.h - text that has no pages of its own: collected block by block, cleaned, cut into pages.
 *
 * A reader of a format begins a block (a paragraph, a heading, a list item, a row of a table), adds
 * raw text to it, and says where the document itself begins a new page. Between blocks stands an
 * empty line, between the items of a list and the rows of a table the end of a line.
 *
 * What a page number means: the page of the document where it tells its pages (form feeds of a
 * plain text, page breaks of docx and odt); else the text is cut at the ends of blocks into pieces
 * of at most PROSE_PIECE_BYTES, about two printed pages each, and the number is the piece's.
 * Either way the cuts depend on the document alone.
 * Owns:   the text. Memory is bounded by text_bytes_max; more than that is dropped and told.
 * Thread: any, one at a time.
 */
#ifndef EXTRACT_PROSE_H
#define EXTRACT_PROSE_H

#include "worker/base/buffer.h"
#include "worker/model/chunk.h"

#define PROSE_PIECE_BYTES ((size_t)8 << 10)
#define PROSE_PAGE_BYTES ((size_t)64 << 10) /* of a document with pages: larger ones are cut too */

struct prose;

enum prose_kind {
    PROSE_PLAIN, /* a paragraph as the text alone shows it: gets no mark */
    PROSE_PARAGRAPH,
    PROSE_HEADING,
    PROSE_LIST_ITEM,
    PROSE_TABLE_ROW,
};

struct prose *prose_new(size_t text_bytes_max); /* at most 1 GiB */
void prose_free(struct prose *prose);           /* NULL is allowed */

/* Ends the block at hand, if there is one. level: of a heading, 1 .. 6, else 0. */
void prose_begin(struct prose *prose, enum prose_kind kind, unsigned level);
/* Any bytes; a newline ends a line. Without a block it begins a paragraph. */
void prose_add(struct prose *prose, struct text raw);
void prose_break_line(struct prose *prose); /* in a row: a space */
void prose_end(struct prose *prose);
/* Within a row all blocks become parts of it; a row within a row is a part of the outer one. */
void prose_begin_row(struct prose *prose);
void prose_begin_cell(struct prose *prose);
void prose_end_row(struct prose *prose);
/* first: the number of the first item; 0: a dash before each. Lists may be nested; the first
 * paragraph of an item is the item, and one without text is none. */
void prose_begin_list(struct prose *prose, unsigned first);
void prose_begin_item(struct prose *prose);
void prose_end_list(struct prose *prose);
bool prose_is_open(const struct prose *prose); /* a block has begun and has text */
void prose_page_break(struct prose *prose);    /* a block may go on behind it */
/* The first title that is not empty stays; made one line. */
void prose_set_title(struct prose *prose, struct text raw);
bool prose_is_full(const struct prose *prose); /* text was dropped */

/* Cuts it into pages, none larger than page_bytes_max; nothing is added afterwards. */
void prose_finish(struct prose *prose, size_t page_bytes_max);
struct text prose_title(const struct prose *prose);
uint32_t prose_page_count(const struct prose *prose); /* at least 1 */
/* Borrowed until the next call; number is 1 .. page_count. The text of a garbled page is left out. */
struct page prose_page(struct prose *prose, uint32_t number);

#endif
