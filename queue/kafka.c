/* The consumer behind queue.h: what its owner calls, one turn of it, and its end. See
 * kafka_consumer.h for the other files. */
#include <assert.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "queue/kafka_consumer.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define CLOSE_LEAVE_MS 7000 /* then the group is left without a word */
#define CLOSE_MS 9500       /* then on_closed comes whatever happens */
#define CLOSE_TICK_MS 50

/* 16 MiB a partition hold two seconds at 8,000 events/s: less would starve it, since a full queue
 * is looked at again only after a second (research: librdkafka before 2.2). */
static const struct kafka_setting SETTINGS[] = {
    {"enable.auto.commit", "false"},         {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},          {"enable.partition.eof", "false"},
    {"isolation.level", "read_committed"},   {"partition.assignment.strategy", "range,roundrobin"},
    {"queued.max.messages.kbytes", "16384"}, {"check.crcs", "true"},
    {"socket.nagle.disable", "true"},        {"topic.metadata.refresh.interval.ms", "30000"},
    {"socket.keepalive.enable", "true"},     {"socket.timeout.ms", "20000"}, /* of a dead peer */
};
/* The mock's first join takes 3 s whatever is set, each later one a session less a second; an empty
 * fetch waits its full time there. */
static const struct kafka_setting IN_PROCESS_SETTINGS[] = {
    {"session.timeout.ms", "6000"},
    {"heartbeat.interval.ms", "500"},
    {"fetch.wait.max.ms", "10"},
};

#define EVENTS (RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR)

static void close_step(struct queue *queue);

void queue_trouble(struct queue *queue, const struct error *err)
{
    struct error named = *err;
    if (err->code == ERR_DENIED) /* the broker says only which kind of thing it keeps from us */
        error_wrap(&named, "topic %s, group %s", queue->topic, queue->group);
    if (queue->events.on_trouble && queue->closing == QUEUE_OPEN)
        queue->events.on_trouble(queue->events.arg, &named);
}

void queue_fatal(struct queue *queue, const struct error *err)
{
    if (queue->is_fatal)
        return;
    queue->is_fatal = true;
    queue->events.on_fatal(queue->events.arg, err);
}

/* ---- a turn ---------------------------------------------------------------------------------- */

static void on_error(struct queue *queue, rd_kafka_event_t *event)
{
    struct error err;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    kafka_error(&err, (int)code, rd_kafka_event_error_string(event));
    if (rd_kafka_event_error_is_fatal(event) || code == RD_KAFKA_RESP_ERR__FATAL) {
        err.code = ERR_KAFKA_FATAL;
        queue_fatal(queue, &err);
    } else {
        queue_trouble(queue, &err);
    }
}

static void serve(struct queue *queue, rd_kafka_queue_t *events)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(events, 0))) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            group_on_rebalance(queue, event);
            break;
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            group_on_commit(queue, event);
            break;
        case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
            group_on_committed(queue, event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            on_error(queue, event);
            break;
        case RD_KAFKA_EVENT_LOG:
            kafka_log(event);
            break;
        default: /* librdkafka may add kinds of events */
            break;
        }
        rd_kafka_event_destroy(event);
    }
}

static void turn(struct queue *queue)
{
    if (queue->closing == QUEUE_DESTROYING)
        return;
    serve(queue, queue->consumer_queue);
    serve(queue, queue->reply_queue);
    drain(queue);
    if (queue->closing != QUEUE_OPEN)
        close_step(queue);
}

static void on_wake(void *arg)
{
    turn(arg);
}

static void on_turn(struct later *later)
{
    turn(container_of(later, struct queue, turn));
}

void queue_wake(struct queue *queue)
{
    if (!list_is_member(&queue->turn.waiting))
        loop_later(queue->loop, &queue->turn, on_turn);
}

static void set_metrics(const struct queue *queue)
{
    struct queue_figures figures = queue_figures(queue);
    metric_set(METRIC_KAFKA_LAG, 0, (double)figures.lag);
    metric_set(METRIC_KAFKA_OLDEST_SECONDS, 0, (double)figures.oldest_age_ms / 1000);
    metric_set(METRIC_KAFKA_PARTITIONS, 0, figures.partitions);
}

/* Also keeps the group's poll timer alive when nothing wakes us. */
static void on_tick(struct timer *timer)
{
    struct queue *queue = container_of(timer, struct queue, tick);
    bool is_open = queue->closing == QUEUE_OPEN;
    queue->is_tick_near = false;
    timer_start(queue->loop, &queue->tick, is_open ? QUEUE_TICK_MS : CLOSE_TICK_MS, on_tick);
    group_tick(queue);
    if (is_open)
        set_metrics(queue);
    turn(queue);
}

/* Nothing is in work: who looks at the lag, or starts us again, need not wait for the tick. */
static void hurry_tick(struct queue *queue)
{
    if (queue->closing != QUEUE_OPEN || queue->is_tick_near)
        return;
    queue->is_tick_near = true;
    timer_start(queue->loop, &queue->tick, QUEUE_HURRY_MS, on_tick);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void report_closed(struct queue *queue)
{
    queue->on_closed(queue->on_closed_arg);
}

static void release(struct queue *queue)
{
    for (size_t i = 0; i < queue->partition_max; i++) {
        if (queue->partitions[i]) {
            offsets_release(&queue->partitions[i]->offsets);
            recall_forget(&queue->partitions[i]->recall);
        }
        xfree(queue->partitions[i]);
    }
    xfree((void *)queue->partitions);
    xfree(queue->topic);
    xfree(queue->group);
    xfree(queue);
}

static void run_destroy(struct work *work)
{
    struct queue *queue = container_of(work, struct queue, destroying);
    rd_kafka_destroy_flags(queue->client,
                           queue->is_left_cleanly ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void on_destroyed(struct work *work)
{
    struct queue *queue = container_of(work, struct queue, destroying);
    if (!queue->is_given_up) {
        timer_stop(queue->loop, &queue->deadline);
        report_closed(queue);
    }
    release(queue);
}

/* A destroy that hangs keeps its memory and its thread; the process is about to end. */
static void on_given_up(struct timer *timer)
{
    struct queue *queue = container_of(timer, struct queue, deadline);
    queue->is_given_up = true;
    report_closed(queue);
}

static void on_wake_closed(void *arg)
{
    struct queue *queue = arg;
    queue->destroying = (struct work){.run = run_destroy, .on_done = on_destroyed};
    loop_work(queue->loop, &queue->destroying);
}

/* Whatever is still held (a queue, an event) would keep rd_kafka_destroy() waiting. */
static void destroy(struct queue *queue)
{
    queue->closing = QUEUE_DESTROYING;
    queue->is_left_cleanly = rd_kafka_consumer_closed(queue->client);
    group_forget_assignment(queue);
    timer_stop(queue->loop, &queue->tick);
    later_cancel(queue->loop, &queue->turn);
    timer_start(queue->loop, &queue->deadline, CLOSE_MS - CLOSE_LEAVE_MS, on_given_up);
    kafka_wake_forget(queue->consumer_queue);
    kafka_wake_forget(queue->reply_queue);
    rd_kafka_queue_destroy(queue->consumer_queue);
    rd_kafka_queue_destroy(queue->reply_queue);
    rd_kafka_topic_destroy(queue->known_topic);
    kafka_wake_close(queue->wake, on_wake_closed);
}

/* The consumer's close goes on in librdkafka's threads; its rebalance events come to the queue
 * given here, and it waits for their answers. */
static void leave(struct queue *queue)
{
    if (queue->phase == QUEUE_ASKING) { /* an assignment that was never answered */
        group_forget_assignment(queue);
        rd_kafka_assign(queue->client, NULL);
    }
    queue->closing = QUEUE_LEAVING;
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(queue->client, queue->reply_queue);
    if (!error)
        return;
    rd_kafka_error_destroy(error); /* fatal before: it cannot take leave */
    destroy(queue);
}

static void on_leave_deadline(struct timer *timer)
{
    destroy(container_of(timer, struct queue, deadline));
}

static void close_step(struct queue *queue)
{
    if (queue->closing == QUEUE_COMMITTING) {
        group_commit(queue);
        if (!queue->is_commit_out)
            leave(queue);
    }
    if (queue->closing == QUEUE_LEAVING && rd_kafka_consumer_closed(queue->client))
        destroy(queue);
}

/* ---- public ---------------------------------------------------------------------------------- */

/* The handle makes librdkafka ask for the partitions' leaders now. Of those that it does not know
 * once they are assigned it asks up to a second later. */
static bool subscribe(struct queue *queue, struct error *err)
{
    if (queue->topic[0] == '^') /* librdkafka would take it for a regular expression */
        return error_set(err, ERR_CONFIG, "the topic's name begins with ^");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, queue->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(queue->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        queue->known_topic = rd_kafka_topic_new(queue->client, queue->topic, NULL);
        code = queue->known_topic ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error();
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    kafka_error(err, (int)code, "subscribing");
    err->code = ERR_CONFIG;
    return false;
}

static rd_kafka_t *consumer_new(const struct queue_options *options, struct error *err)
{
    struct kafka_setting settings[COUNT_OF(SETTINGS) + COUNT_OF(IN_PROCESS_SETTINGS) + 1];
    size_t count = COUNT_OF(SETTINGS);
    memcpy(settings, SETTINGS, sizeof(SETTINGS));
    if (options->is_in_process_broker) {
        memcpy(settings + count, IN_PROCESS_SETTINGS, sizeof(IN_PROCESS_SETTINGS));
        count += COUNT_OF(IN_PROCESS_SETTINGS);
    }
    settings[count++] = (struct kafka_setting){"group.id", options->group.start};
    return kafka_client_new(options, (struct kafka_settings){settings, count, EVENTS, true}, err);
}

struct queue *queue_open(struct loop *loop, const struct queue_options *options,
                         struct queue_events events, struct error *err)
{
    rd_kafka_t *client = consumer_new(options, err);
    if (!client)
        return NULL;
    struct queue *queue = xcalloc(1, sizeof(*queue));
    queue->loop = loop;
    queue->events = events;
    queue->topic = xstrdup(options->topic);
    queue->group = xstrdup(options->group);
    queue->is_in_process_broker = options->is_in_process_broker;
    queue->start_at_end = options->start_at_end;
    queue->unsettled_bytes_max =
        options->unsettled_bytes_max ? options->unsettled_bytes_max : QUEUE_BYTES_MAX;
    list_init(&queue->ready);
    list_init(&queue->dry);
    queue->client = client;
    if (!subscribe(queue, err)) {
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        release(queue);
        return NULL;
    }
    rd_kafka_poll_set_consumer(client);
    queue->wake = kafka_wake_open(loop, on_wake, queue);
    queue->consumer_queue = rd_kafka_queue_get_consumer(client);
    queue->reply_queue = rd_kafka_queue_new(client);
    kafka_wake_watch(queue->wake, queue->consumer_queue);
    kafka_wake_watch(queue->wake, queue->reply_queue);
    timer_start(loop, &queue->tick, QUEUE_TICK_MS, on_tick);
    return queue;
}

void queue_credit(struct queue *queue, uint32_t messages)
{
    bool had_none = queue->credit == 0;
    queue->credit = messages;
    if (had_none && messages)
        queue_wake(queue);
}

static void take_back(struct queue *queue, struct message *message)
{
    list_remove(&message->partition->unsettled, &message->node);
    queue->unsettled--;
    queue->unsettled_bytes -= message->bytes;
    if (!queue->is_starved)
        return;
    queue->is_starved = false;
    queue_wake(queue);
}

static struct message *replace(struct queue *queue, struct message *old, struct message *fresh)
{
    if (!fresh)
        return old;
    struct list *unsettled = &old->partition->unsettled;
    list_insert_before(unsettled, &old->node, &fresh->node);
    list_remove(unsettled, &old->node);
    queue->unsettled_bytes += fresh->bytes - old->bytes;
    xfree(old);
    return fresh;
}

struct message *queue_pack(struct queue *queue, struct message *message, struct packer *packer)
{
    return replace(queue, message, message_packed(message, packer));
}

struct message *queue_unpack(struct queue *queue, struct message *message, struct packer *packer)
{
    return replace(queue, message, message_unpacked(message, packer));
}

void queue_settle(struct queue *queue, struct message *message)
{
    struct partition *partition = message->partition;
    take_back(queue, message);
    recall_finished(&partition->recall, message->view.offset, message->print);
    if (offsets_finish(&partition->offsets, message->tracker_epoch, message->view.offset) &&
        message->view.is_unreadable)
        group_step_over(queue, partition); /* the loss is recorded */
    xfree(message);
    if (!queue->unsettled)
        hurry_tick(queue);
}

void queue_abandon(struct queue *queue, struct message *message)
{
    struct partition *partition = message->partition;
    take_back(queue, message);
    if (queue->closing != QUEUE_OPEN || message->tracker_epoch != partition->offsets.epoch) {
        xfree(message);
        return;
    }
    message->again_ms = loop_now_ms(queue->loop) + QUEUE_TICK_MS;
    list_push_back(&partition->again, &message->node);
    queue->abandoned++;
}

struct queue_figures queue_figures(const struct queue *queue)
{
    struct queue_figures figures = {
        .lag = queue->lag,
        .unsettled = queue->unsettled,
        .unsettled_bytes = queue->unsettled_bytes,
        .partitions = (uint32_t)(queue->ready.count + queue->dry.count),
        .has_joined = queue->has_joined,
        .is_fatal = queue->is_fatal,
    };
    uint64_t now_ms = loop_wall_ms(queue->loop);
    for (size_t i = 0; i < queue->partition_max; i++) {
        const struct partition *partition = queue->partitions[i];
        struct list_node *node = partition ? list_first(&partition->unsettled) : NULL;
        uint64_t time_ms = node ? container_of(node, struct message, node)->view.time_ms : 0;
        if (time_ms && time_ms < now_ms && now_ms - time_ms > figures.oldest_age_ms)
            figures.oldest_age_ms = now_ms - time_ms;
    }
    return figures;
}

void queue_close(struct queue *queue, void (*on_closed)(void *arg), void *arg)
{
    assert(queue->closing == QUEUE_OPEN && queue->unsettled == 0);
    queue->closing = QUEUE_COMMITTING;
    queue->on_closed = on_closed;
    queue->on_closed_arg = arg;
    timer_start(queue->loop, &queue->deadline, CLOSE_LEAVE_MS, on_leave_deadline);
    timer_start(queue->loop, &queue->tick, CLOSE_TICK_MS, on_tick);
    queue_wake(queue);
}
