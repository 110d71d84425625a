/*
 * tokens_tables.h - the constants behind tokens.h: one struct, written by data/make_tables.c while
 * the program is built, and linked into it as it is.
 *
 * Thread: any; read-only.
 */
#ifndef CHUNKER_TOKENS_TABLES_H
#define CHUNKER_TOKENS_TABLES_H

#include <endian.h>
#include <string.h>

#include "chunker/tokens.h"

#define TOKENS_BYTES_TOTAL 643830 /* of all tokens */
#define TOKENS_NONE UINT32_MAX
#define TOKENS_SHORT_BYTES 7
#define TOKENS_LONG_BYTES 15

/* Open hash tables, linear, at most 5/8 full. */
#define TOKENS_SHORT_BITS 17
#define TOKENS_LONG_BITS 16
#define TOKENS_PAIR_BITS 18
#define TOKENS_FILTER_BITS 14
#define TOKENS_PAIR_EMPTY UINT64_MAX
#define TOKENS_ID_BITS 17
#define TOKENS_ID_MASK ((UINT64_C(1) << TOKENS_ID_BITS) - 1)

#define TOKENS_NO_JUNCTION UINT16_MAX

#define TOKENS_NODES (1 << 18)
#define TOKENS_LABEL_MASK 0x1FFu
#define TOKENS_NO_LABEL TOKENS_LABEL_MASK
#define TOKENS_NODE_IS_TOKEN 0x200u
#define TOKENS_BASE_SHIFT 10

#define TOKENS_ROW_BITS 7
#define TOKENS_ROWS 320
#define TOKENS_CODE_POINTS 0x110000

enum tokens_class { CLASS_SIGN, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE, CLASS_NEWLINE };

/* Up to 15 bytes, zeros behind them, their number in the last byte of the word they end in: 7 bytes
 * fit into low alone (then high is 0). */
struct tokens_key {
    uint64_t low, high;
};

struct tokens_parts {
    uint32_t left, right; /* a token of one byte: itself, twice */
};

struct tokens_tables {
    /* Whole pieces. A key of 0 is an empty slot. */
    uint64_t short_keys[1 << TOKENS_SHORT_BITS];        /* tokens of up to 7 bytes */
    struct tokens_key long_keys[1 << TOKENS_LONG_BITS]; /* of 8 to 15 */
    uint32_t short_ids[1 << TOKENS_SHORT_BITS];
    uint32_t long_ids[1 << TOKENS_LONG_BITS];
    /* What two tokens merge into: left, right and merged id in one word, from the top. */
    uint64_t pairs[1 << TOKENS_PAIR_BITS];
    /* Two bits for each pair, in the word and at the places that its hash says: few of those that
     * are looked for are there, and most of these questions end here, in a corner of the cache. */
    uint64_t pair_bits[1 << TOKENS_FILTER_BITS];
    struct tokens_parts parts[TOKENS_VOCABULARY];
    /* The longest token that is a beginning of this one, or TOKENS_NONE. */
    uint32_t shorter[TOKENS_VOCABULARY];
    /* The lowest rank of the merges that join two bytes; a byte here, a byte there; halved. */
    uint16_t junctions[256][256];
    /* All tokens and their beginnings, as a double-array trie; 0 is the root. A node's base, a flag
     * and its label: its child by a byte is node (base ^ byte), if that has the byte as label. */
    uint32_t nodes[TOKENS_NODES];
    uint32_t node_ids[TOKENS_NODES];
    uint8_t lengths[TOKENS_VOCABULARY];
    uint32_t starts[TOKENS_VOCABULARY + 1]; /* into bytes */
    uint8_t bytes[TOKENS_BYTES_TOTAL];
    /* enum tokens_class by code point, in rows of which many are the same. */
    uint16_t class_rows[TOKENS_CODE_POINTS >> TOKENS_ROW_BITS];
    uint8_t classes[TOKENS_ROWS << TOKENS_ROW_BITS];
};

extern const struct tokens_tables tokens_tables __attribute__((visibility("hidden")));

/* Of a text of at most TOKENS_LONG_BYTES. */
static inline struct tokens_key tokens_key_of(struct text text)
{
    uint8_t bytes[16] = {0};
    memcpy(bytes, text.start, text.bytes);
    bytes[text.bytes <= TOKENS_SHORT_BYTES ? 7 : 15] = (uint8_t)text.bytes;
    struct tokens_key key;
    memcpy(&key, bytes, sizeof(key));
    return (struct tokens_key){le64toh(key.low), le64toh(key.high)};
}

static inline uint64_t tokens_hash(uint64_t word)
{
    return word * UINT64_C(0x9E3779B97F4A7C15);
}

static inline uint32_t tokens_slot(uint64_t hash, unsigned bits)
{
    return (uint32_t)(hash >> (64 - bits));
}

static inline uint64_t tokens_key_hash(struct tokens_key key)
{
    return tokens_hash(key.low ^ key.high * UINT64_C(0xC2B2AE3D27D4EB4F));
}

static inline uint64_t tokens_filter_mask(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 44 & 63) | UINT64_C(1) << (hash >> 38 & 63);
}

static inline uint64_t tokens_pair(uint32_t left, uint32_t right)
{
    return (uint64_t)left << TOKENS_ID_BITS | right;
}

#endif
