#include "extract/plain.h"

#include "extract/charset.h"

#define PIECE_BYTES_MAX ((size_t)1 << 20) /* of decoded text; it comes from 64 KiB */

struct plain {
    struct prose *prose;
    bool line_has_text;
    bool is_after_return; /* a newline that follows belongs to it */
};

static bool is_blank(struct text line)
{
    for (size_t i = 0; i < line.bytes; i++)
        if (line.start[i] != ' ' && line.start[i] != '\t')
            return false;
    return true;
}

static void add_to_line(struct plain *plain, struct text some)
{
    if (!plain->line_has_text && is_blank(some))
        return;
    if (!plain->line_has_text && !prose_is_open(plain->prose))
        prose_begin(plain->prose, PROSE_PLAIN, 0);
    plain->line_has_text = true;
    prose_add(plain->prose, some);
}

static void end_line(struct plain *plain, char end)
{
    bool is_second_half = end == '\n' && plain->is_after_return;
    plain->is_after_return = end == '\r';
    if (is_second_half)
        return;
    if (plain->line_has_text)
        prose_add(plain->prose, TEXT("\n"));
    else
        prose_end(plain->prose);
    if (end == '\f') {
        prose_end(plain->prose);
        prose_page_break(plain->prose);
    }
    plain->line_has_text = false;
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r' || c == '\f';
}

static void take(struct plain *plain, struct text piece)
{
    while (piece.bytes) {
        size_t bytes = 0;
        while (bytes < piece.bytes && !ends_line(piece.start[bytes]))
            bytes++;
        if (bytes) {
            plain->is_after_return = false;
            add_to_line(plain, text_slice(piece, 0, bytes));
        }
        if (bytes < piece.bytes)
            end_line(plain, piece.start[bytes]);
        piece = text_slice(piece, bytes + 1, piece.bytes);
    }
}

void plain_read(struct text body, struct prose *prose)
{
    struct plain plain = {.prose = prose};
    struct charset_decoder decoder = charset_decode(body, TEXT_NONE);
    struct buffer piece = buffer_new(PIECE_BYTES_MAX);
    while (!prose_is_full(prose) && charset_next(&decoder, &piece)) {
        take(&plain, buffer_text(&piece));
        buffer_clear(&piece);
    }
    prose_end(prose);
    buffer_release(&piece);
}
