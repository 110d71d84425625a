/* The group: which partitions are ours, where each begins, what is committed. See
 * kafka_consumer.h. */
#include <assert.h>
#include <librdkafka/rdkafka.h>

#include "queue/kafka_consumer.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define ASK_TIMEOUT_MS 5000
#define REVOKE_COMMIT_MS 5000 /* the other members wait for us */
/* librdkafka 2.0.2 fails an assertion when an assignment changes while the fetchers of the one
 * before are still stopping, and does not tell when they have: it takes them a millisecond. */
#define RESTART_MS 1000
#define RECALL_MS 300000 /* after that a partition that returns begins as a new one */

/* Eager assignment: all partitions come and go together. */
static void answer_assignment(struct queue *queue, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = rd_kafka_assign(queue->client, list);
    struct error err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    kafka_error(&err, (int)code, "assigning partitions");
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        queue_fatal(queue, &err);
    else
        queue_trouble(queue, &err);
}

/* ---- lag ------------------------------------------------------------------------------------- */

/* From where on a partition is not done: the broker's word, before the first commit our own, before
 * the first message the beginning of the log. librdkafka learns of that one late or never: all that
 * is in the log is not done then. */
static int64_t done_until(const struct offsets *offsets, int64_t low)
{
    if (offsets->committed != OFFSETS_NONE)
        return offsets->committed > low ? offsets->committed : low;
    int64_t base = offsets->base != OFFSETS_NONE ? offsets->base : 0;
    return base > low ? base : low;
}

static void measure_lag(struct queue *queue)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < queue->partition_max; i++) {
        const struct partition *partition = queue->partitions[i];
        int64_t low, high;
        if (!partition || !partition->queue ||
            rd_kafka_get_watermark_offsets(queue->client, queue->topic, partition->number, &low,
                                           &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        int64_t done = done_until(&partition->offsets, low);
        if (high > done)
            lag += (uint64_t)(high - done);
    }
    queue->lag = lag;
}

/* ---- commits --------------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *uncommitted(struct queue *queue)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (size_t i = 0; i < queue->partition_max; i++) {
        struct partition *partition = queue->partitions[i];
        int64_t offset;
        if (!partition || !offsets_commit_point(&partition->offsets, &offset))
            continue;
        if (!list)
            list = rd_kafka_topic_partition_list_new(8);
        rd_kafka_topic_partition_list_add(list, queue->topic, partition->number)->offset = offset;
        partition->commit_epoch = partition->offsets.epoch;
    }
    return list;
}

/* One at a time: while one is out, librdkafka does not start newly assigned partitions (its issue
 * 2933). Takes the list. */
static void send_commit(struct queue *queue, rd_kafka_topic_partition_list_t *list)
{
    assert(!queue->is_commit_out);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(queue->client, list, queue->reply_queue, NULL, NULL);
    rd_kafka_topic_partition_list_destroy(list);
    queue->is_commit_out = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (queue->is_commit_out)
        return;
    struct error err;
    kafka_error(&err, (int)code, "committing offsets");
    metric_add(METRIC_KAFKA_COMMITS, RESULT_FAILED, 1);
    queue_trouble(queue, &err);
}

void group_commit(struct queue *queue)
{
    if (queue->phase != QUEUE_STEADY || queue->is_commit_out || queue->is_fatal)
        return;
    rd_kafka_topic_partition_list_t *list = uncommitted(queue);
    if (list)
        send_commit(queue, list);
}

static void note_committed(struct queue *queue, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *entry = &list->elems[i];
        struct partition *partition =
            entry->partition >= 0 && (size_t)entry->partition < queue->partition_max
                ? queue->partitions[entry->partition]
                : NULL;
        if (!partition)
            continue;
        if (entry->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            offsets_committed(&partition->offsets, partition->commit_epoch, entry->offset);
            recall_committed(&partition->recall, entry->offset);
        }
        partition->commit_epoch = 0;
    }
}

static void finish_revoke(struct queue *queue);

void group_on_commit(struct queue *queue, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    queue->is_commit_out = false;
    metric_add(METRIC_KAFKA_COMMITS, code == RD_KAFKA_RESP_ERR_NO_ERROR ? RESULT_OK : RESULT_FAILED,
               1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        note_committed(queue, rd_kafka_event_topic_partition_list(event));
        measure_lag(queue);
    } else { /* nothing is lost: the next commit covers it, or the records come again */
        struct error err;
        kafka_error(&err, (int)code, "committing offsets");
        queue_trouble(queue, &err);
    }
    if (queue->phase == QUEUE_REVOKING)
        finish_revoke(queue);
}

/* ---- partitions begin and end ---------------------------------------------------------------- */

static struct partition *partition_of(struct queue *queue, int32_t number)
{
    size_t at = (size_t)number;
    if (at >= queue->partition_max) {
        size_t grown = (at / 16 + 2) * 16;
        struct partition **wider = (struct partition **)xcalloc(grown, sizeof(*wider));
        for (size_t i = 0; i < queue->partition_max; i++)
            wider[i] = queue->partitions[i];
        xfree((void *)queue->partitions);
        queue->partitions = wider;
        queue->partition_max = grown;
    }
    if (!queue->partitions[at]) {
        struct partition *partition = xcalloc(1, sizeof(*partition));
        partition->number = number;
        list_init(&partition->unsettled);
        list_init(&partition->again);
        queue->partitions[at] = partition;
    }
    return queue->partitions[at];
}

/* A queue of its own keeps its messages apart: not popping it is the back-pressure, and rebalance
 * events never stand behind messages. It must be cut off before the partition is assigned. */
static void partition_begin(struct queue *queue, rd_kafka_topic_partition_t *entry)
{
    struct partition *partition = partition_of(queue, entry->partition);
    bool is_known = entry->offset >= 0 && entry->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!is_known)
        entry->offset = queue->start_at_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    offsets_begin(&partition->offsets, ++queue->tracker_epoch,
                  is_known ? entry->offset : OFFSETS_NONE);
    recall_resume(&partition->recall, is_known ? entry->offset : 0);
    partition->position = entry->offset;
    partition->is_blocked = false;
    partition->commit_epoch = 0;
    partition->queue = rd_kafka_queue_get_partition(queue->client, queue->topic, partition->number);
    rd_kafka_queue_forward(partition->queue, NULL);
    kafka_wake_watch(queue->wake, partition->queue);
    list_push_back(&queue->ready, &partition->node);
}

static void partition_end(struct queue *queue, struct partition *partition)
{
    offsets_end(&partition->offsets);
    drain_discard(queue, partition);
    partition->is_blocked = false;
    kafka_wake_forget(partition->queue);
    rd_kafka_queue_destroy(partition->queue);
    partition->queue = NULL;
    partition->ended_ms = loop_now_ms(queue->loop);
}

/* Of the partitions that are not ours any more, once they have been away for long. */
static void forget_old(struct queue *queue)
{
    for (size_t i = 0; i < queue->partition_max; i++) {
        struct partition *partition = queue->partitions[i];
        if (partition && !partition->queue &&
            loop_now_ms(queue->loop) >= partition->ended_ms + RECALL_MS)
            recall_forget(&partition->recall);
    }
}

static void end_partitions(struct queue *queue)
{
    struct list_node *node;
    while ((node = list_pop_front(&queue->ready)) || (node = list_pop_front(&queue->dry)))
        partition_end(queue, container_of(node, struct partition, node));
    queue->lag = 0;
}

/* Assigns the same partitions again, from their present positions. */
static void restart(struct queue *queue)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    queue->wants_restart = false;
    queue->restarted_ms = loop_now_ms(queue->loop);
    for (size_t i = 0; i < queue->partition_max; i++) {
        struct partition *partition = queue->partitions[i];
        if (partition && partition->queue)
            rd_kafka_topic_partition_list_add(list, queue->topic, partition->number)->offset =
                partition->position;
    }
    answer_assignment(queue, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static bool is_restarting(const struct queue *queue)
{
    return queue->restarted_ms && loop_now_ms(queue->loop) < queue->restarted_ms + RESTART_MS;
}

/* ---- a partition that waits at an unreadable record ------------------------------------------ */

static rd_kafka_topic_partition_list_t *only(struct queue *queue, const struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, queue->topic, partition->number)->offset =
        partition->position;
    return list;
}

/* Else librdkafka would fetch the record again and again, with an error each time. */
void group_pause(struct queue *queue, struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = only(queue, partition);
    rd_kafka_resp_err_t code = rd_kafka_pause_partitions(queue->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    struct error err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    kafka_error(&err, (int)code, "pausing a partition");
    queue_trouble(queue, &err);
}

/* A seek is enough where fetching goes on; after a reset it has ended and is started anew. Either
 * way the pause, which is ours and single, ends (librdkafka before 2.4 rewinds a partition that is
 * resumed without having been paused). */
void group_step_over(struct queue *queue, struct partition *partition)
{
    partition->is_blocked = false;
    partition->position = partition->resume;
    if (partition->position < 0) {
        offsets_start_over(&partition->offsets, ++queue->tracker_epoch);
        recall_forget(&partition->recall);
    }
    rd_kafka_topic_partition_list_t *list = only(queue, partition);
    rd_kafka_error_t *error = NULL;
    if (partition->position >= 0)
        error = rd_kafka_seek_partitions(queue->client, list, 0);
    queue->wants_restart = queue->wants_restart || partition->position < 0 || error;
    if (error)
        rd_kafka_error_destroy(error); /* the restart does the same */
    rd_kafka_resp_err_t code = rd_kafka_resume_partitions(queue->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    struct error err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    kafka_error(&err, (int)code, "resuming a partition");
    queue_trouble(queue, &err);
}

/* ---- assigned: ask for the committed offsets, then begin ------------------------------------- */

/* librdkafka would look them up itself, but then a group that is new and a group whose offset is
 * out of range could not be told apart: the one starts at the beginning, the other has lost
 * something. */
static void ask(struct queue *queue)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(queue->client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets_t *question =
        rd_kafka_ListConsumerGroupOffsets_new(queue->group, queue->asked);
    char reason[128];
    queue->is_ask_answered = false;
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)++queue->ask_number);
    /* a refused time limit leaves the default, a minute: nothing depends on it */
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ASK_TIMEOUT_MS, reason,
                                                    sizeof(reason));
    rd_kafka_ListConsumerGroupOffsets(queue->client, &question, 1, options, queue->reply_queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    rd_kafka_AdminOptions_destroy(options);
}

static void forget_question(struct queue *queue)
{
    if (queue->asked)
        rd_kafka_topic_partition_list_destroy(queue->asked);
    queue->asked = NULL;
    queue->ask_number++;
}

static void begin(struct queue *queue, const rd_kafka_topic_partition_list_t *committed)
{
    rd_kafka_topic_partition_list_t *list = queue->asked;
    queue->epoch++;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(
            committed, list->elems[i].topic, list->elems[i].partition);
        list->elems[i].offset = found ? found->offset : RD_KAFKA_OFFSET_INVALID;
        partition_begin(queue, &list->elems[i]);
    }
    answer_assignment(queue, list);
    queue->phase = QUEUE_STEADY;
    queue->has_joined = true;
    metric_add(METRIC_KAFKA_REBALANCES, 0, 1);
    uint32_t count = (uint32_t)list->cnt;
    forget_question(queue);
    if (queue->events.on_assigned)
        queue->events.on_assigned(queue->events.arg, count);
}

/* The list of the answer when every partition has one. */
static const rd_kafka_topic_partition_list_t *committed_offsets(rd_kafka_event_t *event,
                                                                struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        rd_kafka_event_ListConsumerGroupOffsets_result(event);
    const rd_kafka_group_result_t **groups = NULL;
    size_t count = 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && result)
        groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    if (count == 1 && rd_kafka_group_result_error(groups[0]))
        code = rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
    const rd_kafka_topic_partition_list_t *list =
        count == 1 ? rd_kafka_group_result_partitions(groups[0]) : NULL;
    for (int i = 0; list && i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        code = list->elems[i].err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list)
        return list;
    kafka_error(err, (int)code, "reading committed offsets");
    return NULL;
}

void group_on_committed(struct queue *queue, rd_kafka_event_t *event)
{
    if (queue->phase != QUEUE_ASKING ||
        (uintptr_t)rd_kafka_event_opaque(event) != (uintptr_t)queue->ask_number)
        return; /* the assignment it was for has gone */
    struct error err;
    const rd_kafka_topic_partition_list_t *committed = committed_offsets(event, &err);
    if (committed) {
        begin(queue, committed);
        return;
    }
    queue->is_ask_answered = true; /* again with the next tick */
    queue_trouble(queue, &err);
}

void group_forget_assignment(struct queue *queue)
{
    forget_question(queue);
    end_partitions(queue);
    if (queue->last_commit)
        rd_kafka_topic_partition_list_destroy(queue->last_commit);
    queue->last_commit = NULL;
    queue->phase = QUEUE_WAITING;
}

static void on_assign(struct queue *queue, const rd_kafka_topic_partition_list_t *list)
{
    if (queue->phase != QUEUE_WAITING) /* librdkafka revokes first; if it ever does not, so do we */
        group_forget_assignment(queue);
    queue->asked = rd_kafka_topic_partition_list_copy(list);
    queue->phase = QUEUE_ASKING;
    if (list->cnt)
        ask(queue);
    else
        begin(queue, list);
}

/* ---- revoked: commit what is finished, then let go ------------------------------------------- */

/* Runs again after each commit's answer until nothing is left to send. */
static void finish_revoke(struct queue *queue)
{
    bool is_late = loop_now_ms(queue->loop) >= queue->revoke_deadline_ms;
    if (is_restarting(queue))
        return; /* a tick comes back to it */
    if (queue->is_commit_out && !is_late)
        return;
    rd_kafka_topic_partition_list_t *list = queue->last_commit;
    queue->last_commit = NULL;
    if (list && !is_late && !queue->is_commit_out)
        send_commit(queue, list);
    else if (list)
        rd_kafka_topic_partition_list_destroy(list);
    if (queue->is_commit_out && !is_late)
        return;
    queue->phase = QUEUE_WAITING;
    answer_assignment(queue, NULL);
}

static void on_revoke(struct queue *queue)
{
    bool is_lost = rd_kafka_assignment_lost(queue->client);
    bool was_steady = queue->phase == QUEUE_STEADY;
    forget_question(queue);
    if (was_steady && !is_lost && !queue->is_fatal)
        queue->last_commit = uncommitted(queue);
    end_partitions(queue);
    queue->phase = QUEUE_REVOKING;
    queue->revoke_deadline_ms =
        is_lost ? loop_now_ms(queue->loop) : loop_now_ms(queue->loop) + REVOKE_COMMIT_MS;
    finish_revoke(queue);
    if (was_steady)
        queue->events.on_revoked(queue->events.arg, queue->epoch, is_lost);
}

void group_on_rebalance(struct queue *queue, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS &&
        queue->closing == QUEUE_OPEN) {
        on_assign(queue, rd_kafka_event_topic_partition_list(event));
    } else if (queue->phase == QUEUE_STEADY || queue->phase == QUEUE_ASKING) {
        on_revoke(queue);
    } else {
        group_forget_assignment(queue);
        answer_assignment(queue, NULL);
    }
}

/* ---- once a second --------------------------------------------------------------------------- */

void group_tick(struct queue *queue)
{
    forget_old(queue);
    if (queue->phase == QUEUE_ASKING && queue->is_ask_answered && queue->closing == QUEUE_OPEN)
        ask(queue);
    if (queue->phase == QUEUE_REVOKING)
        finish_revoke(queue);
    if (queue->phase != QUEUE_STEADY || queue->closing != QUEUE_OPEN)
        return;
    if (queue->wants_restart && !queue->is_fatal && !is_restarting(queue))
        restart(queue);
    group_commit(queue);
    measure_lag(queue);
}
