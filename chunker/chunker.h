/*
 * chunker.h - pages in, chunks out. Pure, incremental, one per document.
 *
 * Cuts depend on the text and the options alone: a chunk is given out only when no later text could
 * move its end, so that streaming, page sizes and parallelism never change it. Memory is bounded by
 * the window (at most 1 MiB), whatever the document.
 * token_count is exact for CHUNKER_CL100K, and for CHUNKER_BYTES a provable upper bound (the UTF-8
 * bytes: no byte-level BPE token is shorter than one byte).
 * Owns:   its window. A page is copied by chunker_add().
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_CHUNKER_H
#define CHUNKER_CHUNKER_H

#include "worker/base/arena.h"
#include "worker/base/error.h"
#include "worker/model/chunk.h"

struct chunker;

enum chunker_counting { CHUNKER_BYTES, CHUNKER_CL100K };
struct chunker_options {
    enum chunker_counting counting;
    uint32_t tokens_target;     /* 300 */
    uint32_t tokens_min;        /* 100 */
    uint32_t tokens_max;        /* 512; of the content, without the prefix */
    uint32_t prefix_tokens_max; /* 64; 0: no prefix */
};
struct chunker_options chunker_options_default(void);
/* A word that changes whenever the same text would be cut differently; part of gen_pipeline. */
const char *chunker_version(void);

/* title: embedded before each chunk together with the heading path; may be empty; copied. */
struct chunker *chunker_new(struct chunker_options options, struct text title);
void chunker_free(struct chunker *chunker); /* NULL is allowed */
/* page NULL: the end. ERR_TEXT_MAX when a page cannot be held, ERR_BUG for a page out of order. */
bool chunker_add(struct chunker *chunker, const struct page *page, struct error *err) MUST_CHECK;
/* false: needs more pages, or the end was told and all is given out. The chunk's texts lie in slab;
 * they are copied there. A slab that is full (arena budget) gives false with err set. */
bool chunker_next(struct chunker *chunker, struct arena *slab, struct chunk *ret_chunk,
                  struct error *err);
bool chunker_is_dry(const struct chunker *chunker); /* the end was told and nothing is left */
/* Bytes of page text it can still take before chunks must be drawn. */
size_t chunker_room_bytes(const struct chunker *chunker);

#endif
