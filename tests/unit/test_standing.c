#include "tests/unit/test.h"
#include "worker/standing.h"

static void assert_standing(struct standing standing, const char *word, const char *sentence)
{
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    standing_append(&out, &standing);
    assert_string_equal(standing_word(&standing), word);
    assert_string_equal(buffer_string(&out), sentence);
}

static void test_standing__names_who_paused_and_since_when(void **state)
{
    (void)state;
    struct standing standing = {.control = TEXT("pause"),
                                .control_by = TEXT("ops@here"),
                                .control_at = TEXT("2026-11-21T12:40:11.000Z"),
                                .open = 40,
                                .workers = 1};
    assert_standing(
        standing, "paused",
        "paused by ops@here since 2026-11-21 12:40 UTC; `millrace resume` lets it go on");
    standing.running = 1;
    standing.control_by = standing.control_at = TEXT_NONE;
    assert_standing(standing, "paused",
                    "paused; 1 document is still in work; `millrace resume` lets it go on");
}

static void test_standing__tells_a_dead_worker_from_one_that_is_busy(void **state)
{
    (void)state;
    struct standing standing = {.control = TEXT("none"), .open = 3, .parked = 3};
    assert_standing(standing, "no_worker", "no worker runs; start one with `millrace work`");
    standing.worker_seen_at = TEXT("2026-11-21T12:40:11.000Z");
    assert_standing(standing, "no_worker",
                    "no worker runs; the last one was seen 2026-11-21 12:40 UTC; start one with "
                    "`millrace work`");
    standing.running = 2; /* of a version that does not say that it lives */
    assert_standing(standing, "in_work", "2 documents in work, 1 waits");
}

static void test_standing__tells_what_the_rest_waits_for(void **state)
{
    (void)state;
    struct standing standing = {.control = TEXT("none"), .open = 1200, .workers = 2};
    assert_standing(standing, "waiting", "waits to be taken up, within a minute");
    standing.kafka_lag = 1;
    standing.oldest_s = 7300;
    assert_standing(standing, "behind_others",
                    "waits behind 1 message of the topic, the oldest of 2 h ago");
    standing.parked = 1200;
    standing.retry_s = 300;
    standing.retry_message = TEXT("a service asked us to slow down");
    assert_standing(standing, "waiting_for_retry",
                    "1,200 documents wait for their next attempt, the first in 5 min: a service "
                    "asked us to slow down");
}

static void test_standing__names_a_lane_that_is_in_trouble(void **state)
{
    (void)state;
    struct standing standing = {.control = TEXT("none"),
                                .open = 5,
                                .running = 5,
                                .workers = 1,
                                .trouble_code = TEXT("billing"),
                                .trouble_message = TEXT("embeddings: \033[1mquota")};
    assert_standing(standing, "in_work",
                    "5 documents in work; a worker had trouble within the last minute: embeddings: "
                    " [1mquota (billing)");
}

static void test_standing__a_cancel_waits_for_workers_alone(void **state)
{
    (void)state;
    struct standing standing = {.control = TEXT("cancel"), .open = 2, .running = 2};
    assert_standing(standing, "being_cancelled",
                    "cancelled; 2 documents still wait for a worker to let go of them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standing__names_who_paused_and_since_when),
        cmocka_unit_test(test_standing__tells_a_dead_worker_from_one_that_is_busy),
        cmocka_unit_test(test_standing__tells_what_the_rest_waits_for),
        cmocka_unit_test(test_standing__names_a_lane_that_is_in_trouble),
        cmocka_unit_test(test_standing__a_cancel_waits_for_workers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
