#include "worker/base/log_line.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "worker/base/json.h"

#define TAIL_BYTES 16 /* kept free for `,"cut":true}` and the line end */
#define WINDOW_MS 1000

static const char *const LEVEL_NAMES[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

/* ---- the line -------------------------------------------------------------------------------- */

static void put(struct log_line *line, const char *data, size_t bytes)
{
    if (line->is_over || bytes > sizeof(line->data) - TAIL_BYTES - line->bytes) {
        line->is_over = true;
        return;
    }
    memcpy(line->data + line->bytes, data, bytes);
    line->bytes += bytes;
}

static void put_string(struct log_line *line, const char *string)
{
    put(line, string, strlen(string));
}

static void put_quoted(struct log_line *line, struct text value)
{
    put_string(line, "\"");
    while (value.bytes && !line->is_over) {
        size_t run = json_plain_prefix(value);
        put(line, value.start, run);
        value = text_slice(value, run, value.bytes);
        if (value.bytes == 0)
            break;
        char escaped[JSON_ESCAPED_BYTES_MAX];
        size_t used, bytes = json_escape(value, escaped, &used);
        put(line, escaped, bytes);
        value = text_slice(value, used, value.bytes);
    }
    put_string(line, "\"");
}

/* Text lines: quotes only where a reader could be misled about where the value ends. */
static bool needs_quotes(struct text value)
{
    for (struct text rest = value; rest.bytes;) {
        char escaped[JSON_ESCAPED_BYTES_MAX], c = rest.start[0];
        size_t used, bytes = json_escape(rest, escaped, &used);
        if (bytes != used || c == ' ' || c == '=')
            return true;
        rest = text_slice(rest, used, rest.bytes);
    }
    return value.bytes == 0;
}

static void put_text(struct log_line *line, enum log_format format, struct text value)
{
    struct text shown = text_utf8_prefix(value, LOG_VALUE_BYTES_MAX);
    if (format == LOG_FORMAT_JSON || needs_quotes(shown))
        put_quoted(line, shown);
    else
        put(line, shown.start, shown.bytes);
}

static void put_number(struct log_line *line, const struct field *field)
{
    char number[JSON_NUMBER_BYTES_MAX], digits[TEXT_U64_BYTES];
    bool fits = true;
    if (field->kind == FIELD_KIND_U64) {
        struct text text = text_of_u64(field->u64, digits);
        put(line, text.start, text.bytes);
        return;
    }
    if (field->kind == FIELD_KIND_I64)
        fits = text_format(number, sizeof(number), "%" PRId64, field->i64);
    else
        json_format_number(field->number, number);
    if (fits)
        put_string(line, number);
}

static void put_value(struct log_line *line, enum log_format format, const struct field *field)
{
    char id[UUID_TEXT_BYTES];
    switch (field->kind) {
    case FIELD_KIND_TEXT:
        put_text(line, format, field->text);
        return;
    case FIELD_KIND_UUID:
        put_text(line, format, text_from(uuid_format(field->uuid, id)));
        return;
    case FIELD_KIND_BOOL:
        put_string(line, field->boolean ? "true" : "false");
        return;
    case FIELD_KIND_U64:
    case FIELD_KIND_I64:
    case FIELD_KIND_DOUBLE:
        put_number(line, field);
        return;
    }
}

/* All of a field or nothing of it. */
static bool put_field(struct log_line *line, enum log_format format, const struct field *field)
{
    size_t mark = line->bytes;
    if (format == LOG_FORMAT_JSON) {
        put_string(line, ",");
        put_quoted(line, text_from(field->key));
        put_string(line, ":");
    } else {
        put_string(line, " ");
        put_string(line, field->key);
        put_string(line, "=");
    }
    put_value(line, format, field);
    bool fits = !line->is_over;
    if (!fits)
        line->bytes = mark;
    line->is_over = false;
    return fits;
}

/* Two lines a document: formats that are read each time would be a tenth of all its work here. */
static void put_padded(struct log_line *line, int value, size_t width, char behind)
{
    char digits[8];
    digits[width] = behind;
    for (size_t at = width; at-- > 0; value /= 10)
        digits[at] = (char)('0' + value % 10);
    put(line, digits, width + 1);
}

static void put_time(struct log_line *line, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc))
        return;
    put_padded(line, utc.tm_year + 1900, 4, '-');
    put_padded(line, utc.tm_mon + 1, 2, '-');
    put_padded(line, utc.tm_mday, 2, 'T');
    put_padded(line, utc.tm_hour, 2, ':');
    put_padded(line, utc.tm_min, 2, ':');
    put_padded(line, utc.tm_sec, 2, '.');
    put_padded(line, (int)(wall_ms % 1000), 3, 'Z');
}

static void put_head(struct log_line *line, enum log_format format, const struct log_entry *entry)
{
    bool is_json = format == LOG_FORMAT_JSON;
    struct text event = text_utf8_prefix(text_from(entry->event), LOG_VALUE_BYTES_MAX);
    put_string(line, is_json ? "{\"ts\":\"" : "");
    put_time(line, entry->wall_ms);
    put_string(line, is_json ? "\",\"level\":\"" : " ");
    put_string(line, LEVEL_NAMES[entry->level]);
    put_string(line, is_json ? "\",\"event\":" : " ");
    put_text(line, format, event);
}

static void append_tail(struct log_line *line, const char *string)
{
    size_t bytes = strlen(string); /* TAIL_BYTES were kept free for these */
    memcpy(line->data + line->bytes, string, bytes);
    line->bytes += bytes;
}

void log_line_format(struct log_line *line, enum log_format format, const struct log_entry *entry)
{
    bool is_cut = false, is_json = format == LOG_FORMAT_JSON;
    line->bytes = 0;
    line->is_over = false;
    put_head(line, format, entry);
    for (size_t i = 0; i < entry->field_count; i++)
        is_cut |= !put_field(line, format, &entry->fields[i]);
    struct field dropped = FIELD_U64("dropped", entry->dropped_count);
    if (entry->dropped_count)
        is_cut |= !put_field(line, format, &dropped);
    if (is_cut)
        append_tail(line, is_json ? ",\"cut\":true" : " cut=true");
    append_tail(line, is_json ? "}\n" : "\n");
}

/* ---- repeats --------------------------------------------------------------------------------- */

static struct log_repeat *find_repeat(struct log_limit *limit, const char *event)
{
    size_t hash = 5381;
    for (const char *at = event; *at; at++)
        hash = hash * 33 ^ (uint8_t)*at;
    for (size_t i = 0; i < LOG_EVENTS_MAX; i++) {
        struct log_repeat *repeat = &limit->repeats[(hash + i) % LOG_EVENTS_MAX];
        if (!repeat->event)
            repeat->event = event;
        if (strcmp(repeat->event, event) == 0)
            return repeat;
    }
    return NULL;
}

bool log_limit_pass(struct log_limit *limit, const char *event, uint64_t now_ms,
                    uint64_t *ret_dropped)
{
    struct log_repeat *repeat = find_repeat(limit, event);
    *ret_dropped = 0;
    if (!repeat)
        return true;
    if (now_ms - repeat->window_start_ms >= WINDOW_MS || repeat->count == 0) {
        repeat->window_start_ms = now_ms;
        repeat->count = 0;
    }
    if (repeat->count >= LOG_REPEATS_MAX) {
        repeat->dropped_count++;
        return false;
    }
    repeat->count++;
    *ret_dropped = repeat->dropped_count;
    repeat->dropped_count = 0;
    return true;
}
