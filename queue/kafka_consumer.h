/*
 * kafka_consumer.h - the inside of struct queue, for the files that share the work on it.
 *
 *     kafka.c        opens, is called by the owner, closes
 *     kafka_group.c  assignments: committed offsets are asked for, partitions begin and end;
 * commits kafka_drain.c  pops messages, round robin, while there is credit
 *
 * Only the kafka*.c family includes it.
 * Thread: the loop thread.
 */
#ifndef QUEUE_KAFKA_CONSUMER_H
#define QUEUE_KAFKA_CONSUMER_H

#include "queue/kafka_client.h"
#include "queue/kafka_message.h"
#include "queue/offsets.h"
#include "queue/recall.h"

#define QUEUE_TICK_MS 1000
#define QUEUE_HURRY_MS 20 /* to the next tick, once all that was delivered is settled */

struct rd_kafka_op_s; /* an event */
struct rd_kafka_topic_partition_list_s;

/* One for each partition ever owned, kept until the queue closes: messages point to it. */
struct partition {
    struct list_node node; /* ready or dry, while it is owned */
    int32_t number;
    struct offsets offsets;
    struct recall recall;           /* kept for a while after the partition is taken away */
    uint64_t ended_ms;              /* when it was */
    struct rd_kafka_queue_s *queue; /* its own, not forwarded: NULL when it is not owned */
    int64_t position;               /* the next offset to pop; a logical one before the first */
    int64_t resume;                 /* is_blocked: where to go on after the unreadable record */
    bool is_blocked;                /* not fetched until the unreadable record is settled */
    struct message *held;           /* popped, not yet delivered: no room in the tracker */
    struct list unsettled;          /* struct message, those of earlier epochs first */
    struct list again;              /* struct message: abandoned, the first is due first */
    uint64_t commit_epoch;          /* the commit on its way: for which epoch, 0 for none */
};

enum queue_phase {
    QUEUE_WAITING,  /* for an assignment */
    QUEUE_ASKING,   /* assigned: the committed offsets are asked for */
    QUEUE_STEADY,   /* consuming */
    QUEUE_REVOKING, /* the last commit of the assignment is on its way */
};

enum queue_closing { QUEUE_OPEN, QUEUE_COMMITTING, QUEUE_LEAVING, QUEUE_DESTROYING };

struct queue {
    struct loop *loop;
    struct queue_events events;
    char *topic, *group;
    bool is_in_process_broker, start_at_end;
    uint64_t unsettled_bytes_max;

    struct rd_kafka_s *client;
    struct rd_kafka_queue_s *consumer_queue, *reply_queue;
    struct rd_kafka_topic_s *known_topic;
    struct kafka_wake *wake;
    struct later turn; /* a wake-up of our own: something is left to do */
    struct timer tick;
    bool is_tick_near;

    enum queue_phase phase;
    enum queue_closing closing;
    uint64_t epoch;                                /* of the present or last assignment */
    uint64_t tracker_epoch;                        /* the last one given to a tracker */
    struct rd_kafka_topic_partition_list_s *asked; /* QUEUE_ASKING: the assignment */
    uint64_t ask_number;                           /* answers to former questions are dropped */
    bool is_ask_answered;                          /* by an error: asked again with the next tick */
    struct rd_kafka_topic_partition_list_s *last_commit; /* QUEUE_REVOKING: to be sent, or NULL */
    bool is_commit_out;
    uint64_t revoke_deadline_ms;
    bool wants_restart;    /* of fetching, with a tick */
    uint64_t restarted_ms; /* see RESTART_MS */

    struct partition **partitions; /* by number; NULL where never owned */
    size_t partition_max;
    struct list ready, dry; /* owned: may have messages, had none when last looked at */
    uint32_t credit, unsettled, abandoned;
    uint64_t unsettled_bytes;
    bool is_starved; /* popping stopped for want of room: settling must wake it */
    bool has_joined, is_fatal;
    uint64_t lag;

    struct timer deadline; /* closing */
    struct work destroying;
    bool is_left_cleanly, is_destroyed, is_given_up;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* kafka.c */
void queue_wake(struct queue *queue); /* another turn soon */
void queue_fatal(struct queue *queue, const struct error *err);
void queue_trouble(struct queue *queue, const struct error *err);

/* kafka_group.c */
void group_on_rebalance(struct queue *queue, struct rd_kafka_op_s *event);
void group_on_committed(struct queue *queue, struct rd_kafka_op_s *event); /* asked for */
void group_on_commit(struct queue *queue, struct rd_kafka_op_s *event);    /* of ours */
void group_tick(struct queue *queue);
void group_commit(struct queue *queue); /* what is new, unless a commit is on its way */
void group_pause(struct queue *queue, struct partition *partition);
void group_step_over(struct queue *queue, struct partition *partition); /* what paused it */
void group_forget_assignment(struct queue *queue); /* for closing: as if revoked, no commit */

/* kafka_drain.c */
void drain(struct queue *queue);
void drain_discard(struct queue *queue, struct partition *partition); /* what is not delivered */

#endif
