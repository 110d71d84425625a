/* What the broker itself says of the bench's group, asked by a client of its own. */
#ifndef TESTS_CONTRACT_QUEUE_GROUP_H
#define TESTS_CONTRACT_QUEUE_GROUP_H

#include <librdkafka/rdkafka.h>

#include "tests/contract/queue_bench.h"

/* RD_KAFKA_OFFSET_INVALID: nothing. The bench's loop stands still meanwhile. */
static inline int64_t committed_of(const struct bench *bench, int32_t partition)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", bench->options.brokers.start,
                                       reason, sizeof(reason)),
                     0);
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", bench->group, reason, sizeof(reason)), 0);
    rd_kafka_t *asker = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    assert_non_null(asker);
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(places, bench->topic, partition);
    assert_int_equal(rd_kafka_committed(asker, places, 10000), 0);
    int64_t offset = places->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(places);
    rd_kafka_destroy(asker);
    return offset;
}

#endif
