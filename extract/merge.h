/*
 * merge.h - the pages of one document, which come block by block from several children, in order.
 *
 * What comes before its turn is kept; how much that can be is the caller's to bound, by how far
 * ahead children may read and by their credit.
 * Owns:   copies of the pages it keeps.
 * Thread: any, one at a time. Pure.
 */
#ifndef EXTRACT_MERGE_H
#define EXTRACT_MERGE_H

#include "worker/base/list.h"
#include "worker/model/chunk.h"

struct merge {
    uint32_t page_next;  /* whose turn it is: 1 at first */
    uint64_t kept_bytes; /* of text */
    struct list kept;    /* private from here: by page number */
    struct list given;   /* the last call gave these out */
};

void merge_init(struct merge *merge);
void merge_release(struct merge *merge);
/* Copies a page that was not put before. */
void merge_put(struct merge *merge, const struct page *page);
/* The next pages, as far as they are there and while *credit is positive; what they have of text is
 * taken off it (the last one may overdraw). They live until the next call. */
size_t merge_take(struct merge *merge, int64_t *credit, struct page *pages, size_t pages_max);

#endif
