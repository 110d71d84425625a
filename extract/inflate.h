/*
 * inflate.h - zlib streams of hostile bytes, as far as they are wanted.
 *
 * Owns:   zlib's state, kept from one stream to the next.
 * Thread: any, one at a time.
 */
#ifndef EXTRACT_INFLATE_H
#define EXTRACT_INFLATE_H

#include "worker/base/buffer.h"

struct inflater;

struct inflater *inflater_new(void);
void inflater_free(struct inflater *inflater); /* NULL is allowed */

enum inflate_result {
    INFLATE_IS_WHOLE, /* to its end; the checksum may be wrong */
    INFLATE_IS_CUT,   /* bytes_max are there, or out is full: more may follow */
    INFLATE_IS_BAD,   /* damaged or cut off; what came before was appended */
};
/* Appends at most bytes_max bytes. Work is linear in data.bytes + bytes_max. */
enum inflate_result inflater_run(struct inflater *inflater, struct text data, size_t bytes_max,
                                 struct buffer *out) MUST_CHECK;

#endif
