#include "worker/flow_batch.h"

#include <assert.h>

#include "worker/base/metrics.h"

/* ---- the end --------------------------------------------------------------------------------- */

static void end_batch(struct later *ending)
{
    struct flow_batch *batch = container_of(ending, struct flow_batch, ending);
    batch->state = BATCH_IDLE;
    batch->on_over(batch, batch->has_failed ? &batch->failure : NULL);
}

static void end_soon(struct flow_batch *batch)
{
    loop_later(batch->pipeline->loop, &batch->ending, end_batch);
}

static void cancel_requests(struct flow_batch *batch)
{
    if (batch->has_embedding_open)
        embed_cancel(batch->pipeline->embed, &batch->embedding);
    if (batch->has_vectors_open)
        vectors_cancel(batch->pipeline->vectors, &batch->vectors);
}

static void fail_batch(struct flow_batch *batch, const struct error *err)
{
    if (batch->has_failed)
        return;
    batch->has_failed = true;
    batch->failure = *err;
    cancel_requests(batch);
}

/* One request has answered. False: the batch has failed, and ends with its last answer. */
static bool goes_on(struct flow_batch *batch, const struct error *err)
{
    assert(batch->answers_open > 0);
    batch->answers_open--;
    if (err)
        fail_batch(batch, err);
    if (batch->has_failed && batch->answers_open == 0)
        end_soon(batch);
    return !batch->has_failed;
}

/* ---- stored: vectors in the store, rows staged ----------------------------------------------- */

static bool has_vectors_apart(const struct flow_batch *batch)
{
    return !(vectors_capabilities(batch->pipeline->vectors) & VECTORS_ARE_ROWS);
}

static void on_part_stored(struct flow_batch *batch, const struct error *err)
{
    const struct slab *slab = batch->slab;
    if (!goes_on(batch, err) || batch->answers_open)
        return;
    for (size_t i = 0; i < slab->count; i++)
        batch->result->token_count += slab->chunks[i].token_count;
    batch->result->chunk_count += (uint32_t)slab->count;
    metric_add(METRIC_CHUNKS, 0, slab->count);
    end_soon(batch);
}

static void on_upserted(struct vectors_request *request, const struct error *err)
{
    struct flow_batch *batch = container_of(request, struct flow_batch, vectors);
    batch->has_vectors_open = false;
    batch->result->is_dirty |= request->is_ambiguous;
    on_part_stored(batch, err);
}

static void on_staged(struct ledger_stage *stage, const struct error *err)
{
    on_part_stored(container_of(stage, struct flow_batch, stage), err);
}

static bool lease_lets_send(struct vectors_request *request)
{
    return lease_holds(container_of(request, struct flow_batch, vectors)->input->lease);
}

static void start_upsert(struct flow_batch *batch)
{
    batch->has_vectors_open = true;
    batch->vectors = (struct vectors_request){
        .tenant = batch->input->tenant,
        .document = batch->input->document,
        .gen = batch->input->lease->fence,
        .chunks = (const struct chunk *const *)batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .may_send = lease_lets_send,
        .on_done = on_upserted,
    };
    vectors_upsert(batch->pipeline->vectors, &batch->vectors);
}

static void start_storing(struct flow_batch *batch)
{
    batch->state = BATCH_STORING;
    batch->answers_open = has_vectors_apart(batch) ? 2 : 1;
    batch->stage = (struct ledger_stage){
        .tenant = batch->input->tenant,
        .document = batch->input->document,
        .fence = batch->input->lease->fence,
        .chunks = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .on_done = on_staged,
    };
    if (has_vectors_apart(batch))
        start_upsert(batch);
    ledger_stage(batch->pipeline->ledger, &batch->stage);
}

/* ---- reserved: ids before the first vector leaves, so that store ⊆ live ∪ litter at every instant
 * -- */

static void start_reserving(struct flow_batch *batch)
{
    const struct slab *slab = batch->slab;
    batch->state = BATCH_RESERVING;
    if (!has_vectors_apart(batch) ||
        lease_reserve(batch->input->lease, slab->chunks[slab->count - 1].no + 1))
        start_storing(batch);
}

/* ---- embedded -------------------------------------------------------------------------------- */

static void on_embedded(struct embed_request *request, const struct error *err)
{
    struct flow_batch *batch = container_of(request, struct flow_batch, embedding);
    batch->has_embedding_open = false; /* it has answered: it cannot be cancelled any more */
    batch->result->tokens_billed += request->tokens_billed;
    if (goes_on(batch, err))
        start_reserving(batch);
}

static void start_embedding(struct flow_batch *batch)
{
    size_t open = 0;
    for (size_t i = 0; i < batch->slab->count; i++)
        open += batch->slab->chunks[i].vector == NULL;
    if (open == 0) {
        start_reserving(batch);
        return;
    }
    struct pipeline *pipeline = batch->pipeline;
    batch->state = BATCH_EMBEDDING;
    batch->answers_open = 1;
    batch->has_embedding_open = true;
    batch->embedding = (struct embed_request){
        .tenant = batch->input->tenant,
        .purpose = EMBED_DOCUMENT,
        .chunks = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .vectors = batch->slab->vectors,
        .deadline_ms = loop_now_ms(pipeline->loop) + pipeline->limits.embed_wait_ms,
        .on_done = on_embedded,
    };
    embed_submit(pipeline->embed, &batch->embedding);
}

/* ---- known: vectors of the live generation save money; what cannot be had is embedded -------- */

static void on_fetched(struct vectors_request *request, const struct error *err)
{
    struct flow_batch *batch = container_of(request, struct flow_batch, vectors);
    batch->has_vectors_open = false;
    if (!goes_on(batch, NULL))
        return;
    if (!err) {
        batch->result->chunks_known += (uint32_t)request->fetched_count;
        metric_add(METRIC_CHUNKS_KNOWN, 0, request->fetched_count);
    }
    start_embedding(batch);
}

static void start_fetch(struct flow_batch *batch)
{
    batch->answers_open = 1;
    batch->has_vectors_open = true;
    batch->vectors = (struct vectors_request){
        .tenant = batch->input->tenant,
        .document = batch->input->document,
        .gen = batch->input->live_gen,
        .fetched = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .known_no = batch->known_no,
        .vectors = batch->slab->vectors,
        .on_done = on_fetched,
    };
    vectors_fetch(batch->pipeline->vectors, &batch->vectors);
}

static void on_known(struct ledger_known *known, const struct error *err)
{
    struct flow_batch *batch = container_of(known, struct flow_batch, known);
    size_t known_count = 0;
    if (!goes_on(batch, NULL))
        return;
    for (size_t i = 0; !err && i < batch->slab->count; i++)
        known_count += batch->known_no[i] >= 0;
    if (known_count)
        start_fetch(batch);
    else
        start_embedding(batch);
}

static void start_known(struct flow_batch *batch)
{
    batch->state = BATCH_KNOWN;
    batch->answers_open = 1;
    batch->known = (struct ledger_known){
        .tenant = batch->input->tenant,
        .document = batch->input->document,
        .live_gen = batch->input->live_gen,
        .chunks = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .known_no = batch->known_no,
        .on_done = on_known,
    };
    ledger_known(batch->pipeline->ledger, &batch->known);
}

/* ---- public ---------------------------------------------------------------------------------- */

void flow_batch_start(struct flow_batch *batch)
{
    assert(batch->state == BATCH_IDLE && batch->slab->count > 0);
    batch->has_failed = false;
    if (batch->input->has_live)
        start_known(batch);
    else
        start_embedding(batch);
}

void flow_batch_cancel(struct flow_batch *batch, const struct error *why)
{
    if (batch->state == BATCH_IDLE || batch->has_failed || list_is_member(&batch->ending.waiting))
        return;
    fail_batch(batch, why);
    if (batch->state == BATCH_RESERVING)
        end_soon(batch);
}

void flow_batch_on_lease(struct flow_batch *batch)
{
    if (batch->state == BATCH_RESERVING && !batch->has_failed)
        start_reserving(batch);
}
