#include "chunker/measure.h"

#include <assert.h>

#include "worker/base/memory.h"

/* A part that begins within a piece falls into step with the pieces after so many of its own, but
 * for digits, whose groups of three may never meet. */
#define RESYNC_PIECES_MAX 8
#define PIECES_AT_ONCE 256

static void push(struct measure *measure, size_t end, uint32_t tokens)
{
    if (measure->count == measure->allocated) {
        measure->allocated = measure->allocated ? measure->allocated * 2 : 1024;
        measure->pieces =
            xrealloc(measure->pieces, measure->allocated, sizeof(struct measure_piece));
    }
    measure->pieces[measure->count++] = (struct measure_piece){(uint32_t)end, tokens};
}

/* A piece that is too long, in parts. */
static uint32_t push_parts(struct measure *measure, size_t from, size_t to, uint32_t tokens)
{
    measure->is_estimate = true;
    while (from < to) {
        struct text rest = text_slice(measure->text, from, to);
        struct text part = text_utf8_prefix(rest, measure->piece_bytes_max);
        tokens += measure_count(measure->counting, part);
        from += part.bytes;
        push(measure, from, tokens);
    }
    return tokens;
}

void measure_take(struct measure *measure, struct text text, uint32_t piece_bytes_max)
{
    assert(piece_bytes_max >= 4 && text.bytes <= INT32_MAX);
    measure->text = text;
    measure->piece_bytes_max = piece_bytes_max;
    measure->is_estimate = false;
    measure->count = measure->cursor = 0;
    if (measure->counting == CHUNKER_BYTES)
        return;
    struct tokens_piece pieces[PIECES_AT_ONCE];
    uint32_t sum = 0;
    size_t at = 0, end = 0, count;
    while ((count = tokens_pieces(text, &at, pieces, PIECES_AT_ONCE, &measure->memo)) > 0)
        for (size_t i = 0; i < count; i++) {
            size_t start = end;
            end += pieces[i].bytes;
            sum += pieces[i].token_count;
            if (pieces[i].bytes <= piece_bytes_max)
                push(measure, end, sum);
            else
                sum = push_parts(measure, start, end, sum - pieces[i].token_count);
        }
}

static size_t piece_start(const struct measure *measure, size_t piece)
{
    return piece ? measure->pieces[piece - 1].end : 0;
}

static uint32_t tokens_before(const struct measure *measure, size_t piece)
{
    return piece ? measure->pieces[piece - 1].tokens : 0;
}

/* The piece that a place lies in or begins; places are asked for nearly in order. */
static size_t find_piece(struct measure *measure, size_t place)
{
    size_t piece = measure->cursor;
    while (piece > 0 && piece_start(measure, piece) > place)
        piece--;
    while (piece < measure->count && measure->pieces[piece].end <= place)
        piece++;
    measure->cursor = piece;
    return piece;
}

int32_t measure_until(struct measure *measure, size_t end)
{
    if (measure->counting == CHUNKER_BYTES)
        return (int32_t)end;
    size_t piece = find_piece(measure, end);
    uint32_t tokens = tokens_before(measure, piece);
    size_t start = piece_start(measure, piece);
    if (end > start)
        tokens += measure_count(measure->counting, text_slice(measure->text, start, end));
    return (int32_t)tokens;
}

/* The text up to what a piece may have, so that endless ones are not read for each cut in them. */
static struct text near(const struct measure *measure, size_t at)
{
    return text_utf8_prefix(measure->text, at + measure->piece_bytes_max);
}

int32_t measure_from(struct measure *measure, size_t start)
{
    if (measure->counting == CHUNKER_BYTES)
        return (int32_t)start;
    size_t piece = find_piece(measure, start), at = start;
    uint32_t tokens = 0; /* from start to at */
    for (size_t i = 0; i < RESYNC_PIECES_MAX; i++) {
        while (piece < measure->count && piece_start(measure, piece) < at)
            piece++;
        if (piece_start(measure, piece) == at)
            return (int32_t)(tokens_before(measure, piece) - tokens);
        struct tokens_piece own;
        struct text text = measure->is_estimate ? near(measure, at) : measure->text;
        if (tokens_pieces(text, &at, &own, 1, &measure->memo))
            tokens += own.token_count;
    }
    measure->is_estimate = true;
    return (int32_t)(tokens_before(measure, find_piece(measure, start)));
}

size_t measure_reach(struct measure *measure, size_t from, uint32_t size)
{
    size_t end = measure->text.bytes;
    if (measure->counting != CHUNKER_BYTES) {
        int32_t target = measure_from(measure, from) + (int32_t)size;
        size_t piece = find_piece(measure, from);
        while (piece < measure->count && (int32_t)measure->pieces[piece].tokens <= target)
            piece++;
        size_t start = piece_start(measure, piece);
        if (start > from)
            return start;
        end = measure->pieces[piece].end;
    }
    /* Bytes are never fewer than tokens. */
    struct text rest = text_slice(measure->text, from, end);
    size_t bytes = text_utf8_prefix(rest, size).bytes;
    return from + (bytes ? bytes : text_utf8_sequence(rest));
}

uint32_t measure_count(enum chunker_counting counting, struct text text)
{
    return (uint32_t)(counting == CHUNKER_BYTES ? text.bytes : tokens_count(text));
}

void measure_release(struct measure *measure)
{
    xfree(measure->pieces);
    *measure = (struct measure){0};
}
