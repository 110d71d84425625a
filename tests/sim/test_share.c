/* What a tenant with very much waiting, or with very large files, costs those that upload now and
 * then. The same uploads of the quiet ones, alone and beside the loud one: p99 may grow by a fifth.
 * TEST_LOG=1 shows the figures. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/share.h"
#include "tests/unit/test.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"

#define LOUD 0
#define LOUD_TOO 1
#define QUIET_FIRST 2
#define QUIETS 20
#define QUIET_BETWEEN_MS 1000 /* two uploads of each, about */
#define UPLOADS_MAX 2000000
#define BURST 100000
#define SLACK 1.2
#define SLACK_OF_TWO 1.5 /* few seats are left, and one who takes what he can get of these */
#define MINUTE_MS ((uint64_t)60000)

static const struct pipeline_limits LIMITS = {
    .tasks_max = 64,
    .bytes_max = (uint64_t)512 << 20,
    .waiting_max = 131072,
    .waiting_bytes_max = (uint64_t)32 << 20,
    .slabs_max = 64,
    .drain_ms = 1000,
    .tenant_wait_ms = 60000,
};

struct noise {
    struct share_tenant loud;
    size_t waiting[2];      /* so much of the loud ones is to wait at any time */
    uint64_t quiet_work_ms; /* at least, at most three times as much */
};

struct waits { /* of the quiet ones, the shortest first */
    uint64_t *ms;
    size_t count;
};

static int by_length(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static struct waits waits_of(const struct share *share)
{
    struct waits waits = {.ms = xcalloc(share->topic_count, sizeof(*waits.ms))};
    for (size_t i = 0; i < share->topic_count; i++) {
        const struct upload *upload = &share->topic[i];
        if (upload->tenant < QUIET_FIRST)
            continue;
        assert_true(upload->is_settled);
        waits.ms[waits.count++] = upload->settled_ms - upload->made_ms;
    }
    qsort(waits.ms, waits.count, sizeof(*waits.ms), by_length);
    return waits;
}

static void top_up(struct share *share, const struct noise *noise, size_t told[2])
{
    for (unsigned loud = LOUD; loud <= LOUD_TOO; loud++)
        for (; told[loud] - share->settled_count[loud] < noise->waiting[loud]; told[loud]++)
            share_upload(share, loud);
}

/* The quiet ones' uploads come out of a generator of their own: they are the same in every run. */
static struct waits run(const struct noise *noise, uint64_t ms)
{
    struct share *share = share_new(1, &LIMITS, UPLOADS_MAX);
    struct rng rng = rng_seeded(2);
    size_t told[2] = {0};
    share->tenants[LOUD].work_ms_min = noise->loud.work_ms_min;
    share->tenants[LOUD].work_ms_max = noise->loud.work_ms_max;
    share->tenants[LOUD].size_bytes = noise->loud.size_bytes;
    share->tenants[LOUD].is_replayed = noise->loud.is_replayed;
    share->tenants[LOUD_TOO].work_ms_min = 40;
    share->tenants[LOUD_TOO].work_ms_max = 120;
    share->tenants[LOUD_TOO].size_bytes = 4096;
    for (unsigned i = QUIET_FIRST; i < QUIET_FIRST + QUIETS; i++) {
        share->tenants[i].work_ms_min = noise->quiet_work_ms;
        share->tenants[i].work_ms_max = 3 * noise->quiet_work_ms;
        share->tenants[i].size_bytes = 100000;
    }
    for (uint64_t at_ms = 0; at_ms < ms; at_ms += 10) {
        top_up(share, noise, told);
        for (unsigned i = 0; i < QUIETS; i++)
            if (rng_below(&rng, QUIET_BETWEEN_MS / 10) == 0)
                share_upload(share, QUIET_FIRST + i);
        share_run(share, 10);
    }
    share_run(share, MINUTE_MS);
    struct waits waits = waits_of(share);
    share_free(share);
    return waits;
}

static uint64_t part(const struct waits *waits, double share)
{
    return waits->ms[(size_t)(share * (double)(waits->count - 1))];
}

static void tell(const char *name, const struct waits *waits)
{
    if (getenv("TEST_LOG"))
        print_message("%s: %zu, p50 %llu, p90 %llu, p99 %llu, longest %llu ms\n", name,
                      waits->count, (unsigned long long)part(waits, 0.5),
                      (unsigned long long)part(waits, 0.9), (unsigned long long)part(waits, 0.99),
                      (unsigned long long)part(waits, 1));
}

static void assert_undisturbed(const char *name, const struct noise *noise, uint64_t ms,
                               double slack)
{
    struct noise silence = {.quiet_work_ms = noise->quiet_work_ms};
    struct waits alone = run(&silence, ms), beside = run(noise, ms);
    tell("alone", &alone);
    tell(name, &beside);
    assert_int_equal(alone.count, beside.count);
    assert_true((double)part(&beside, 0.99) <= slack * (double)part(&alone, 0.99));
    xfree(alone.ms);
    xfree(beside.ms);
}

static void test_share__p99_beside_a_hundred_thousand_waiting_events(void **state)
{
    (void)state;
    struct noise noise = {.loud = {.work_ms_min = 40, .work_ms_max = 120, .size_bytes = 4096},
                          .waiting = {BURST},
                          .quiet_work_ms = 80};
    assert_undisturbed("beside 100,000 waiting", &noise, 3 * MINUTE_MS, SLACK);
}

/* Hardly any work: the database is what the loud one keeps busy, and whoever waits for its
 * statements, or for the door that they hold shut, waits longer than for its own. */
static void test_share__p99_beside_documents_that_keep_the_database_busy(void **state)
{
    (void)state;
    struct noise noise = {.loud = {.work_ms_min = 1, .work_ms_max = 3, .size_bytes = 4096},
                          .waiting = {20000},
                          .quiet_work_ms = 10};
    assert_undisturbed("beside a busy database", &noise, MINUTE_MS, SLACK);
}

/* In a seat for so long that none of them ends meanwhile; then beside one with much waiting, too. */
static void assert_undisturbed_by_huge_files(uint64_t size_bytes)
{
    struct noise noise = {.loud = {.work_ms_min = 10 * MINUTE_MS,
                                   .work_ms_max = 20 * MINUTE_MS,
                                   .size_bytes = size_bytes},
                          .waiting = {200},
                          .quiet_work_ms = 80};
    assert_undisturbed("beside huge files", &noise, MINUTE_MS, SLACK);
    noise.waiting[LOUD_TOO] = 1000;
    assert_undisturbed("and one with much waiting", &noise, MINUTE_MS, SLACK_OF_TWO);
}

static void test_share__p99_beside_huge_files_that_would_fill_every_seat(void **state)
{
    (void)state;
    assert_undisturbed_by_huge_files((uint64_t)4 << 20);
}

static void test_share__p99_beside_huge_files_that_would_fill_all_bytes(void **state)
{
    (void)state;
    assert_undisturbed_by_huge_files((uint64_t)100 << 20);
}

/* The reader must get through a burst as fast as it can read: nothing else may be what holds it. */
static void test_share__a_burst_is_read_at_the_readers_own_pace(void **state)
{
    (void)state;
    struct share *share = share_new(1, &LIMITS, UPLOADS_MAX);
    share->tenants[LOUD].work_ms_min = share->tenants[LOUD].work_ms_max = 80;
    share->tenants[LOUD].size_bytes = 4096;
    for (unsigned i = 0; i < BURST; i++)
        share_upload(share, LOUD);
    share_run(share, BURST / 1000 * SHARE_READ_US + 100);
    assert_int_equal(share->read_count, BURST);
    share_free(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share__p99_beside_a_hundred_thousand_waiting_events),
        cmocka_unit_test(test_share__p99_beside_documents_that_keep_the_database_busy),
        cmocka_unit_test(test_share__p99_beside_huge_files_that_would_fill_every_seat),
        cmocka_unit_test(test_share__p99_beside_huge_files_that_would_fill_all_bytes),
        cmocka_unit_test(test_share__a_burst_is_read_at_the_readers_own_pace),
    };
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
