#include "worker/base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

struct rng rng_seeded(uint64_t seed)
{
    return (struct rng){seed};
}

struct rng rng_from_entropy(void)
{
    struct rng rng;
    if (getrandom(&rng.state, sizeof(rng.state), 0) != sizeof(rng.state))
        abort();
    return rng;
}

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
 */
uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    assert(limit > 0);
    uint64_t fair_max = UINT64_MAX - UINT64_MAX % limit; /* above it some values come more often */
    uint64_t value;
    do
        value = rng_next(rng);
    while (value >= fair_max);
    return value % limit;
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}
