/*
 * topic.h - writing to a topic, and one bounded look at it (submit, dead letters' mirror, check).
 *
 * Owns:   its producer. Copies what it is given.
 * Thread: the loop thread.
 */
#ifndef QUEUE_TOPIC_H
#define QUEUE_TOPIC_H

#include "queue/queue.h"

struct topic;
struct topic_record {
    /* in: borrowed for the call only */
    struct text topic, key, value; /* topic NUL-terminated */
    const struct header *headers;
    size_t header_count;
    /* Once, when the broker has it for good (acks=all) or it failed. */
    void (*on_done)(struct topic_record *record, const struct error *err);
    void *arg;
};

/* Records that librdkafka's own buffer (100,000 records, 128 MiB) has no room for are answered with
 * ERR_THROTTLED: wait for others first. */
struct topic *topic_open(struct loop *loop, const struct queue_options *options,
                         struct error *err) MUST_CHECK;
void topic_produce(struct topic *topic,
                   struct topic_record *record); /* the struct lives until on_done */
/* Metadata of the topic within timeout_ms: for `check`. ret_partitions 0: it does not exist. */
struct topic_probe {
    struct text topic;
    uint32_t partitions; /* out */
    void (*on_done)(struct topic_probe *probe, const struct error *err);
    struct work work; /* private from here */
    struct topic *owner;
    void *private_request;
};
void topic_describe(struct topic *topic, struct topic_probe *probe, uint64_t timeout_ms);
void topic_close(struct topic *topic, void (*on_closed)(void *arg),
                 void *arg); /* flushes for up to 5 s */

#endif
