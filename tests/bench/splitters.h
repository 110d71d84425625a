/*
 * splitters.h - what others cut texts with, to be measured beside ours: tokens in equal portions,
 * and the recursive character splitter that LangChain made common, each with cl100k_base counts.
 *
 * Owns:   the result, until splits_release().
 * Thread: any.
 */
#ifndef TESTS_BENCH_SPLITTERS_H
#define TESTS_BENCH_SPLITTERS_H

#include "chunker/chunker.h"

struct split {
    size_t start, end; /* bytes */
    uint32_t token_count;
};

struct splits {
    struct split *items;
    size_t count, allocated;
    size_t chunker_bytes; /* split_ours: the most that the chunker held at once */
};

/* So many tokens each, the last `overlap` of one again at the start of the next. */
void split_fixed(struct text text, uint32_t tokens, uint32_t overlap, struct splits *out);
/* Splits at the first separator of "\n\n", "\n", ".", "?", "!", " ", "" that occurs (it stays at the
 * start of what follows), goes on in parts that are too long, and merges neighbours greedily; white
 * space at the ends is dropped. Measures each part by itself and adds up, as it is usually set up. */
void split_recursive(struct text text, uint32_t tokens, uint32_t overlap, struct splits *out);
/* The text as one page. */
void split_ours(struct text text, struct chunker_options options, struct splits *out);
void splits_release(struct splits *splits);

#endif
