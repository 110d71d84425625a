#include "embed/batch.h"

#define BYTES_PER_TOKEN 4
#define FLOAT_TEXT_BYTES 14  /* "-0.0123456789," as most servers print them */
#define REPLY_INPUT_BYTES 64 /* what stands around a vector */

uint64_t batch_tokens(uint32_t token_count, size_t text_bytes)
{
    uint64_t estimate = (text_bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    return token_count > estimate ? token_count : estimate;
}

uint64_t batch_reply_bytes(uint64_t input_count, uint32_t dimension_count, bool is_base64)
{
    uint64_t vector_bytes = (uint64_t)dimension_count * FLOAT_TEXT_BYTES;
    if (is_base64)
        vector_bytes = ((uint64_t)dimension_count * sizeof(float) + 2) / 3 * 4;
    return input_count * (vector_bytes + REPLY_INPUT_BYTES);
}

bool batch_add(struct batch *batch, const struct batch_limits *limits, uint64_t tokens,
               size_t request_bytes)
{
    struct batch grown = {
        .input_count = batch->input_count + 1,
        .tokens = batch->tokens + tokens,
        .request_bytes = batch->request_bytes + request_bytes,
        .reply_bytes =
            batch_reply_bytes(batch->input_count + 1, limits->dimension_count, limits->is_base64),
    };
    bool fits = grown.input_count <= limits->inputs_max && grown.tokens <= limits->tokens_max &&
                grown.request_bytes <= limits->request_bytes_max &&
                grown.reply_bytes <= limits->reply_bytes_max;
    if (!fits && batch->input_count > 0)
        return false;
    *batch = grown;
    return true;
}

bool batch_is_full(const struct batch *batch, const struct batch_limits *limits)
{
    struct batch copy = *batch;
    return batch->input_count > 0 && !batch_add(&copy, limits, 1, 1);
}
