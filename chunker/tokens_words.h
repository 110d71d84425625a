/*
 * tokens_words.h - what tokens, pairs of them and short pieces look like in one or two words, and
 * where a table keeps such a word. Private to tokens*.c.
 *
 * Thread: any.
 */
#ifndef CHUNKER_TOKENS_WORDS_H
#define CHUNKER_TOKENS_WORDS_H

#include <endian.h>
#include <string.h>

#include "worker/base/text.h"

#define TOKENS_ID_BITS 17
#define TOKENS_LENGTH_BITS 8
#define TOKENS_KEY_BYTES 15

/* Up to 15 bytes, zeros behind them, and their number in the last byte. */
struct tokens_key {
    uint64_t low, high;
};

/* A token with its length in one word. */
static inline uint32_t tokens_with_length(uint32_t id, uint32_t bytes)
{
    return id << TOKENS_LENGTH_BITS | bytes;
}

static inline uint32_t tokens_id(uint32_t token)
{
    return token >> TOKENS_LENGTH_BITS;
}

static inline uint32_t tokens_length(uint32_t token)
{
    return token & ((1u << TOKENS_LENGTH_BITS) - 1);
}

/* Of a text of at most TOKENS_KEY_BYTES. */
static inline struct tokens_key tokens_key_of(struct text text)
{
    uint8_t bytes[16] = {0};
    memcpy(bytes, text.start, text.bytes);
    bytes[15] = (uint8_t)text.bytes;
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
