#include "worker/base/limiter.h"

#include <assert.h>

#define DECREASE 0.9
#define RETRY_COST 5
#define MS_PER_MINUTE 60000.0

struct limiter limiter_new(uint32_t start, uint32_t max)
{
    max = max ? max : 1;
    start = start ? start : 1;
    struct limiter limiter = {.limit = start < max ? start : max, .limit_max = max};
    limiter.answers_left = limiter.limit;
    return limiter;
}

uint32_t limiter_limit(const struct limiter *limiter)
{
    return (uint32_t)limiter->limit;
}

bool limiter_has_room(const struct limiter *limiter)
{
    return limiter->in_flight < limiter_limit(limiter);
}

struct permit limiter_take(struct limiter *limiter)
{
    assert(limiter_has_room(limiter));
    limiter->in_flight++;
    if (!limiter_has_room(limiter))
        limiter->is_used_up = true;
    return (struct permit){limiter->round};
}

void limiter_give_back(struct limiter *limiter)
{
    assert(limiter->in_flight > 0);
    limiter->in_flight--;
}

void limiter_succeed(struct limiter *limiter)
{
    limiter_give_back(limiter);
    limiter->answers_left -= 1;
    if (limiter->answers_left > 0)
        return;
    if (limiter->is_used_up && limiter->limit + 1 <= limiter->limit_max)
        limiter->limit += 1;
    else if (limiter->is_used_up)
        limiter->limit = limiter->limit_max;
    limiter->is_used_up = !limiter_has_room(limiter);
    limiter->answers_left = limiter->limit;
}

void limiter_push_back(struct limiter *limiter, struct permit permit)
{
    limiter_give_back(limiter);
    if (permit.round != limiter->round)
        return; /* it was sent before the last decrease, which already answers it */
    double lowered = limiter->limit * DECREASE;
    lowered = (double)(uint64_t)lowered; /* rounded down, so that small limits move as well */
    limiter->limit = lowered < 1 ? 1 : lowered;
    limiter->round++;
    limiter->is_used_up = false;
    limiter->answers_left = limiter->limit;
}

static void bucket_fill(struct bucket *bucket, uint64_t now_ms)
{
    if (now_ms > bucket->filled_ms)
        bucket->level += (double)(now_ms - bucket->filled_ms) * bucket->per_ms;
    if (bucket->level > bucket->capacity)
        bucket->level = bucket->capacity;
    bucket->filled_ms = now_ms;
}

void bucket_learn(struct bucket *bucket, uint64_t limit_per_minute, uint64_t remaining,
                  uint64_t in_flight, uint64_t now_ms)
{
    bucket->capacity = (double)limit_per_minute;
    bucket->per_ms = bucket->capacity / MS_PER_MINUTE;
    bucket->level = (double)remaining - (double)in_flight;
    bucket->filled_ms = now_ms;
    bucket_fill(bucket, now_ms);
}

uint64_t bucket_wait_ms(struct bucket *bucket, uint64_t amount, uint64_t now_ms)
{
    if (bucket->capacity <= 0)
        return 0;
    bucket_fill(bucket, now_ms);
    double needed = (double)amount < bucket->capacity ? (double)amount : bucket->capacity;
    if (bucket->level >= needed)
        return 0;
    double wait_ms = (needed - bucket->level) / bucket->per_ms;
    return (uint64_t)wait_ms + 1;
}

void bucket_take(struct bucket *bucket, uint64_t amount, uint64_t now_ms)
{
    if (bucket->capacity <= 0)
        return;
    bucket_fill(bucket, now_ms);
    bucket->level -= (double)amount;
}

struct retry_budget retry_budget_new(uint32_t tokens_max)
{
    return (struct retry_budget){tokens_max, tokens_max};
}

bool retry_budget_take(struct retry_budget *budget)
{
    if (budget->tokens < RETRY_COST)
        return false;
    budget->tokens -= RETRY_COST;
    return true;
}

void retry_budget_refill(struct retry_budget *budget)
{
    if (budget->tokens < budget->tokens_max)
        budget->tokens++;
}

uint64_t backoff_ms(uint32_t attempt, uint64_t base_ms, uint64_t max_ms, double unit)
{
    const uint32_t attempt_max = 20; /* 2^20 x 1 ms is longer than anybody waits */
    uint64_t longest = base_ms << (attempt < attempt_max ? attempt : attempt_max);
    longest = longest > max_ms ? max_ms : longest;
    return (uint64_t)(unit * (double)longest);
}
