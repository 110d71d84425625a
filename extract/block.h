/*
 * block.h - the pages of a block in, each page's clean text and its marks out. Pure.
 *
 * Wrapped lines are joined to paragraphs, words that were broken at the end of a line are whole
 * again, furniture (furniture.h) is gone, tables are read row by row with " | " between cells. An
 * empty line stands between paragraphs, a newline between the items of a list, the rows of a table
 * and lines that were broken on purpose. Headings, items and rows are marked.
 * Nothing beyond the block is looked at, so that a page's text never depends on who reads what.
 * Thread: any, one at a time.
 */
#ifndef EXTRACT_BLOCK_H
#define EXTRACT_BLOCK_H

#include "extract/clean.h"
#include "extract/layout.h"
#include "extract/vocabulary.h"

/* A title out of the document's own table of contents. */
struct block_title {
    struct text title; /* clean */
    uint32_t page;     /* index among the block's pages */
    uint8_t level;     /* 1 .. 6 */
};

struct block {
    struct layout_page *pages; /* borrowed; a page that is left out is zero */
    size_t page_count;
    const struct block_title *titles; /* borrowed, by page, rising; may be NULL */
    size_t title_count;
    bool has_outline;             /* the document has one: what it does not name is of low rank */
    struct vocabulary vocabulary; /* private from here */
    float body_size, pitch;
};

/* Pages were read (layout_read), and are put in order here. */
void block_study(struct block *block);
/* Appends the text of a page, and its marks (struct mark, relative to the text's start; those that
 * there is no room for are left out). False: text is full. */
bool block_write(const struct block *block, size_t page_at, struct buffer *text,
                 struct buffer *marks, struct clean_figures *ret_figures) MUST_CHECK;
void block_release(struct block *block); /* not the pages */

#endif
