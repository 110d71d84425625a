/*
 * heading.h - which lines are headings, and how high they rank. Pure.
 *
 * What the document's table of contents names on a page is a heading of that level. Without one,
 * size tells: a heading is larger than most of the block's text, or bold on lines of its own, short,
 * and no sentence.
 * Owns: nothing. Thread: any.
 */
#ifndef EXTRACT_HEADING_H
#define EXTRACT_HEADING_H

#include "extract/block.h"

/* The size of most characters; 0 when it is not known. */
float heading_body_size(const struct layout_page *pages, size_t page_count);
/* The level (1 .. 6) of the heading that begins at this line, and where it ends; 0: none does. */
uint8_t heading_level(const struct block *block, size_t page_at, size_t line_at, size_t *ret_end);

#endif
