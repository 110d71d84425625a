/*
 * arena.h - bytes that live and die together, with a budget.
 *
 * Holds bytes only, never handles. The budget counts what was asked for, not the block overhead.
 * Owns:   its blocks, until arena_release().
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_ARENA_H
#define WORKER_BASE_ARENA_H

#include "worker/base/text.h"

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;
    size_t budget_bytes;
};

struct arena arena_new(size_t budget_bytes); /* allocates nothing yet */
void arena_release(struct arena *arena);     /* usable again afterwards, empty */
void arena_clear(struct arena *arena); /* the same, but keeps a block: for one text after another */
/* 16-byte aligned, zeroed; NULL past the budget (the caller says ERR_TOO_LARGE). */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_alloc_array(struct arena *arena, size_t count,
                        size_t bytes); /* also NULL on overflow */
/* A NUL-terminated copy; false past the budget. */
bool arena_copy(struct arena *arena, struct text text, struct text *ret_copy) MUST_CHECK;

#endif
