/*
 * batch.h - how many texts go into one call. Pure.
 *
 * Owns:   nothing; values.
 * Thread: any.
 */
#ifndef EMBED_BATCH_H
#define EMBED_BATCH_H

#include "worker/base/text.h"

struct batch_limits {
    uint64_t inputs_max;
    uint64_t tokens_max; /* by batch_tokens() */
    uint64_t request_bytes_max, reply_bytes_max;
    uint32_t dimension_count;
    bool is_base64; /* how the answer spells its vectors */
};

struct batch {
    uint64_t input_count, tokens, request_bytes, reply_bytes;
};

/* What an input is booked with: its tokens, or a quarter of its bytes where that is more. Providers
 * bill and limit the rate by tokens, but some check the size of a call by its bytes: a call whose
 * inputs so booked fit is within the limit either way. */
uint64_t batch_tokens(uint32_t token_count, size_t text_bytes);
uint64_t batch_reply_bytes(uint64_t input_count, uint32_t dimension_count, bool is_base64);
/* Adds an input if it fits; the first one always does (it has nowhere else to go). */
bool batch_add(struct batch *batch, const struct batch_limits *limits, uint64_t tokens,
               size_t request_bytes) MUST_CHECK;
bool batch_is_full(const struct batch *batch, const struct batch_limits *limits);

#endif
