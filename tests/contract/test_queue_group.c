/* queue.h over the in-process broker: joining, rebalances and leaving, which take their time there.
 */
#include "tests/contract/queue_scenarios.h"

static struct bench bench;

static void test_queue__settles_of_a_revoked_epoch_move_nothing(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 8);
    check_rebalance(&bench);
    bench_close(&bench);
}

static void test_queue__joins_up_a_partition_that_returns(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 4);
    check_return(&bench);
    bench_close(&bench);
}

static void test_queue__closes_while_a_rebalance_is_under_way(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 4);
    check_close_in_rebalance(&bench);
    bench_close(&bench);
}

static void test_queue__closes_before_it_has_joined(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 4);
    for (uint64_t after_ms = 0; after_ms <= 3000; after_ms += 600) { /* the first join takes 3 s */
        struct reader *reader = reader_open(&bench, 1);
        linger(&bench, after_ms);
        reader_close(&bench, reader);
    }
    bench_close(&bench);
}

static void test_queue__closes_when_the_broker_is_away(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 1);
    bench.options.brokers = TEXT("127.0.0.1:1");
    struct reader *reader = reader_open(&bench, 1);
    WAIT(&bench, reader->last_error.code == ERR_UNREACHABLE);
    assert_int_equal(reader->fatal, 0);
    reader_close(&bench, reader);
    bench_close(&bench);
}

static void test_queue__closes_when_the_broker_went_away_before_the_last_commit(void **state)
{
    (void)state;
    bench_open(&bench, NULL, 4);
    produce_numbers(&bench, "k", 0, 3);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 3);
    kafka_broker_close(bench.broker);
    bench.broker = NULL;
    settle_at(reader, 0);
    reader_close(&bench, reader);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue__settles_of_a_revoked_epoch_move_nothing),
        cmocka_unit_test(test_queue__joins_up_a_partition_that_returns),
        cmocka_unit_test(test_queue__closes_while_a_rebalance_is_under_way),
        cmocka_unit_test(test_queue__closes_before_it_has_joined),
        cmocka_unit_test(test_queue__closes_when_the_broker_is_away),
        cmocka_unit_test(test_queue__closes_when_the_broker_went_away_before_the_last_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
