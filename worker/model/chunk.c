#include "worker/model/chunk.h"

#include <assert.h>

void chunk_seal(struct chunk *chunk)
{
    assert(chunk->prefix.start + chunk->prefix.bytes == chunk->content.start);
    sha256_of((struct text){chunk->prefix.start, chunk->prefix.bytes + chunk->content.bytes},
              chunk->hash);
}
