#include "chunker/tokens_merge.h"

#include <assert.h>

#include "chunker/tokens_tables.h"
#include "worker/base/memory.h"

#define PLAIN_BYTES_MAX 15
#define PLACES_USUAL 4096
#define WORD_BITS 64

struct search {
    struct merge_memory memory;
    size_t place_mask;
    const uint8_t *bytes;
    size_t byte_count;
    size_t at;     /* the sequence reaches from 0 to here */
    size_t seen;   /* bits of places before this one are valid */
    size_t count;  /* tokens in the sequence */
    uint32_t last; /* of them, with its length */
};

/* ---- tokens ---------------------------------------------------------------------------------- */

/* What the two merge into, or TOKENS_NONE. */
static inline uint32_t merged(uint32_t left, uint32_t right)
{
    uint64_t pair = tokens_pair(left, right), hash = tokens_hash(pair);
    uint64_t mask = tokens_filter_mask(hash);
    if ((tokens_tables.pair_bits[tokens_slot(hash, TOKENS_FILTER_BITS)] & mask) != mask)
        return TOKENS_NONE;
    for (uint32_t slot = tokens_slot(hash, TOKENS_PAIR_BITS);;) {
        uint64_t entry = tokens_tables.pairs[slot];
        if (entry >> TOKENS_ID_BITS == pair)
            return (uint32_t)(entry & TOKENS_ID_MASK);
        if (entry == TOKENS_PAIR_EMPTY)
            return TOKENS_NONE;
        slot = (slot + 1) % COUNT_OF(tokens_tables.pairs);
    }
}

/* Both: what is left of a token at the place where it meets its neighbour, before its merge; false
 * for a single byte. The limit: merges of this rank and later ones did not happen yet; of two equal
 * merges the left one comes first. */
static bool undo_left(uint32_t *left, uint32_t *limit)
{
    uint32_t whole = *left;
    *left = tokens_tables.parts[whole].right;
    *limit = whole;
    return *left != whole;
}

static bool undo_right(uint32_t *right, uint32_t *limit)
{
    uint32_t whole = *right;
    *right = tokens_tables.parts[whole].left;
    *limit = whole + 1;
    return *right != whole;
}

/* Takes both apart, the latest merge first: had two parts that meet merged before one of them
 * became part of more, these neighbours would never have come to be. junction: no merge across the
 * place where they meet has a lower rank. */
static bool may_follow(uint32_t left, uint32_t right, uint32_t junction)
{
    uint32_t limit = TOKENS_VOCABULARY;
    for (bool is_undone = true; is_undone && junction < limit;) {
        if (merged(left, right) < limit)
            return false;
        if (left > right)
            is_undone = undo_left(&left, &limit) || undo_right(&right, &limit);
        else
            is_undone = undo_right(&right, &limit) || undo_left(&left, &limit);
    }
    return true;
}

/* The longest token that the bytes at a place begin with, and its length: at least its first byte. */
static uint32_t longest_at(const struct search *search, size_t at)
{
    const struct tokens_node *nodes = tokens_tables.nodes;
    uint32_t base = nodes[0].links >> TOKENS_BASE_SHIFT, longest = TOKENS_NONE;
    for (; at < search->byte_count; at++) {
        struct tokens_node node = nodes[base ^ search->bytes[at]];
        if ((node.links & TOKENS_LABEL_MASK) != search->bytes[at])
            break;
        if (node.token != TOKENS_NONE)
            longest = node.token;
        base = node.links >> TOKENS_BASE_SHIFT;
    }
    return longest;
}

/* ---- as it is defined ------------------------------------------------------------------------ */

struct part {
    uint32_t token;
    uint32_t merge; /* what it and the next one merge into */
};

struct sequence {
    size_t count;
    struct part parts[PLAIN_BYTES_MAX];
};

static void look_for_merge(struct sequence *sequence, size_t at)
{
    struct part *part = &sequence->parts[at];
    part->merge = at + 1 < sequence->count ? merged(part->token, part[1].token) : TOKENS_NONE;
}

static void merge_at(struct sequence *sequence, size_t at)
{
    struct part *part = &sequence->parts[at];
    part->token = part->merge;
    sequence->count--;
    for (size_t i = at + 1; i < sequence->count; i++)
        sequence->parts[i] = sequence->parts[i + 1];
    look_for_merge(sequence, at);
    if (at > 0)
        look_for_merge(sequence, at - 1);
}

static size_t lowest_merge(const struct sequence *sequence)
{
    size_t lowest = 0;
    for (size_t i = 1; i < sequence->count; i++)
        if (sequence->parts[i].merge < sequence->parts[lowest].merge)
            lowest = i;
    return lowest;
}

/* The pair of the lowest rank merges first, of equal ones the left. Few bytes need no more. */
static size_t merge_plainly(struct text piece, uint32_t *ids, size_t id_count_max)
{
    assert(piece.bytes > 0 && piece.bytes <= PLAIN_BYTES_MAX);
    __attribute__((uninitialized)) struct sequence sequence;
    const uint8_t *bytes = (const uint8_t *)piece.start;
    for (sequence.count = 0; sequence.count < piece.bytes; sequence.count++) {
        size_t at = sequence.count, next = at + 1;
        uint32_t merge =
            next < piece.bytes ? tokens_tables.byte_merges[bytes[at]][bytes[next]] : TOKENS_NONE;
        sequence.parts[at] = (struct part){tokens_tables.byte_ids[bytes[at]], merge};
    }
    for (;;) {
        size_t at = lowest_merge(&sequence);
        if (sequence.parts[at].merge == TOKENS_NONE)
            break;
        merge_at(&sequence, at);
    }
    for (size_t i = 0; i < sequence.count && i < id_count_max; i++)
        ids[i] = sequence.parts[i].token;
    return sequence.count;
}

/* ---- the search ------------------------------------------------------------------------------ */

static uint64_t *dead_word(struct search *search, size_t place)
{
    return &search->memory.dead[(place & search->place_mask) / WORD_BITS];
}

static bool is_dead(struct search *search, size_t place)
{
    while (search->seen <= place) {
        *dead_word(search, search->seen) = 0;
        search->seen += WORD_BITS;
    }
    return *dead_word(search, place) >> place % WORD_BITS & 1;
}

static bool fits(struct search *search, uint32_t token)
{
    if (is_dead(search, search->at + tokens_length(token)))
        return false;
    if (search->count == 0)
        return true;
    const uint8_t *meeting = search->bytes + search->at;
    uint32_t junction = tokens_tables.junctions[meeting[-1]][meeting[0]];
    return may_follow(tokens_id(search->last), tokens_id(token), junction * 2);
}

static void push(struct search *search, uint32_t token)
{
    search->memory.tokens[search->count++ & search->place_mask] = token;
    search->last = token;
    search->at += tokens_length(token);
}

/* Gives the last token back; TOKENS_NONE: the way there is forgotten. */
static uint32_t pop(struct search *search)
{
    *dead_word(search, search->at) |= UINT64_C(1) << search->at % WORD_BITS;
    uint32_t token = search->last;
    search->at -= tokens_length(token);
    search->count--;
    if (search->at + search->memory.places <= search->seen)
        return TOKENS_NONE;
    if (search->count) /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): pushed before */
        search->last = search->memory.tokens[(search->count - 1) & search->place_mask];
    return token;
}

uint32_t tokens_merged(uint32_t left, uint32_t right)
{
    return merged(left, right);
}

size_t tokens_merge_in(struct merge_memory memory, struct text piece, uint32_t *ids,
                       size_t id_count_max)
{
    struct search search = {.memory = memory,
                            .place_mask = memory.places - 1,
                            .bytes = (const uint8_t *)piece.start,
                            .byte_count = piece.bytes};
    uint32_t token = longest_at(&search, 0);
    while (search.at < piece.bytes) {
        if (fits(&search, token)) {
            if (search.count < id_count_max)
                ids[search.count] = tokens_id(token);
            push(&search, token);
            token = longest_at(&search, search.at);
        } else {
            token = tokens_tables.shorter[tokens_id(token)];
            if (token == TOKENS_NONE)
                token = pop(&search);
            if (token == TOKENS_NONE)
                return 0;
        }
    }
    return search.count;
}

size_t tokens_merge(struct text piece, uint32_t *ids, size_t id_count_max)
{
    if (piece.bytes <= PLAIN_BYTES_MAX)
        return merge_plainly(piece, ids, id_count_max);
    __attribute__((uninitialized)) uint32_t tokens[PLACES_USUAL];
    __attribute__((uninitialized)) uint64_t dead[PLACES_USUAL / WORD_BITS];
    struct merge_memory memory = {PLACES_USUAL, tokens, dead};
    size_t count = tokens_merge_in(memory, piece, ids, id_count_max);
    if (count)
        return count;
    while (memory.places <= piece.bytes + TOKENS_BYTES_MAX)
        memory.places *= 2;
    memory.tokens = xmalloc(memory.places * sizeof(*memory.tokens));
    memory.dead = xmalloc(memory.places / WORD_BITS * sizeof(*memory.dead));
    count = tokens_merge_in(memory, piece, ids, id_count_max);
    xfree(memory.tokens);
    xfree(memory.dead);
    return count;
}
