/*
 * tokens_tables.h - the constants behind tokens.h: one struct, written by data/make_tables.c while
 * the program is built, and linked into it as it is.
 *
 * Thread: any; read-only.
 */
#ifndef CHUNKER_TOKENS_TABLES_H
#define CHUNKER_TOKENS_TABLES_H

#include "chunker/tokens.h"
#include "chunker/tokens_words.h"

#define TOKENS_BYTES_TOTAL 643830 /* of all tokens */
#define TOKENS_NONE UINT32_MAX

/* Open hash tables, linear, at most 5/8 full. */
#define TOKENS_KEY_BITS 18
#define TOKENS_PAIR_BITS 18
#define TOKENS_FILTER_BITS 14
#define TOKENS_PAIR_EMPTY UINT64_MAX
#define TOKENS_ID_MASK ((UINT64_C(1) << TOKENS_ID_BITS) - 1)

#define TOKENS_NO_JUNCTION UINT16_MAX

#define TOKENS_NODES (1 << 18)
#define TOKENS_LABEL_MASK 0x1FFu
#define TOKENS_NO_LABEL TOKENS_LABEL_MASK
#define TOKENS_BASE_SHIFT 9

#define TOKENS_ROW_BITS 7
#define TOKENS_ROWS 320
#define TOKENS_CODE_POINTS 0x110000

enum tokens_class { CLASS_SIGN, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE, CLASS_NEWLINE };

struct tokens_parts {
    uint32_t left, right; /* a token of one byte: itself, twice */
};

/* Of a trie. Its child by a byte is node (base ^ byte), if that has the byte as its label. */
struct tokens_node {
    uint32_t links; /* base and label */
    uint32_t token; /* with its length, or TOKENS_NONE */
};

struct tokens_tables {
    /* Tokens of up to 15 bytes, which are often whole pieces. high is 0: an empty slot. */
    struct tokens_key keys[1 << TOKENS_KEY_BITS];
    uint32_t ids[1 << TOKENS_KEY_BITS];
    /* What two tokens merge into: left, right and merged id in one word, from the top. */
    uint64_t pairs[1 << TOKENS_PAIR_BITS];
    /* Two bits for each pair, in the word and at the places that its hash says: few of those that
     * are looked for are there, and most of these questions end here, in a corner of the cache. */
    uint64_t pair_bits[1 << TOKENS_FILTER_BITS];
    uint8_t byte_ids[256]; /* of the tokens of one byte */
    /* What two bytes merge into, or TOKENS_NONE: also in pairs, but here common ones are together. */
    uint32_t byte_merges[256][256];
    struct tokens_parts parts[TOKENS_VOCABULARY];
    /* The longest token that is a beginning of this one, with its length, or TOKENS_NONE. */
    uint32_t shorter[TOKENS_VOCABULARY];
    /* The lowest rank of the merges that join two bytes; a byte here, a byte there; halved. */
    uint16_t junctions[256][256];
    /* All tokens and their beginnings, as a double-array trie; 0 is the root. */
    struct tokens_node nodes[TOKENS_NODES];
    uint32_t starts[TOKENS_VOCABULARY + 1]; /* into bytes */
    uint8_t bytes[TOKENS_BYTES_TOTAL];
    /* enum tokens_class by code point, in rows of which many are the same. */
    uint16_t class_rows[TOKENS_CODE_POINTS >> TOKENS_ROW_BITS];
    uint8_t classes[TOKENS_ROWS << TOKENS_ROW_BITS];
};

extern const struct tokens_tables tokens_tables __attribute__((visibility("hidden")));

#endif
