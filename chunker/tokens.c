#include "chunker/tokens.h"

#include <assert.h>

#include "chunker/tokens_merge.h"
#include "chunker/tokens_scan.h"
#include "chunker/tokens_tables.h"

#define PIECES_AT_ONCE 256
#define NO_SLOT UINT32_MAX
#define MEMO_TEXT_BYTES_MIN 8192 /* for less a memo is not worth clearing */
/* The length in a key leaves four bits, enough for the count that a memo keeps with it. */
#define COUNT_SHIFT 60
#define COUNT_MASK (UINT64_C(15) << COUNT_SHIFT)

/* Some pieces of a text, one after the other. */
struct pieces {
    size_t count;
    uint32_t ends[PIECES_AT_ONCE];
    struct tokens_key keys[PIECES_AT_ONCE]; /* of those that are not too long for it */
    uint32_t slots[PIECES_AT_ONCE];         /* where to look for them, or NO_SLOT */
};

/* ---- pieces ---------------------------------------------------------------------------------- */

/* tokens_key_of(), faster where the text goes on behind the piece. */
static inline struct tokens_key key_at(struct text text, size_t at, size_t bytes)
{
    static const uint64_t KEPT[] = {UINT64_MAX, UINT64_MAX, 0, 0};
    struct tokens_key key, kept;
    if (at + sizeof(key) > text.bytes)
        return tokens_key_of((struct text){text.start + at, bytes});
    memcpy(&key, text.start + at, sizeof(key));
    memcpy(&kept, (const char *)KEPT + sizeof(kept) - bytes, sizeof(kept));
    return (struct tokens_key){le64toh(key.low & kept.low),
                               le64toh(key.high & kept.high) | (uint64_t)bytes << 56};
}

/* All are found before the first is looked up, so that memory has the time to answer. */
static void find_pieces(struct text text, size_t at, size_t piece_count_max, struct pieces *pieces)
{
    pieces->count = tokens_scan(text, at, pieces->ends, piece_count_max);
    for (size_t i = 0; i < pieces->count; at = pieces->ends[i++]) {
        size_t bytes = pieces->ends[i] - at;
        pieces->slots[i] = NO_SLOT;
        if (bytes > TOKENS_KEY_BYTES)
            continue;
        pieces->keys[i] = key_at(text, at, bytes);
        pieces->slots[i] = tokens_slot(tokens_key_hash(pieces->keys[i]), TOKENS_KEY_BITS);
        __builtin_prefetch(&tokens_tables.keys[pieces->slots[i]]);
    }
}

/* The slot of the token that a piece is, or NO_SLOT. */
static inline uint32_t find_token(const struct pieces *pieces, size_t i)
{
    struct tokens_key key = pieces->keys[i];
    uint32_t slot = pieces->slots[i];
    while (slot != NO_SLOT) {
        struct tokens_key found = tokens_tables.keys[slot];
        if (((found.low ^ key.low) | (found.high ^ key.high)) == 0)
            break;
        slot = found.high ? (slot + 1) % COUNT_OF(tokens_tables.keys) : NO_SLOT;
    }
    return slot;
}

/* ---- counting -------------------------------------------------------------------------------- */

static uint32_t count_merged(struct tokens_memo *memo, struct tokens_key key, uint32_t slot,
                             struct text piece)
{
    if (!memo || piece.bytes > TOKENS_KEY_BYTES)
        return (uint32_t)tokens_merge(piece, NULL, 0);
    uint64_t *known = memo->words[slot % COUNT_OF(memo->words)];
    if (known[0] == key.low && (known[1] & ~COUNT_MASK) == key.high)
        return (uint32_t)(known[1] >> COUNT_SHIFT);
    uint32_t count = (uint32_t)tokens_merge(piece, NULL, 0);
    known[0] = key.low;
    known[1] = key.high | (uint64_t)count << COUNT_SHIFT;
    return count;
}

static inline uint32_t count_piece(struct tokens_memo *memo, const struct pieces *pieces, size_t i,
                                   struct text piece)
{
    if (find_token(pieces, i) != NO_SLOT)
        return 1;
    return count_merged(memo, pieces->keys[i], pieces->slots[i], piece);
}

static size_t count_all(struct tokens_memo *memo, struct text text)
{
    __attribute__((uninitialized)) struct pieces pieces;
    size_t count = 0;
    for (size_t at = 0; at < text.bytes;) {
        find_pieces(text, at, PIECES_AT_ONCE, &pieces);
        for (size_t i = 0; i < pieces.count; at = pieces.ends[i++])
            count +=
                count_piece(memo, &pieces, i, (struct text){text.start + at, pieces.ends[i] - at});
    }
    return count;
}

__attribute__((noinline)) static size_t count_long(struct text text)
{
    struct tokens_memo memo = {0};
    return count_all(&memo, text);
}

/* ---- public ---------------------------------------------------------------------------------- */

size_t tokens_pieces(struct text text, size_t *at, struct tokens_piece *ret_pieces,
                     size_t piece_count_max, struct tokens_memo *memo)
{
    assert(text.bytes <= UINT32_MAX);
    __attribute__((uninitialized)) struct pieces pieces;
    if (piece_count_max > PIECES_AT_ONCE)
        piece_count_max = PIECES_AT_ONCE;
    find_pieces(text, *at, piece_count_max, &pieces);
    for (size_t i = 0; i < pieces.count; *at = pieces.ends[i++]) {
        struct text piece = {text.start + *at, pieces.ends[i] - *at};
        ret_pieces[i] =
            (struct tokens_piece){(uint32_t)piece.bytes, count_piece(memo, &pieces, i, piece)};
    }
    return pieces.count;
}

size_t tokens_count(struct text text)
{
    assert(text.bytes <= UINT32_MAX);
    return text.bytes < MEMO_TEXT_BYTES_MIN ? count_all(NULL, text) : count_long(text);
}

static size_t encode_piece(uint32_t slot, struct text piece, uint32_t *ids, size_t id_count_max)
{
    if (slot == NO_SLOT)
        return tokens_merge(piece, ids, id_count_max);
    if (id_count_max)
        ids[0] = tokens_tables.ids[slot];
    return 1;
}

size_t tokens_encode(struct text text, uint32_t *ids, size_t id_count_max)
{
    assert(text.bytes <= UINT32_MAX);
    __attribute__((uninitialized)) struct pieces pieces;
    size_t count = 0;
    for (size_t at = 0; at < text.bytes;) {
        find_pieces(text, at, PIECES_AT_ONCE, &pieces);
        for (size_t i = 0; i < pieces.count; at = pieces.ends[i++]) {
            size_t room = count < id_count_max ? id_count_max - count : 0;
            struct text piece = {text.start + at, pieces.ends[i] - at};
            count += encode_piece(find_token(&pieces, i), piece, room ? ids + count : NULL, room);
        }
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
