/*
 * slabs.h - the bounded pool of memory that chunks and their vectors lie in.
 *
 * Each user (a document in work) is owed one slab, so that nobody can be starved into a deadlock:
 * it waits for one at most as long as somebody else's batch takes, and nobody gets a second one
 * meanwhile.
 * Owns:   all slabs. A slab is given out empty.
 * Thread: the loop thread; a slab's content belongs to whoever took it.
 */
#ifndef WORKER_SLABS_H
#define WORKER_SLABS_H

#include "worker/base/arena.h"
#include "worker/base/list.h"
#include "worker/model/chunk.h"
#include "worker/pipeline.h"

struct slab {
    struct chunk chunks[SLAB_CHUNKS_MAX];
    struct chunk *pointers[SLAB_CHUNKS_MAX]; /* [i] == &chunks[i] */
    size_t count;
    float *vectors; /* SLAB_CHUNKS_MAX x dimension_count */
    struct arena arena;
    struct list_node node; /* private */
};

struct slab_user {
    uint32_t slab_count; /* it holds at present */
    /* After slabs_take() gave NULL to a user without any: one is free, take it now or not. */
    void (*on_room)(struct slab_user *user);
    struct list_node waiting; /* private */
};

struct slabs *slabs_new(uint32_t slabs_max, uint32_t dimension_count);
void slabs_free(struct slabs *slabs);                                 /* all given back */
void slabs_join(struct slabs *slabs, struct slab_user *user);         /* on_room is set */
void slabs_leave(struct slabs *slabs, struct slab_user *user);        /* holds none any more */
struct slab *slabs_take(struct slabs *slabs, struct slab_user *user); /* NULL: none to spare now */
void slabs_give(struct slabs *slabs, struct slab_user *user, struct slab *slab);

#endif
