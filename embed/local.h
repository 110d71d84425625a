/*
 * local.h - the embedder that needs nothing: lexical hashing of words and their parts. Pure.
 *
 * Each distinct word of a text adds +-weight to a few dimensions that its hash picks: the word
 * itself, its parts of three characters (so that "mill" finds "mills") and, in scripts without
 * spaces, each character and each pair. Words that say little weigh little, repetition counts less
 * and less. Integers until the last step: the same text gives the same vector on every machine.
 * Owns:   its scratch memory.
 * Thread: any, one at a time.
 */
#ifndef EMBED_LOCAL_H
#define EMBED_LOCAL_H

#include "worker/base/text.h"

struct local;

struct local *local_new(uint32_t dimension_count); /* at least 1 */
void local_free(struct local *local);              /* NULL is allowed */
/* The vector of first followed by second, unit length, never zero. Bytes that are no UTF-8 are
 * taken as characters of their own. */
void local_embed(struct local *local, struct text first, struct text second, float *ret_vector);

#endif
