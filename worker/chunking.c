#include "worker/chunking.h"

#include "chunker/tokens.h"

static enum chunker_counting counting_of(const struct config *config)
{
    bool is_known = config->embedder == CONFIG_LOCAL || tokens_are_exact(config->embedding_model);
    switch ((enum config_tokenizer)config->tokenizer) {
    case CONFIG_TOKENIZER_AUTO:
        return is_known ? CHUNKER_CL100K : CHUNKER_BYTES;
    case CONFIG_TOKENIZER_CL100K:
        return CHUNKER_CL100K;
    case CONFIG_TOKENIZER_BYTES:
        break;
    }
    return CHUNKER_BYTES;
}

struct chunker_options chunking_of(const struct config *config)
{
    return (struct chunker_options){
        .counting = counting_of(config),
        .tokens_target = config->chunk_tokens,
        .tokens_min = config->chunk_tokens_min,
        .tokens_max = config->chunk_tokens_max,
        .prefix_tokens_max = config->chunk_prefix_tokens,
        .tokens_overlap = config->chunk_overlap,
    };
}

void chunking_describe(const struct config *config, struct buffer *out)
{
    struct chunker_options options = chunking_of(config);
    buffer_format(out, "%s %s %u/%u/%u+%u+%u", chunker_version(),
                  options.counting == CHUNKER_BYTES ? "bytes" : "cl100k_base", options.tokens_min,
                  options.tokens_target, options.tokens_max, options.tokens_overlap,
                  options.prefix_tokens_max);
}
