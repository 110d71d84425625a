#include "queue/kafka_client.h"

#include <assert.h>
#include <librdkafka/rdkafka.h>
#include <string.h>
#include <uv.h>

#include "worker/base/log.h"
#include "worker/base/memory.h"

/* Ours alone: offsets are tracked and committed here, and a group starts where queue.h says. */
static const char *const RESERVED[] = {"enable.auto.commit",
                                       "enable.auto.offset.store",
                                       "auto.offset.reset",
                                       "enable.partition.eof",
                                       "group.id",
                                       "bootstrap.servers",
                                       "metadata.broker.list",
                                       "log.queue"};

struct translation {
    rd_kafka_resp_err_t vendor;
    enum error_code code;
};

static const struct translation TRANSLATIONS[] = {
    {RD_KAFKA_RESP_ERR__TRANSPORT, ERR_UNREACHABLE},
    {RD_KAFKA_RESP_ERR__RESOLVE, ERR_UNREACHABLE},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERR_UNREACHABLE},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_DENIED},
    {RD_KAFKA_RESP_ERR__SSL, ERR_DENIED},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ERR_DENIED},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_DENIED},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERR_DENIED},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERR_DENIED},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, ERR_TIMEOUT},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ERR_TIMEOUT},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, ERR_TIMEOUT},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, ERR_THROTTLED},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_EVENT_TOO_LARGE},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, ERR_SHUTDOWN},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, ERR_SHUTDOWN},
    {RD_KAFKA_RESP_ERR__FATAL, ERR_KAFKA_FATAL},
};

bool kafka_error(struct error *err, int vendor_code, const char *what)
{
    rd_kafka_resp_err_t vendor = (rd_kafka_resp_err_t)vendor_code;
    enum error_code code = ERR_UNAVAILABLE;
    for (size_t i = 0; i < COUNT_OF(TRANSLATIONS); i++)
        if (TRANSLATIONS[i].vendor == vendor)
            code = TRANSLATIONS[i].code;
    return error_set(err, code, "%s: %s (%s)", what, rd_kafka_err2str(vendor),
                     rd_kafka_err2name(vendor));
}

/* ---- settings -------------------------------------------------------------------------------- */

static bool set_property(rd_kafka_conf_t *conf, const char *name, const char *value,
                         struct error *err)
{
    char reason[512]; /* may quote the value: not shown */
    switch (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason))) {
    case RD_KAFKA_CONF_OK:
        return true;
    case RD_KAFKA_CONF_UNKNOWN:
        return error_set(err, ERR_CONFIG, "librdkafka knows no property %s", name);
    case RD_KAFKA_CONF_INVALID:
        break;
    }
    return error_set(err, ERR_CONFIG, "librdkafka refuses the value of property %s", name);
}

static bool is_allowed(const struct queue_property *property, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(RESERVED); i++)
        if (text_equal(property->name, text_from(RESERVED[i])))
            return error_set(err, ERR_CONFIG, "property %s is set by Millrace itself", RESERVED[i]);
    size_t at;
    if (text_equal(property->name, TEXT("partition.assignment.strategy")) &&
        text_find(property->value, TEXT("cooperative"), &at))
        return error_set(err, ERR_CONFIG,
                         "property partition.assignment.strategy: only eager strategies "
                         "(range, roundrobin) are supported");
    return true;
}

static bool set_all(rd_kafka_conf_t *conf, const struct queue_options *options,
                    struct kafka_settings settings, struct error *err)
{
    if (!set_property(conf, "bootstrap.servers", options->brokers.start, err) ||
        !set_property(conf, "log.queue", "true", err)) /* else it writes to stderr */
        return false;
    if (options->client_id.bytes && !set_property(conf, "client.id", options->client_id.start, err))
        return false;
    for (size_t i = 0; i < settings.count; i++)
        if (!set_property(conf, settings.items[i].name, settings.items[i].value, err))
            return false;
    for (size_t i = 0; i < options->property_count; i++)
        if (!is_allowed(&options->properties[i], err) ||
            !set_property(conf, options->properties[i].name.start,
                          options->properties[i].value.start, err))
            return false;
    return true;
}

rd_kafka_t *kafka_client_new(const struct queue_options *options, struct kafka_settings settings,
                             struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!set_all(conf, options, settings, err)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, settings.events | RD_KAFKA_EVENT_LOG);
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(settings.is_consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER,
                                      conf, reason, sizeof(reason));
    if (!client) {
        rd_kafka_conf_destroy(conf);
        error_set(err, ERR_CONFIG, "Kafka client: %s", reason);
        return NULL;
    }
    rd_kafka_resp_err_t code = rd_kafka_set_log_queue(client, NULL); /* to the main queue */
    assert(code == RD_KAFKA_RESP_ERR_NO_ERROR); /* fails only without log.queue */
    return client;
}

void queue_library(char ret_versions[QUEUE_LIBRARY_BYTES])
{
    const unsigned headers = RD_KAFKA_VERSION; /* 0xMMmmrrff */
    (void)text_format(ret_versions, QUEUE_LIBRARY_BYTES, "%s, built for %u.%u.%u",
                      rd_kafka_version_str(), headers >> 24, headers >> 16 & 0xff,
                      headers >> 8 & 0xff);
}

void kafka_log(rd_kafka_event_t *event)
{
    const char *facility, *line;
    int level;
    if (rd_kafka_event_log(event, &facility, &line, &level) == 0)
        LOG_DEBUG("kafka_said", FIELD_STR("facility", facility), FIELD_STR("line", line));
}

/* ---- the wake-up ----------------------------------------------------------------------------- */

struct kafka_wake {
    uv_async_t async;
    void (*on_wake)(void *arg);
    void *arg;
    void (*on_closed)(void *arg);
};

static void on_async(uv_async_t *async)
{
    struct kafka_wake *wake = container_of(async, struct kafka_wake, async);
    wake->on_wake(wake->arg);
}

struct kafka_wake *kafka_wake_open(struct loop *loop, void (*on_wake)(void *arg), void *arg)
{
    struct kafka_wake *wake = xcalloc(1, sizeof(*wake));
    wake->on_wake = on_wake;
    wake->arg = arg;
    int status = uv_async_init(loop_uv(loop), &wake->async, on_async);
    assert(status == 0); /* fails only for want of a descriptor, at start-up */
    return wake;
}

/* On a thread of librdkafka, its queue locked: nothing else is allowed here. */
static void on_queue_filled(rd_kafka_t *client, void *arg)
{
    (void)client;
    struct kafka_wake *wake = arg;
    uv_async_send(&wake->async);
}

void kafka_wake_watch(struct kafka_wake *wake, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_cb_event_enable(queue, on_queue_filled, wake);
    uv_async_send(&wake->async); /* for what was queued before */
}

void kafka_wake_forget(rd_kafka_queue_t *queue)
{
    rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
}

static void on_async_closed(uv_handle_t *handle)
{
    struct kafka_wake *wake = container_of((uv_async_t *)handle, struct kafka_wake, async);
    void (*on_closed)(void *arg) = wake->on_closed;
    void *arg = wake->arg;
    xfree(wake);
    on_closed(arg);
}

void kafka_wake_close(struct kafka_wake *wake, void (*on_closed)(void *arg))
{
    wake->on_closed = on_closed;
    uv_close((uv_handle_t *)&wake->async, on_async_closed);
}
