#include "chunker/tokens.h"

#include <assert.h>

#include "chunker/tokens_merge.h"
#include "chunker/tokens_scan.h"
#include "chunker/tokens_tables.h"

#define PIECES_AT_ONCE 64

static uint32_t find_short(uint64_t key)
{
    for (uint32_t slot = tokens_short_slot(key);;) {
        if (tokens_tables.short_keys[slot] == key)
            return tokens_tables.short_ids[slot];
        if (tokens_tables.short_keys[slot] == 0)
            return TOKENS_NONE;
        slot = (slot + 1) % COUNT_OF(tokens_tables.short_keys);
    }
}

static uint32_t find_long(struct tokens_key key)
{
    for (uint32_t slot = tokens_long_slot(key);;) {
        struct tokens_key found = tokens_tables.long_keys[slot];
        if (found.low == key.low && found.high == key.high)
            return tokens_tables.long_ids[slot];
        if (found.high == 0)
            return TOKENS_NONE;
        slot = (slot + 1) % COUNT_OF(tokens_tables.long_keys);
    }
}

/* The token that is the whole piece, or TOKENS_NONE when there is none, or it is long. */
static uint32_t find_whole(struct text piece)
{
    if (piece.bytes <= TOKENS_SHORT_BYTES)
        return find_short(tokens_key_of(piece).low);
    return piece.bytes <= TOKENS_LONG_BYTES ? find_long(tokens_key_of(piece)) : TOKENS_NONE;
}

static size_t encode_piece(struct text piece, uint32_t *ids, size_t id_count_max)
{
    uint32_t id = find_whole(piece);
    if (id == TOKENS_NONE)
        return tokens_merge(piece, ids, id_count_max);
    if (id_count_max)
        ids[0] = id;
    return 1;
}

/* ---- public ---------------------------------------------------------------------------------- */

size_t tokens_pieces(struct text text, size_t *at, struct tokens_piece *pieces,
                     size_t piece_count_max)
{
    assert(text.bytes <= UINT32_MAX);
    size_t count = 0;
    for (; count < piece_count_max && *at < text.bytes; count++) {
        size_t end = tokens_scan(text, *at);
        struct text piece = {text.start + *at, end - *at};
        pieces[count] =
            (struct tokens_piece){(uint32_t)piece.bytes, (uint32_t)encode_piece(piece, NULL, 0)};
        *at = end;
    }
    return count;
}

size_t tokens_count(struct text text)
{
    struct tokens_piece pieces[PIECES_AT_ONCE];
    size_t at = 0, count = 0, piece_count = 0;
    while ((piece_count = tokens_pieces(text, &at, pieces, PIECES_AT_ONCE)))
        for (size_t i = 0; i < piece_count; i++)
            count += pieces[i].token_count;
    return count;
}

size_t tokens_encode(struct text text, uint32_t *ids, size_t id_count_max)
{
    assert(text.bytes <= UINT32_MAX);
    size_t count = 0;
    for (size_t at = 0; at < text.bytes;) {
        size_t end = tokens_scan(text, at), room = count < id_count_max ? id_count_max - count : 0;
        struct text piece = {text.start + at, end - at};
        count += encode_piece(piece, room ? ids + count : NULL, room);
        at = end;
    }
    return count;
}

struct text tokens_text(uint32_t id)
{
    if (id >= TOKENS_VOCABULARY)
        return TEXT_NONE;
    uint32_t start = tokens_tables.starts[id];
    return (struct text){(const char *)tokens_tables.bytes + start,
                         tokens_tables.starts[id + 1] - start};
}

bool tokens_are_exact(struct text model)
{
    static const char *const MODELS[] = {"text-embedding-3-large", "text-embedding-3-small",
                                         "text-embedding-ada-002"};
    for (struct text rest = model; rest.bytes;)
        model = text_cut(rest, '/', &rest);
    for (size_t i = 0; i < COUNT_OF(MODELS); i++)
        if (text_equal(model, text_from(MODELS[i])))
            return true;
    return false;
}
