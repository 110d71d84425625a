/* queue.h and topic.h over the in-process broker. */
#include "tests/contract/queue_scenarios.h"

static struct bench bench;

static void test_queue__delivers_keys_headers_and_null_values(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 1);
    check_content(&bench);
    bench_close(&bench);
}

static void test_queue__commits_the_finished_prefix_and_delivers_the_rest_again(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 1);
    check_prefix(&bench);
    bench_close(&bench);
}

static void test_queue__delivers_as_much_as_there_is_credit_for(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 4);
    produce_numbers(&bench, "k", 0, 10);
    struct reader *reader = reader_open(&bench, 3);
    WAIT(&bench, reader->count == 3);
    linger(&bench, 300);
    assert_int_equal(reader->count, 3);

    queue_credit(reader->queue, 7);
    WAIT(&bench, reader->count == 10);
    reader_close(&bench, reader);
    bench_close(&bench);
}

static void test_queue__stops_popping_when_too_many_bytes_are_unsettled(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 1);
    bench.options.unsettled_bytes_max = 1; /* one message is always let in */
    produce_numbers(&bench, "k", 0, 3);
    struct reader *reader = reader_open(&bench, 100);
    for (size_t i = 0; i < 3; i++) {
        WAIT(&bench, reader->count == i + 1);
        linger(&bench, 100);
        assert_int_equal(reader->count, i + 1);
        settle_at(reader, i);
    }
    reader_close(&bench, reader);
    bench_close(&bench);
}

static void test_queue__delivers_an_abandoned_message_again(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 1);
    produce_numbers(&bench, "k", 0, 2);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 2);

    queue_abandon(reader->queue, reader->messages[0]);
    reader->messages[0] = NULL;
    settle_at(reader, 1);
    assert_int_equal(queue_figures(reader->queue).unsettled, 0);
    WAIT(&bench, reader->count == 3);
    assert_int_equal(number_at(reader, 2), 0);

    settle_at(reader, 2);
    WAIT(&bench, queue_figures(reader->queue).lag == 0);
    reader_close(&bench, reader);
    bench_close(&bench);
}

static void test_queue__takes_dropped_messages_of_the_in_process_broker_for_fatal(void **state)
{
    (void)state;
    static char big[64 * 1024];
    memset(big, 'x', sizeof(big));
    bench_open(&bench, NULL, 1);
    for (unsigned i = 0; i < 200; i++) { /* more than the 5 MiB a partition keeps */
        for (size_t at = 0; at + 4 <= sizeof(big); at += 4) /* so that lz4 gains nothing */
            memcpy(big + at, &(uint32_t){(uint32_t)at * 2654435761u + i * 40503u}, 4);
        produce(&bench, "k", (struct text){big, sizeof(big)}, NULL, 0);
        WAIT(&bench, bench.produced == i + 1);
    }
    struct reader *reader = reader_open(&bench, 1000);
    WAIT(&bench, reader->fatal == 1);
    assert_int_equal(reader->last_error.code, ERR_KAFKA_FATAL);
    assert_int_equal(reader->count, 0);
    reader_close(&bench, reader);
    bench_close(&bench);
}

static void refuse(const char *name, const char *value, const char *expected)
{
    struct error err = {0};
    struct queue_property property = {text_from(name), text_from(value)};
    bench.options.properties = &property;
    bench.options.property_count = 1;
    assert_null(queue_open(bench.loop, &bench.options, (struct queue_events){0}, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, expected));
    assert_null(strstr(err.message, "hunter2"));
}

static void test_queue__refuses_properties_that_break_its_promises(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 1);
    refuse("enable.auto.commit", "true", "set by Millrace");
    refuse("partition.assignment.strategy", "cooperative-sticky", "eager");
    refuse("no.such.property", "1", "no.such.property");
    refuse("session.timeout.ms", "hunter2", "session.timeout.ms");
    bench_close(&bench);
}

static void on_probe(struct topic_probe *probe, const struct error *err)
{
    assert_null(err);
    probe->topic = TEXT_NONE; /* answered */
}

static void test_topic__tells_how_many_partitions_it_has_and_makes_none(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 7);
    for (int i = 0; i < 2; i++) {
        struct topic_probe probe = {.topic = text_from(bench.topic), .on_done = on_probe};
        struct topic_probe missing = {.topic = TEXT("no-such-topic"), .on_done = on_probe};
        topic_describe(bench.producer, &probe, 5000);
        topic_describe(bench.producer, &missing, 5000);
        WAIT(&bench, !probe.topic.start && !missing.topic.start);
        assert_int_equal(probe.partitions, 7);
        assert_int_equal(missing.partitions, 0);
    }
    bench_close(&bench);
}

static void test_topic__answers_what_it_cannot_write_when_it_closes(void **state)
{
    (void)state;
    struct error err;
    bench_open(&bench, NULL, 1);
    struct topic *producer = bench.producer;
    bench.options.brokers = TEXT("127.0.0.1:1");
    bench.producer = topic_open(bench.loop, &bench.options, &err);
    assert_non_null(bench.producer);
    for (int i = 0; i < 3; i++)
        produce(&bench, "k", TEXT("v"), NULL, 0);
    bool is_closed = false;
    uint64_t start_ms = loop_now_ms(bench.loop);
    topic_close(bench.producer, bench_on_closed, &is_closed);
    WAIT(&bench, is_closed);
    assert_true(loop_now_ms(bench.loop) - start_ms < 8000);
    assert_int_equal(bench.refused, 3);
    bench.producer = producer;
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue__delivers_keys_headers_and_null_values),
        cmocka_unit_test(test_queue__commits_the_finished_prefix_and_delivers_the_rest_again),
        cmocka_unit_test(test_queue__delivers_as_much_as_there_is_credit_for),
        cmocka_unit_test(test_queue__stops_popping_when_too_many_bytes_are_unsettled),
        cmocka_unit_test(test_queue__delivers_an_abandoned_message_again),
        cmocka_unit_test(test_queue__takes_dropped_messages_of_the_in_process_broker_for_fatal),
        cmocka_unit_test(test_queue__refuses_properties_that_break_its_promises),
        cmocka_unit_test(test_topic__tells_how_many_partitions_it_has_and_makes_none),
        cmocka_unit_test(test_topic__answers_what_it_cannot_write_when_it_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
