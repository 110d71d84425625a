/* millrace dlq show: a dead letter with what the message held. */
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/dlq.h"
#include "worker/rows.h"

#define OUT_BYTES_MAX ((size_t)64 << 20)
#define SHOWN_BYTES_MAX 4096 /* of a value that is no text */
#define HEX_COLUMNS 16

/* ---- bytes ----------------------------------------------------------------------------------- */

/* What hex says; empty when it is none. The caller releases it. */
static struct buffer bytes_of(struct text hex)
{
    struct buffer bytes = buffer_new(hex.bytes / 2 + 1);
    char *at = buffer_reserve(&bytes, hex.bytes / 2);
    if (at && hex_parse(hex, (uint8_t *)at, hex.bytes / 2))
        bytes.bytes = hex.bytes / 2;
    return bytes;
}

static bool is_shown_as_text(struct text bytes)
{
    if (!text_is_utf8(bytes))
        return false;
    for (size_t i = 0; i < bytes.bytes; i++)
        if ((uint8_t)bytes.start[i] < 0x20 && bytes.start[i] != '\n' && bytes.start[i] != '\t' &&
            bytes.start[i] != '\r')
            return false;
    return true;
}

/* 00000010  7b 22 52 65 ...  {"Re */
static void append_hex_line(struct buffer *out, struct text bytes, size_t at)
{
    buffer_format(out, "    %08zx ", at);
    for (size_t i = at; i < at + HEX_COLUMNS; i++) {
        if (i < bytes.bytes)
            buffer_format(out, " %02x", (unsigned)(uint8_t)bytes.start[i]);
        else
            buffer_append_text(out, TEXT("   "));
    }
    buffer_append_text(out, TEXT("  "));
    for (size_t i = at; i < at + HEX_COLUMNS && i < bytes.bytes; i++)
        buffer_append_char(out,
                           bytes.start[i] >= 0x20 && bytes.start[i] < 0x7f ? bytes.start[i] : '.');
    buffer_append_char(out, '\n');
}

static void append_hex(struct buffer *out, struct text bytes)
{
    for (size_t at = 0; at < bytes.bytes && at < SHOWN_BYTES_MAX; at += HEX_COLUMNS)
        append_hex_line(out, bytes, at);
    if (bytes.bytes > SHOWN_BYTES_MAX)
        buffer_format(out, "    ... %zu bytes in all\n", bytes.bytes);
}

/* Lines as they are, each without controls. */
static void append_lines(struct buffer *out, struct text text)
{
    while (text.bytes) {
        struct text line = text_cut(text, '\n', &text);
        buffer_append_text(out, TEXT("    "));
        term_append_foreign(out, line, SIZE_MAX);
        buffer_append_char(out, '\n');
    }
}

static void append_bytes(struct buffer *out, struct text bytes)
{
    if (is_shown_as_text(bytes))
        append_lines(out, bytes);
    else
        append_hex(out, bytes);
}

/* ---- headers --------------------------------------------------------------------------------- */

static void append_header(struct buffer *out, const struct json *header)
{
    struct text encoded = json_text(json_at(header, 1));
    AUTO_BUFFER struct buffer value = buffer_new(encoded.bytes + 1);
    size_t bytes = 0;
    char *at = buffer_reserve(&value, encoded.bytes);
    if (at && base64_decode(encoded, (uint8_t *)at, encoded.bytes, &bytes))
        value.bytes = bytes;
    buffer_append_text(out, TEXT("    "));
    term_append_foreign(out, json_text(json_at(header, 0)), 100);
    buffer_append_text(out, TEXT(": "));
    term_append_foreign(out, buffer_text(&value), 400); /* ? when it is no text */
    buffer_append_char(out, '\n');
}

static void append_headers(struct buffer *out, struct text headers)
{
    struct error err;
    AUTO_JSON struct json *list = json_parse(headers, &err);
    if (json_count(list) == 0) {
        buffer_append_text(out, TEXT("headers  none\n"));
        return;
    }
    buffer_append_text(out, TEXT("headers\n"));
    for (size_t i = 0; i < json_count(list); i++)
        append_header(out, json_at(list, i));
}

/* ---- the letter ------------------------------------------------------------------------------ */

static void append_reason(struct buffer *out, const struct pg_result *rows, size_t row)
{
    enum error_code code;
    struct text time = pg_value(rows, row, LETTER_EVENT_TIME);
    bool is_known = error_code_from_name(pg_value(rows, row, LETTER_CODE), &code);
    if (is_known &&
        !text_equal(pg_value(rows, row, LETTER_MESSAGE), text_from(error_sentence(code))))
        buffer_format(out, "    %s\n", error_sentence(code));
    if (time.bytes)
        buffer_format(out, "sent     %.*s %.*s UTC\n", TEXT_ARGS(text_slice(time, 0, 10)),
                      TEXT_ARGS(text_slice(time, 11, 19)));
}

static void append_whole(struct buffer *out, const struct dlq *dlq, const struct pg_result *rows,
                         size_t row)
{
    AUTO_BUFFER struct buffer key = bytes_of(pg_value(rows, row, LETTER_KEY_HEX));
    AUTO_BUFFER struct buffer value = bytes_of(pg_value(rows, row, LETTER_VALUE_HEX));
    dlq_append_letter(out, dlq, rows, row);
    append_reason(out, rows, row);
    if (pg_value(rows, row, LETTER_KEY_HEX).start) {
        buffer_append_text(out, TEXT("key\n"));
        append_bytes(out, buffer_text(&key));
    } else {
        buffer_append_text(out, TEXT("key      none\n"));
    }
    append_headers(out, pg_value(rows, row, LETTER_HEADERS));
    if (!pg_value(rows, row, LETTER_VALUE_HEX).start) {
        buffer_append_text(out, TEXT("value    none\n"));
        return;
    }
    buffer_format(out, "value    %zu bytes\n", value.bytes);
    append_bytes(out, buffer_text(&value));
}

struct showing {
    const struct dlq *dlq;
    size_t count;
};

static void on_rows(void *arg, const struct pg_result *rows)
{
    struct showing *showing = arg;
    AUTO_BUFFER struct buffer out = buffer_new(OUT_BYTES_MAX);
    showing->count = pg_row_count(rows);
    for (size_t row = 0; row < showing->count; row++) {
        if (showing->dlq->is_json)
            dlq_append_json(&out, rows, row, true);
        else
            append_whole(&out, showing->dlq, rows, row);
    }
    term_write(stdout, buffer_text(&out));
}

bool dlq_show(struct dlq *dlq, struct error *err)
{
    struct showing showing = {.dlq = dlq};
    struct letters letters = {.kind = LETTERS_SHOW, .filter = dlq->filter, .row_max = 100};
    letters.filter.with_settled = true;
    if (!dlq_ask(dlq, &letters, (struct ask){on_rows, &showing}, err))
        return false;
    return showing.count || error_set(err, ERR_NOT_FOUND, "there is no dead letter %s", dlq->place);
}
