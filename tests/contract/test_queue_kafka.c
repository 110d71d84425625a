/* queue.h over a real broker, named by TEST_KAFKA_BROKERS (tests/services/serve.py starts one). */
#include <librdkafka/rdkafka.h>
#include <poll.h>

#include "tests/contract/queue_group.h"
#include "tests/contract/queue_scenarios.h"

static struct bench bench;
static const char *brokers;

static void test_queue__delivers_keys_headers_and_null_values(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    check_content(&bench);
    bench_close(&bench);
}

static void test_queue__commits_the_finished_prefix_and_delivers_the_rest_again(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    check_prefix(&bench);
    bench_close(&bench);
}

static void test_queue__settles_of_a_revoked_epoch_move_nothing(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    check_rebalance(&bench);
    bench_close(&bench);
}

/* What is finished in the very moment before a revoke is committed by the revoke itself: the tick is
 * a second apart. */
static void test_queue__commits_when_it_is_revoked(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    size_t settled = 0;
    bench_open(&bench, brokers, 0);
    produce_numbers(&bench, "k", 0, COUNT);
    struct reader *first = reader_open(&bench, 2 * COUNT);
    WAIT(&bench, first->count == COUNT);
    struct reader *second = reader_open(&bench, 2 * COUNT);
    while (!first->revoked && settled < COUNT) {
        settle_at(first, settled++);
        loop_run_once(bench.loop, 2);
    }
    assert_int_equal(first->revoked, 1);
    assert_false(first->was_lost);
    int32_t partition = message_view(first->messages[settled])->partition;
    WAIT(&bench, first->assigned == 2 && second->assigned == 1);
    linger(&bench, 1000);
    assert_int_equal(committed_of(&bench, partition), settled);
    assert_int_equal(first->total, COUNT);
    WAIT(&bench, second->total == 0 || second->total == COUNT - settled);
    reader_close(&bench, second);
    reader_close(&bench, first);
    bench_close(&bench);
}

static void test_queue__joins_up_a_partition_that_returns(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    check_return(&bench);
    bench_close(&bench);
}

/* Nobody polls for longer than the group allows: the partitions may be another's by now. */
static void test_queue__commits_nothing_of_a_lost_assignment(void **state)
{
    (void)state;
    struct queue_property hasty[] = {{TEXT("session.timeout.ms"), TEXT("6000")},
                                     {TEXT("max.poll.interval.ms"), TEXT("6000")}};
    bench_open(&bench, brokers, 0);
    bench.options.properties = hasty;
    bench.options.property_count = COUNT_OF(hasty);
    produce_numbers(&bench, "k", 0, 6);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 6);
    for (size_t i = 0; i < 3; i++)
        settle_at(reader, i);
    assert_int_equal(poll(NULL, 0, 7500), 0); /* a loop that hangs */
    WAIT(&bench, reader->revoked == 1);
    assert_true(reader->was_lost);
    assert_int_equal(committed_of(&bench, message_view(reader->messages[3])->partition),
                     RD_KAFKA_OFFSET_INVALID);
    WAIT(&bench, reader->assigned == 2);
    for (size_t i = 3; i < 6; i++)
        settle_at(reader, i);
    WAIT(&bench, queue_figures(reader->queue).lag == 0);
    assert_int_equal(reader->total, 6); /* it came back to where it was known */
    reader_close(&bench, reader);
    bench_close(&bench);
}

static void produce_transaction(rd_kafka_t *producer, unsigned from, unsigned to, bool is_kept)
{
    assert_null(rd_kafka_begin_transaction(producer));
    for (unsigned i = from; i < to; i++) {
        char value[16];
        assert_true(text_format(value, sizeof(value), "%u", i));
        assert_int_equal(
            rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(bench.topic), RD_KAFKA_V_KEY("k", 1),
                              RD_KAFKA_V_VALUE(value, strlen(value)),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
            RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    assert_int_equal(rd_kafka_flush(producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_null(is_kept ? rd_kafka_commit_transaction(producer, 10000)
                        : rd_kafka_abort_transaction(producer, 10000));
}

/* Markers and records of aborted transactions have offsets and are never delivered. */
static void test_queue__passes_offsets_that_hold_nothing_for_it(void **state)
{
    (void)state;
    char reason[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bench_open(&bench, brokers, 0);
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, reason, sizeof(reason)),
                     0);
    assert_int_equal(
        rd_kafka_conf_set(conf, "transactional.id", bench.topic, reason, sizeof(reason)), 0);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(producer);
    assert_null(rd_kafka_init_transactions(producer, 20000));
    produce_transaction(producer, 0, 2, true);
    produce_transaction(producer, 100, 150, false);
    produce_transaction(producer, 2, 3, true);
    produce_transaction(producer, 200, 250, false); /* and fetches that bring nothing */
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(number_at(reader, i), i);
    assert_int_equal(message_view(reader->messages[2])->offset, 54);
    settle_at(reader, 2);
    settle_at(reader, 0);
    settle_at(reader, 1);
    reader_close(&bench, reader);
    produce_transaction(producer, 3, 4, true);
    struct reader *again = reader_open(&bench, 100);
    WAIT(&bench, again->count == 1);
    assert_int_equal(number_at(again, 0), 3);
    reader_close(&bench, again);
    rd_kafka_destroy(producer);
    bench_close(&bench);
}

static void test_queue__closes_while_a_rebalance_is_under_way(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    check_close_in_rebalance(&bench);
    bench_close(&bench);
}

static void test_queue__waits_for_a_topic_that_does_not_exist_yet(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    struct reader *reader = reader_open(&bench, 10);
    linger(&bench, 1000);
    produce_numbers(&bench, "k", 0, 1); /* makes it */
    WAIT(&bench, reader->count == 1);
    settle_at(reader, 0);
    reader_close(&bench, reader);
    bench_close(&bench);
}

/* Deletes the records of every partition below the offset, as retention does. */
static void delete_below(int64_t offset)
{
    char reason[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, reason, sizeof(reason)),
                     0);
    rd_kafka_t *admin = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(admin);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(6);
    for (int32_t partition = 0; partition < 6; partition++) {
        int64_t low, high;
        if (rd_kafka_query_watermark_offsets(admin, bench.topic, partition, &low, &high, 5000) ==
                RD_KAFKA_RESP_ERR_NO_ERROR &&
            high >= offset)
            rd_kafka_topic_partition_list_add(list, bench.topic, partition)->offset = offset;
    }
    assert_true(list->cnt > 0);
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_DeleteRecords(admin, &request, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(admin);
}

static void test_queue__tells_what_retention_took_and_steps_over_it(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    produce_numbers(&bench, "k", 0, 10);
    struct reader *first = reader_open(&bench, 100);
    WAIT(&bench, first->count == 10);
    settle_at(first, 0);
    settle_at(first, 1);
    reader_close(&bench, first); /* commits 2 */
    delete_below(7);

    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 1);
    linger(&bench, 500);
    assert_int_equal(reader->count, 1); /* first the loss is recorded */
    const struct message_view *view = message_view(reader->messages[0]);
    assert_true(view->is_unreadable);
    assert_int_equal(view->unreadable, ERR_EVENT_UNREADABLE);
    assert_int_equal(view->offset, 2);
    assert_true(view->value.bytes > 10);

    settle_at(reader, 0);
    WAIT(&bench, reader->count == 4);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(message_view(reader->messages[i])->offset, 6 + (int64_t)i);
        settle_at(reader, i);
    }
    WAIT(&bench, queue_figures(reader->queue).lag == 0);
    reader_close(&bench, reader);

    produce_numbers(&bench, "k", 10, 11);
    struct reader *last = reader_open(&bench, 100);
    WAIT(&bench, last->count == 1);
    assert_int_equal(number_at(last, 0), 10);
    reader_close(&bench, last);
    bench_close(&bench);
}

/* Commits for the group from outside, for the partition that holds the bench's messages. */
static void commit_from_outside(int32_t partition, int64_t offset)
{
    char reason[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, reason, sizeof(reason)),
                     0);
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", bench.group, reason, sizeof(reason)), 0);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    assert_non_null(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, bench.topic, partition)->offset = offset;
    assert_int_equal(rd_kafka_commit(consumer, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
}

static void test_queue__starts_over_when_the_log_ends_before_the_committed_offset(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    produce_numbers(&bench, "k", 0, 10);
    struct reader *first = reader_open(&bench, 100);
    WAIT(&bench, first->count == 10);
    int32_t partition = message_view(first->messages[0])->partition;
    reader_close(&bench, first);
    commit_from_outside(partition, 50);

    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 1);
    assert_true(message_view(reader->messages[0])->is_unreadable);
    assert_int_equal(message_view(reader->messages[0])->offset, 50);
    settle_at(reader, 0);
    WAIT(&bench, reader->count == 11);
    for (size_t i = 1; i < 11; i++)
        settle_at(reader, i);
    WAIT(&bench, queue_figures(reader->queue).lag == 0);
    reader_close(&bench, reader);

    produce_numbers(&bench, "k", 10, 11);
    struct reader *last = reader_open(&bench, 100);
    WAIT(&bench, last->count == 1);
    assert_int_equal(number_at(last, 0), 10);
    reader_close(&bench, last);
    bench_close(&bench);
}

/* A topic that was made anew is empty at first: what comes after the next restart, and reaches no
 * further than the old offset, is no less new. */
static void test_queue__an_empty_log_takes_the_commit_back_to_its_beginning(void **state)
{
    (void)state;
    bench_open(&bench, brokers, 0);
    produce_numbers(&bench, "k", 0, 3);
    struct reader *first = reader_open(&bench, 100);
    WAIT(&bench, first->count == 3);
    int32_t partition = message_view(first->messages[0])->partition;
    reader_close(&bench, first);
    delete_below(3);
    commit_from_outside(partition, 9);

    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 1);
    assert_int_equal(message_view(reader->messages[0])->offset, 9);
    settle_at(reader, 0);
    reader_close(&bench, reader);

    produce_numbers(&bench, "k", 3, 15);
    struct reader *last = reader_open(&bench, 100);
    WAIT(&bench, last->count >= 1);
    if (message_view(last->messages[0])->is_unreadable) /* the log does not begin at 0 */
        settle_at(last, 0);
    WAIT(&bench, last->count == 13);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(number_at(last, i + 1), 3 + i);
    reader_close(&bench, last);
    bench_close(&bench);
}

int main(void)
{
    brokers = getenv("TEST_KAFKA_BROKERS");
    if (!brokers) {
        puts("SKIPPED: TEST_KAFKA_BROKERS is not set");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue__delivers_keys_headers_and_null_values),
        cmocka_unit_test(test_queue__commits_the_finished_prefix_and_delivers_the_rest_again),
        cmocka_unit_test(test_queue__settles_of_a_revoked_epoch_move_nothing),
        cmocka_unit_test(test_queue__commits_when_it_is_revoked),
        cmocka_unit_test(test_queue__joins_up_a_partition_that_returns),
        cmocka_unit_test(test_queue__commits_nothing_of_a_lost_assignment),
        cmocka_unit_test(test_queue__passes_offsets_that_hold_nothing_for_it),
        cmocka_unit_test(test_queue__closes_while_a_rebalance_is_under_way),
        cmocka_unit_test(test_queue__waits_for_a_topic_that_does_not_exist_yet),
        cmocka_unit_test(test_queue__tells_what_retention_took_and_steps_over_it),
        cmocka_unit_test(test_queue__starts_over_when_the_log_ends_before_the_committed_offset),
        cmocka_unit_test(test_queue__an_empty_log_takes_the_commit_back_to_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
