#include "worker/rows.h"

#include "worker/base/json.h"
#include "worker/dev_feed.h"

#define BAR_COLUMNS 32

uint64_t row_number(const struct pg_result *rows, size_t row, size_t column)
{
    uint64_t value;
    return pg_value_u64(rows, row, column, &value) ? value : 0;
}

struct text row_tenant_name(struct text user)
{
    char demo[UUID_TEXT_BYTES];
    if (text_equal(user, text_from(uuid_format(DEV_TENANT, demo))))
        return TEXT("demo");
    return text_slice(user, 0, 8);
}

struct text file_of_key(struct text key)
{
    struct text rest = key;
    if (!text_starts_with(key, TEXT("users/")))
        return key;
    (void)text_cut(rest, '/', &rest);
    (void)text_cut(rest, '/', &rest);
    return rest.bytes ? rest : key;
}

bool job_is_final(const struct pg_result *rows, size_t row)
{
    struct text status = pg_value(rows, row, JOB_STATUS);
    return !text_equal(status, TEXT("pending")) && !text_equal(status, TEXT("processing"));
}

struct text job_state(const struct pg_result *rows, size_t row)
{
    struct text control = pg_value(rows, row, JOB_CONTROL);
    if (job_is_final(rows, row) || text_equal(control, TEXT("none")))
        return pg_value(rows, row, JOB_STATUS);
    return text_equal(control, TEXT("pause")) ? TEXT("paused") : TEXT("cancelling");
}

static void append_time_left(struct buffer *out, double seconds)
{
    if (seconds < 90)
        buffer_format(out, "  about %.0f s left", seconds < 1 ? 1 : seconds);
    else if (seconds < 5400)
        buffer_format(out, "  about %.0f min left", seconds / 60);
    else
        buffer_format(out, "  about %.1f h left", seconds / 3600);
}

void job_append_progress(struct buffer *out, const struct term *term, const struct pg_result *rows,
                         size_t row)
{
    uint64_t failed = row_number(rows, row, JOB_FAILED);
    uint64_t done =
        row_number(rows, row, JOB_PROCESSED) + failed + row_number(rows, row, JOB_CANCELLED);
    uint64_t total = row_number(rows, row, JOB_TOTAL);
    double seconds_left;
    term_append_bar(out, done, total, BAR_COLUMNS);
    buffer_format(out, " %llu/%llu documents  %llu pages  %llu chunks", (unsigned long long)done,
                  (unsigned long long)total, (unsigned long long)row_number(rows, row, JOB_PAGES),
                  (unsigned long long)row_number(rows, row, JOB_CHUNKS));
    if (failed) {
        char text[48];
        (void)text_format(text, sizeof(text), "  %llu failed", (unsigned long long)failed);
        term_append(out, term, TERM_BAD, text_from(text));
    }
    if (text_equal(pg_value(rows, row, JOB_CONTROL), TEXT("pause")) && !job_is_final(rows, row))
        term_append(out, term, TERM_WARN, TEXT("  paused"));
    else if (text_parse_double(pg_value(rows, row, JOB_SECONDS_LEFT), &seconds_left) &&
             !job_is_final(rows, row))
        append_time_left(out, seconds_left);
}

static void write_field(struct json_writer *writer, const struct row_field *field,
                        struct text value)
{
    if (!value.start)
        json_write_null(writer, field->name);
    else if (field->kind == ROW_NUMBER)
        json_write_raw(writer, field->name, value); /* PostgreSQL's numbers are JSON's */
    else
        json_write_text(writer, field->name, value);
}

void row_append_json(struct buffer *out, const struct row_format *format,
                     const struct pg_result *rows, size_t row)
{
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", text_from(format->kind));
    for (size_t i = 0; i < format->field_count; i++)
        write_field(&writer, &format->fields[i], pg_value(rows, row, i));
    json_close_object(&writer);
}
