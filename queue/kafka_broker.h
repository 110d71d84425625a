/*
 * kafka_broker.h - a broker inside this process, for `dev` and tests (librdkafka's mock cluster).
 *
 * Listens on 127.0.0.1, a port of its own choice. Memory only; drops what exceeds 5 MiB or 100,000
 * batches per partition, silently: so keep at most BROKER_UNSETTLED_MAX messages unsettled
 * (research/kafka.md 3.3), and see a low watermark above 0 as fatal.
 * Thread: the loop thread.
 */
#ifndef QUEUE_KAFKA_BROKER_H
#define QUEUE_KAFKA_BROKER_H

#include "worker/base/error.h"

#define BROKER_PARTITIONS 64
#define BROKER_UNSETTLED_MAX 100000

struct kafka_broker;
struct kafka_broker *kafka_broker_open(struct text topic, uint32_t partition_count,
                                       struct error *err) MUST_CHECK;
struct text
kafka_broker_address(const struct kafka_broker *broker); /* NUL-terminated bootstrap list */
void kafka_broker_close(struct kafka_broker *broker);    /* NULL is allowed */

#endif
