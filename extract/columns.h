/*
 * columns.h - lines of a page in, the same lines in reading order out. Pure.
 *
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EXTRACT_COLUMNS_H
#define EXTRACT_COLUMNS_H

#include "extract/layout.h"

/* Lines that are not in columns keep their order. Boxes must be numbers of a page's size. Returns
 * how often columns were put in order. */
uint32_t columns_order(struct layout_line *lines, size_t count);

#endif
