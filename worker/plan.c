#include "worker/plan.h"

#include "worker/base/json.h"
#include "worker/rows.h"

#define LINE_BYTES_MAX ((size_t)64 * 1024)

static const char *action_of(const struct source *source)
{
    static const char *const actions[] = {
        [SOURCE_FILE] = "upload", [SOURCE_OBJECT] = "in_bucket", [SOURCE_LINK] = "link"};
    return source->is_final ? "done_before" : actions[source->kind];
}

void plan_print_json(const struct sources *sources)
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
void plan_print(const struct sources *sources, struct term *term)
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
