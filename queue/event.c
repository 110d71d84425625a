/* Unwraps by shape, never by setting: one topic may carry every shape at once. */
#include "queue/event.h"

#include <string.h>

#include "queue/dead_letter.h"
#include "queue/event_record.h"
#include "worker/base/memory.h"

#define MESSAGE_BYTES_MAX ((size_t)1 << 20)
#define WRAPPINGS_MAX 4 /* SNS in SQS in a connector's schema is three */
#define JOB_HEADER "millrace-job"
#define NAMES_SHOWN 8

struct parse {
    const struct message_view *message;
    struct arena *arena;
    struct event *events;
    size_t count, max;
    struct uuid job;
    bool has_job, is_job_bad;
};

static bool unwrap(struct parse *parse, const struct json *value, unsigned depth,
                   struct error *err);

/* ---- collecting ------------------------------------------------------------------------------ */

static bool too_large(struct error *err)
{
    return error_set(err, ERR_EVENT_TOO_LARGE, "the message's events are too large");
}

static struct event *add_event(struct parse *parse, struct error *err)
{
    if (parse->count == EVENTS_PER_MESSAGE_MAX) {
        error_set(err, ERR_EVENT_TOO_LARGE, "more than %d records", EVENTS_PER_MESSAGE_MAX);
        return NULL;
    }
    if (parse->count == parse->max) {
        size_t max = parse->max ? parse->max * 2 : 1;
        struct event *events = arena_alloc_array(parse->arena, max, sizeof(*events));
        if (!events) {
            too_large(err);
            return NULL;
        }
        if (parse->count)
            memcpy(events, parse->events, parse->count * sizeof(*events));
        parse->events = events;
        parse->max = max;
    }
    struct event *event = &parse->events[parse->count];
    *event = (struct event){.no = (uint32_t)parse->count++, .time_ms = parse->message->time_ms};
    return event;
}

static bool add_ignored(struct parse *parse, struct text name, struct error *err)
{
    struct event *event = add_event(parse, err);
    if (!event)
        return false;
    event->kind = EVENT_IGNORED;
    return arena_copy(parse->arena, text_utf8_prefix(name, EVENT_TEXT_BYTES_MAX), &event->name) ||
           too_large(err);
}

static bool add_bad(struct parse *parse, const struct error *why, struct error *err)
{
    struct event *event = add_event(parse, err);
    return event && (event_bad(parse->arena, event, why) || too_large(err));
}

/* A put of a job is that job's or nobody's: a header that names none must not make a bare upload.
 */
static bool set_job(struct parse *parse, struct event *event, struct error *err)
{
    struct error why;
    if (event->kind != EVENT_PUT)
        return true;
    event->has_job = parse->has_job;
    event->job = parse->job;
    if (!parse->is_job_bad)
        return true;
    error_set(&why, ERR_NO_ITEM, "the header " JOB_HEADER " is not a job's id");
    return event_bad(parse->arena, event, &why) || too_large(err);
}

static bool add_record(struct parse *parse, const struct json *record,
                       bool (*read)(const struct json *record, struct arena *arena,
                                    struct event *event),
                       struct error *err)
{
    struct event *event = add_event(parse, err);
    if (!event)
        return false;
    return read(record, parse->arena, event) ? set_job(parse, event, err) : too_large(err);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

struct name_list {
    struct buffer *out;
    size_t count;
};

static void add_name(void *arg, struct text name, const struct json *value)
{
    struct name_list *names = arg;
    (void)value;
    if (names->count++ < NAMES_SHOWN)
        buffer_format(names->out, "%s%.*s", names->count > 1 ? ", " : "",
                      TEXT_ARGS(text_utf8_prefix(name, 20)));
}

/* Names of members only: a value may be anybody's secret. */
static bool unknown_shape(const struct json *value, struct error *err)
{
    if (json_is_array(value))
        return error_set(err, ERR_EVENT_SHAPE, "a JSON array, not an S3 notification");
    if (!json_is_object(value))
        return error_set(err, ERR_EVENT_SHAPE, "a bare JSON value, not an S3 notification");
    AUTO_BUFFER struct buffer text = buffer_new(256);
    struct name_list names = {&text, 0};
    json_each(value, add_name, &names);
    return error_set(err, ERR_EVENT_SHAPE, "a JSON object of %zu members (%s%s)", names.count,
                     buffer_string(&text), names.count > NAMES_SHOWN ? ", ..." : "");
}

static bool unwrap_text(struct parse *parse, struct text text, unsigned depth, struct error *err)
{
    const struct json *json = json_parse_in(parse->arena, text, err);
    if (json)
        return unwrap(parse, json, depth, err);
    if (err->code == ERR_NO_MEMORY)
        return too_large(err);
    err->code = ERR_EVENT_JSON;
    return depth > 0 && error_wrap(err, "inside %u wrappings", depth);
}

static bool unwrap_base64(struct parse *parse, struct text text, unsigned depth, struct error *err)
{
    AUTO_FREE uint8_t *data = xmalloc(text.bytes + 1);
    size_t bytes;
    if (!base64_decode(text, data, text.bytes, &bytes))
        return error_set(err, ERR_EVENT_SHAPE, "a CloudEvent whose data_base64 is not base64");
    return unwrap_text(parse, (struct text){(const char *)data, bytes}, depth, err);
}

/* An object, or the same as text. */
static bool unwrap_either(struct parse *parse, const struct json *value, unsigned depth,
                          struct error *err)
{
    if (json_is_string(value))
        return unwrap_text(parse, json_text(value), depth, err);
    return unwrap(parse, value, depth, err);
}

/* A member of Records: an S3 record, or what Lambda makes of an SQS or SNS message. */
static bool unwrap_member(struct parse *parse, const struct json *record, unsigned depth,
                          struct error *err)
{
    struct error why;
    size_t count = parse->count;
    if (json_member(record, "s3") || json_is_string(json_member(record, "eventName")))
        return add_record(parse, record, event_from_s3, err);
    if (unwrap(parse, record, depth, &why))
        return true;
    parse->count = count; /* it is bad as a whole, and bad alone */
    return add_bad(parse, &why, err);
}

static bool unwrap_records(struct parse *parse, const struct json *records, unsigned depth,
                           struct error *err)
{
    size_t count = json_count(records);
    if (count == 0)
        return error_set(err, ERR_EVENT_SHAPE, "an S3 notification without records");
    for (size_t i = 0; i < count; i++)
        if (!unwrap_member(parse, json_at(records, i), depth, err))
            return false;
    return true;
}

/* The member of an envelope that holds the rest; NULL when value is no envelope. */
static const struct json *wrapped(const struct json *value)
{
    const struct json *sns = json_member(value, "Sns");
    if (json_member(value, "payload") && json_member(value, "schema"))
        return json_member(value, "payload"); /* Kafka Connect's JSON converter */
    if (json_is_string(json_member(value, "Message")))
        return json_member(value, "Message"); /* SNS */
    if (json_is_string(json_member(sns, "Message")))
        return json_member(sns, "Message"); /* SNS to Lambda */
    if (json_is_string(json_member(value, "body")))
        return json_member(value, "body"); /* SQS */
    if (json_is_string(json_member(value, "Body")))
        return json_member(value, "Body");
    if (json_member(value, "specversion") && json_member(value, "data"))
        return json_member(value, "data"); /* CloudEvents */
    return NULL;
}

static bool unwrap(struct parse *parse, const struct json *value, unsigned depth, struct error *err)
{
    if (depth > WRAPPINGS_MAX)
        return error_set(err, ERR_EVENT_TOO_LARGE, "more than %d wrappings", WRAPPINGS_MAX);
    const struct json *records = json_member(value, "Records");
    if (json_is_array(records))
        return unwrap_records(parse, records, depth + 1, err);
    struct text event = json_member_text(value, "Event");
    if (text_equal(event, TEXT("s3:TestEvent")))
        return add_ignored(parse, event, err);
    if (json_is_string(json_member(value, "detail-type")) &&
        json_is_object(json_member(value, "detail")))
        return add_record(parse, value, event_from_bridge, err);
    if (json_is_object(json_member(value, "s3")))
        return add_record(parse, value, event_from_s3, err);
    if (json_member(value, "specversion") && json_is_string(json_member(value, "data_base64")))
        return unwrap_base64(parse, json_member_text(value, "data_base64"), depth + 1, err);
    struct text type = json_member_text(value, "Type");
    if (json_member(value, "TopicArn") && !text_equal(type, TEXT("Notification")))
        return error_set(err, ERR_EVENT_SHAPE, "an SNS message of type \"%.*s\"",
                         TEXT_ARGS(text_utf8_prefix(type, 80)));
    const struct json *inner = wrapped(value);
    if (inner)
        return unwrap_either(parse, inner, depth + 1, err);
    return unknown_shape(value, err);
}

static void read_job_header(struct parse *parse)
{
    for (size_t i = 0; i < parse->message->header_count; i++) {
        const struct header *header = &parse->message->headers[i];
        if (!text_equal(header->name, TEXT(JOB_HEADER)))
            continue;
        parse->has_job = uuid_parse(header->value, &parse->job);
        parse->is_job_bad = !parse->has_job;
    }
}

/* "0,3" */
static bool read_numbers(struct text list, bool is_named[EVENTS_PER_MESSAGE_MAX])
{
    while (list.bytes) {
        uint64_t number;
        if (!text_parse_u64(text_cut(list, ',', &list), &number) ||
            number >= EVENTS_PER_MESSAGE_MAX)
            return false;
        is_named[number] = true;
    }
    return true;
}

/* A replay means some events of the message: the others were settled, each in its own way. */
static bool ignore_others(struct parse *parse, struct error *err)
{
    for (size_t i = 0; i < parse->message->header_count; i++) {
        const struct header *header = &parse->message->headers[i];
        bool is_named[EVENTS_PER_MESSAGE_MAX] = {false};
        if (!text_equal(header->name, TEXT(DEAD_LETTER_ONLY)))
            continue;
        if (!read_numbers(header->value, is_named))
            return error_set(err, ERR_EVENT_SHAPE,
                             "the header " DEAD_LETTER_ONLY " is no list of event numbers");
        for (size_t at = 0; at < parse->count; at++)
            if (!is_named[at])
                parse->events[at].kind = EVENT_IGNORED;
    }
    return true;
}

/* ---- public ---------------------------------------------------------------------------------- */

bool event_parse(const struct message_view *message, struct arena *arena, struct event **ret_events,
                 size_t *ret_count, struct error *err)
{
    struct parse parse = {.message = message, .arena = arena};
    if (message->is_unreadable)
        return error_set(err, message->unreadable, "%.*s", TEXT_ARGS(message->value));
    if (text_trim(message->value).bytes == 0)
        return error_set(err, ERR_EVENT_EMPTY, "the message has no value");
    if (message->value.bytes > MESSAGE_BYTES_MAX)
        return error_set(err, ERR_EVENT_TOO_LARGE, "a message of %zu bytes", message->value.bytes);
    read_job_header(&parse);
    if (!unwrap_text(&parse, message->value, 0, err) || !ignore_others(&parse, err))
        return false;
    *ret_events = parse.events;
    *ret_count = parse.count;
    return true;
}

struct text event_version_identity(const struct event *event, char *buffer, size_t buffer_bytes)
{
    struct text part = event->sequencer.bytes ? event->sequencer : event->version_id;
    bool fits;
    if (part.bytes)
        fits = text_format(buffer, buffer_bytes, "%.*s", TEXT_ARGS(text_slice(part, 0, 200)));
    else
        fits = text_format(buffer, buffer_bytes, "%.*s@%llu",
                           TEXT_ARGS(text_slice(event->etag, 0, 200)),
                           (unsigned long long)event->time_ms);
    (void)fits; /* the header says how large the buffer must be */
    return text_from(buffer);
}

bool event_may_uncover(const struct event *event)
{
    return event->kind == EVENT_REMOVED && event->version_id.bytes;
}
