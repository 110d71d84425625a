#include "worker/base/uuid_map.h"

#include <assert.h>
#include <string.h>

#include "worker/base/memory.h"

#define BUCKETS_FIRST 256

/* The ids are hashes or random already, but for what the version, the variant (byte 8) and a time in
 * front fix: the last seven bytes spread well. */
static struct uuid_node **bucket_of(const struct uuid_map *map, struct uuid id)
{
    uint64_t hash;
    memcpy(&hash, id.bytes + 8, sizeof(hash));
    return &map->buckets[hash >> 8 & (map->bucket_count - 1)];
}

static void grow(struct uuid_map *map)
{
    struct uuid_map bigger = {.bucket_count =
                                  map->bucket_count ? map->bucket_count * 2 : BUCKETS_FIRST};
    bigger.buckets = xcalloc(bigger.bucket_count, sizeof(*bigger.buckets));
    for (size_t i = 0; i < map->bucket_count; i++) {
        for (struct uuid_node *node = map->buckets[i], *next; node; node = next) {
            next = node->next;
            uuid_map_add(&bigger, node);
        }
    }
    xfree(map->buckets);
    *map = bigger;
}

void uuid_map_add(struct uuid_map *map, struct uuid_node *node)
{
    if (map->count >= map->bucket_count)
        grow(map);
    struct uuid_node **bucket = bucket_of(map, node->id);
    node->next = *bucket;
    *bucket = node;
    map->count++;
}

struct uuid_node *uuid_map_find(const struct uuid_map *map, struct uuid id)
{
    struct uuid_node *node = map->count ? *bucket_of(map, id) : NULL;
    while (node && !uuid_equal(node->id, id))
        node = node->next;
    return node;
}

void uuid_map_remove(struct uuid_map *map, struct uuid_node *node)
{
    struct uuid_node **link = bucket_of(map, node->id);
    while (*link != node) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    map->count--;
}

void uuid_map_each(struct uuid_map *map, void (*visit)(void *arg, struct uuid_node *node),
                   void *arg)
{
    for (size_t i = 0; i < map->bucket_count; i++) {
        for (struct uuid_node *node = map->buckets[i], *next; node; node = next) {
            next = node->next;
            visit(arg, node);
        }
    }
}

void uuid_map_release(struct uuid_map *map)
{
    assert(map->count == 0);
    xfree(map->buckets);
    *map = (struct uuid_map){0};
}
