/*
 * wire_marks.h - the marks of a page on the wire: 12 bytes each, in front of the text.
 *
 * Kind and level, then where it begins and ends in the text, little-endian.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EXTRACT_WIRE_MARKS_H
#define EXTRACT_WIRE_MARKS_H

#include "worker/base/buffer.h"
#include "worker/model/chunk.h"

#define WIRE_MARK_BYTES 12
#define WIRE_MARKS_MAX ((size_t)16384) /* of a page */

/* So many of a page's marks go with so much text: the worker counts the text alone, so marks must
 * stay in proportion to it. */
size_t wire_marks_count(size_t mark_count, size_t text_bytes);
/* Appends the bytes of a mark; false when out is full. */
bool wire_marks_put(struct buffer *out, const struct mark *mark) MUST_CHECK;
/* The next of the marks, which moves on. False: what is there makes no sense in itself. */
bool wire_marks_take(struct text *marks, struct mark *ret_mark) MUST_CHECK;

#endif
