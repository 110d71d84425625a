#include "chunker/headings.h"

#include <string.h>

static const struct text SEPARATOR = {" > ", 3};
static const struct text PREFIX_END = {"\n\n", 2};

/* Bytes of the well-formed sequence at the start, 0 when there is none. */
static size_t sequence_bytes(struct text text)
{
    for (size_t bytes = 1; bytes <= 4 && bytes <= text.bytes; bytes++)
        if (text_is_utf8(text_slice(text, 0, bytes)))
            return bytes;
    return 0;
}

size_t headings_clean(struct text text, char *buffer, size_t buffer_bytes)
{
    size_t written = 0;
    bool wants_space = false;
    for (size_t at = 0; at < text.bytes;) {
        uint8_t lead = (uint8_t)text.start[at];
        size_t bytes = sequence_bytes(text_slice(text, at, text.bytes));
        bool is_c1 = lead == 0xc2 && bytes == 2 && (uint8_t)text.start[at + 1] <= 0xa0;
        if (lead <= 0x20 || lead == 0x7f || is_c1) {
            wants_space = written > 0;
        } else if (bytes) {
            if (written + wants_space + bytes > buffer_bytes)
                break;
            if (wants_space)
                buffer[written++] = ' ';
            memcpy(buffer + written, text.start + at, bytes);
            written += bytes;
            wants_space = false;
        }
        at += bytes ? bytes : 1;
    }
    return written;
}

void headings_enter(struct headings *headings, uint8_t level, struct text text)
{
    struct heading heading = {.level = level};
    heading.bytes = headings_clean(text, heading.text, sizeof(heading.text));
    if (heading.bytes == 0)
        return;
    while (headings->count && headings->items[headings->count - 1].level >= level)
        headings->count--;
    if (headings->count == HEADING_LEVELS_MAX)
        headings->count--; /* levels above 6 are not promised, but come from outside */
    headings->items[headings->count++] = heading;
}

static struct text heading_text(const struct heading *heading)
{
    return (struct text){heading->text, heading->bytes};
}

/* The first heading from which on the path fits; count when not even the last one does. */
static size_t first_that_fits(const struct headings *headings, size_t bytes_max)
{
    size_t first = headings->count, bytes = 0;
    while (first > 0) {
        bytes += headings->items[first - 1].bytes + (bytes ? SEPARATOR.bytes : 0);
        if (bytes > bytes_max)
            break;
        first--;
    }
    return first;
}

void headings_write_path(const struct headings *headings, size_t bytes_max, struct buffer *out)
{
    size_t first = first_that_fits(headings, bytes_max);
    if (first == headings->count && headings->count) {
        struct text last = heading_text(&headings->items[first - 1]);
        buffer_append_text(out, text_utf8_prefix(last, bytes_max));
    }
    for (size_t i = first; i < headings->count; i++) {
        if (i > first)
            buffer_append_text(out, SEPARATOR);
        buffer_append_text(out, heading_text(&headings->items[i]));
    }
}

void headings_write_prefix(const struct headings *headings, struct text title, size_t bytes_max,
                           struct buffer *out)
{
    if (bytes_max <= PREFIX_END.bytes)
        return;
    size_t start = out->bytes, room = bytes_max - PREFIX_END.bytes;
    bool repeats_title =
        headings->count && text_equal(title, heading_text(&headings->items[0])); /* its own H1 */
    size_t title_bytes = repeats_title ? 0 : text_utf8_prefix(title, room / 2).bytes;
    if (headings->count == 0)
        title_bytes = text_utf8_prefix(title, room).bytes;
    buffer_append_text(out, text_slice(title, 0, title_bytes));
    if (headings->count && title_bytes)
        buffer_append_text(out, SEPARATOR);
    size_t used = out->bytes - start;
    if (headings->count && used < room)
        headings_write_path(headings, room - used, out);
    if (out->bytes > start)
        buffer_append_text(out, PREFIX_END);
}
