/*
 * sentence.h - where sentences end: UAX 29's rules, and what the words around a full stop say. Pure.
 *
 * Beyond the standard: abbreviations of eight languages (English, German, French, Spanish, Italian,
 * Portuguese, Dutch, Polish), initials, acronyms, ordinals and the numbers of lists, ellipses, names
 * that end in an exclamation mark, bullets. Texts are valid UTF-8; lines are supposed to be
 * unwrapped.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef CHUNKER_SENTENCE_H
#define CHUNKER_SENTENCE_H

#include "worker/base/text.h"

/* Where the sentence ends that begins at a place: at the start of the next one, with the white space
 * behind it. A line or paragraph separator ends it too. text.bytes: with the text. */
size_t sentence_next(struct text text, size_t at);
/* Whether one ends at `end`, and the next begins at `start`: between them is white space of any
 * kind, which is not looked at, or nothing. has_case false: the text has no capitals at all, so that
 * small letters do not say that a sentence goes on. */
bool sentence_ends(struct text text, size_t end, size_t start, bool has_case);

#endif
