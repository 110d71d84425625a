/*
 * plan.h - which of the possible cuts to take: the cheapest sequence by dynamic programming. Pure.
 *
 * Cost of a plan = for each chunk, how far its size is from the target, and what its end cuts
 * apart. Integers only, so that every machine cuts alike.
 * Owns:   its scratch memory and the result, until plan_release().
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_PLAN_H
#define CHUNKER_PLAN_H

#include "chunker/cuts.h"

struct plan_limits {
    /* of a chunk, in what the measure counts; bytes_max in bytes */
    uint32_t size_target, size_min, size_max, bytes_max;
};

struct plan {
    size_t *chosen; /* out: indexes of cuts at which chunks end, rising */
    size_t chosen_count;
    struct plan_step *steps; /* private */
    size_t allocated;
};

/* cuts: from cuts_find() with the same limits, at least 2. When the last is no CUT_END the plan
 * ends at the cheapest of those within size_max of it. */
void plan_choose(struct plan *plan, const struct cuts *cuts, const struct plan_limits *limits);
size_t plan_memory_bytes(const struct plan *plan);
void plan_release(struct plan *plan);

#endif
