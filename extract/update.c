#include "extract/update.h"

#include "extract/syntax.h"
#include "worker/base/memory.h"

#define OBJECT_HEAD_BYTES 128 /* around an object's dictionary and its data, at most */
#define ROW_BYTES 24          /* of the section, at most: for a table and for a stream */

struct update_row {
    uint64_t at; /* in the file as it will be; is_contained: the number of the stream it is in */
    uint32_t number;
    uint32_t generation; /* is_contained: which one in that stream */
    bool is_contained;
};

struct update update_begin(const struct xref *xref, struct buffer *out)
{
    return (struct update){
        .xref = xref,
        .out = out,
        .rows = buffer_new(UPDATE_ROWS_MAX * sizeof(struct update_row)),
        .next_number = xref->entry_count,
        .is_stream = xref->is_stream,
    };
}

void update_release(struct update *update)
{
    buffer_release(&update->rows);
}

bool update_has_room(const struct update *update, size_t object_count, size_t bytes)
{
    size_t room = update->out->bytes_max - update->out->bytes;
    size_t around = (update->row_count + object_count) * ROW_BYTES + OBJECT_HEAD_BYTES;
    return object_count < UPDATE_ROWS_MAX - update->row_count && around < room &&
           bytes < room - around;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* There is room: update_has_room() said so. */
static void add_row(struct update *update, struct update_row row)
{
    buffer_append(&update->rows, &row, sizeof(row));
    update->row_count++;
}

static const struct update_row *row_at(const struct update *update, size_t at)
{
    return (const struct update_row *)(const void *)update->rows.data + at;
}

static void begin_object(struct update *update, uint64_t number, uint64_t generation)
{
    buffer_append_char(update->out, '\n');
    add_row(update, (struct update_row){
                        .at = update->xref->body.bytes + update->out->bytes,
                        .number = (uint32_t)number,
                        .generation = (uint32_t)generation,
                    });
    buffer_format(update->out, "%u %u obj\n", (unsigned)number, (unsigned)generation);
}

/* The dictionary without what was true of the compressed bytes only. */
static void write_dictionary(struct buffer *out, struct text dictionary, size_t content_bytes)
{
    struct text key, value;
    buffer_append_text(out, TEXT("<<"));
    while (syntax_take_entry(&dictionary, &key, &value))
        if (!text_equal(key, TEXT("/Filter")) && !text_equal(key, TEXT("/Length")) &&
            !text_equal(key, TEXT("/DL"))) {
            buffer_append_text(out, key);
            buffer_append_char(out, ' ');
            buffer_append_text(out, value);
        }
    buffer_format(out, "/Length %zu>>", content_bytes);
}

void update_put_stream(struct update *update, const struct xref_stream *stream, struct text content)
{
    begin_object(update, stream->number, stream->generation);
    write_dictionary(update->out, stream->dictionary, content.bytes);
    buffer_append_text(update->out, TEXT("\nstream\n"));
    buffer_append_text(update->out, content);
    buffer_append_text(update->out, TEXT("\nendstream\nendobj\n"));
}

void update_put_value(struct update *update, uint32_t number, struct text value)
{
    begin_object(update, number, 0);
    buffer_append_text(update->out, value);
    buffer_append_text(update->out, TEXT("\nendobj\n"));
    update->value_bytes += value.bytes;
}

void update_put_objects(struct update *update, const uint32_t *numbers, const size_t *ends,
                        size_t count, struct text texts)
{
    uint32_t container = update->next_number++;
    struct buffer index = buffer_new(count * 24);
    size_t start = ends[count - 1] - texts.bytes;
    for (size_t i = 0; i < count; i++)
        buffer_format(&index, "%u %zu ", numbers[i], i ? ends[i - 1] - start : 0);
    begin_object(update, container, 0);
    buffer_format(update->out, "<</Type/ObjStm/N %zu/First %zu/Length %zu>>\nstream\n", count,
                  index.bytes, index.bytes + texts.bytes);
    buffer_append_text(update->out, buffer_text(&index));
    buffer_append_text(update->out, texts);
    buffer_append_text(update->out, TEXT("\nendstream\nendobj\n"));
    buffer_release(&index);
    for (size_t i = 0; i < count; i++)
        add_row(update, (struct update_row){.at = container,
                                            .number = numbers[i],
                                            .generation = (uint32_t)i,
                                            .is_contained = true});
    update->is_stream = true; /* a table cannot say where they are */
}

/* ---- the cross-reference section ------------------------------------------------------------- */

/* What the file says about itself is told again: the newest section has the last word. */
static void write_trailer_entries(const struct update *update)
{
    static const struct text kept[] = {{"/Root", 5}, {"/Info", 5}, {"/ID", 3}};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        struct text value = syntax_find(update->xref->trailer, kept[i]);
        if (value.bytes == 0)
            continue;
        buffer_append_text(update->out, kept[i]);
        buffer_append_char(update->out, ' ');
        buffer_append_text(update->out, value);
    }
    buffer_format(update->out, "/Prev %llu", (unsigned long long)update->xref->newest_at);
}

static void write_table(const struct update *update)
{
    buffer_append_text(update->out, TEXT("xref\n"));
    for (size_t i = 0; i < update->row_count; i++) {
        const struct update_row *row = row_at(update, i);
        buffer_format(update->out, "%u 1\n%010llu %05u n \n", row->number,
                      (unsigned long long)row->at, row->generation);
    }
    buffer_format(update->out, "trailer\n<</Size %u", update->next_number);
    write_trailer_entries(update);
    buffer_append_text(update->out, TEXT(">>\n"));
}

static void write_number(struct buffer *out, uint64_t value, size_t bytes)
{
    while (bytes--)
        buffer_append_char(out, (char)(value >> 8 * bytes));
}

static void write_stream(const struct update *update)
{
    buffer_format(update->out, "%u 0 obj\n<</Type/XRef/Size %u/W[1 5 2]/Index[",
                  update->next_number, update->next_number + 1);
    for (size_t i = 0; i < update->row_count; i++)
        buffer_format(update->out, "%u 1 ", row_at(update, i)->number);
    buffer_append_char(update->out, ']');
    write_trailer_entries(update);
    buffer_format(update->out, "/Length %zu>>\nstream\n", update->row_count * 8);
    for (size_t i = 0; i < update->row_count; i++) {
        const struct update_row *row = row_at(update, i);
        write_number(update->out, row->is_contained ? 2 : 1, 1);
        write_number(update->out, row->at, 5);
        write_number(update->out, row->generation, 2);
    }
    buffer_append_text(update->out, TEXT("\nendstream\nendobj\n"));
}

void update_end(struct update *update)
{
    uint64_t at = update->xref->body.bytes + update->out->bytes;
    if (update->is_stream)
        write_stream(update);
    else
        write_table(update);
    buffer_format(update->out, "startxref\n%llu\n%%%%EOF\n", (unsigned long long)at);
}
