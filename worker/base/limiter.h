/*
 * limiter.h - how much a lane may ask of a peer: requests at once, rates, pauses. Pure.
 *
 * limiter: additive increase, multiplicative decrease. The limit grows by one per round of answers,
 * and only while it is being used; push-back takes a tenth, once for all requests that were under
 * way together. Latency is a sign as well where it is told: beyond half more than at its best the
 * limit stays, beyond twice as much it shrinks. One that starts doubles each round until then.
 * bucket: a rate that was configured or that the peer told us (x-ratelimit-*): what is left of it,
 * refilled over time, two seconds of it at most, since peers count by seconds what they promise by
 * the minute. A rate far above what everybody may use at once is approached in steps.
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
    bool is_starting;    /* nobody has pushed back yet */
    double answers_left; /* good answers until the next increase */
    double latency_sum;  /* of the answers of this round that told it */
    uint32_t latency_count;
    double latency;      /* smoothed over rounds; 0: never told */
    double latency_best; /* the least that was; rises slowly, since peers change */
};

/* What a request remembers of the moment it was sent. */
struct permit {
    uint64_t round;
};

struct limiter limiter_new(uint32_t start, uint32_t max);
struct limiter limiter_new_starting(uint32_t start, uint32_t max); /* doubles at first */
bool limiter_has_room(const struct limiter *limiter);
struct permit limiter_take(struct limiter *limiter); /* only when it has room */
void limiter_give_back(struct limiter *limiter); /* neither good nor push-back: a refusal, say */
void limiter_succeed(struct limiter *limiter);
/* latency: time per unit of work, in any unit as long as it is always the same; 0: not known. */
void limiter_succeed_after(struct limiter *limiter, double latency);
void limiter_push_back(struct limiter *limiter, struct permit permit); /* 429, 503, time-out */
void limiter_halve(struct limiter *limiter, struct permit permit);     /* "you grew too fast" */
uint32_t limiter_limit(const struct limiter *limiter);

struct bucket {
    double level, per_ms, limit_per_ms; /* limit 0: nothing is known, everything may pass */
    double start_per_ms;                /* a higher limit is approached from there; 0: at once */
    double limit_max_per_ms;            /* ours, whatever the peer allows; 0: none */
    bool is_warned;                     /* the peer has said that we grow too fast */
    uint64_t filled_ms;
};

/* limit_max_per_minute: 0: the peer's alone. start_per_minute: a limit above it is reached by
 * doubling every 10 seconds from there, or from a tenth of the limit if that is more; 0: at once. */
struct bucket bucket_new(uint64_t limit_max_per_minute, uint64_t start_per_minute, uint64_t now_ms);
/* The peer allows limit_per_minute, of which `remaining` were left when it answered; in_flight of
 * ours are not in that figure yet. It never raises the level: others share what is left. */
void bucket_learn(struct bucket *bucket, uint64_t limit_per_minute, uint64_t remaining,
                  uint64_t in_flight, uint64_t now_ms);
/* "You grew too fast": half the rate, then by doubling again as above, but from start_per_minute
 * upwards only by half in 15 minutes. */
void bucket_slow_down(struct bucket *bucket, uint64_t now_ms);
/* Milliseconds until amount may pass; 0: at once. An amount above two seconds' worth needs those.
 */
uint64_t bucket_wait_ms(struct bucket *bucket, uint64_t amount, uint64_t now_ms);
void bucket_take(struct bucket *bucket, uint64_t amount, uint64_t now_ms); /* may go below 0 */
/* What was taken turned out to be another amount. */
void bucket_settle(struct bucket *bucket, uint64_t taken, uint64_t real);

/* Full jitter: a random time in [0, min(base_ms x 2^attempt, max_ms)]; unit in [0, 1). */
uint64_t backoff_ms(uint32_t attempt, uint64_t base_ms, uint64_t max_ms, double unit);

#endif
