/*
 * boundary.h - what the characters around a place say about cutting there. Pure.
 *
 * All texts are valid UTF-8; places are byte offsets at the start of a code point.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef CHUNKER_BOUNDARY_H
#define CHUNKER_BOUNDARY_H

#include "worker/base/text.h"

/* Bytes of the white space character at a place (property White_Space), 0 when it is none. */
size_t boundary_space_bytes(struct text text, size_t at);
size_t boundary_skip_spaces(struct text text, size_t at); /* first place that is none */
size_t boundary_trim_spaces(struct text text, size_t from, size_t end); /* the same, backwards */
/* The first place from `at` on that could be white space or an ideographic full stop; spaces between
 * words of a sentence are passed over as long as nothing but words begins before `sure`. */
size_t boundary_next_interesting(struct text text, size_t at, size_t sure);
/* Bytes of a full stop that needs no space after it, with closing brackets; 0 when there is none.
 */
size_t boundary_ideographic_stop_bytes(struct text text, size_t at);
/* The script before `end` separates clauses by spaces and has no full stop (Thai, Lao, Khmer). */
bool boundary_ends_clause(struct text text, size_t end);
bool boundary_starts_lower(struct text text, size_t at);   /* a lower-case letter */
bool boundary_starts_cluster(struct text text, size_t at); /* no mark that belongs to its left */
/* The last grapheme boundary in (from, to]; inside a cluster longer than that, a code point's. */
size_t boundary_last_cluster(struct text text, size_t from, size_t to);

#endif
