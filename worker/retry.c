#include "worker/retry.h"

#define DELAY_MS_FIRST 500u
#define DELAY_MS_MAX 30000u
#define PARK_MS_FIRST 60000u
#define PARK_MS_MAX 1800000u

static uint64_t doubled(uint64_t first_ms, uint32_t times, uint64_t max_ms)
{
    uint64_t bound_ms = times < 20 ? first_ms << times : max_ms;
    return bound_ms < max_ms ? bound_ms : max_ms;
}

struct retry retry_after(const struct error *err, uint32_t attempt, struct rng *rng)
{
    uint32_t before = attempt ? attempt - 1 : 0;
    if (err->code == ERR_BILLING && before < RETRY_ATTEMPTS_MAX) /* not for a while */
        before = RETRY_ATTEMPTS_MAX;
    if (before >= RETRY_ATTEMPTS_MAX) {
        uint64_t bound_ms = doubled(PARK_MS_FIRST, before - RETRY_ATTEMPTS_MAX, PARK_MS_MAX);
        uint64_t least_ms = bound_ms / 2 < err->retry_after_ms ? err->retry_after_ms : bound_ms / 2;
        return (struct retry){true, least_ms + rng_below(rng, bound_ms / 2)};
    }
    uint64_t delay_ms = rng_below(rng, doubled(DELAY_MS_FIRST, before, DELAY_MS_MAX)) + 1;
    if (delay_ms < err->retry_after_ms)
        delay_ms = err->retry_after_ms + rng_below(rng, DELAY_MS_FIRST);
    return (struct retry){delay_ms > 2 * DELAY_MS_MAX, delay_ms};
}

uint64_t retry_rest_ms(struct retry retry)
{
    return retry.is_parked && retry.delay_ms > REST_MS_MAX ? REST_MS_MAX : retry.delay_ms;
}
