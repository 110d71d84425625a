/* cut_texts METHOD TOKENS MIN MAX OVERLAP FILE: how a text is cut, one line a chunk: the bytes at
 * which it begins and ends, its tokens. METHOD: ours, fixed, recursive. For retrieval.py. */
#include <stdio.h>
#include <string.h>

#include "tests/bench/splitters.h"
#include "tests/whole_file.h"

int main(int argc, char **argv)
{
    AUTO_BUFFER struct buffer content = buffer_new((size_t)1 << 30);
    uint64_t numbers[4];
    struct splits splits = {0};
    if (argc != 7)
        return 2;
    for (int i = 0; i < 4; i++)
        if (!text_parse_u64(text_from(argv[2 + i]), &numbers[i]) || numbers[i] > 8000)
            return 2;
    if (!whole_file_read(argv[6], &content)) {
        perror(argv[6]);
        return 1;
    }
    uint32_t tokens = (uint32_t)numbers[0], overlap = (uint32_t)numbers[3];
    struct chunker_options options = chunker_options_default();
    options.tokens_target = tokens;
    options.tokens_min = (uint32_t)numbers[1];
    options.tokens_max = (uint32_t)numbers[2];
    options.tokens_overlap = overlap;
    if (strcmp(argv[1], "ours") == 0)
        split_ours(buffer_text(&content), options, &splits);
    else if (strcmp(argv[1], "fixed") == 0)
        split_fixed(buffer_text(&content), tokens, overlap, &splits);
    else if (strcmp(argv[1], "recursive") == 0)
        split_recursive(buffer_text(&content), tokens, overlap, &splits);
    else
        return 2;
    for (size_t i = 0; i < splits.count; i++)
        printf("%zu %zu %u\n", splits.items[i].start, splits.items[i].end,
               splits.items[i].token_count);
    splits_release(&splits);
    return 0;
}
