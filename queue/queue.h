/*
 * queue.h - messages in, offsets out.
 *
 * A message is delivered while credit is left, and settled when all its events have reached their
 * end. The finished prefix of each partition is committed; nothing else is. Kafka is polled all the
 * time: back-pressure is giving no credit.
 * Owns:   every message from on_message until queue_settle(); the consumer; its commits.
 * Thread: the loop thread (librdkafka's own threads reach us through a descriptor only).
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "worker/base/error.h"
#include "worker/base/loop.h"

struct queue;
struct message; /* opaque; a view is borrowed from it */

struct header {
    struct text name, value;
};

struct message_view {
    struct text topic, key, value; /* value.start NULL: a null value */
    const struct header *headers;
    size_t header_count;
    int32_t partition;
    int64_t offset;
    uint64_t time_ms; /* since 1970, 0 when the broker gave none */
    uint64_t epoch;   /* of the assignment it was delivered in */
    enum error_code
        unreadable; /* ERR_EVENT_UNREADABLE: an error that carried an offset; value is its text */
    bool is_unreadable;
};

/* Popping stops while this much is delivered and not settled: 131,072 S3 events fit. */
#define QUEUE_BYTES_MAX ((uint64_t)256 << 20)

struct queue_property {
    struct text name, value; /* any librdkafka property; NUL-terminated */
};

struct queue_options {
    struct text brokers, topic, group, client_id; /* NUL-terminated */
    const struct queue_property *properties;      /* KAFKA_PROP_*: after ours, so they win */
    size_t property_count;
    uint64_t unsettled_bytes_max; /* of messages not settled; 0: QUEUE_BYTES_MAX */
    bool is_in_process_broker;    /* short sessions and fetch waits, see kafka_broker.h */
    bool start_at_end;            /* tests only; a new group starts at the beginning */
};

struct queue_events {
    void *arg;
    void (*on_message)(void *arg, struct message *message); /* only while credit is left */
    /* Settling its messages moves no offset from now on. Those that are still held when their
     * partition comes back are not delivered again: then settling them counts once more. */
    void (*on_revoked)(void *arg, uint64_t epoch, bool is_lost);
    void (*on_assigned)(void *arg, uint32_t partition_count);
    void (*on_fatal)(void *arg, const struct error *err); /* the process must end */
    /* NULL is allowed. Something passing, for the log: a broker away, a right missing, no such
     * topic; may repeat often. */
    void (*on_trouble)(void *arg, const struct error *err);
};

/* "2.0.2, built for 2.0.2": librdkafka as it was found, and whose headers it was built with. */
#define QUEUE_LIBRARY_BYTES 64
void queue_library(char ret_versions[QUEUE_LIBRARY_BYTES]);
/* ERR_CONFIG for a bad property. A broker that is away is not an error: it is waited for. */
struct queue *queue_open(struct loop *loop, const struct queue_options *options,
                         struct queue_events events, struct error *err) MUST_CHECK;
const struct message_view *message_view(const struct message *message);
size_t message_bytes(const struct message *message); /* key and value, as they are kept */
struct packer;
/* A message that waits longer in less memory: until it is unpacked its view has no value. Both take
 * the message and answer the one to use from now on. */
struct message *queue_pack(struct queue *queue, struct message *message, struct packer *packer);
struct message *queue_unpack(struct queue *queue, struct message *message, struct packer *packer);
void queue_credit(struct queue *queue,
                  uint32_t messages); /* may be delivered from now on; replaces the former figure */
void queue_settle(struct queue *queue,
                  struct message *message); /* takes it: all its events are final */
void queue_abandon(struct queue *queue,
                   struct message *message); /* takes it unfinished: it is delivered again, here
                                                after a second while credit is left, or elsewhere */

struct queue_figures {
    uint64_t lag;           /* messages of owned partitions not yet committed */
    uint64_t oldest_age_ms; /* of the oldest message not yet settled, 0 when there is none */
    uint64_t unsettled_bytes;
    uint32_t partitions, unsettled;
    bool has_joined; /* an assignment came once */
    bool is_fatal;
};
struct queue_figures queue_figures(const struct queue *queue);

/* Commits what is settled, leaves the group, destroys. Messages not yet settled must have been
 * abandoned before. on_closed comes within 10 s whatever the broker does. */
void queue_close(struct queue *queue, void (*on_closed)(void *arg), void *arg);

#endif
