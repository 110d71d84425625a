/*
 * cutting.h - pages in, chunks out, one at a time: the chunker for commands that only look.
 *
 * Owns:   its chunker and the memory of the chunk that is told, until cutting_release().
 * Thread: any, one at a time.
 */
#ifndef WORKER_CUTTING_H
#define WORKER_CUTTING_H

#include "chunker/chunker.h"

struct cutting {
    void *arg;
    void (*on_chunk)(void *arg, const struct chunk *chunk); /* valid for the call */
    /* private */
    struct chunker_options options;
    struct chunker *chunker; /* NULL until the title is known, or the first page comes */
    struct arena arena;
};

struct cutting cutting_new(struct chunker_options options,
                           void (*on_chunk)(void *arg, const struct chunk *chunk), void *arg);
void cutting_title(struct cutting *cutting, struct text title); /* before the first page */
/* NULL: the end. What the chunker refuses. */
bool cutting_page(struct cutting *cutting, const struct page *page, struct error *err) MUST_CHECK;
void cutting_release(struct cutting *cutting);

#endif
