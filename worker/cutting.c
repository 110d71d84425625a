#include "worker/cutting.h"

#define CHUNK_BYTES_MAX ((size_t)1 << 20) /* of one, with its texts */

struct cutting cutting_new(struct chunker_options options,
                           void (*on_chunk)(void *arg, const struct chunk *chunk), void *arg)
{
    return (struct cutting){
        .arg = arg, .on_chunk = on_chunk, .options = options, .arena = arena_new(CHUNK_BYTES_MAX)};
}

void cutting_title(struct cutting *cutting, struct text title)
{
    if (!cutting->chunker)
        cutting->chunker = chunker_new(cutting->options, title);
}

static bool draw(struct cutting *cutting, struct error *err)
{
    struct chunk chunk = {0};
    while (chunker_next(cutting->chunker, &cutting->arena, &chunk, err)) {
        cutting->on_chunk(cutting->arg, &chunk);
        arena_release(&cutting->arena);
    }
    return err->message[0] == '\0';
}

bool cutting_page(struct cutting *cutting, const struct page *page, struct error *err)
{
    size_t at = 0;
    cutting_title(cutting, TEXT_NONE);
    if (!page)
        return chunker_add(cutting->chunker, NULL, err) && draw(cutting, err);
    do
        if (!chunker_add_part(cutting->chunker, page, &at, err) || !draw(cutting, err))
            return false;
    while (at < page->text.bytes);
    return true;
}

void cutting_release(struct cutting *cutting)
{
    chunker_free(cutting->chunker);
    arena_release(&cutting->arena);
    cutting->chunker = NULL;
}
