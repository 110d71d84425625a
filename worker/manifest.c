#include "worker/manifest.h"

#include <string.h>

#include "worker/base/json.h"

#define COLUMNS_MAX 64 /* of a header; more is no manifest */
#define FAULT_BYTES_MAX 400

static const char *const COLUMN_NAMES[] = {[MANIFEST_TITLE] = "title",
                                           [MANIFEST_FILE_PATH] = "file_path",
                                           [MANIFEST_SOURCE_TYPE] = "file_source_type",
                                           [MANIFEST_FILE_URL] = "file_url"};
#define COLUMNS_WANTED "title, file_path, file_source_type, file_url"

struct reading {
    struct manifest_events events;
    struct text rest;
    uint64_t line; /* of rest's start */
    bool has_fault;
};

/* ---- what both have in common ---------------------------------------------------------------- */

static void fault(struct reading *reading, uint64_t line, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void fault(struct reading *reading, uint64_t line, const char *format, ...)
{
    char what[FAULT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)text_format_v(what, sizeof(what), format, args);
    va_end(args);
    reading->has_fault = true;
    reading->events.on_fault(reading->events.arg, line, text_from(what));
}

static bool find_column(struct text name, enum manifest_column *ret_column)
{
    for (unsigned i = 0; i < MANIFEST_COLUMN_COUNT; i++) {
        if (!text_equal_nocase(name, text_from(COLUMN_NAMES[i])))
            continue;
        *ret_column = (enum manifest_column)i;
        return true;
    }
    return false;
}

static void tell_row(struct reading *reading, const struct manifest_row *row)
{
    bool is_named = row->fields[MANIFEST_FILE_PATH].bytes || row->fields[MANIFEST_FILE_URL].bytes;
    if (is_named)
        reading->events.on_row(reading->events.arg, row);
    else
        fault(reading, row->line, "neither file_path nor file_url says which document it is");
}

/* ---- CSV ------------------------------------------------------------------------------------- */

struct csv {
    struct reading *reading;
    char separator;
    size_t column_count;
    enum manifest_column columns[COLUMNS_MAX]; /* what stands in each */
    struct buffer fields[COLUMNS_MAX];
};

static bool is_line_end(struct text rest)
{
    return rest.bytes == 0 || rest.start[0] == '\n' || rest.start[0] == '\r';
}

static void take_bytes(struct reading *reading, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = reading->rest.start[i];
        bool is_crlf =
            c == '\r' && i + 1 < reading->rest.bytes && reading->rest.start[i + 1] == '\n';
        reading->line += c == '\n' || (c == '\r' && !is_crlf);
    }
    reading->rest = text_slice(reading->rest, bytes, reading->rest.bytes);
}

static void take_line_end(struct reading *reading)
{
    bool is_crlf = text_starts_with(reading->rest, TEXT("\r\n"));
    take_bytes(reading, is_crlf ? 2 : reading->rest.bytes ? 1 : 0);
}

static void skip_line(struct reading *reading)
{
    size_t bytes = 0;
    while (!is_line_end(text_slice(reading->rest, bytes, reading->rest.bytes)))
        bytes++;
    take_bytes(reading, bytes);
    take_line_end(reading);
}

/* Behind the opening quote, up to and with the closing one. */
static bool take_quoted(struct csv *csv, struct buffer *field)
{
    struct reading *reading = csv->reading;
    struct text rest = reading->rest;
    for (size_t i = 0; i < rest.bytes; i++) {
        if (rest.start[i] != '"') {
            buffer_append_char(field, rest.start[i]);
            continue;
        }
        if (i + 1 < rest.bytes && rest.start[i + 1] == '"') {
            buffer_append_char(field, rest.start[i++]);
            continue;
        }
        take_bytes(reading, i + 1);
        return true;
    }
    return false;
}

/* False: a fault of the row, which has been told; the rest of its line is passed over. */
static bool take_field(struct csv *csv, struct buffer *field)
{
    struct reading *reading = csv->reading;
    uint64_t line = reading->line;
    buffer_clear(field);
    field->is_full = false;
    if (text_starts_with(reading->rest, TEXT("\""))) {
        take_bytes(reading, 1);
        if (!take_quoted(csv, field)) {
            fault(reading, line, "a quote is opened and never closed");
            take_bytes(reading, reading->rest.bytes);
            return false;
        }
        bool is_end = is_line_end(reading->rest) || reading->rest.start[0] == csv->separator;
        if (!is_end)
            fault(reading, line, "text stands behind a closing quote; write a quote as \"\"");
        return is_end;
    }
    size_t bytes = 0;
    while (bytes < reading->rest.bytes && reading->rest.start[bytes] != csv->separator &&
           reading->rest.start[bytes] != '\n' && reading->rest.start[bytes] != '\r')
        bytes++;
    buffer_append_text(field, text_slice(reading->rest, 0, bytes));
    take_bytes(reading, bytes);
    return true;
}

/* *ret_count fields of one line; more than COLUMNS_MAX are counted, not kept. */
static bool take_fields(struct csv *csv, size_t *ret_count)
{
    struct reading *reading = csv->reading;
    size_t count = 0;
    for (;; count++) {
        struct buffer *field = &csv->fields[count < COLUMNS_MAX ? count : COLUMNS_MAX - 1];
        uint64_t line = reading->line;
        if (!take_field(csv, field)) {
            skip_line(reading);
            return false;
        }
        if (field->is_full) {
            fault(reading, line, "a field is longer than %zu bytes", MANIFEST_FIELD_BYTES_MAX);
            skip_line(reading);
            return false;
        }
        if (is_line_end(reading->rest))
            break;
        take_bytes(reading, 1); /* the separator */
    }
    take_line_end(reading);
    *ret_count = count + 1;
    return true;
}

static char separator_of(struct text content)
{
    for (size_t i = 0; i < content.bytes && content.start[i] != '\n' && content.start[i] != '\r';
         i++)
        if (content.start[i] == ',' || content.start[i] == ';' || content.start[i] == '\t')
            return content.start[i];
    return ',';
}

static bool take_column(struct csv *csv, size_t at)
{
    struct text name = text_trim(buffer_text(&csv->fields[at]));
    if (!find_column(name, &csv->columns[at])) {
        fault(csv->reading, 1, "there is no column \"%.*s\"; a manifest has " COLUMNS_WANTED,
              TEXT_ARGS(text_slice(name, 0, 80)));
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        if (csv->columns[i] != csv->columns[at])
            continue;
        fault(csv->reading, 1, "the column %s stands there twice", COLUMN_NAMES[csv->columns[at]]);
        return false;
    }
    return true;
}

static bool take_header(struct csv *csv)
{
    bool is_placed = false;
    if (!take_fields(csv, &csv->column_count))
        return false;
    if (csv->column_count > COLUMNS_MAX) {
        fault(csv->reading, 1, "it has %zu columns; a manifest has " COLUMNS_WANTED,
              csv->column_count);
        return false;
    }
    for (size_t i = 0; i < csv->column_count; i++) {
        if (!take_column(csv, i))
            return false;
        is_placed |= csv->columns[i] == MANIFEST_FILE_PATH || csv->columns[i] == MANIFEST_FILE_URL;
    }
    if (!is_placed)
        fault(csv->reading, 1, "there is neither a column file_path nor file_url");
    return is_placed;
}

static void take_row(struct csv *csv)
{
    struct manifest_row row = {.line = csv->reading->line};
    size_t count;
    if (!take_fields(csv, &count))
        return;
    if (count != csv->column_count) {
        fault(csv->reading, row.line, "the header has %zu fields, this line %zu", csv->column_count,
              count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        row.fields[csv->columns[i]] = text_trim(buffer_text(&csv->fields[i]));
    tell_row(csv->reading, &row);
}

static void read_csv(struct reading *reading)
{
    struct csv csv = {.reading = reading, .separator = separator_of(reading->rest)};
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        csv.fields[i] = buffer_new(MANIFEST_FIELD_BYTES_MAX);
    bool is_good = take_header(&csv);
    while (is_good && reading->rest.bytes) {
        if (is_line_end(reading->rest))
            take_line_end(reading);
        else
            take_row(&csv);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        buffer_release(&csv.fields[i]);
}

/* ---- JSON lines ------------------------------------------------------------------------------ */

struct members {
    struct reading *reading;
    struct manifest_row row;
    bool is_bad;
};

static void take_member(void *arg, struct text name, const struct json *value)
{
    struct members *members = arg;
    enum manifest_column column = MANIFEST_TITLE;
    if (members->is_bad)
        return;
    members->is_bad = true;
    if (!find_column(name, &column))
        fault(members->reading, members->row.line,
              "there is no member \"%.*s\"; a row has " COLUMNS_WANTED,
              TEXT_ARGS(text_slice(name, 0, 80)));
    else if (!json_is_string(value) && !json_is_null(value))
        fault(members->reading, members->row.line, "%s is no string", COLUMN_NAMES[column]);
    else if (json_text(value).bytes > MANIFEST_FIELD_BYTES_MAX)
        fault(members->reading, members->row.line, "%s is longer than %zu bytes",
              COLUMN_NAMES[column], MANIFEST_FIELD_BYTES_MAX);
    else
        members->is_bad = false;
    if (!members->is_bad)
        members->row.fields[column] = text_trim(json_text(value));
}

static void take_json(struct reading *reading, struct text line, uint64_t number)
{
    struct members members = {.reading = reading, .row = {.line = number}};
    struct error err;
    AUTO_JSON struct json *root = json_parse(line, &err);
    if (!root || !json_is_object(root)) {
        fault(reading, number, "it is no JSON object");
        return;
    }
    json_each(root, take_member, &members);
    if (!members.is_bad)
        tell_row(reading, &members.row);
}

static void read_json_lines(struct reading *reading)
{
    while (reading->rest.bytes) {
        struct text line = text_trim(text_cut(reading->rest, '\n', &reading->rest));
        if (line.bytes)
            take_json(reading, line, reading->line);
        reading->line++;
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

bool manifest_format_of(struct text name, enum manifest_format *ret_format)
{
    static const struct {
        const char *ending;
        enum manifest_format format;
    } endings[] = {
        {".csv", MANIFEST_CSV}, {".jsonl", MANIFEST_JSON_LINES}, {".ndjson", MANIFEST_JSON_LINES}};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t bytes = strlen(endings[i].ending);
        if (name.bytes <= bytes ||
            !text_equal_nocase(text_slice(name, name.bytes - bytes, name.bytes),
                               text_from(endings[i].ending)))
            continue;
        *ret_format = endings[i].format;
        return true;
    }
    return false;
}

const char *manifest_column_name(enum manifest_column column)
{
    return COLUMN_NAMES[column];
}

/* NULL: its bytes may be read. Else *line is where they may not. */
static const char *fault_of_encoding(struct text content, uint64_t *line)
{
    if (text_starts_with(content, TEXT("\xff\xfe")) || text_starts_with(content, TEXT("\xfe\xff")))
        return "it is UTF-16: save it as UTF-8";
    for (size_t at = 0; at < content.bytes;) {
        size_t bytes = text_utf8_sequence(text_slice(content, at, content.bytes));
        if (bytes == 0)
            return "it is not UTF-8: save it as UTF-8";
        if (content.start[at] == '\0')
            return "it holds a NUL byte: it is no text";
        *line += content.start[at] == '\n';
        at += bytes;
    }
    *line = 1;
    return NULL;
}

void manifest_read(struct text content, enum manifest_format format, struct manifest_events events)
{
    struct reading reading = {.events = events, .rest = content, .line = 1};
    uint64_t line = 1;
    const char *encoding = fault_of_encoding(content, &line);
    if (text_starts_with(content, TEXT("\xef\xbb\xbf")))
        reading.rest = text_slice(content, 3, content.bytes);
    if (encoding)
        fault(&reading, line, "%s", encoding);
    else if (!text_trim(reading.rest).bytes)
        fault(&reading, 1, "it is empty");
    else if (format == MANIFEST_CSV)
        read_csv(&reading);
    else
        read_json_lines(&reading);
}
