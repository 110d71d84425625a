#include "worker/slabs.h"

#include <assert.h>

#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define SLABS_PER_USER_MAX 8
#define SLABS_KEPT_MAX 8 /* free ones that stay allocated */
/* 64 chunks of at most 8,191 bytes, their prefixes and headings. */
#define SLAB_TEXT_BYTES_MAX ((size_t)1024 * 1024)

struct slabs {
    uint32_t slabs_max;
    uint32_t dimension_count;
    uint32_t in_use;
    uint32_t owed; /* users that hold none */
    struct list free;
    struct list waiting; /* users that hold none and want one, when all are in use */
};

struct slabs *slabs_new(uint32_t slabs_max, uint32_t dimension_count)
{
    struct slabs *slabs = xcalloc(1, sizeof(*slabs));
    slabs->slabs_max = slabs_max;
    slabs->dimension_count = dimension_count;
    list_init(&slabs->free);
    list_init(&slabs->waiting);
    metric_set(METRIC_SLABS_MAX, 0, slabs_max);
    return slabs;
}

static void slab_destroy(struct slab *slab)
{
    arena_release(&slab->arena);
    xfree(slab->vectors);
    xfree(slab);
}

void slabs_free(struct slabs *slabs)
{
    if (!slabs)
        return;
    assert(slabs->in_use == 0 && slabs->owed == 0);
    for (struct list_node *node; (node = list_pop_front(&slabs->free));)
        slab_destroy(container_of(node, struct slab, node));
    xfree(slabs);
}

void slabs_join(struct slabs *slabs, struct slab_user *user)
{
    user->slab_count = 0;
    user->waiting = (struct list_node){0};
    slabs->owed++;
}

void slabs_leave(struct slabs *slabs, struct slab_user *user)
{
    assert(user->slab_count == 0 && slabs->owed > 0);
    if (list_is_member(&user->waiting))
        list_remove(&slabs->waiting, &user->waiting);
    slabs->owed--;
}

static struct slab *slab_new(uint32_t dimension_count)
{
    struct slab *slab = xcalloc(1, sizeof(*slab));
    slab->vectors = xmalloc(sizeof(float) * SLAB_CHUNKS_MAX * dimension_count);
    slab->arena = arena_new(SLAB_TEXT_BYTES_MAX);
    for (size_t i = 0; i < SLAB_CHUNKS_MAX; i++)
        slab->pointers[i] = &slab->chunks[i];
    return slab;
}

struct slab *slabs_take(struct slabs *slabs, struct slab_user *user)
{
    bool is_first = user->slab_count == 0;
    if (!is_first &&
        (user->slab_count >= SLABS_PER_USER_MAX || slabs->in_use + slabs->owed >= slabs->slabs_max))
        return NULL;
    if (slabs->in_use >= slabs->slabs_max) {
        if (!list_is_member(&user->waiting))
            list_push_back(&slabs->waiting, &user->waiting);
        return NULL;
    }
    struct list_node *node = list_pop_front(&slabs->free);
    struct slab *slab =
        node ? container_of(node, struct slab, node) : slab_new(slabs->dimension_count);
    slab->count = 0;
    user->slab_count++;
    slabs->in_use++;
    slabs->owed -= is_first;
    metric_set(METRIC_SLABS, 0, slabs->in_use);
    return slab;
}

static void wake_waiting(struct slabs *slabs)
{
    while (slabs->in_use < slabs->slabs_max && slabs->waiting.count) {
        struct list_node *node = list_pop_front(&slabs->waiting);
        struct slab_user *user = container_of(node, struct slab_user, waiting);
        user->on_room(user);
    }
}

void slabs_give(struct slabs *slabs, struct slab_user *user, struct slab *slab)
{
    assert(user->slab_count > 0 && slabs->in_use > 0);
    user->slab_count--;
    slabs->in_use--;
    slabs->owed += user->slab_count == 0;
    metric_set(METRIC_SLABS, 0, slabs->in_use);
    arena_release(&slab->arena);
    if (slabs->free.count < SLABS_KEPT_MAX)
        list_push_front(&slabs->free, &slab->node);
    else
        slab_destroy(slab);
    if (slabs->in_use == 0) /* idle: give the memory back */
        for (struct list_node *last;
             slabs->free.count > 1 && (last = list_pop_front(&slabs->free));)
            slab_destroy(container_of(last, struct slab, node));
    wake_waiting(slabs);
}
