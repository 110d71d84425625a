#include <math.h>

#include "tests/unit/test.h"
#include "worker/base/metrics.h"
#include "worker/model/document.h"

static struct buffer out;

static int setup(void **state)
{
    (void)state;
    metrics_reset();
    out = buffer_new(1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    metrics_reset();
    buffer_release(&out);
    return 0;
}

static const char *written(void)
{
    buffer_clear(&out);
    metrics_write(&out);
    assert_false(out.is_full);
    return buffer_string(&out);
}

#define assert_has(lines)                                                \
    do {                                                                 \
        if (!strstr(written(), lines))                                   \
            fail_msg("not in the exposition: %s\n%s", lines, written()); \
    } while (0)

static void test_metrics__counters_and_gauges_with_and_without_labels(void **state)
{
    (void)state;
    metric_add(METRIC_MESSAGES, 0, 2);
    metric_add(METRIC_MESSAGES, 0, 3);
    metric_add(METRIC_FAILURES, ERR_NO_TEXT, 1);
    metric_set(METRIC_KAFKA_OLDEST_SECONDS, 0, 1.5);
    metric_set(METRIC_HTTP_IN_FLIGHT, LANE_STORE, 4);
    assert_has("# HELP millrace_messages_total Kafka messages whose events all reached their end.\n"
               "# TYPE millrace_messages_total counter\n"
               "millrace_messages_total 5\n");
    assert_has("\nmillrace_failures_total{code=\"no_text\"} 1\n");
    assert_has("\nmillrace_failures_total{code=\"timeout\"} 0\n");
    assert_has("# TYPE millrace_kafka_oldest_seconds gauge\nmillrace_kafka_oldest_seconds 1.5\n");
    assert_has("\nmillrace_http_in_flight{lane=\"store\"} 4\n");
    assert_true(metric_value(METRIC_MESSAGES, 0) > 4.9);
}

static void test_metrics__histogram_buckets_are_cumulative(void **state)
{
    (void)state;
    metric_observe(METRIC_DOCUMENT_SECONDS, 0, 0.005); /* bounds are inclusive */
    metric_observe(METRIC_DOCUMENT_SECONDS, 0, 0.5);
    metric_observe(METRIC_DOCUMENT_SECONDS, 0, 400);
    metric_observe(METRIC_DOCUMENT_SECONDS, 0, -1);
    metric_observe(METRIC_DOCUMENT_SECONDS, 0, (double)NAN);
    assert_has("# TYPE millrace_document_seconds histogram\n"
               "millrace_document_seconds_bucket{le=\"0.005\"} 3\n"
               "millrace_document_seconds_bucket{le=\"0.01\"} 3\n"
               "millrace_document_seconds_bucket{le=\"0.025\"} 3\n"
               "millrace_document_seconds_bucket{le=\"0.05\"} 3\n"
               "millrace_document_seconds_bucket{le=\"0.1\"} 3\n"
               "millrace_document_seconds_bucket{le=\"0.25\"} 3\n"
               "millrace_document_seconds_bucket{le=\"0.5\"} 4\n"
               "millrace_document_seconds_bucket{le=\"1\"} 4\n"
               "millrace_document_seconds_bucket{le=\"2.5\"} 4\n"
               "millrace_document_seconds_bucket{le=\"5\"} 4\n"
               "millrace_document_seconds_bucket{le=\"10\"} 4\n"
               "millrace_document_seconds_bucket{le=\"30\"} 4\n"
               "millrace_document_seconds_bucket{le=\"60\"} 4\n"
               "millrace_document_seconds_bucket{le=\"120\"} 4\n"
               "millrace_document_seconds_bucket{le=\"300\"} 4\n"
               "millrace_document_seconds_bucket{le=\"+Inf\"} 5\n"
               "millrace_document_seconds_sum 400.505\n"
               "millrace_document_seconds_count 5\n");
}

static void test_metrics__stages_appear_once_they_have_a_name(void **state)
{
    (void)state;
    metric_set(METRIC_TASKS, 2, 7);
    assert_null(strstr(written(), "millrace_tasks{"));
    metrics_name_stage(2, "fetch");
    metric_observe(METRIC_STAGE_SECONDS, 2, 3);
    assert_has("\nmillrace_tasks{stage=\"fetch\"} 7\n");
    assert_has("\nmillrace_stage_seconds_bucket{stage=\"fetch\",le=\"2.5\"} 0\n"
               "millrace_stage_seconds_bucket{stage=\"fetch\",le=\"5\"} 1\n");
}

static void test_metrics__outcomes_are_the_words_of_the_documents(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        char line[128];
        metric_add(METRIC_DOCUMENTS, i, i + 1);
        assert_true(text_format(line, sizeof(line),
                                "\nmillrace_documents_total{outcome=\"%s\"} %u\n",
                                outcome_name((enum document_outcome)i), i + 1));
        assert_has(line);
    }
}

/* Dashboards, alerts and the autoscaler use these names: a change here breaks somebody. */
static void test_metrics__names_are_frozen(void **state)
{
    (void)state;
    static const char *const frozen[] = {
        "millrace_events_total counter",
        "millrace_messages_total counter",
        "millrace_events_waiting gauge",
        "millrace_events_waiting_limit gauge",
        "millrace_tasks gauge",
        "millrace_tasks_limit gauge",
        "millrace_bytes_reserved gauge",
        "millrace_bytes_limit gauge",
        "millrace_slabs gauge",
        "millrace_slabs_limit gauge",
        "millrace_items_parked gauge",
        "millrace_documents_total counter",
        "millrace_failures_total counter",
        "millrace_retries_total counter",
        "millrace_dead_letters_total counter",
        "millrace_pages_total counter",
        "millrace_chunks_total counter",
        "millrace_chunks_known_total counter",
        "millrace_embedding_tokens_total counter",
        "millrace_object_bytes_total counter",
        "millrace_stage_seconds histogram",
        "millrace_document_seconds histogram",
        "millrace_http_requests_total counter",
        "millrace_http_failures_total counter",
        "millrace_http_in_flight gauge",
        "millrace_lane_waiting gauge",
        "millrace_lane_limit gauge",
        "millrace_lane_parked gauge",
        "millrace_extract_slots_busy gauge",
        "millrace_extract_slots_limit gauge",
        "millrace_extract_children_total counter",
        "millrace_extract_helpers_total counter",
        "millrace_extract_landlock_abi gauge",
        "millrace_kafka_lag gauge",
        "millrace_kafka_oldest_seconds gauge",
        "millrace_kafka_partitions gauge",
        "millrace_kafka_rebalances_total counter",
        "millrace_kafka_commits_total counter",
        "millrace_database_batches_total counter",
        "millrace_database_waiting gauge",
        "millrace_litter_rows gauge",
        "millrace_loop_lag_seconds gauge",
        "millrace_resident_bytes gauge",
        "millrace_open_fds gauge",
        "millrace_open_fds_limit gauge",
    };
    AUTO_BUFFER struct buffer expected = buffer_new(1 << 16);
    AUTO_BUFFER struct buffer actual = buffer_new(1 << 16);
    for (size_t i = 0; i < COUNT_OF(frozen); i++)
        buffer_format(&expected, "%s\n", frozen[i]);
    struct text rest = text_from(written());
    while (rest.bytes) {
        struct text line = text_cut(rest, '\n', &rest);
        if (text_starts_with(line, TEXT("# TYPE ")))
            buffer_format(&actual, "%.*s\n", TEXT_ARGS(text_slice(line, 7, line.bytes)));
    }
    assert_string_equal(buffer_string(&actual), buffer_string(&expected));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_metrics__counters_and_gauges_with_and_without_labels),
        TEST(test_metrics__histogram_buckets_are_cumulative),
        TEST(test_metrics__stages_appear_once_they_have_a_name),
        TEST(test_metrics__outcomes_are_the_words_of_the_documents),
        TEST(test_metrics__names_are_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
