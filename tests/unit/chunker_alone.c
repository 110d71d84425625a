/* The chunker by itself, as another program would use it: this links chunker, tokens and core, and
 * nothing else of ours. */
#include <stdio.h>

#include "chunker/chunker.h"

#define PAGE "The mill stands by the river. It grinds rye, and wheat."

int main(void)
{
    struct page page = {.number = 1, .text = TEXT(PAGE)};
    struct chunker *chunker = chunker_new(chunker_options_default(), TEXT("Mills"));
    struct arena slab = arena_new(1 << 16);
    struct chunk chunk;
    struct error err;

    if (!chunker_add(chunker, &page, &err) || !chunker_add(chunker, NULL, &err) ||
        !chunker_next(chunker, &slab, &chunk, &err))
        return 1;
    printf("%u: %.*s%.*s (%u tokens)\n", chunk.no, TEXT_ARGS(chunk.prefix),
           TEXT_ARGS(chunk.content), chunk.token_count);
    bool is_right = text_equal(chunk.content, TEXT(PAGE)) && chunker_is_dry(chunker);
    arena_release(&slab);
    chunker_free(chunker);
    return is_right ? 0 : 1;
}
