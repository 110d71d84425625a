/*
 * joined.h - a body and something behind its end, as one piece of memory.
 *
 * The body is not copied but mapped once more, where that is possible: it may have 200 MB.
 * Owns:   the mapping. The body is needed until joined_text() was called.
 * Thread: any.
 */
#ifndef EXTRACT_JOINED_H
#define EXTRACT_JOINED_H

#include "worker/base/buffer.h"

struct joined {
    struct buffer tail;  /* to be written in place; not to be released */
    struct text body;    /* private from here */
    size_t shared_bytes; /* of the body, mapped twice and not copied */
    struct text mapped;
};

/* Room for a tail behind a body, none of it used yet. False: there is no memory for it. */
bool joined_map(struct text body, size_t tail_bytes_max, struct joined *ret_joined) MUST_CHECK;
/* Both, as the tail is now; until joined_unmap(). */
struct text joined_text(const struct joined *joined);
/* Gives back the memory of what was read of the body so far: it can be read again. */
void joined_forget(const struct joined *joined);
void joined_unmap(struct joined *joined); /* a zeroed one is allowed */

#endif
