/*
 * kafka_client.h - what consumer and producer share: settings, words for errors, the wake-up.
 *
 * Only the kafka*.c family includes it.
 * Thread: the loop thread; librdkafka's threads do no more than wake it.
 */
#ifndef QUEUE_KAFKA_CLIENT_H
#define QUEUE_KAFKA_CLIENT_H

#include "queue/queue.h"

struct rd_kafka_s;
struct rd_kafka_queue_s;
struct rd_kafka_op_s; /* an event */

struct kafka_setting {
    const char *name, *value;
};
struct kafka_settings {
    const struct kafka_setting *items;
    size_t count;
    int events; /* RD_KAFKA_EVENT_* that come as events */
    bool is_consumer;
};

/* The user's properties come after ours and win, but for the few that would break our promises:
 * those are ERR_CONFIG. A value is never part of the message: it may be a secret. */
struct rd_kafka_s *kafka_client_new(const struct queue_options *options,
                                    struct kafka_settings settings, struct error *err) MUST_CHECK;
/* Translates an rd_kafka_resp_err_t; the vendor's name stays in the message. Returns false. */
bool kafka_error(struct error *err, int vendor_code, const char *what);

/* librdkafka's own lines, which come as RD_KAFKA_EVENT_LOG: debug (KAFKA_PROP_DEBUG makes more). */
void kafka_log(struct rd_kafka_op_s *event);

/* Runs on_wake on the loop thread soon after a queue that was empty got something. No second wake
 * comes before the queue has been polled. */
struct kafka_wake;
struct kafka_wake *kafka_wake_open(struct loop *loop, void (*on_wake)(void *arg), void *arg);
void kafka_wake_watch(struct kafka_wake *wake, struct rd_kafka_queue_s *queue);
void kafka_wake_forget(struct rd_kafka_queue_s *queue); /* no wake comes from it any more */
/* Every queue must have been forgotten. */
void kafka_wake_close(struct kafka_wake *wake, void (*on_closed)(void *arg));

#endif
