/*
 * The rules of tokens_scan.c once more, as sums of bits: bit i of a set speaks of byte i, so that
 * (set << 1) speaks of the byte before, and (set >> 1) of the byte behind. What takes more than
 * its neighbours to decide ends what is told: bytes beyond ASCII, and white space that goes on
 * after the end of a line.
 */
#include "chunker/tokens_block.h"

#include <endian.h>
#include <string.h>

#include "chunker/tokens_scan.h"

/* The last bits are not told: what is behind the block may matter to them. */
#define BITS_TOLD 61

typedef int8_t lanes_of_bytes __attribute__((vector_size(16)));

struct sets {
    uint64_t letters, numbers, apostrophes;
    uint64_t blanks; /* U+0020 */
    uint64_t spaces; /* white space but ends of lines, blanks among it */
    uint64_t newlines;
    uint64_t wide; /* beyond ASCII */
};

/* A bit for each lane, which is 0 or -1. */
static inline uint64_t bits_of(lanes_of_bytes lanes)
{
#ifdef __SSE2__
    typedef char chars __attribute__((vector_size(16)));
    return (uint16_t)__builtin_ia32_pmovmskb128((chars)lanes);
#else
    uint64_t halves[2], bits = 0;
    memcpy(halves, &lanes, sizeof(halves));
    for (unsigned i = 0; i < 2; i++) {
        uint64_t each = le64toh(halves[i]) & UINT64_C(0x8040201008040201);
        bits |= (each * UINT64_C(0x0101010101010101) >> 56) << 8 * i;
    }
    return bits;
#endif
}

static inline struct sets sets_of(const uint8_t *bytes)
{
    struct sets sets = {0};
    for (unsigned at = 0; at < TOKENS_BLOCK_BYTES; at += sizeof(lanes_of_bytes)) {
        lanes_of_bytes here, lower;
        memcpy(&here, bytes + at, sizeof(here));
        lower = here | 0x20;
        sets.letters |= bits_of((lower >= 'a') & (lower <= 'z')) << at;
        sets.numbers |= bits_of((here >= '0') & (here <= '9')) << at;
        sets.apostrophes |= bits_of(here == '\'') << at;
        sets.blanks |= bits_of(here == ' ') << at;
        sets.spaces |= bits_of((here >= '\t') & (here <= '\r')) << at;
        sets.newlines |= bits_of((here == '\n') | (here == '\r')) << at;
        sets.wide |= bits_of(here < 0) << at;
    }
    sets.spaces = (sets.spaces | sets.blanks) & ~sets.newlines;
    return sets;
}

/* The first of every three in a row. */
static inline uint64_t firsts_of_three(uint64_t numbers)
{
    uint64_t firsts = numbers & ~(numbers << 1), next = firsts;
    while ((next = next << 3 & numbers & numbers << 1 & numbers << 2))
        firsts |= next;
    return firsts;
}

/* Letters behind a contraction, which are no part of it: rare enough to be read one by one. */
static uint64_t behind_contractions(const uint8_t *bytes, uint64_t candidates, uint64_t letters)
{
    uint64_t found = 0;
    for (; candidates; candidates &= candidates - 1) {
        unsigned at = (unsigned)__builtin_ctzll(candidates);
        struct text rest = {(const char *)bytes + at + 1, TOKENS_BLOCK_BYTES - at - 1};
        size_t contraction = tokens_contraction(rest);
        if (contraction)
            found |= letters & UINT64_C(2) << contraction << at;
    }
    return found;
}

uint64_t tokens_block(const uint8_t bytes[TOKENS_BLOCK_BYTES])
{
    struct sets sets = sets_of(bytes);
    uint64_t letters = sets.letters, spaces = sets.spaces, white = spaces | sets.newlines;
    uint64_t signs = ~(letters | sets.numbers | white | sets.wide);
    uint64_t first_signs = signs & ~((signs | sets.blanks) << 1);
    uint64_t first_letters = letters & ~((letters | spaces | first_signs) << 1);
    uint64_t first_newlines = sets.newlines & ~((white | signs) << 1);
    uint64_t first_spaces = spaces & ~(white << 1),
             last_spaces = spaces & ~((white | sets.wide) >> 1);
    uint64_t unclear = sets.wide | (spaces & sets.newlines << 1 & white >> 1);
    uint64_t begins = first_letters | first_signs | firsts_of_three(sets.numbers) | first_newlines |
                      first_spaces | last_spaces;
    uint64_t quoted = sets.apostrophes & first_signs & letters >> 1 & letters >> 2;
    if (quoted)
        begins |= behind_contractions(bytes, quoted, letters);
    unclear |= UINT64_C(1) << BITS_TOLD;
    return begins & (unclear ^ (unclear - 1)) >> 1 & ~UINT64_C(1);
}
