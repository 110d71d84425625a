/*
 * vocabulary.h - the words of a block, to tell a hyphen that is spelt from one that broke a word.
 *
 * Pure. Words are kept as hashes of their lower-case letters: no text is kept, and a collision does
 * no more harm than a hyphen too many.
 * Owns:   its table, until vocabulary_release(). Thread: any, one at a time.
 */
#ifndef EXTRACT_VOCABULARY_H
#define EXTRACT_VOCABULARY_H

#include "worker/base/text.h"

#define VOCABULARY_WORDS_MAX ((size_t)1 << 19) /* further words are not learnt */

struct vocabulary {
    uint64_t *hashes; /* open addressing, 0: free */
    size_t allocated, count;
};

/* Learns the words of a line; the last one only when it ends there, that is when no hyphen does,
 * and the first one only when it begins there. */
void vocabulary_add(struct vocabulary *vocabulary, struct text line, bool is_broken_before);
/* A line ends with `left` (its last word, with the hyphen), the next one begins with `right`: does
 * the hyphen belong to the word? It does when the block has the word so, or has both halves as
 * words, but not the whole. */
bool vocabulary_keeps_hyphen(const struct vocabulary *vocabulary, struct text left,
                             struct text right);
void vocabulary_release(struct vocabulary *vocabulary);

/* The line ends with a letter and a hyphen. */
bool vocabulary_is_broken(struct text line);
/* May be empty; with the hyphens in it; the end of one that is very long. */
struct text vocabulary_last_word(struct text line);
struct text vocabulary_first_word(struct text line); /* likewise */

#endif
