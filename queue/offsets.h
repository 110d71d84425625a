/*
 * offsets.h - which offsets of one partition are finished, and how far that may be committed. Pure.
 *
 * Offsets are delivered in ascending order and finished in any order. The commit point is the
 * lowest one delivered and not finished, else one past the highest delivered; offsets that were
 * never delivered (compaction, transaction markers, retention) count as finished. A tracker follows
 * one assignment: whatever is finished under another epoch moves nothing.
 * Memory: one bit for each offset between the commit point and the highest delivered, at most
 *         OFFSETS_WINDOW_MAX of them, in a ring.
 * Owns:   its bitmap, until offsets_release().
 * Thread: any, one at a time.
 */
#ifndef QUEUE_OFFSETS_H
#define QUEUE_OFFSETS_H

#include "worker/base/text.h"

#define OFFSETS_WINDOW_MAX ((size_t)1 << 22) /* 512 KiB of bits */
#define OFFSETS_NONE INT64_C(-1)

struct offsets { /* all fields are private; zeroed memory follows no assignment */
    uint64_t epoch;
    int64_t base;      /* the commit point; OFFSETS_NONE before the first delivery of a new group */
    int64_t end;       /* one past the highest delivered */
    int64_t committed; /* what the broker has; OFFSETS_NONE: nothing, or void */
    uint64_t unfinished;
    uint64_t *bits; /* ring: 1 = delivered and not finished; the rest is 0 */
    size_t bits_max;
};

enum offsets_verdict {
    OFFSETS_TAKEN,
    OFFSETS_NO_ROOM,   /* too far above the commit point: deliver it again when that has moved */
    OFFSETS_WENT_BACK, /* not above the highest delivered: the log was cut or replaced */
};

/* Starts over for an assignment. committed: what the broker has for the group, or OFFSETS_NONE.
 * epoch is not 0 and differs from every earlier one. */
void offsets_begin(struct offsets *offsets, uint64_t epoch, int64_t committed);
/* The log was cut or replaced: nothing of it is done, wherever it begins. Until the first delivery
 * the commit point is 0, or what comes while nobody listens would lie below the old one. */
void offsets_start_over(struct offsets *offsets, uint64_t epoch);
void offsets_end(struct offsets *offsets);     /* revoked: from now on nothing moves */
void offsets_release(struct offsets *offsets); /* zeroed memory is allowed */
/* Only OFFSETS_TAKEN changes anything. offset >= 0. */
enum offsets_verdict offsets_deliver(struct offsets *offsets, int64_t offset) MUST_CHECK;
/* False when it moved nothing: another epoch, never delivered, or finished before. */
bool offsets_finish(struct offsets *offsets, uint64_t epoch, int64_t offset);
/* True when there is something new to commit. */
bool offsets_commit_point(const struct offsets *offsets, int64_t *ret_offset);
/* The broker has taken this commit of this epoch. */
void offsets_committed(struct offsets *offsets, uint64_t epoch, int64_t offset);

#endif
