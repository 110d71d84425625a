/*
 * tokens_scan.h - where the pieces of a text end. Private to tokens*.c.
 *
 * Thread: any.
 */
#ifndef CHUNKER_TOKENS_SCAN_H
#define CHUNKER_TOKENS_SCAN_H

#include "worker/base/text.h"

/* The ends of pieces, one at least and end_count_max at most; at: where the first of them begins,
 * before text.bytes. */
size_t tokens_scan(struct text text, size_t at, uint32_t *ends, size_t end_count_max);
/* The bytes of a contraction behind its apostrophe ("ve" of "'ve"); 0: there is none. */
size_t tokens_contraction(struct text behind);

#endif
