/* Nanoseconds per record that the offset tracker costs: delivered in order, finished in order, at
 * random within a window, and behind one that is stuck. */
#include <stdio.h>
#include <time.h>

#include "queue/offsets.h"
#include "worker/base/rng.h"

enum { RECORDS = 2000000, WINDOW = 4096 };

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Which of the window's records is finished next. */
static int64_t order[WINDOW];

static void shuffle(bool is_random)
{
    struct rng rng = rng_seeded(1);
    for (int64_t i = 0; i < WINDOW; i++)
        order[i] = i;
    for (uint64_t i = WINDOW - 1; i > 0 && is_random; i--) {
        uint64_t other = rng_below(&rng, i + 1);
        int64_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static double measure(bool is_random, bool is_stuck)
{
    struct offsets offsets = {0};
    int64_t point = 0, sum = 0;
    shuffle(is_random);
    offsets_begin(&offsets, 1, 0);
    double start = now_ns();
    for (int64_t from = 0; from < RECORDS; from += WINDOW) {
        for (int64_t i = 0; i < WINDOW; i++)
            if (offsets_deliver(&offsets, from + i) != OFFSETS_TAKEN)
                return -1;
        for (int64_t i = 0; i < WINDOW; i++)
            if (!is_stuck || from + order[i] != 0)
                offsets_finish(&offsets, 1, from + order[i]);
        if (offsets_commit_point(&offsets, &point))
            offsets_committed(&offsets, 1, point);
        sum += point;
    }
    double ns = (now_ns() - start) / RECORDS;
    offsets_release(&offsets);
    return sum >= 0 ? ns : -1;
}

int main(void)
{
    printf("tracker, in order       %6.1f ns/record\n", measure(false, false));
    printf("tracker, any order      %6.1f ns/record\n", measure(true, false));
    printf("tracker, one is stuck   %6.1f ns/record\n", measure(true, true));
    return 0;
}
