/*
 * joined.h - a body and something behind its end, as one piece of memory.
 *
 * The body is not copied but mapped once more, where that is possible: it may have 200 MB.
 * Owns:   the mapping. Body and tail are needed no longer than for the call.
 * Thread: any.
 */
#ifndef EXTRACT_JOINED_H
#define EXTRACT_JOINED_H

#include "worker/base/text.h"

struct joined {
    struct text text; /* read-only */
    size_t mapped_bytes;
};

/* False: there is no memory for it. */
bool joined_map(struct text body, struct text tail, struct joined *ret_joined) MUST_CHECK;
void joined_unmap(struct joined *joined); /* a zeroed one is allowed */

#endif
