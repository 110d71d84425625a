/*
 * tokens_block.h - where pieces of ASCII begin, 64 bytes at a time. Private to tokens*.c.
 *
 * Thread: any.
 */
#ifndef CHUNKER_TOKENS_BLOCK_H
#define CHUNKER_TOKENS_BLOCK_H

#include <stdint.h>

#define TOKENS_BLOCK_BYTES 64

/* A piece begins at the first of these 64 bytes. Bit i: another one begins at byte i. As far as
 * that can be told from these bytes: bits are missing behind the last one, never between. */
uint64_t tokens_block(const uint8_t bytes[TOKENS_BLOCK_BYTES]);

#endif
