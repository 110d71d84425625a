/*
 * range.h - which pages are read together, and which a child reads first: the same on both ends.
 *
 * A block is WIRE_BLOCK_PAGES pages, aligned: 1-32, 33-64 and so on.
 * Thread: any. Pure.
 */
#ifndef EXTRACT_RANGE_H
#define EXTRACT_RANGE_H

#include "extract/wire.h"

/* The ends of the block that a page is in; the last one of a document of so many pages. */
static inline uint32_t block_first(uint32_t page_number)
{
    return page_number - (page_number - 1) % WIRE_BLOCK_PAGES;
}

static inline uint32_t block_last(uint32_t page_number, uint32_t page_count)
{
    uint32_t first = block_first(page_number);
    return page_count - first < WIRE_BLOCK_PAGES ? page_count : first + WIRE_BLOCK_PAGES - 1;
}

/* What a child reads first: both sides know it by this. */
static inline struct wire_range first_range(uint32_t page_first, uint32_t page_count,
                                            uint32_t range_pages)
{
    bool is_alone = page_count < range_pages;
    return (struct wire_range){page_first,
                               is_alone ? page_count : block_last(page_first, page_count)};
}

#endif
