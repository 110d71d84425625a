/*
 * tokens_merge.h - the tokens of one piece that is no token itself. Private to tokens*.c.
 *
 * A few bytes are merged as byte pair encoding is defined: again and again the two neighbours of
 * the lowest rank. That is quadratic. For more of them: byte pair encoding gives a sequence of
 * tokens exactly when each two neighbours in it are what it would give for their bytes alone. So
 * the sequence is searched: from where it ends, the longest token that goes with the last one;
 * where none does, that place is dead and the last token gives way to a shorter one. A place dies
 * once, so the time is linear.
 * (The idea is that of the bpe crate of GitHub's rust-gems.)
 *
 * Thread: any.
 */
#ifndef CHUNKER_TOKENS_MERGE_H
#define CHUNKER_TOKENS_MERGE_H

#include "worker/base/text.h"

/* What is remembered of the way: how it went since so many places before the furthest one seen. */
struct merge_memory {
    size_t places;    /* a power of two, at least 256 */
    uint32_t *tokens; /* one a place */
    uint64_t *dead;   /* one bit a place */
};

/* Writes the ids of the tokens of a piece, which is not empty, in order, as far as they fit; returns
 * how many there are. */
size_t tokens_merge(struct text piece, uint32_t *ids, size_t id_count_max);
/* The same by search, with somebody's memory; 0: more of it was needed. */
size_t tokens_merge_in(struct merge_memory memory, struct text piece, uint32_t *ids,
                       size_t id_count_max);
/* The token that these two merge into, or TOKENS_NONE. */
uint32_t tokens_merged(uint32_t left, uint32_t right);

#endif
