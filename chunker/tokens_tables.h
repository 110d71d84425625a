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
#define TOKENS_PAIR_EMPTY UINT64_MAX
#define TOKENS_ID_BITS 17
#define TOKENS_ID_MASK ((UINT64_C(1) << TOKENS_ID_BITS) - 1)

#define TOKENS_NODES (1 << 18)
#define TOKENS_LABEL_BITS 9
#define TOKENS_LABEL_MASK ((1u << TOKENS_LABEL_BITS) - 1)
#define TOKENS_NO_LABEL TOKENS_LABEL_MASK

#define TOKENS_ROW_BITS 7
#define TOKENS_ROWS 320
#define TOKENS_CODE_POINTS 0x110000

enum tokens_class { CLASS_SIGN, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE, CLASS_NEWLINE };

/* Up to 15 bytes, zeros behind them, their number in the last byte of the word they end in: 7 bytes
 * fit into low alone (then high is 0). */
struct tokens_key {
    uint64_t low, high;
};

/* The child of a node by a byte is node (base ^ byte), if that has the byte as its label. */
struct tokens_node {
    uint32_t base_and_label;
    uint32_t id; /* of the token that ends here, or TOKENS_NONE */
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
    struct tokens_parts parts[TOKENS_VOCABULARY];
    /* The longest token that is a beginning of this one, or TOKENS_NONE. */
    uint32_t shorter[TOKENS_VOCABULARY];
    /* All tokens and their beginnings, as a double-array trie; 0 is the root. */
    struct tokens_node nodes[TOKENS_NODES];
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

static inline uint32_t tokens_short_slot(uint64_t key)
{
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - TOKENS_SHORT_BITS));
}

static inline uint32_t tokens_long_slot(struct tokens_key key)
{
    uint64_t mixed = key.low ^ (key.high * UINT64_C(0xC2B2AE3D27D4EB4F));
    return (uint32_t)((mixed * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - TOKENS_LONG_BITS));
}

static inline uint32_t tokens_pair_slot(uint64_t pair)
{
    return (uint32_t)((pair * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - TOKENS_PAIR_BITS));
}

static inline uint64_t tokens_pair(uint32_t left, uint32_t right)
{
    return (uint64_t)left << TOKENS_ID_BITS | right;
}

#endif
