#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/json.h"

/* What follows a backslash, 0 where there is no short form. */
static char short_escape(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* DEL and C1 need no escape in JSON, but a terminal that shows the line obeys them. */
static bool is_c1(struct text text, size_t length)
{
    return length == 2 && (uint8_t)text.start[0] == 0xc2 && (uint8_t)text.start[1] < 0xa0;
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

size_t json_escape(struct text text, char ret_escaped[JSON_ESCAPED_BYTES_MAX], size_t *ret_used)
{
    static const char replacement[] = {'\xef', '\xbf', '\xbd'};
    static const char digits[] = "0123456789abcdef";
    size_t length = text_utf8_sequence(text);
    uint8_t byte = (uint8_t)text.start[0];
    *ret_used = length ? length : 1;
    if (byte == 0)
        length = 0; /* \u0000 is JSON, but neither jsonb nor our own reader takes it */
    if (length == 1 && short_escape(byte)) {
        ret_escaped[0] = '\\';
        ret_escaped[1] = short_escape(byte);
        return 2;
    }
    if ((length == 1 && !is_plain(byte)) || is_c1(text, length)) {
        uint8_t code = length == 1 ? byte : (uint8_t)text.start[1];
        const char escaped[] = {'\\', 'u', '0', '0', digits[code >> 4], digits[code & 15]};
        memcpy(ret_escaped, escaped, sizeof(escaped));
        return sizeof(escaped);
    }
    const char *from = length ? text.start : replacement;
    size_t bytes = length ? length : sizeof(replacement);
    memcpy(ret_escaped, from, bytes);
    return bytes;
}

const char *json_format_number(double value, char buffer[JSON_NUMBER_BYTES_MAX])
{
    bool fits = text_format(buffer, JSON_NUMBER_BYTES_MAX, "null");
    for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
        fits = text_format(buffer, JSON_NUMBER_BYTES_MAX, "%.*g", digits, value);
        double again = strtod(buffer, NULL);
        if (again <= value && again >= value) /* -Wfloat-equal is right everywhere else */
            break;
    }
    assert(fits);
    return buffer;
}

size_t json_plain_prefix(struct text text)
{
    size_t bytes = 0;
    while (bytes < text.bytes && is_plain((uint8_t)text.start[bytes]))
        bytes++;
    return bytes;
}

static void write_string(struct buffer *out, struct text value)
{
    buffer_append_char(out, '"');
    while (value.bytes && !out->is_full) {
        size_t run = json_plain_prefix(value);
        buffer_append(out, value.start, run);
        value = text_slice(value, run, value.bytes);
        if (value.bytes == 0)
            break;
        char escaped[JSON_ESCAPED_BYTES_MAX];
        size_t used, bytes = json_escape(value, escaped, &used);
        buffer_append(out, escaped, bytes);
        value = text_slice(value, used, value.bytes);
    }
    buffer_append_char(out, '"');
}

/* A comma where one is due, and the name of a member. */
static void start_value(struct json_writer *writer, const char *name)
{
    if (writer->needs_comma[writer->depth])
        buffer_append_char(writer->out, ',');
    writer->needs_comma[writer->depth] = true;
    if (!name)
        return;
    write_string(writer->out, text_from(name));
    buffer_append_char(writer->out, ':');
}

static void open_value(struct json_writer *writer, const char *name, char bracket)
{
    start_value(writer, name);
    buffer_append_char(writer->out, bracket);
    assert(writer->depth + 1 < JSON_DEPTH_MAX);
    writer->needs_comma[++writer->depth] = false;
}

static void close_value(struct json_writer *writer, char bracket)
{
    assert(writer->depth > 0);
    writer->depth--;
    buffer_append_char(writer->out, bracket);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct json_writer json_writer_new(struct buffer *out)
{
    return (struct json_writer){.out = out};
}

void json_open_object(struct json_writer *writer, const char *name)
{
    open_value(writer, name, '{');
}

void json_close_object(struct json_writer *writer)
{
    close_value(writer, '}');
}

void json_open_array(struct json_writer *writer, const char *name)
{
    open_value(writer, name, '[');
}

void json_close_array(struct json_writer *writer)
{
    close_value(writer, ']');
}

void json_write_text(struct json_writer *writer, const char *name, struct text value)
{
    start_value(writer, name);
    write_string(writer->out, value);
}

void json_write_u64(struct json_writer *writer, const char *name, uint64_t value)
{
    char digits[TEXT_U64_BYTES];
    start_value(writer, name);
    buffer_append_text(writer->out, text_of_u64(value, digits));
}

void json_write_i64(struct json_writer *writer, const char *name, int64_t value)
{
    start_value(writer, name);
    buffer_format(writer->out, "%" PRId64, value);
}

void json_write_number(struct json_writer *writer, const char *name, double value)
{
    char number[JSON_NUMBER_BYTES_MAX];
    json_write_raw(writer, name, text_from(json_format_number(value, number)));
}

void json_write_bool(struct json_writer *writer, const char *name, bool value)
{
    json_write_raw(writer, name, text_from(value ? "true" : "false"));
}

void json_write_null(struct json_writer *writer, const char *name)
{
    json_write_raw(writer, name, TEXT("null"));
}

void json_write_raw(struct json_writer *writer, const char *name, struct text json)
{
    start_value(writer, name);
    buffer_append_text(writer->out, json);
}
