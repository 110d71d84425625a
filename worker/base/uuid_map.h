/*
 * uuid_map.h - finds a thing by its id: an intrusive hash table.
 *
 * Owns:   its buckets; nodes are their owners' memory, zeroed before first use.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_UUID_MAP_H
#define WORKER_BASE_UUID_MAP_H

#include "worker/base/crypto.h"

struct uuid_node {
    struct uuid id;
    struct uuid_node *next; /* private */
};

struct uuid_map {
    struct uuid_node **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
};

void uuid_map_add(struct uuid_map *map, struct uuid_node *node); /* its id is not there yet */
struct uuid_node *uuid_map_find(const struct uuid_map *map, struct uuid id); /* may be NULL */
void uuid_map_remove(struct uuid_map *map, struct uuid_node *node);          /* it is there */
/* visit may remove the node it is given. */
void uuid_map_each(struct uuid_map *map, void (*visit)(void *arg, struct uuid_node *node),
                   void *arg);
void uuid_map_release(struct uuid_map *map); /* empty */

#endif
