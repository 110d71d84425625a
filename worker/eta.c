#include "worker/eta.h"

#define SAMPLE_MS 1000
#define WINDOW_MS 60000 /* of the recent speed */
#define SEEN_MS 4000    /* before that it would be guessing */
#define STEPS_MIN 3
#define STALL_FACTOR 4 /* nothing for so many times the usual pause: nobody knows */
#define STALL_MS_MIN 15000

static const struct eta_sample *newest(const struct eta *eta)
{
    return &eta->samples[(eta->count - 1) % ETA_SAMPLES];
}

void eta_add(struct eta *eta, uint64_t now_ms, uint64_t done, uint64_t total)
{
    struct eta_sample sample = {now_ms, done};
    eta->total = total;
    if (eta->count == 0) {
        eta->first = eta->samples[0] = sample;
        eta->moved_ms = now_ms;
        eta->count = 1;
        return;
    }
    if (done > newest(eta)->done) {
        if (eta->step_count++ == 0)
            eta->first = *newest(eta); /* the wait for a worker tells nothing of its speed */
        eta->moved_ms = now_ms;
    }
    size_t before = eta->count > 1 ? (eta->count - 2) % ETA_SAMPLES : 0;
    bool is_close = eta->count > 1 && now_ms - eta->samples[before].now_ms < SAMPLE_MS;
    if (!is_close)
        eta->count++;
    eta->samples[(eta->count - 1) % ETA_SAMPLES] = sample;
}

/* The oldest sample within the window that is still kept. */
static struct eta_sample recent_start(const struct eta *eta)
{
    size_t kept = eta->count < ETA_SAMPLES ? eta->count : ETA_SAMPLES;
    for (size_t i = eta->count - kept; i < eta->count; i++) {
        const struct eta_sample *sample = &eta->samples[i % ETA_SAMPLES];
        if (newest(eta)->now_ms - sample->now_ms <= WINDOW_MS)
            return *sample;
    }
    return *newest(eta);
}

static double speed_since(const struct eta *eta, struct eta_sample start)
{
    uint64_t ms = newest(eta)->now_ms - start.now_ms;
    bool is_known = ms > 0 && newest(eta)->done > start.done;
    return is_known ? (double)(newest(eta)->done - start.done) * 1000 / (double)ms : 0;
}

static bool has_stalled(const struct eta *eta)
{
    uint64_t pause_ms = newest(eta)->now_ms - eta->moved_ms;
    uint64_t usual_ms = (eta->moved_ms - eta->first.now_ms) / eta->step_count;
    return pause_ms > STALL_MS_MIN && pause_ms > STALL_FACTOR * usual_ms;
}

bool eta_estimate(const struct eta *eta, struct eta_range *ret_range)
{
    if (eta->count < 2 || eta->step_count < STEPS_MIN || newest(eta)->done >= eta->total ||
        newest(eta)->now_ms - eta->first.now_ms < SEEN_MS || has_stalled(eta))
        return false;
    double all = speed_since(eta, eta->first), recent = speed_since(eta, recent_start(eta));
    if (all <= 0 || recent <= 0)
        return false;
    double left = (double)(eta->total - newest(eta)->done);
    double fast = all > recent ? all : recent, slow = all > recent ? recent : all;
    /* So few documents tell little: the fewer have ended, the wider the range. */
    double doubt = 1 + 1 / (double)eta->step_count;
    ret_range->seconds_min = (uint64_t)(left / fast / doubt);
    ret_range->seconds_max = (uint64_t)(left / slow * doubt) + 1;
    return true;
}

struct unit {
    uint64_t seconds, until; /* the unit, and up to how many seconds it is used */
    const char *name;
};

static struct unit unit_of(uint64_t seconds)
{
    static const struct unit units[] = {{1, 120, "s"}, {60, 7200, "min"}, {3600, UINT64_MAX, "h"}};
    size_t i = 0;
    while (seconds > units[i].until)
        i++;
    return units[i];
}

void eta_append(struct buffer *out, struct eta_range range)
{
    struct unit unit = unit_of(range.seconds_max);
    uint64_t low = range.seconds_min / unit.seconds;
    uint64_t high = (range.seconds_max + unit.seconds - 1) / unit.seconds;
    if (low == 0)
        buffer_format(out, "up to %llu %s left", (unsigned long long)high, unit.name);
    else if (low == high)
        buffer_format(out, "about %llu %s left", (unsigned long long)high, unit.name);
    else
        buffer_format(out, "%llu to %llu %s left", (unsigned long long)low,
                      (unsigned long long)high, unit.name);
}
