/* What a cluster of several brokers does to a consumer: who leads moves, brokers go away, requests
 * are refused. Over librdkafka's mock of one. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "tests/contract/queue_group.h"
#include "tests/unit/tls_server.h"

#define BROKERS 3
#define OUTAGE_MS 8000 /* longer than the session; TEST_OUTAGE_MS sets another one */
/* Of the protocol. */
#define API_PRODUCE 0
#define API_FETCH 1
#define API_OFFSET_COMMIT 8
#define API_FIND_COORDINATOR 10
#define API_JOIN_GROUP 11
#define API_HEARTBEAT 12

static struct bench bench;
static struct cluster {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *mock;
} cluster;

/* Of the partition, and of the group. */
static void lead(int32_t broker)
{
    assert_int_equal(rd_kafka_mock_partition_set_leader(cluster.mock, bench.topic, 0, broker), 0);
    assert_int_equal(rd_kafka_mock_coordinator_set(cluster.mock, "group", bench.group, broker), 0);
}

static int open_cluster(void **state)
{
    static struct queue_property hasty[5];
    const struct queue_property wanted[COUNT_OF(hasty)] = {
        {TEXT("session.timeout.ms"), TEXT("6000")},
        {TEXT("heartbeat.interval.ms"), TEXT("500")},
        {TEXT("fetch.wait.max.ms"), TEXT("10")},
        {TEXT("reconnect.backoff.max.ms"), TEXT("500")},
        {TEXT("topic.metadata.refresh.interval.ms"), TEXT("1000")},
    };
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)state;
    rd_kafka_conf_set_log_cb(conf, NULL);
    cluster.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(cluster.host);
    cluster.mock = rd_kafka_mock_cluster_new(cluster.host, BROKERS);
    assert_non_null(cluster.mock);
    bench_open(&bench, rd_kafka_mock_cluster_bootstraps(cluster.mock), 0);
    assert_int_equal(rd_kafka_mock_topic_create(cluster.mock, bench.topic, 1, BROKERS), 0);
    memcpy(hasty, wanted, sizeof(hasty));
    bench.options.properties = hasty;
    bench.options.property_count = COUNT_OF(hasty);
    lead(1);
    return 0;
}

static int close_cluster(void **state)
{
    (void)state;
    bench_close(&bench);
    rd_kafka_mock_cluster_destroy(cluster.mock);
    rd_kafka_destroy(cluster.host);
    return 0;
}

static void settle_from(struct reader *reader, size_t from)
{
    for (size_t i = from; i < reader->count; i++)
        if (reader->messages[i])
            settle_at(reader, i);
}

static void assert_all_committed(struct reader *reader)
{
    size_t total = reader->total;
    WAIT(&bench, committed_of(&bench, 0) == bench.produced);
    assert_int_equal(reader->total, total);
    reader_close(&bench, reader);
    assert_int_equal(committed_of(&bench, 0), bench.produced);
}

static void test_queue__follows_the_leader_and_the_coordinator(void **state)
{
    (void)state;
    produce_numbers(&bench, "k", 0, 6);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 6);
    WAIT(&bench, queue_figures(reader->queue).lag == 6); /* it is measured */
    for (int32_t broker = 2; broker <= BROKERS; broker++) {
        lead(broker);
        settle_from(reader, 0);
        produce_numbers(&bench, "k", (unsigned)reader->total, (unsigned)reader->total + 6);
        WAIT(&bench, reader->total == 6 * (size_t)broker);
    }
    settle_from(reader, 0);
    for (size_t i = 0; i < reader->total; i++)
        assert_null(reader->messages[i]); /* each came once */
    assert_int_equal(reader->fatal, 0);
    assert_all_committed(reader);
}

static void test_queue__commits_again_what_the_coordinator_refused(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t REFUSALS[] = {
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION};
    produce_numbers(&bench, "k", 0, COUNT_OF(REFUSALS));
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == COUNT_OF(REFUSALS));
    WAIT(&bench, queue_figures(reader->queue).lag == COUNT_OF(REFUSALS)); /* it is measured */
    rd_kafka_mock_push_request_errors_array(cluster.mock, API_OFFSET_COMMIT, COUNT_OF(REFUSALS),
                                            REFUSALS);
    settle_from(reader, 0);
    /* The last refusal ended the membership, and nothing had been committed: all of it comes again,
     * and is known. */
    WAIT(&bench, reader->revoked == 1 && reader->assigned == 2);
    assert_int_equal(reader->fatal, 0);
    assert_all_committed(reader);
}

/* Whoever mends the rights need not restart anything. */
static void check_denied(int16_t api, const char *named, rd_kafka_resp_err_t code)
{
    static rd_kafka_resp_err_t refusals[200];
    produce_numbers(&bench, "k", 0, 3);
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        refusals[i] = code;
    rd_kafka_mock_push_request_errors_array(cluster.mock, api, COUNT_OF(refusals), refusals);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->last_error.code == ERR_DENIED);
    if (!strstr(reader->last_error.message, named))
        fail_msg("%s is not named: %s", named, reader->last_error.message);
    assert_int_equal(reader->fatal, 0);
    rd_kafka_mock_clear_request_errors(cluster.mock, api);
    WAIT(&bench, reader->count == 3);
    WAIT(&bench, queue_figures(reader->queue).lag == 3);
    settle_from(reader, 0);
    assert_all_committed(reader);
}

static void test_queue__tells_a_topic_that_it_may_not_read_and_waits(void **state)
{
    (void)state;
    check_denied(API_FETCH, bench.topic, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
}

static void test_queue__tells_a_group_that_it_may_not_join_and_waits(void **state)
{
    (void)state;
    check_denied(API_JOIN_GROUP, bench.group, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
}

static void test_queue__finds_the_coordinator_when_it_is_told_at_last(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t REFUSALS[] = {
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE};
    produce_numbers(&bench, "k", 0, 3);
    rd_kafka_mock_push_request_errors_array(cluster.mock, API_FIND_COORDINATOR, COUNT_OF(REFUSALS),
                                            REFUSALS);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 3);
    WAIT(&bench, queue_figures(reader->queue).lag == 3);
    settle_from(reader, 0);
    assert_int_equal(reader->fatal, 0);
    assert_all_committed(reader);
}

static void test_queue__tells_a_group_that_it_may_not_look_for_and_waits(void **state)
{
    (void)state;
    check_denied(API_FIND_COORDINATOR, bench.group, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
}

/* What was finished meanwhile is known still, what is in work goes on; each time one more. */
static void test_queue__joins_again_when_its_heartbeat_is_refused(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t REFUSALS[] = {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                                                   RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS};
    produce_numbers(&bench, "k", 0, 4);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 4);
    for (unsigned i = 0; i < COUNT_OF(REFUSALS); i++) {
        WAIT(&bench, reader->assigned == i + 1);
        rd_kafka_mock_push_request_errors(cluster.mock, API_HEARTBEAT, 1, REFUSALS[i]);
        WAIT(&bench, reader->revoked == i + 1);
        settle_at(reader, i + 1);
    }
    settle_from(reader, 0);
    assert_int_equal(reader->fatal, 0);
    assert_all_committed(reader);
}

/* The membership outlives a coordinator that is away for less than the session. */
static void test_queue__outlives_heartbeats_that_no_coordinator_took(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t REFUSALS[] = {RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                                   RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                                   RD_KAFKA_RESP_ERR__TRANSPORT};
    produce_numbers(&bench, "k", 0, 3);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 3);
    rd_kafka_mock_push_request_errors_array(cluster.mock, API_HEARTBEAT, COUNT_OF(REFUSALS),
                                            REFUSALS);
    linger(&bench, 3000);
    WAIT(&bench, queue_figures(reader->queue).lag == 3);
    settle_from(reader, 0);
    assert_int_equal(reader->total, 3);
    assert_int_equal(reader->fatal, 0);
    assert_all_committed(reader);
}

/* The mirror of dead letters and `dlq replay` wait for the report of each record. */
static void test_topic__writes_again_what_the_leader_refused_for_now(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t REFUSALS[] = {
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND};
    rd_kafka_mock_push_request_errors_array(cluster.mock, API_PRODUCE, COUNT_OF(REFUSALS),
                                            REFUSALS);
    for (unsigned i = 0; i < 3; i++)
        produce(&bench, "k", TEXT("a letter"), NULL, 0);
    WAIT(&bench, bench.produced == 3);
    assert_int_equal(bench.refused, 0);
}

static void test_topic__tells_what_the_leader_refuses_for_good(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t refusal;
        enum error_code code;
    } ROWS[] = {
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_EVENT_TOO_LARGE},
        {RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, ERR_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_DENIED},
    };
    for (unsigned i = 0; i < COUNT_OF(ROWS); i++) {
        rd_kafka_mock_push_request_errors(cluster.mock, API_PRODUCE, 1, ROWS[i].refusal);
        produce(&bench, "k", TEXT("a letter"), NULL, 0);
        WAIT(&bench, bench.refused == i + 1);
        assert_int_equal(bench.refusal.code, ROWS[i].code);
    }
    while (bench.produced == 0) { /* no harm was done, once librdkafka has looked at it again */
        produce(&bench, "k", TEXT("a letter"), NULL, 0);
        linger(&bench, 200);
    }
}

static void test_queue__loses_nothing_while_all_brokers_are_away(void **state)
{
    (void)state;
    const char *wanted = getenv("TEST_OUTAGE_MS");
    uint64_t outage_ms = OUTAGE_MS;
    assert_true(!wanted || text_parse_u64(text_from(wanted), &outage_ms));
    produce_numbers(&bench, "k", 0, 6);
    struct reader *reader = reader_open(&bench, 100);
    WAIT(&bench, reader->count == 6);
    settle_at(reader, 0);
    WAIT(&bench, queue_figures(reader->queue).lag == 5);

    for (int32_t broker = 1; broker <= BROKERS; broker++)
        rd_kafka_mock_broker_set_down(cluster.mock, broker);
    settle_at(reader, 1); /* work that was begun goes on meanwhile */
    linger(&bench, outage_ms);
    assert_int_equal(error_disposition(reader->last_error.code), DISPOSITION_RETRY);
    assert_int_equal(reader->fatal, 0);
    for (int32_t broker = 1; broker <= BROKERS; broker++)
        rd_kafka_mock_broker_set_up(cluster.mock, broker);

    settle_from(reader, 2);
    produce_numbers(&bench, "k", 6, 9);
    WAIT(&bench, reader->count >= 9 && number_at(reader, reader->count - 1) == 8);
    settle_from(reader, 6);
    assert_all_committed(reader);
}

/* A broker whose certificate has expired: it is told, and asked again. */
static void test_queue__tells_a_certificate_that_has_expired(void **state)
{
    (void)state;
    struct error err = {0};
    struct tls_server broker;
    char address[32];
    tls_server_start(&broker, -3600);
    assert_true(text_format(address, sizeof(address), "127.0.0.1:%u", broker.port));
    const struct queue_property secure[] = {
        {TEXT("security.protocol"), TEXT("ssl")},
        {TEXT("ssl.ca.location"), text_from(broker.ca_path)},
    };
    bench = (struct bench){.loop = loop_new(&err)};
    bench.options = (struct queue_options){.brokers = text_from(address),
                                           .topic = TEXT("uploads"),
                                           .group = TEXT("workers"),
                                           .properties = secure,
                                           .property_count = COUNT_OF(secure)};
    struct reader *reader = reader_open(&bench, 10);
    WAIT(&bench, reader->last_error.code == ERR_DENIED);
    assert_non_null(strstr(reader->last_error.message, "certificate"));
    assert_non_null(strstr(reader->last_error.message, address));
    assert_int_equal(reader->fatal, 0);
    reader_close(&bench, reader);
    loop_free(bench.loop);
    tls_server_stop(&broker);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_cluster, close_cluster)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_queue__follows_the_leader_and_the_coordinator),
        TEST(test_queue__commits_again_what_the_coordinator_refused),
        TEST(test_queue__tells_a_topic_that_it_may_not_read_and_waits),
        TEST(test_queue__tells_a_group_that_it_may_not_join_and_waits),
        TEST(test_queue__finds_the_coordinator_when_it_is_told_at_last),
        TEST(test_queue__tells_a_group_that_it_may_not_look_for_and_waits),
        TEST(test_queue__joins_again_when_its_heartbeat_is_refused),
        TEST(test_queue__outlives_heartbeats_that_no_coordinator_took),
        TEST(test_topic__writes_again_what_the_leader_refused_for_now),
        TEST(test_topic__tells_what_the_leader_refuses_for_good),
        TEST(test_queue__loses_nothing_while_all_brokers_are_away),
        cmocka_unit_test(test_queue__tells_a_certificate_that_has_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
