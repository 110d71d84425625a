/*
 * kafka_message.h - a message with bytes of its own: one allocation, nothing of librdkafka's kept.
 *
 * A borrowed librdkafka message would keep its whole fetch response alive (1 MiB and more for one
 * straggler) and would stand in the way of destroying the client; a copy costs what it holds.
 * Only the kafka*.c family includes it.
 * Thread: the loop thread.
 */
#ifndef QUEUE_KAFKA_MESSAGE_H
#define QUEUE_KAFKA_MESSAGE_H

#include "queue/queue.h"

struct packer;
struct rd_kafka_message_s;
struct partition;

struct message {
    struct message_view view;
    struct list_node node; /* in its partition's list */
    struct partition *partition;
    uint64_t tracker_epoch; /* struct offsets' */
    uint64_t print;         /* recall.h */
    uint64_t again_ms;      /* abandoned: not to be delivered before */
    size_t bytes;           /* of this allocation */
    struct text packed;     /* its value, which the view lacks then; none: it is not packed */
    size_t plain_bytes;     /* packed: of its value as it came */
    bool is_tracked;        /* known to the tracker: it is delivered for the second time */
    struct header headers[];
};

/* The topic's text is borrowed for the message's life. Ends with xfree(). */
struct message *message_copy(const struct rd_kafka_message_s *vendor, struct text topic);
struct message *message_unreadable(struct text topic, int32_t partition, int64_t offset,
                                   struct text reason);
/* The same with another form of the value, in no list yet. NULL: packing does not pay; it is plain. */
struct message *message_packed(const struct message *message, struct packer *packer);
struct message *message_unpacked(const struct message *message, struct packer *packer);

#endif
