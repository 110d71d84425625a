/*
 * limiter.h - how much a lane may ask of a peer: requests at once, rates, and repetitions. Pure.
 *
 * limiter: additive increase, multiplicative decrease. The limit grows by one per round of answers,
 * and only while it is being used; push-back takes a tenth, once for all requests that were under
 * way together.
 * bucket: a rate that the peer told us (x-ratelimit-*): what is left of it, refilled over time.
 * budget: repetitions are paid for by successes, so that an outage does not multiply our load.
 * Owns:   nothing; values.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_LIMITER_H
#define WORKER_BASE_LIMITER_H

#include "worker/base/text.h"

struct limiter {
    uint32_t in_flight;
    double limit;        /* whole part: requests allowed at once */
    double limit_max;    /* at least 1 */
    uint64_t round;      /* grows with each decrease */
    bool is_used_up;     /* the limit was reached since the last increase */
    double answers_left; /* good answers until the next increase */
};

/* What a request remembers of the moment it was sent. */
struct permit {
    uint64_t round;
};

struct limiter limiter_new(uint32_t start, uint32_t max);
bool limiter_has_room(const struct limiter *limiter);
struct permit limiter_take(struct limiter *limiter); /* only when it has room */
void limiter_give_back(struct limiter *limiter); /* neither good nor push-back: a refusal, say */
void limiter_succeed(struct limiter *limiter);
void limiter_push_back(struct limiter *limiter, struct permit permit); /* 429, 503, time-out */
uint32_t limiter_limit(const struct limiter *limiter);

struct bucket {
    double level, capacity, per_ms; /* capacity 0: nothing is known, everything may pass */
    uint64_t filled_ms;
};

/* The peer allows limit_per_minute, of which `remaining` were left when it answered; in_flight of
 * ours are not in that figure yet. */
void bucket_learn(struct bucket *bucket, uint64_t limit_per_minute, uint64_t remaining,
                  uint64_t in_flight, uint64_t now_ms);
/* Milliseconds until amount may pass; 0: at once. An amount above the capacity needs it full. */
uint64_t bucket_wait_ms(struct bucket *bucket, uint64_t amount, uint64_t now_ms);
void bucket_take(struct bucket *bucket, uint64_t amount, uint64_t now_ms); /* may go below 0 */

struct retry_budget {
    uint32_t tokens, tokens_max;
};

struct retry_budget retry_budget_new(uint32_t tokens_max);
bool retry_budget_take(struct retry_budget *budget) MUST_CHECK; /* one repetition: 5 tokens */
void retry_budget_refill(struct retry_budget *budget);          /* one success: 1 token */

/* Full jitter: a random time in [0, min(base_ms x 2^attempt, max_ms)]; unit in [0, 1). */
uint64_t backoff_ms(uint32_t attempt, uint64_t base_ms, uint64_t max_ms, double unit);

#endif
