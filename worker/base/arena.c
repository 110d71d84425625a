#include "worker/base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "worker/base/memory.h"

#define BLOCK_BYTES_MIN ((size_t)1024)
#define BLOCK_BYTES_MAX ((size_t)64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t capacity_bytes;
    size_t used_bytes;
    alignas(16) char data[];
};

struct arena arena_new(size_t budget_bytes)
{
    return (struct arena){.budget_bytes = budget_bytes};
}

void arena_release(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        xfree(block);
    }
    arena->used_bytes = 0;
}

void arena_clear(struct arena *arena)
{
    struct arena_block *newest = arena->blocks;
    if (newest && newest->capacity_bytes <= BLOCK_BYTES_MAX) {
        arena->blocks = newest->next;
        newest->next = NULL;
        newest->used_bytes = 0;
    } else {
        newest = NULL;
    }
    arena_release(arena);
    arena->blocks = newest;
}

static struct arena_block *block_with_room(struct arena *arena, size_t bytes)
{
    struct arena_block *newest = arena->blocks;
    if (newest && newest->capacity_bytes - newest->used_bytes >= bytes)
        return newest;
    size_t capacity = newest ? newest->capacity_bytes * 2 : BLOCK_BYTES_MIN;
    capacity = capacity > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : capacity;
    capacity = capacity < bytes ? bytes : capacity;
    struct arena_block *block = xmalloc(sizeof(*block) + capacity);
    *block = (struct arena_block){.next = newest, .capacity_bytes = capacity};
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > arena->budget_bytes - arena->used_bytes)
        return NULL;
    arena->used_bytes += bytes;
    size_t rounded = (bytes + 15) & ~(size_t)15;
    struct arena_block *block = block_with_room(arena, rounded ? rounded : 16);
    void *memory = block->data + block->used_bytes;
    block->used_bytes += rounded;
    return memset(memory, 0, bytes);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes)
{
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? NULL : arena_alloc(arena, total);
}

bool arena_copy(struct arena *arena, struct text text, struct text *ret_copy)
{
    char *copy = text.bytes < SIZE_MAX ? arena_alloc(arena, text.bytes + 1) : NULL;
    if (!copy)
        return false;
    if (text.bytes)
        memcpy(copy, text.start, text.bytes);
    *ret_copy = (struct text){copy, text.bytes};
    return true;
}
