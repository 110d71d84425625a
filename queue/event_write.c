#include <assert.h>
#include <time.h>

#include "queue/event.h"
#include "queue/event_record.h"
#include "worker/base/json.h"

/* As AWS does it: unreserved characters and "/" stay, a space becomes "+". */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~' || c == '/';
}

static void write_key(struct json_writer *writer, struct text key)
{
    AUTO_BUFFER struct buffer encoded = buffer_new(3 * key.bytes);
    for (size_t i = 0; i < key.bytes; i++) {
        char c = key.start[i];
        if (c == ' ')
            buffer_append_char(&encoded, '+');
        else if (is_plain(c))
            buffer_append_char(&encoded, c);
        else
            buffer_format(&encoded, "%%%02X", (unsigned)(unsigned char)c);
    }
    json_write_text(writer, "key", buffer_text(&encoded));
}

static void write_time(struct json_writer *writer, uint64_t time_ms)
{
    char text[40];
    struct tm parts;
    time_t seconds = (time_t)(time_ms / 1000);
    if (!gmtime_r(&seconds, &parts) ||
        !text_format(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ",
                     parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                     parts.tm_min, parts.tm_sec, (unsigned)(time_ms % 1000)))
        return; /* no year of more than four digits: the reader takes the message's time */
    json_write_text(writer, "eventTime", text_from(text));
}

static void write_optional(struct json_writer *writer, const char *name, struct text value)
{
    if (value.bytes)
        json_write_text(writer, name, value);
}

static void write_object(struct json_writer *writer, const struct event *event)
{
    json_open_object(writer, "object");
    write_key(writer, event->key);
    if (event->has_size)
        json_write_u64(writer, "size", event->size_bytes);
    write_optional(writer, "eTag", event->etag);
    write_optional(writer, "versionId", event->version_id);
    write_optional(writer, "sequencer", event->sequencer);
    json_close_object(writer);
}

static struct text name_of(const struct event *event)
{
    enum event_kind kind;
    if (event_kind_of(event->name, &kind) && kind == event->kind)
        return event->name;
    return event->kind == EVENT_PUT ? TEXT("ObjectCreated:Put") : TEXT("ObjectRemoved:Delete");
}

bool event_write(struct buffer *out, const struct event *event)
{
    assert(event->kind == EVENT_PUT || event->kind == EVENT_REMOVED);
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_open_array(&writer, "Records");
    json_open_object(&writer, NULL);
    json_write_text(&writer, "eventVersion", TEXT("2.1"));
    json_write_text(&writer, "eventSource", TEXT("millrace:s3"));
    json_write_text(&writer, "awsRegion", TEXT(""));
    write_time(&writer, event->time_ms);
    json_write_text(&writer, "eventName", name_of(event));
    json_open_object(&writer, "s3");
    json_write_text(&writer, "s3SchemaVersion", TEXT("1.0"));
    json_open_object(&writer, "bucket");
    json_write_text(&writer, "name", event->bucket);
    json_close_object(&writer);
    write_object(&writer, event);
    json_close_object(&writer);
    json_close_object(&writer);
    json_close_array(&writer);
    json_close_object(&writer);
    return !out->is_full;
}
