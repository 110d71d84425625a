/*
 * rng.h - seeded random numbers for jitter, fences and simulations (not for keys).
 *
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_RNG_H
#define WORKER_BASE_RNG_H

#include "worker/base/text.h"

struct rng {
    uint64_t state;
};

struct rng rng_seeded(uint64_t seed);
struct rng rng_from_entropy(void); /* getrandom(2); aborts where the kernel has none */
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t limit); /* 0 .. limit-1, limit > 0 */
double rng_unit(struct rng *rng);                    /* [0, 1) */

#endif
