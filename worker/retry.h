/*
 * retry.h - when a task that failed comes back. Pure.
 *
 * Full jitter: a random share of an exponentially growing bound (0.5 s, doubling, at most 30 s),
 * but never sooner than the peer asked. After RETRY_ATTEMPTS_MAX the wait moves into the item's
 * row: it parks (1 minute, doubling, at most 30 minutes), so that nothing in memory waits for long.
 * What is refused for money parks at once.
 * Thread: any.
 */
#ifndef WORKER_RETRY_H
#define WORKER_RETRY_H

#include "worker/base/error.h"
#include "worker/base/rng.h"

#define RETRY_ATTEMPTS_MAX 6
#define REST_MS_MAX 30000 /* of what has no row to wait in */

struct retry {
    bool is_parked; /* in its row, not in memory */
    uint64_t delay_ms;
};

/* attempt: 1 for the first failure. */
struct retry retry_after(const struct error *err, uint32_t attempt, struct rng *rng);
/* How long it waits in memory when it has no row to park in: an outage that has lasted for hours
 * must not be followed by half an hour of rest. */
uint64_t retry_rest_ms(struct retry retry);

#endif
