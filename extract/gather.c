#include "extract/gather.h"

#include <string.h>

#include "extract/syntax.h"
#include "worker/base/memory.h"

#define KEPT_BYTES_MAX ((size_t)4 << 20)
#define OBJECTS_PER_STREAM 1024
#define NUMBER_BYTES_MAX 24 /* of an object and its place, in front of a stream */

struct gathering {
    struct buffer numbers; /* uint32_t each */
    struct buffer ends;    /* size_t each: where the object ends in texts */
    struct buffer texts;
};

struct gathering *gather_new(void)
{
    struct gathering *gathering = xcalloc(1, sizeof(*gathering));
    gathering->numbers = buffer_new(UPDATE_ROWS_MAX * sizeof(uint32_t));
    gathering->ends = buffer_new(UPDATE_ROWS_MAX * sizeof(size_t));
    gathering->texts = buffer_new(KEPT_BYTES_MAX);
    return gathering;
}

void gather_free(struct gathering *gathering)
{
    if (!gathering)
        return;
    buffer_release(&gathering->numbers);
    buffer_release(&gathering->ends);
    buffer_release(&gathering->texts);
    xfree(gathering);
}

static bool is_of_font(struct text dictionary)
{
    static const struct text types[] = {{"/Font", 5}, {"/FontDescriptor", 15}, {"/Encoding", 9}};
    struct text type = syntax_find(dictionary, TEXT("/Type"));
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (text_equal(type, types[i]))
            return true;
    return syntax_find(dictionary, TEXT("/Differences")).bytes != 0;
}

bool gather_value(struct gathering *gathering, uint32_t number, struct text value)
{
    struct buffer *texts = &gathering->texts;
    bool is_array = text_starts_with(value, TEXT("[")); /* of numbers: widths */
    if (!is_array && !is_of_font(text_slice(value, 2, value.bytes - 2)))
        return false;
    if (value.bytes >= texts->bytes_max - texts->bytes ||
        gathering->numbers.bytes == gathering->numbers.bytes_max)
        return false;
    buffer_append_text(texts, value);
    buffer_append_char(texts, '\n');
    buffer_append(&gathering->numbers, &number, sizeof(number));
    buffer_append(&gathering->ends, &texts->bytes, sizeof(texts->bytes));
    return true;
}

void gather_write(const struct gathering *gathering, struct update *update)
{
    const uint32_t *numbers = (const void *)gathering->numbers.data;
    const size_t *ends = (const void *)gathering->ends.data;
    size_t count = gathering->numbers.bytes / sizeof(*numbers);
    for (size_t from = 0, to; from < count; from = to) {
        to = count - from < OBJECTS_PER_STREAM ? count : from + OBJECTS_PER_STREAM;
        struct text texts =
            text_slice(buffer_text(&gathering->texts), from ? ends[from - 1] : 0, ends[to - 1]);
        if (!update_has_room(update, to - from, texts.bytes + (to - from) * NUMBER_BYTES_MAX))
            return;
        update_put_objects(update, numbers + from, ends + from, to - from, texts);
    }
}
