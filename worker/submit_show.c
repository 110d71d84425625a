#include "worker/submit_show.h"

#include "worker/base/json.h"
#include "worker/rows.h"

#define BAR_COLUMNS 32
#define LINE_BYTES_MAX ((size_t)64 * 1024)

static const char *action_of(const struct source *source)
{
    static const char *const actions[] = {
        [SOURCE_FILE] = "upload", [SOURCE_OBJECT] = "in_bucket", [SOURCE_LINK] = "link"};
    return source->is_final ? "done_before" : actions[source->kind];
}

void submit_print_plan_json(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->items[i];
        AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
        struct json_writer writer = json_writer_new(&line);
        json_open_object(&writer, NULL);
        json_write_text(&writer, "kind", TEXT("document"));
        json_write_text(&writer, "action", text_from(action_of(source)));
        json_write_text(&writer, "from", text_from(source->name));
        json_write_text(&writer, "title", source_title(source));
        json_write_text(&writer, "bucket", source->bucket);
        json_write_text(&writer, "key", text_from(source->key));
        json_write_u64(&writer, "bytes", source->bytes);
        json_close_object(&writer);
        buffer_append_char(&line, '\n');
        term_write(stdout, buffer_text(&line));
    }
}

/* The key below the tenant's prefix: what people will call it. */
void submit_print_plan(const struct sources *sources, struct term *term)
{
    static const char *const heads[] = {"what", "size", "document"};
    struct term_table table = {.column_count = COUNT_OF(heads), .right_aligned = 2};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        term_table_add(&table, text_from(heads[i]));
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->items[i];
        AUTO_BUFFER struct buffer size = buffer_new(64);
        if (source->kind != SOURCE_LINK)
            term_append_bytes(&size, source->bytes);
        term_table_add(&table, text_from(action_of(source)));
        term_table_add(&table, buffer_text(&size));
        term_table_add(&table, file_of_key(text_from(source->key)));
    }
    term_table_print(&table, term);
    term_table_release(&table);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static size_t count_to_do(const struct submit_summary *summary, enum source_kind kind)
{
    const struct sources *sources = summary->sources;
    size_t count = 0;
    for (size_t i = 0; i < sources->count; i++)
        count += sources->items[i].kind == kind && !sources->items[i].is_final;
    return count;
}

void submit_write_summary(struct buffer *out, const char *kind,
                          const struct submit_summary *summary)
{
    char id[UUID_TEXT_BYTES];
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", text_from(kind));
    if (summary->has_job)
        json_write_text(&writer, "job", text_from(uuid_format(summary->job, id)));
    json_write_u64(&writer, "documents", summary->sources->count);
    json_write_u64(&writer, "bytes", summary->sources->bytes);
    json_write_u64(&writer, "uploaded", count_to_do(summary, SOURCE_FILE));
    json_write_u64(&writer, "in_bucket", count_to_do(summary, SOURCE_OBJECT));
    json_write_u64(&writer, "links", count_to_do(summary, SOURCE_LINK));
    json_write_u64(&writer, "done_before", summary->final_count);
    json_write_u64(&writer, "left_out", summary->sources->skipped.count);
    json_write_bool(&writer, "was_new", summary->was_new);
    json_close_object(&writer);
}

void submit_append_summary(struct buffer *out, const struct submit_summary *summary)
{
    size_t count = summary->sources->count;
    buffer_format(out, "%zu %s, ", count, count == 1 ? "document" : "documents");
    term_append_bytes(out, summary->sources->bytes);
    buffer_format(out, ": %zu %s, %zu in the bucket, %zu behind links",
                  count_to_do(summary, SOURCE_FILE), summary->is_dry ? "to upload" : "uploaded",
                  count_to_do(summary, SOURCE_OBJECT), count_to_do(summary, SOURCE_LINK));
    if (summary->final_count)
        buffer_format(out, ", %zu done before", summary->final_count);
}

/* ---- while they are sent --------------------------------------------------------------------- */

void submit_append_sending(struct buffer *out, const struct term *term,
                           const struct submit_sending *sending)
{
    AUTO_BUFFER struct buffer reason = buffer_new(1024);
    if (term->is_terminal) {
        term_append_bar(out, sending->done_count, sending->count, BAR_COLUMNS);
        buffer_append_char(out, ' ');
    }
    buffer_format(out, "%zu/%zu sent, ", sending->done_count, sending->count);
    term_append_bytes(out, sending->done_bytes);
    buffer_append_char(out, '\n');
    if (!sending->waits_for)
        return;
    buffer_format(&reason, "%s does not answer; it is asked again", sending->waits_for);
    term_append(out, term, TERM_WARN, buffer_text(&reason));
    buffer_append_char(out, '\n');
}

void submit_write_sending(struct buffer *out, const struct submit_sending *sending)
{
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", TEXT("sending"));
    json_write_u64(&writer, "documents", sending->count);
    json_write_u64(&writer, "sent", sending->done_count);
    json_write_u64(&writer, "bytes_sent", sending->done_bytes);
    if (sending->waits_for)
        json_write_text(&writer, "waits_for", text_from(sending->waits_for));
    else
        json_write_null(&writer, "waits_for");
    json_close_object(&writer);
    buffer_append_char(out, '\n');
}
