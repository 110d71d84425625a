/*
 * furniture.h - what stands at the head or foot of page after page: titles, chapters, page numbers.
 *
 * One of the four outermost lines in the top or bottom eighth of a page is furniture when lines that
 * differ from it in numbers alone stand there on at least four pages of the block, and on a quarter
 * of them (of the left pages, or of the right ones, when they stand on those alone). The first such
 * line of a block stays: it may be the title. Lone page numbers all go.
 * Pure, linear in the text. Owns: nothing. Thread: any.
 */
#ifndef EXTRACT_FURNITURE_H
#define EXTRACT_FURNITURE_H

#include "extract/layout.h"

/* Pages of one block, in their order. Sets is_furniture of lines; never on fewer than 4 pages. */
void furniture_find(struct layout_page *pages, size_t page_count);

#endif
