/*
 * eta.h - how much longer: a range, from what has been seen, or nothing at all. Pure.
 *
 * Two speeds are measured, that since the start and that of the last minute: what is left takes
 * between the one and the other. Until enough has ended there is no estimate; while nothing ends
 * there is none either.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef WORKER_ETA_H
#define WORKER_ETA_H

#include "worker/base/buffer.h"

#define ETA_SAMPLES 64

struct eta_sample {
    uint64_t now_ms, done;
};
struct eta {
    struct eta_sample first, samples[ETA_SAMPLES]; /* a ring */
    size_t count;                                  /* of all that were added */
    unsigned step_count;                           /* times that more was done */
    uint64_t moved_ms;                             /* the last of them */
    uint64_t total;
};
struct eta_range {
    uint64_t seconds_min, seconds_max;
};

/* What is done of what in all, in any unit, at a time that only grows. Samples closer than a second
 * to the one before replace it. */
void eta_add(struct eta *eta, uint64_t now_ms, uint64_t done, uint64_t total);
/* False: not known. */
bool eta_estimate(const struct eta *eta, struct eta_range *ret_range);
/* "2 to 4 min left", "about 20 s left" */
void eta_append(struct buffer *out, struct eta_range range);

#endif
