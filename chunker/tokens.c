#include "chunker/tokens.h"

#include <assert.h>

#include "chunker/tokens_merge.h"
#include "chunker/tokens_scan.h"
#include "chunker/tokens_tables.h"

#define PIECES_AT_ONCE 64
/* What pieces of up to 15 bytes were counted last in a text, in sets of two, the newer one first.
 * Most words of a text come again soon, and half of this fits into the first cache. The lengths in
 * the keys leave four bits, enough for a count. */
#define MEMO_BITS 11
#define MEMO_WAYS 2
#define MEMO_TEXT_BYTES_MIN 8192 /* for less it is not worth clearing */
#define COUNT_SHIFT 60
#define COUNT_MASK (UINT64_C(15) << COUNT_SHIFT)

struct memo {
    struct tokens_key keys[1 << MEMO_BITS][MEMO_WAYS];
};

/* ---- pieces that are a token ----------------------------------------------------------------- */

#define NO_SLOT UINT32_MAX

static uint32_t find_short(uint64_t key)
{
    for (uint32_t slot = tokens_slot(tokens_hash(key), TOKENS_SHORT_BITS);;) {
        if (tokens_tables.short_keys[slot] == key)
            return slot;
        if (tokens_tables.short_keys[slot] == 0)
            return NO_SLOT;
        slot = (slot + 1) % COUNT_OF(tokens_tables.short_keys);
    }
}

static uint32_t find_long(struct tokens_key key)
{
    for (uint32_t slot = tokens_slot(tokens_key_hash(key), TOKENS_LONG_BITS);;) {
        struct tokens_key found = tokens_tables.long_keys[slot];
        if (found.low == key.low && found.high == key.high)
            return slot;
        if (found.high == 0)
            return NO_SLOT;
        slot = (slot + 1) % COUNT_OF(tokens_tables.long_keys);
    }
}

static bool is_token(struct tokens_key key)
{
    return (key.high ? find_long(key) : find_short(key.low)) != NO_SLOT;
}

static bool find_token(struct tokens_key key, uint32_t *ret_id)
{
    uint32_t slot = key.high ? find_long(key) : find_short(key.low);
    if (slot == NO_SLOT)
        return false;
    *ret_id = key.high ? tokens_tables.long_ids[slot] : tokens_tables.short_ids[slot];
    return true;
}

static uint64_t load(const char *at)
{
    uint64_t word = 0;
    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

static uint64_t key_word(uint64_t word, size_t bytes)
{
    return (word & ((UINT64_C(1) << 8 * bytes) - 1)) | (uint64_t)bytes << 56;
}

/* tokens_key_of(), faster where the text goes on behind the piece. */
static struct tokens_key key_at(struct text text, size_t at, size_t bytes)
{
    if (at + sizeof(struct tokens_key) > text.bytes)
        return tokens_key_of((struct text){text.start + at, bytes});
    uint64_t low = load(text.start + at);
    if (bytes <= TOKENS_SHORT_BYTES)
        return (struct tokens_key){key_word(low, bytes), 0};
    uint64_t high = load(text.start + at + sizeof(low)), rest = 8 * (bytes - sizeof(low));
    return (struct tokens_key){low, (high & ((UINT64_C(1) << rest) - 1)) | (uint64_t)bytes << 56};
}

static size_t encode_piece(struct text text, size_t at, size_t end, uint32_t *ids,
                           size_t id_count_max)
{
    uint32_t id = 0;
    bool is_long = end - at > TOKENS_LONG_BYTES;
    if (is_long || !find_token(key_at(text, at, end - at), &id))
        return tokens_merge((struct text){text.start + at, end - at}, ids, id_count_max);
    if (id_count_max)
        ids[0] = id;
    return 1;
}

/* ---- counting -------------------------------------------------------------------------------- */

static uint32_t count_unknown(struct text piece, struct tokens_key key)
{
    return is_token(key) ? 1 : (uint32_t)tokens_merge(piece, NULL, 0);
}

static uint32_t count_piece(struct memo *memo, struct text text, size_t at, size_t end)
{
    struct text piece = {text.start + at, end - at};
    if (piece.bytes > TOKENS_LONG_BYTES)
        return (uint32_t)tokens_merge(piece, NULL, 0);
    struct tokens_key key = key_at(text, at, piece.bytes);
    if (!memo)
        return count_unknown(piece, key);
    struct tokens_key *known = memo->keys[tokens_slot(tokens_key_hash(key), MEMO_BITS)];
    for (size_t i = 0; i < MEMO_WAYS; i++)
        if (known[i].low == key.low && (known[i].high & ~COUNT_MASK) == key.high)
            return (uint32_t)(known[i].high >> COUNT_SHIFT);
    uint32_t count = count_unknown(piece, key);
    known[1] = known[0];
    known[0] = (struct tokens_key){key.low, key.high | (uint64_t)count << COUNT_SHIFT};
    return count;
}

static size_t count_pieces(struct memo *memo, struct text text, size_t *at,
                           struct tokens_piece *pieces, size_t piece_count_max)
{
    size_t count = 0;
    for (; count < piece_count_max && *at < text.bytes; count++) {
        size_t end = tokens_scan(text, *at);
        pieces[count] =
            (struct tokens_piece){(uint32_t)(end - *at), count_piece(memo, text, *at, end)};
        *at = end;
    }
    return count;
}

static size_t count_all(struct memo *memo, struct text text)
{
    struct tokens_piece pieces[PIECES_AT_ONCE];
    size_t at = 0, count = 0, piece_count = 0;
    while ((piece_count = count_pieces(memo, text, &at, pieces, PIECES_AT_ONCE)))
        for (size_t i = 0; i < piece_count; i++)
            count += pieces[i].token_count;
    return count;
}

__attribute__((noinline)) static size_t count_long(struct text text)
{
    struct memo memo = {0};
    return count_all(&memo, text);
}

/* ---- public ---------------------------------------------------------------------------------- */

size_t tokens_pieces(struct text text, size_t *at, struct tokens_piece *pieces,
                     size_t piece_count_max)
{
    assert(text.bytes <= UINT32_MAX);
    return count_pieces(NULL, text, at, pieces, piece_count_max);
}

size_t tokens_count(struct text text)
{
    assert(text.bytes <= UINT32_MAX);
    return text.bytes < MEMO_TEXT_BYTES_MIN ? count_all(NULL, text) : count_long(text);
}

size_t tokens_encode(struct text text, uint32_t *ids, size_t id_count_max)
{
    assert(text.bytes <= UINT32_MAX);
    size_t count = 0;
    for (size_t at = 0; at < text.bytes;) {
        size_t end = tokens_scan(text, at), room = count < id_count_max ? id_count_max - count : 0;
        count += encode_piece(text, at, end, room ? ids + count : NULL, room);
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
