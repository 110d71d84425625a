/*
 * floats.h - float32 as text: the shortest that reads back to the same bits, and reading it. Pure.
 *
 * Vectors travel as JSON numbers: what is stored must be bit for bit what was embedded, and digits
 * beyond the shortest are bytes of the store's request limit lost.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef STORE_FLOATS_H
#define STORE_FLOATS_H

#include "worker/base/text.h"

#define FLOAT_TEXT_BYTES_MAX 24 /* of them a number takes 16 at most */

/* Writes a JSON number, not NUL-terminated: the shortest digits that read back as value (of several
 * the nearest), in the shorter of plain and exponent form, but plain from 0.001 up to 1. value is
 * finite. Returns its length, at most 16; what is behind it in ret_text may be overwritten. */
size_t float_format(float value, char ret_text[FLOAT_TEXT_BYTES_MAX]);

/* Writes count such numbers with commas between them into ret_text, of FLOATS_TEXT_BYTES_MAX(count).
 * Returns their length. */
#define FLOATS_TEXT_BYTES_MAX(count) ((count) * (FLOAT_TEXT_BYTES_MAX + 1))
size_t floats_format(const float *values, size_t count, char *ret_text);

/* Reads the JSON number at the start of text, correctly rounded from any number of digits, and says
 * how many bytes it has. False: no JSON number stands there, it has more than 400 bytes, or it is
 * too large for a float32. */
bool float_parse(struct text text, size_t *ret_bytes, float *ret_value) MUST_CHECK;
/* Reads "[1, 2.5, ...]" of exactly count such numbers, and nothing behind it. */
bool floats_read(struct text array, float *ret_values, size_t count) MUST_CHECK;

#endif
