/*
 * bombs.h - small files that would take hours or all memory to read, made anew each time: a row for
 *           each kind of which we know (research: hostile inputs), and how each must end.
 *
 * Thread: any.
 */
#ifndef TESTS_CONTRACT_BOMBS_H
#define TESTS_CONTRACT_BOMBS_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

#define BOMB_CODES_MAX 3

struct bomb {
    const char *name; /* its ending is that of a file's name */
    void (*make)(struct buffer *out);
    bool may_be_read;                      /* its text comes whole */
    enum error_code codes[BOMB_CODES_MAX]; /* else it ends in one of these; 0: no more */
};

extern const struct bomb BOMBS[];
extern const size_t BOMB_COUNT;

/* Is that one of the ends it may have? err: when it was not read. */
bool bomb_ends_well(const struct bomb *bomb, bool is_read, const struct error *err);

#endif
