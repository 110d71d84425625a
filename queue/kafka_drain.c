/* Pops messages while there is credit, one partition after the other. See kafka_consumer.h. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>

#include "queue/kafka_consumer.h"
#include "worker/base/memory.h"

#define DRAIN_MESSAGES_MAX 128 /* a turn, of 2 ms; then the loop has its way */

enum pop_result {
    POP_NOTHING, /* the partition is dry */
    POP_SKIPPED, /* something that is no message */
    POP_MESSAGE,
};

/* ---- records that cannot be read ------------------------------------------------------------- */

/* Errors about a record or its offset, not about the connection. Whether librdkafka steps over the
 * record by itself differs by error and version, so it is never left to it. */
static bool is_about_record(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
           code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED || code == RD_KAFKA_RESP_ERR__UNDERFLOW ||
           code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
           code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
           code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           code == RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE;
}

/* The partition is not fetched until the loss has been recorded; then it goes on behind the record,
 * or at the beginning of what the broker still has. A batch of which nothing can be read is passed
 * offset by offset, so each lost one is told. */
static void block(struct queue *queue, struct partition *partition, int64_t offset,
                  rd_kafka_event_t *event)
{
    bool is_reset = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
    if (offset < partition->position)
        offset = partition->position;
    partition->is_blocked = true;
    partition->resume = is_reset ? RD_KAFKA_OFFSET_BEGINNING : offset + 1;
    partition->held = message_unreadable(text_from(queue->topic), partition->number, offset,
                                         text_from(rd_kafka_event_error_string(event)));
    group_pause(queue, partition);
}

static void on_partition_error(struct queue *queue, struct partition *partition,
                               rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    rd_kafka_topic_partition_t *place = rd_kafka_event_topic_partition(event);
    int64_t offset = place ? place->offset : RD_KAFKA_OFFSET_INVALID;
    if (place)
        rd_kafka_topic_partition_destroy(place);
    struct error err;
    kafka_error(&err, (int)code, rd_kafka_event_error_string(event));
    if (!is_about_record(code)) {
        queue_trouble(queue, &err);
    } else if (offset < 0) { /* a question about the log's ends failed: no record is concerned */
        queue->wants_restart = true;
        queue_trouble(queue, &err);
    } else if (queue->is_in_process_broker) {
        err.code = ERR_KAFKA_FATAL;
        queue_fatal(queue, &err);
    } else {
        block(queue, partition, offset, event);
    }
}

/* ---- delivering ------------------------------------------------------------------------------ */

/* The in-process broker keeps everything or drops it without a word (kafka_broker.h). */
static bool has_lost_messages(struct queue *queue, const struct partition *partition,
                              int64_t offset)
{
    int64_t expected = partition->position >= 0 ? partition->position : 0;
    if (!queue->is_in_process_broker || queue->start_at_end || offset <= expected)
        return false;
    struct error err;
    error_set(&err, ERR_KAFKA_FATAL,
              "the in-process broker dropped %" PRId64 " messages of partition %" PRId32
              ": too many were unsettled",
              offset - expected, partition->number);
    queue_fatal(queue, &err);
    return true;
}

/* True when the message may be given out; else it is held. */
static bool track(struct queue *queue, struct partition *partition, struct message *message)
{
    int64_t offset = message->view.offset;
    if (message->is_tracked)
        return true;
    enum offsets_verdict verdict = offsets_deliver(&partition->offsets, offset);
    if (verdict == OFFSETS_WENT_BACK) {
        /* The log was cut or replaced: what is delivered from now on has nothing to do with the
         * offsets of before, and a lower commit is right. */
        offsets_begin(&partition->offsets, ++queue->tracker_epoch, OFFSETS_NONE);
        recall_forget(&partition->recall);
        verdict = offsets_deliver(&partition->offsets, offset);
    }
    message->is_tracked = verdict == OFFSETS_TAKEN;
    message->tracker_epoch = partition->offsets.epoch;
    return message->is_tracked;
}

/* The same record, given out in an earlier assignment and still in work. */
static struct message *find_in_work(const struct partition *partition,
                                    const struct message *message)
{
    LIST_FOR_EACH(&partition->unsettled, node) {
        struct message *other = container_of(node, struct message, node);
        if (other->tracker_epoch == message->tracker_epoch)
            return NULL;
        if (other->view.offset == message->view.offset && other->print == message->print)
            return other;
    }
    return NULL;
}

/* True when the record is known from before a rebalance, and need not be given out again: one that
 * is finished is so in this assignment, too; one still in work will be when it is settled. */
static bool is_joined(struct partition *partition, const struct message *message)
{
    if (message->print == RECALL_NO_PRINT)
        return false;
    struct message *in_work = find_in_work(partition, message);
    if (in_work) {
        list_remove(&partition->unsettled, &in_work->node);
        list_push_back(&partition->unsettled, &in_work->node);
        in_work->tracker_epoch = message->tracker_epoch;
        return true;
    }
    return recall_knows(&partition->recall, message->view.offset, message->print) &&
           offsets_finish(&partition->offsets, message->tracker_epoch, message->view.offset);
}

static enum pop_result deliver(struct queue *queue, struct partition *partition,
                               struct message *message)
{
    bool is_fresh = !message->is_tracked;
    if (!track(queue, partition, message)) {
        partition->held = message;
        queue->is_starved = true;
        return POP_NOTHING;
    }
    if (is_fresh && is_joined(partition, message)) {
        xfree(message);
        return POP_SKIPPED;
    }
    message->partition = partition;
    message->view.epoch = queue->epoch;
    list_push_back(&partition->unsettled, &message->node);
    queue->unsettled++;
    queue->unsettled_bytes += message->bytes;
    queue->credit--;
    queue->events.on_message(queue->events.arg, message);
    return POP_MESSAGE;
}

static struct message *pop_again(struct queue *queue, struct partition *partition)
{
    struct list_node *node = list_first(&partition->again);
    if (!node || container_of(node, struct message, node)->again_ms > loop_now_ms(queue->loop))
        return NULL;
    list_remove(&partition->again, node);
    queue->abandoned--;
    return container_of(node, struct message, node);
}

static enum pop_result pop_fetched(struct queue *queue, struct partition *partition,
                                   rd_kafka_event_t *event)
{
    const rd_kafka_message_t *vendor = rd_kafka_event_message_next(event);
    if (!vendor || has_lost_messages(queue, partition, vendor->offset))
        return POP_SKIPPED;
    partition->position = vendor->offset + 1;
    return deliver(queue, partition, message_copy(vendor, text_from(queue->topic)));
}

static enum pop_result pop(struct queue *queue, struct partition *partition)
{
    struct message *message = pop_again(queue, partition);
    if (!message && partition->held) {
        message = partition->held;
        partition->held = NULL;
    }
    if (message)
        return deliver(queue, partition, message);
    if (partition->is_blocked)
        return POP_NOTHING;
    rd_kafka_event_t *event = rd_kafka_queue_poll(partition->queue, 0);
    enum pop_result result = event ? POP_SKIPPED : POP_NOTHING;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH)
        result = pop_fetched(queue, partition, event);
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
        on_partition_error(queue, partition, event);
    if (event)
        rd_kafka_event_destroy(event);
    return result;
}

static bool may_pop(struct queue *queue)
{
    if (queue->phase != QUEUE_STEADY || queue->closing != QUEUE_OPEN || queue->is_fatal)
        return false;
    if (queue->unsettled_bytes >= queue->unsettled_bytes_max) {
        queue->is_starved = true;
        return false;
    }
    return queue->credit > 0;
}

void drain(struct queue *queue)
{
    for (struct list_node *node; (node = list_pop_front(&queue->dry));)
        list_push_back(&queue->ready, node);
    for (unsigned budget = DRAIN_MESSAGES_MAX; may_pop(queue); budget--) {
        struct list_node *node = list_pop_front(&queue->ready);
        if (!node)
            return; /* each queue was seen empty: the next message wakes us */
        struct partition *partition = container_of(node, struct partition, node);
        bool is_dry = pop(queue, partition) == POP_NOTHING;
        list_push_back(is_dry ? &queue->dry : &queue->ready, node);
        if (budget == 0) {
            queue_wake(queue);
            return;
        }
    }
}

void drain_discard(struct queue *queue, struct partition *partition)
{
    xfree(partition->held);
    partition->held = NULL;
    for (struct list_node *node; (node = list_pop_front(&partition->again));) {
        queue->abandoned--;
        xfree(container_of(node, struct message, node));
    }
}
