#include "queue/kafka_broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "worker/base/memory.h"

struct kafka_broker {
    rd_kafka_t *host; /* the mock lives in a client's thread; it is not used as one */
    rd_kafka_mock_cluster_t *cluster;
};

struct kafka_broker *kafka_broker_open(struct text topic, uint32_t partition_count,
                                       struct error *err)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!host) {
        rd_kafka_conf_destroy(conf);
        error_set(err, ERR_IO, "in-process broker: %s", reason);
        return NULL;
    }
    struct kafka_broker *broker = xcalloc(1, sizeof(*broker));
    broker->host = host;
    broker->cluster = rd_kafka_mock_cluster_new(host, 1);
    if (broker->cluster &&
        rd_kafka_mock_topic_create(broker->cluster, topic.start, (int)partition_count, 1) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
        return broker;
    error_set(err, ERR_IO, "in-process broker: no loopback port, or no such topic name");
    kafka_broker_close(broker);
    return NULL;
}

struct text kafka_broker_address(const struct kafka_broker *broker)
{
    return text_from(rd_kafka_mock_cluster_bootstraps(broker->cluster));
}

void kafka_broker_close(struct kafka_broker *broker)
{
    if (!broker)
        return;
    if (broker->cluster)
        rd_kafka_mock_cluster_destroy(broker->cluster);
    rd_kafka_destroy(broker->host);
    xfree(broker);
}
