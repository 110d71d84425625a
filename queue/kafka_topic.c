#include <assert.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "queue/kafka_client.h"
#include "queue/topic.h"
#include "worker/base/memory.h"

#define FLUSH_MS 5000
#define DESTROY_MS 4000

/* Idempotence is left off on purpose: it has fatal errors of its own ("possibly persisted"), and
 * what it prevents, a record written twice, changes nothing for any reader of ours. */
static const struct kafka_setting SETTINGS[] = {
    {"acks", "all"},
    {"enable.idempotence", "false"},
    {"compression.type", "lz4"},
    {"linger.ms", "5"},
    {"message.timeout.ms", "60000"},
    {"socket.nagle.disable", "true"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "131072"},
};

struct topic {
    struct loop *loop;
    rd_kafka_t *client;
    rd_kafka_queue_t *events;
    struct kafka_wake *wake;
    struct list refused; /* struct refusal: to be answered in a later turn */
    struct later answer;
    size_t outstanding; /* given to librdkafka, not answered */
    size_t probes;
    bool is_closing, is_destroying, is_given_up;
    struct timer deadline;
    struct work destroying;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

struct refusal {
    struct list_node node;
    struct topic_record *record;
    struct error err;
};

static void close_step(struct topic *topic);

/* ---- delivery reports ------------------------------------------------------------------------ */

static void on_report(struct topic *topic, const rd_kafka_message_t *report)
{
    struct topic_record *record = report->_private;
    struct error err;
    topic->outstanding--;
    if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        record->on_done(record, NULL);
        return;
    }
    kafka_error(&err, (int)report->err, "producing");
    record->on_done(record, &err);
}

static void on_wake(void *arg)
{
    struct topic *topic = arg;
    rd_kafka_event_t *event;
    if (topic->is_destroying)
        return;
    while ((event = rd_kafka_queue_poll(topic->events, 0))) {
        const rd_kafka_message_t *report;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
            while ((report = rd_kafka_event_message_next(event)))
                on_report(topic, report);
        } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG) {
            kafka_log(event);
        }
        rd_kafka_event_destroy(event); /* errors show in the reports */
    }
    close_step(topic);
}

static void on_answer(struct later *later)
{
    struct topic *topic = container_of(later, struct topic, answer);
    for (struct list_node *node; (node = list_pop_front(&topic->refused));) {
        struct refusal *refusal = container_of(node, struct refusal, node);
        refusal->record->on_done(refusal->record, &refusal->err);
        xfree(refusal);
    }
    close_step(topic);
}

static void refuse(struct topic *topic, struct topic_record *record, rd_kafka_resp_err_t code)
{
    struct refusal *refusal = xcalloc(1, sizeof(*refusal));
    refusal->record = record;
    kafka_error(&refusal->err, (int)code, "producing");
    list_push_back(&topic->refused, &refusal->node);
    if (!list_is_member(&topic->answer.waiting))
        loop_later(topic->loop, &topic->answer, on_answer);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void run_destroy(struct work *work)
{
    rd_kafka_destroy(container_of(work, struct topic, destroying)->client);
}

static void on_destroyed(struct work *work)
{
    struct topic *topic = container_of(work, struct topic, destroying);
    if (!topic->is_given_up) {
        timer_stop(topic->loop, &topic->deadline);
        topic->on_closed(topic->on_closed_arg);
    }
    xfree(topic);
}

static void on_given_up(struct timer *timer)
{
    struct topic *topic = container_of(timer, struct topic, deadline);
    topic->is_given_up = true;
    topic->on_closed(topic->on_closed_arg);
}

static void on_wake_closed(void *arg)
{
    struct topic *topic = arg;
    topic->destroying = (struct work){.run = run_destroy, .on_done = on_destroyed};
    loop_work(topic->loop, &topic->destroying);
}

static void close_step(struct topic *topic)
{
    if (!topic->is_closing || topic->is_destroying || topic->outstanding || topic->probes ||
        topic->refused.count)
        return;
    topic->is_destroying = true;
    timer_start(topic->loop, &topic->deadline, DESTROY_MS, on_given_up);
    kafka_wake_forget(topic->events);
    rd_kafka_queue_destroy(topic->events);
    kafka_wake_close(topic->wake, on_wake_closed);
}

/* What the broker has not taken by now is answered with ERR_SHUTDOWN. */
static void on_flush_deadline(struct timer *timer)
{
    struct topic *topic = container_of(timer, struct topic, deadline);
    rd_kafka_purge(topic->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

/* ---- looking at a topic ---------------------------------------------------------------------- */

struct probe_request {
    struct topic_probe *probe;
    char *name;
    int timeout_ms;
    rd_kafka_resp_err_t code;
    uint32_t partitions;
};

/* Asks for all topics: asking for one by name would make it, where brokers create topics. */
static void run_probe(struct work *work)
{
    struct topic_probe *probe = container_of(work, struct topic_probe, work);
    struct probe_request *request = probe->private_request;
    const struct rd_kafka_metadata *metadata = NULL;
    request->code =
        rd_kafka_metadata(probe->owner->client, 1, NULL, &metadata, request->timeout_ms);
    if (request->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, request->name) == 0)
            request->partitions = (uint32_t)metadata->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
}

static void on_probed(struct work *work)
{
    struct topic_probe *probe = container_of(work, struct topic_probe, work);
    struct probe_request *request = probe->private_request;
    struct topic *topic = probe->owner;
    struct error err;
    rd_kafka_resp_err_t code = request->code;
    probe->partitions = request->partitions;
    topic->probes--;
    xfree(request->name);
    xfree(request);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_error(&err, (int)code, "asking for the topic");
    probe->on_done(probe, code == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : &err);
    close_step(topic);
}

/* ---- producing ------------------------------------------------------------------------------- */

/* The list is the caller's to destroy, also after an error. */
static rd_kafka_resp_err_t headers_of(const struct topic_record *record,
                                      rd_kafka_headers_t **ret_headers)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    *ret_headers = rd_kafka_headers_new(record->header_count);
    for (size_t i = 0; i < record->header_count && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const struct header *header = &record->headers[i];
        code = rd_kafka_header_add(*ret_headers, header->name.start, (ssize_t)header->name.bytes,
                                   header->value.start, (ssize_t)header->value.bytes);
    }
    return code;
}

static rd_kafka_resp_err_t hand_over(struct topic *topic, struct topic_record *record,
                                     rd_kafka_headers_t *headers)
{
    return rd_kafka_producev(
        topic->client, RD_KAFKA_V_TOPIC(record->topic.start),
        RD_KAFKA_V_KEY(record->key.start, record->key.bytes),
        /* librdkafka does not write to it; it copies */
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.start, record->value.bytes),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(record), RD_KAFKA_V_END);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct topic *topic_open(struct loop *loop, const struct queue_options *options, struct error *err)
{
    struct kafka_settings settings = {SETTINGS, COUNT_OF(SETTINGS),
                                      RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, false};
    rd_kafka_t *client = kafka_client_new(options, settings, err);
    if (!client)
        return NULL;
    struct topic *topic = xcalloc(1, sizeof(*topic));
    topic->loop = loop;
    topic->client = client;
    list_init(&topic->refused);
    topic->events = rd_kafka_queue_get_main(client);
    topic->wake = kafka_wake_open(loop, on_wake, topic);
    kafka_wake_watch(topic->wake, topic->events);
    return topic;
}

void topic_produce(struct topic *topic, struct topic_record *record)
{
    assert(!topic->is_closing);
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t code = headers_of(record, &headers);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = hand_over(topic, record, headers);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        topic->outstanding++;
        return;
    }
    rd_kafka_headers_destroy(headers); /* theirs only after success */
    refuse(topic, record, code);
}

void topic_describe(struct topic *topic, struct topic_probe *probe, uint64_t timeout_ms)
{
    struct probe_request *request = xcalloc(1, sizeof(*request));
    request->probe = probe;
    request->name = xstrdup(probe->topic);
    request->timeout_ms = (int)timeout_ms;
    topic->probes++;
    probe->owner = topic;
    probe->private_request = request;
    probe->work = (struct work){.run = run_probe, .on_done = on_probed};
    loop_work(topic->loop, &probe->work);
}

void topic_close(struct topic *topic, void (*on_closed)(void *arg), void *arg)
{
    assert(!topic->is_closing);
    topic->is_closing = true;
    topic->on_closed = on_closed;
    topic->on_closed_arg = arg;
    timer_start(topic->loop, &topic->deadline, FLUSH_MS, on_flush_deadline);
    if (!list_is_member(&topic->answer.waiting)) /* on_closed never comes from inside this call */
        loop_later(topic->loop, &topic->answer, on_answer);
}
