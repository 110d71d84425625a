#include "extract/wire_marks.h"

#define TEXT_BYTES_PER_MARK 4
#define MARKS_FREE 16
#define LEVELS_MAX 6

static uint32_t read_u32(const char *at)
{
    const uint8_t *bytes = (const uint8_t *)at;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

size_t wire_marks_count(size_t mark_count, size_t text_bytes)
{
    size_t most = MARKS_FREE + text_bytes / TEXT_BYTES_PER_MARK;
    most = most < WIRE_MARKS_MAX ? most : WIRE_MARKS_MAX;
    return mark_count < most ? mark_count : most;
}

bool wire_marks_put(struct buffer *out, const struct mark *mark)
{
    uint8_t bytes[WIRE_MARK_BYTES];
    write_u32(bytes, (uint32_t)mark->kind | (uint32_t)mark->level << 8);
    write_u32(bytes + 4, mark->byte_start);
    write_u32(bytes + 8, mark->byte_end);
    return buffer_append(out, bytes, sizeof(bytes));
}

bool wire_marks_take(struct text *marks, struct mark *ret_mark)
{
    if (marks->bytes < WIRE_MARK_BYTES)
        return false;
    uint32_t kind = read_u32(marks->start) & 0xff, level = read_u32(marks->start) >> 8;
    bool has_level = level >= 1 && level <= LEVELS_MAX;
    if (kind > MARK_TABLE_ROW || (kind == MARK_HEADING ? !has_level : level != 0))
        return false;
    *ret_mark = (struct mark){
        .kind = (enum mark_kind)kind,
        .level = (uint8_t)level,
        .byte_start = read_u32(marks->start + 4),
        .byte_end = read_u32(marks->start + 8),
    };
    *marks = text_slice(*marks, WIRE_MARK_BYTES, marks->bytes);
    return true;
}
