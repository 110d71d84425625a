#include "worker/base/limiter.h"

#include <assert.h>
#include <math.h>

#define DECREASE 0.9
#define LATENCY_HOLD 1.5   /* times the best one: grow no more */
#define LATENCY_SHRINK 2.0 /* likewise: there are too many of us */
#define LATENCY_WEIGHT 0.3 /* of the newest round in the smoothed figure */
#define LATENCY_DRIFT 1.01 /* the best one is forgotten by so much a round */
#define MS_PER_MINUTE 60000.0
#define BURST_MS 2000.0
#define DOUBLING_MS 10000.0
#define CAREFUL_GROWTH 1.5
#define CAREFUL_MS 900000.0

struct limiter limiter_new(uint32_t start, uint32_t max)
{
    max = max ? max : 1;
    start = start ? start : 1;
    struct limiter limiter = {.limit = start < max ? start : max, .limit_max = max};
    limiter.answers_left = limiter.limit;
    return limiter;
}

struct limiter limiter_new_starting(uint32_t start, uint32_t max)
{
    struct limiter limiter = limiter_new(start, max);
    limiter.is_starting = true;
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

static void shrink(struct limiter *limiter, double factor)
{
    double lowered = floor(limiter->limit * factor); /* so that small limits move as well */
    limiter->limit = lowered < 1 ? 1 : lowered;
    limiter->round++;
    limiter->is_starting = limiter->is_used_up = false;
    limiter->answers_left = limiter->limit;
}

static void learn_latency(struct limiter *limiter)
{
    if (limiter->latency_count == 0)
        return;
    double mean = limiter->latency_sum / limiter->latency_count;
    limiter->latency_sum = 0;
    limiter->latency_count = 0;
    limiter->latency += (mean - limiter->latency) * (limiter->latency > 0 ? LATENCY_WEIGHT : 1);
    limiter->latency_best *= LATENCY_DRIFT;
    if (limiter->latency_best <= 0 || limiter->latency < limiter->latency_best)
        limiter->latency_best = limiter->latency;
}

static void end_round(struct limiter *limiter)
{
    learn_latency(limiter);
    bool is_slow = limiter->latency > limiter->latency_best * LATENCY_HOLD;
    limiter->is_starting &= !is_slow;
    if (limiter->is_used_up && limiter->latency > limiter->latency_best * LATENCY_SHRINK) {
        shrink(limiter, DECREASE);
        return;
    }
    if (limiter->is_used_up && !is_slow)
        limiter->limit += limiter->is_starting ? limiter->limit : 1;
    if (limiter->limit > limiter->limit_max)
        limiter->limit = limiter->limit_max;
    limiter->is_used_up = !limiter_has_room(limiter);
    limiter->answers_left = limiter->limit;
}

void limiter_succeed_after(struct limiter *limiter, double latency)
{
    limiter_give_back(limiter);
    limiter->latency_sum += latency;
    limiter->latency_count += latency > 0;
    limiter->answers_left -= 1;
    if (limiter->answers_left <= 0)
        end_round(limiter);
}

void limiter_succeed(struct limiter *limiter)
{
    limiter_succeed_after(limiter, 0);
}

static void push_back(struct limiter *limiter, struct permit permit, double factor)
{
    limiter_give_back(limiter);
    if (permit.round == limiter->round) /* else the last decrease already answers it */
        shrink(limiter, factor);
}

void limiter_push_back(struct limiter *limiter, struct permit permit)
{
    push_back(limiter, permit, DECREASE);
}

void limiter_halve(struct limiter *limiter, struct permit permit)
{
    push_back(limiter, permit, 0.5);
}

/* ---- rates ----------------------------------------------------------------------------------- */

static double burst(const struct bucket *bucket)
{
    double amount = bucket->per_ms * BURST_MS;
    return amount > 1 ? amount : 1;
}

static void ramp(struct bucket *bucket, double elapsed_ms)
{
    if (bucket->per_ms < bucket->limit_per_ms) {
        bool is_careful = bucket->is_warned && bucket->per_ms >= bucket->start_per_ms;
        bucket->per_ms *= is_careful ? pow(CAREFUL_GROWTH, elapsed_ms / CAREFUL_MS)
                                     : exp2(elapsed_ms / DOUBLING_MS);
    }
    if (bucket->per_ms > bucket->limit_per_ms)
        bucket->per_ms = bucket->limit_per_ms;
}

static void bucket_fill(struct bucket *bucket, uint64_t now_ms)
{
    double elapsed_ms = now_ms > bucket->filled_ms ? (double)(now_ms - bucket->filled_ms) : 0;
    bucket->filled_ms = now_ms;
    bucket->level += elapsed_ms * bucket->per_ms;
    ramp(bucket, elapsed_ms);
    if (bucket->level > burst(bucket))
        bucket->level = burst(bucket);
}

static void set_limit(struct bucket *bucket, double limit_per_ms)
{
    bool is_first = bucket->limit_per_ms <= 0;
    bucket->limit_per_ms = limit_per_ms;
    if (is_first) {
        double tenth = limit_per_ms / 10;
        bucket->per_ms = bucket->start_per_ms > tenth ? bucket->start_per_ms : tenth;
        bool is_at_once = bucket->start_per_ms <= 0 || bucket->per_ms > limit_per_ms;
        bucket->per_ms = is_at_once ? limit_per_ms : bucket->per_ms;
        bucket->level = burst(bucket);
    }
    ramp(bucket, 0);
}

struct bucket bucket_new(uint64_t limit_max_per_minute, uint64_t start_per_minute, uint64_t now_ms)
{
    struct bucket bucket = {.start_per_ms = (double)start_per_minute / MS_PER_MINUTE,
                            .limit_max_per_ms = (double)limit_max_per_minute / MS_PER_MINUTE,
                            .filled_ms = now_ms};
    if (limit_max_per_minute)
        set_limit(&bucket, bucket.limit_max_per_ms);
    return bucket;
}

void bucket_learn(struct bucket *bucket, uint64_t limit_per_minute, uint64_t remaining,
                  uint64_t in_flight, uint64_t now_ms)
{
    double limit = (double)limit_per_minute / MS_PER_MINUTE, ours = bucket->limit_max_per_ms;
    double left = (double)remaining - (double)in_flight;
    bucket_fill(bucket, now_ms);
    set_limit(bucket, ours > 0 && ours < limit ? ours : limit);
    if (left < bucket->level)
        bucket->level = left;
}

void bucket_slow_down(struct bucket *bucket, uint64_t now_ms)
{
    bucket_fill(bucket, now_ms);
    bucket->per_ms /= 2;
    bucket->is_warned = true;
}

uint64_t bucket_wait_ms(struct bucket *bucket, uint64_t amount, uint64_t now_ms)
{
    if (bucket->limit_per_ms <= 0)
        return 0;
    bucket_fill(bucket, now_ms);
    double needed = (double)amount < burst(bucket) ? (double)amount : burst(bucket);
    if (bucket->level >= needed)
        return 0;
    return (uint64_t)((needed - bucket->level) / bucket->per_ms) + 1;
}

void bucket_take(struct bucket *bucket, uint64_t amount, uint64_t now_ms)
{
    if (bucket->limit_per_ms <= 0)
        return;
    bucket_fill(bucket, now_ms);
    bucket->level -= (double)amount;
}

void bucket_settle(struct bucket *bucket, uint64_t taken, uint64_t real)
{
    if (bucket->limit_per_ms > 0)
        bucket->level += (double)taken - (double)real;
}

uint64_t backoff_ms(uint32_t attempt, uint64_t base_ms, uint64_t max_ms, double unit)
{
    const uint32_t attempt_max = 20; /* 2^20 x 1 ms is longer than anybody waits */
    uint64_t longest = base_ms << (attempt < attempt_max ? attempt : attempt_max);
    longest = longest > max_ms ? max_ms : longest;
    return (uint64_t)(unit * (double)longest);
}
