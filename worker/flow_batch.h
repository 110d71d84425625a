/*
 * flow_batch.h - one slab of chunks on its way: known → embedded → reserved → stored. For flow.c.
 *
 * Owns:   its requests. Borrows slab and job; the chunks are the batch's until on_over.
 * Thread: the loop thread.
 */
#ifndef WORKER_FLOW_BATCH_H
#define WORKER_FLOW_BATCH_H

#include "embed/embed.h"
#include "store/ledger.h"
#include "store/vectors.h"
#include "worker/flow.h"
#include "worker/slabs.h"

enum batch_state { BATCH_IDLE, BATCH_KNOWN, BATCH_EMBEDDING, BATCH_RESERVING, BATCH_STORING };

struct flow_batch {
    struct pipeline *pipeline;
    const struct flow_input *input;
    struct flow_result *result; /* figures are added there */
    struct slab *slab;
    /* Once for each flow_batch_start(), when all its answers are in; err NULL: everything is
     * stored. */
    void (*on_over)(struct flow_batch *batch, const struct error *err);
    /* private */
    enum batch_state state;
    unsigned answers_open;
    bool has_vectors_open, has_embedding_open, has_failed;
    struct error failure;
    int64_t known_no[SLAB_CHUNKS_MAX];
    struct ledger_known known;
    struct vectors_request vectors;
    struct embed_request embedding;
    struct ledger_stage stage;
    struct later ending;
};

void flow_batch_start(struct flow_batch *batch);
void flow_batch_cancel(struct flow_batch *batch,
                       const struct error *why);    /* nothing when it is idle */
void flow_batch_on_lease(struct flow_batch *batch); /* perhaps its ids are reserved now */

#endif
