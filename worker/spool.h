/*
 * spool.h - page texts between extraction and chunker: copies, in order, counted.
 *
 * Owns:   its pages.
 * Thread: one at a time.
 */
#ifndef WORKER_SPOOL_H
#define WORKER_SPOOL_H

#include "worker/base/list.h"
#include "worker/model/chunk.h"

struct spool {
    struct list pages;
    uint64_t text_bytes;
};

void spool_init(struct spool *spool);
void spool_add(struct spool *spool, const struct page *page); /* copies */
const struct page *spool_first(const struct spool *spool);    /* NULL: empty */
void spool_drop_first(struct spool *spool);
void spool_move(struct spool *from, struct spool *to); /* all of it, behind what is there */
void spool_release(struct spool *spool);

#endif
