#include "worker/flow.h"

#include <assert.h>

#include "embed/embed.h"
#include "store/ledger.h"
#include "store/vectors.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/slabs.h"
#include "worker/spool.h"

#define CREDIT_BYTES                                                            \
    ((uint64_t)256 * 1024) /* what a fresh extraction has, and the step of more \
                            */
#define BATCHES_MAX 8

enum batch_state {
    BATCH_FREE,
    BATCH_CHUNKING,
    BATCH_KNOWN,
    BATCH_EMBEDDING,
    BATCH_RESERVING,
    BATCH_STORING
};

struct batch { /* one slab on its way */
    struct flow *flow;
    enum batch_state state;
    struct slab *slab;
    unsigned answers_open; /* requests under way: two while storing, else one */
    bool has_vectors_open; /* one of them is vectors' */
    int64_t known_no[SLAB_CHUNKS_MAX];
    struct ledger_known known;
    struct vectors_request vectors;
    struct embed_request embedding;
    struct ledger_stage stage;
};

struct flow {
    struct pipeline *pipeline;
    struct flow_input input;
    struct extract_request extraction;
    bool is_extracting, has_all_pages;
    uint64_t credit_bytes; /* granted to extraction and not used */
    struct spool spool;    /* pages that no chunking has taken yet */
    struct chunker *chunker;
    struct work chunking; /* at most one at a time; owns the fields below while it runs */
    struct spool taken;
    uint64_t taken_bytes;
    bool is_end_known, is_end_told;
    struct error chunking_error;
    struct batch *filling; /* the batch that chunking fills; NULL: none runs */
    struct slab_user slabs;
    struct batch batches[BATCHES_MAX];
    struct buffer text;
    struct buffer title;
    char mime_type[64];
    bool has_failed, has_ended;
    struct error failure;
    struct flow_result result;
    struct later ending;
};

static void flow_step(struct flow *flow);

/* ---- failure: the first one counts, and whatever is under way is asked to end ------------------
 */

static void cancel_batch(struct batch *batch)
{
    struct pipeline *pipeline = batch->flow->pipeline;
    if (batch->state == BATCH_EMBEDDING)
        embed_cancel(pipeline->embed, &batch->embedding);
    if (batch->has_vectors_open)
        vectors_cancel(pipeline->vectors, &batch->vectors);
}

static void flow_fail(struct flow *flow, const struct error *err)
{
    if (flow->has_failed)
        return;
    flow->has_failed = true;
    flow->failure = *err;
    if (flow->is_extracting)
        extract_cancel(flow->pipeline->extract, &flow->extraction);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        cancel_batch(&flow->batches[i]);
}

/* ---- slabs --------------------------------------------------------------------------------------
 */

static void free_batch(struct batch *batch)
{
    struct flow *flow = batch->flow;
    slabs_give(flow->pipeline->slabs, &flow->slabs, batch->slab);
    batch->slab = NULL;
    batch->state = BATCH_FREE;
}

/* A request of the batch has answered. False: the flow has failed, the batch is over. */
static bool goes_on(struct batch *batch, const struct error *err)
{
    struct flow *flow = batch->flow;
    if (err)
        flow_fail(flow, err);
    if (!flow->has_failed)
        return true;
    if (batch->answers_open == 0) {
        free_batch(batch);
        flow_step(flow);
    }
    return false;
}

static void on_part_stored(struct batch *batch, const struct error *err)
{
    batch->answers_open--;
    if (!goes_on(batch, err) || batch->answers_open)
        return;
    struct flow_result *result = &batch->flow->result;
    for (size_t i = 0; i < batch->slab->count; i++)
        result->token_count += batch->slab->chunks[i].token_count;
    result->chunk_count += (uint32_t)batch->slab->count;
    metric_add(METRIC_CHUNKS, 0, batch->slab->count);
    free_batch(batch);
    flow_step(batch->flow);
}

static void on_upserted(struct vectors_request *request, const struct error *err)
{
    struct batch *batch = container_of(request, struct batch, vectors);
    batch->has_vectors_open = false;
    batch->flow->result.is_dirty |= request->is_ambiguous;
    on_part_stored(batch, err);
}

static void on_staged(struct ledger_stage *stage, const struct error *err)
{
    on_part_stored(container_of(stage, struct batch, stage), err);
}

static bool lease_lets_send(struct vectors_request *request)
{
    return lease_holds(container_of(request, struct batch, vectors)->flow->input.lease);
}

static void start_storing(struct batch *batch)
{
    struct flow *flow = batch->flow;
    const struct flow_input *input = &flow->input;
    batch->state = BATCH_STORING;
    batch->answers_open = 1;
    batch->stage = (struct ledger_stage){
        .tenant = input->tenant,
        .document = input->document,
        .fence = input->lease->fence,
        .chunks = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .on_done = on_staged,
    };
    if (!(vectors_capabilities(flow->pipeline->vectors) & VECTORS_ARE_ROWS)) {
        batch->answers_open++;
        batch->vectors = (struct vectors_request){
            .tenant = input->tenant,
            .document = input->document,
            .gen = input->lease->fence,
            .chunks = (const struct chunk *const *)batch->slab->pointers,
            .chunk_count = batch->slab->count,
            .may_send = lease_lets_send,
            .on_done = on_upserted,
        };
        batch->has_vectors_open = true;
        vectors_upsert(flow->pipeline->vectors, &batch->vectors);
    }
    ledger_stage(flow->pipeline->ledger, &batch->stage);
}

/* Ids are reserved before the first vector leaves: at every instant store ⊆ live ∪ litter. */
static void start_reserving(struct batch *batch)
{
    const struct slab *slab = batch->slab;
    batch->state = BATCH_RESERVING;
    bool needs_ids = !(vectors_capabilities(batch->flow->pipeline->vectors) & VECTORS_ARE_ROWS);
    if (!needs_ids || lease_reserve(batch->flow->input.lease, slab->chunks[slab->count - 1].no + 1))
        start_storing(batch);
}

static void on_embedded(struct embed_request *request, const struct error *err)
{
    struct batch *batch = container_of(request, struct batch, embedding);
    batch->flow->result.tokens_billed += request->tokens_billed;
    batch->answers_open--;
    if (goes_on(batch, err))
        start_reserving(batch);
}

static void start_embedding(struct batch *batch)
{
    struct flow *flow = batch->flow;
    size_t open = 0;
    for (size_t i = 0; i < batch->slab->count; i++)
        open += batch->slab->chunks[i].vector == NULL;
    if (open == 0) {
        start_reserving(batch);
        return;
    }
    batch->state = BATCH_EMBEDDING;
    batch->answers_open = 1;
    batch->embedding = (struct embed_request){
        .tenant = flow->input.tenant,
        .purpose = EMBED_DOCUMENT,
        .chunks = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .vectors = batch->slab->vectors,
        .deadline_ms = loop_now_ms(flow->pipeline->loop) + flow->pipeline->limits.embed_wait_ms,
        .on_done = on_embedded,
    };
    embed_submit(flow->pipeline->embed, &batch->embedding);
}

/* Known vectors save money; when they cannot be had, the chunks are embedded like any other. */
static void on_fetched_known(struct vectors_request *request, const struct error *err)
{
    struct batch *batch = container_of(request, struct batch, vectors);
    batch->has_vectors_open = false;
    batch->answers_open--;
    if (!goes_on(batch, NULL))
        return;
    if (!err) {
        batch->flow->result.chunks_known += (uint32_t)request->fetched_count;
        metric_add(METRIC_CHUNKS_KNOWN, 0, request->fetched_count);
    }
    start_embedding(batch);
}

static void on_known(struct ledger_known *known, const struct error *err)
{
    struct batch *batch = container_of(known, struct batch, known);
    struct flow *flow = batch->flow;
    size_t known_count = 0;
    batch->answers_open--;
    if (!goes_on(batch, NULL))
        return;
    for (size_t i = 0; !err && i < batch->slab->count; i++)
        known_count += batch->known_no[i] >= 0;
    if (known_count == 0) {
        start_embedding(batch);
        return;
    }
    batch->answers_open = 1;
    batch->vectors = (struct vectors_request){
        .tenant = flow->input.tenant,
        .document = flow->input.document,
        .gen = flow->input.live_gen,
        .fetched = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .known_no = batch->known_no,
        .vectors = batch->slab->vectors,
        .on_done = on_fetched_known,
    };
    batch->has_vectors_open = true;
    vectors_fetch(flow->pipeline->vectors, &batch->vectors);
}

static void start_known(struct batch *batch)
{
    struct flow *flow = batch->flow;
    if (!flow->input.has_live) {
        start_embedding(batch);
        return;
    }
    batch->state = BATCH_KNOWN;
    batch->answers_open = 1;
    batch->known = (struct ledger_known){
        .tenant = flow->input.tenant,
        .document = flow->input.document,
        .live_gen = flow->input.live_gen,
        .chunks = batch->slab->pointers,
        .chunk_count = batch->slab->count,
        .known_no = batch->known_no,
        .on_done = on_known,
    };
    ledger_known(flow->pipeline->ledger, &batch->known);
}

/* ---- chunking: pages in, a slab of chunks out, on a work thread ---------------------------------
 */

static bool feed_chunker(struct flow *flow)
{
    const struct page *page = spool_first(&flow->taken);
    bool is_end = !page && flow->is_end_known && !flow->is_end_told;
    if (!page && !is_end)
        return false;
    if (!chunker_add(flow->chunker, page, &flow->chunking_error))
        return false;
    if (page)
        spool_drop_first(&flow->taken);
    flow->is_end_told |= is_end;
    return true;
}

static void run_chunking(struct work *work)
{
    struct flow *flow = container_of(work, struct flow, chunking);
    struct slab *slab = flow->filling->slab;
    while (slab->count < SLAB_CHUNKS_MAX && !flow->chunking_error.message[0]) {
        struct chunk *chunk = &slab->chunks[slab->count];
        *chunk = (struct chunk){0};
        if (chunker_next(flow->chunker, &slab->arena, chunk, &flow->chunking_error))
            slab->count++;
        else if (flow->chunking_error.message[0] || !feed_chunker(flow))
            break;
    }
    /* A slab whose bytes are full but that holds chunks is simply done early. */
    if (slab->count && flow->chunking_error.code == ERR_NO_MEMORY)
        flow->chunking_error = (struct error){0};
}

static void return_spool_bytes(struct flow *flow, uint64_t bytes)
{
    flow->pipeline->spool_bytes -= bytes;
}

static void on_chunked(struct work *work)
{
    struct flow *flow = container_of(work, struct flow, chunking);
    struct batch *batch = flow->filling;
    flow->filling = NULL;
    return_spool_bytes(flow, flow->taken_bytes - flow->taken.text_bytes);
    flow->taken_bytes = flow->taken.text_bytes;
    if (!goes_on(batch, flow->chunking_error.message[0] ? &flow->chunking_error : NULL))
        return;
    if (batch->slab->count)
        start_known(batch);
    else
        free_batch(batch);
    flow_step(flow);
}

static struct batch *free_slot(struct flow *flow)
{
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (flow->batches[i].state == BATCH_FREE)
            return &flow->batches[i];
    return NULL;
}

static void start_chunking(struct flow *flow)
{
    bool has_news = flow->spool.pages.count || flow->taken.pages.count ||
                    (flow->has_all_pages && !chunker_is_dry(flow->chunker));
    struct batch *batch = free_slot(flow);
    if (flow->filling || !has_news || !batch)
        return;
    struct slab *slab = slabs_take(flow->pipeline->slabs, &flow->slabs);
    if (!slab)
        return; /* one of our own comes free, and then this is called again */
    batch->slab = slab;
    batch->state = BATCH_CHUNKING;
    flow->filling = batch;
    spool_move(&flow->spool, &flow->taken);
    flow->taken_bytes = flow->taken.text_bytes;
    flow->is_end_known = flow->has_all_pages;
    flow->chunking = (struct work){.run = run_chunking, .on_done = on_chunked};
    loop_work(flow->pipeline->loop, &flow->chunking);
}

/* ---- extraction ---------------------------------------------------------------------------------
 */

/* A flow always has credit for one step; more comes out of what all flows share. */
static void grant_credit(struct flow *flow)
{
    struct pipeline *pipeline = flow->pipeline;
    while (flow->is_extracting && flow->credit_bytes < CREDIT_BYTES) {
        bool is_starved =
            flow->credit_bytes == 0 && flow->spool.text_bytes + flow->taken_bytes == 0;
        if (!is_starved && pipeline->spool_bytes + CREDIT_BYTES > pipeline->limits.spool_bytes_max)
            return;
        flow->credit_bytes += CREDIT_BYTES;
        pipeline->spool_bytes += CREDIT_BYTES;
        extract_credit(pipeline->extract, &flow->extraction, CREDIT_BYTES);
    }
}

static void keep_text(struct flow *flow, const struct page *page)
{
    if (page->number > 1)
        buffer_append_char(&flow->text, '\f');
    buffer_append_text(&flow->text, page->text);
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct flow *flow = container_of(request, struct flow, extraction);
    if (flow->has_failed)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = pages[i].text.bytes;
        uint64_t paid = bytes < flow->credit_bytes ? bytes : flow->credit_bytes;
        flow->credit_bytes -= paid;
        flow->pipeline->spool_bytes += bytes - paid; /* the last page may overdraw */
        flow->result.text_bytes += bytes;
        keep_text(flow, &pages[i]);
        spool_add(&flow->spool, &pages[i]);
    }
    metric_add(METRIC_PAGES, 0, count);
    flow_step(flow);
}

static void note_summary(struct flow *flow, const struct extract_summary *summary)
{
    flow->result.page_count = summary->page_count;
    flow->result.pages_skipped = summary->pages_skipped;
    flow->result.cpu_us = summary->cpu_us;
    flow->result.is_encrypted = summary->is_encrypted;
    buffer_append_text(&flow->title, text_utf8_prefix(summary->title, flow->title.bytes_max));
    (void)text_format(flow->mime_type, sizeof(flow->mime_type), "%.*s",
                      TEXT_ARGS(summary->mime_type));
}

static void on_extracted(struct extract_request *request, const struct extract_summary *summary,
                         const struct error *err)
{
    struct flow *flow = container_of(request, struct flow, extraction);
    flow->is_extracting = false;
    flow->has_all_pages = err == NULL;
    return_spool_bytes(flow, flow->credit_bytes);
    flow->credit_bytes = 0;
    if (summary)
        note_summary(flow, summary);
    if (err)
        flow_fail(flow, err);
    flow_step(flow);
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static bool is_over(const struct flow *flow)
{
    bool is_dry = flow->has_failed || (flow->has_all_pages && !flow->spool.pages.count &&
                                       !flow->taken.pages.count && chunker_is_dry(flow->chunker));
    return is_dry && !flow->is_extracting && !flow->filling && flow->slabs.slab_count == 0;
}

static void end_flow(struct later *ending)
{
    struct flow *flow = container_of(ending, struct flow, ending);
    flow->result.title = buffer_text(&flow->title);
    flow->result.mime_type = text_from(flow->mime_type);
    flow->result.text = flow->text.is_full ? TEXT_NONE : buffer_text(&flow->text);
    flow->input.on_done(flow->input.arg, flow->has_failed ? &flow->failure : NULL);
}

/* Moves on whatever can move. Called after every answer. */
static void flow_step(struct flow *flow)
{
    if (flow->has_ended)
        return;
    if (!flow->has_failed) {
        start_chunking(flow);
        grant_credit(flow);
    }
    if (is_over(flow)) {
        flow->has_ended = true;
        loop_later(flow->pipeline->loop, &flow->ending, end_flow);
    }
}

void flow_on_lease(struct flow *flow, enum lease_news news)
{
    struct error err;
    if (news == LEASE_LOST) {
        error_set(&err, ERR_LOST, "the lease of the attempt is lost");
        flow_cancel(flow, &err);
    } else if (news == LEASE_STOPPED) {
        error_set(&err, ERR_JOB_CANCELLED, "%s", error_sentence(ERR_JOB_CANCELLED));
        flow_cancel(flow, &err);
    }
    for (size_t i = 0; i < BATCHES_MAX; i++) {
        struct batch *batch = &flow->batches[i];
        if (batch->state != BATCH_RESERVING)
            continue;
        if (flow->has_failed)
            free_batch(batch);
        else
            start_reserving(batch);
    }
    flow_step(flow);
}

void flow_cancel(struct flow *flow, const struct error *why)
{
    if (flow->has_ended)
        return;
    flow_fail(flow, why);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (flow->batches[i].state == BATCH_RESERVING)
            free_batch(&flow->batches[i]);
    flow_step(flow);
}

struct flow *flow_start(struct pipeline *pipeline, const struct flow_input *input)
{
    struct flow *flow = xcalloc(1, sizeof(*flow));
    flow->pipeline = pipeline;
    flow->input = *input;
    flow->text = buffer_new(pipeline->limits.extracted_text_bytes_max);
    flow->title = buffer_new(1024);
    spool_init(&flow->spool);
    spool_init(&flow->taken);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        flow->batches[i].flow = flow;
    slabs_join(pipeline->slabs, &flow->slabs);
    flow->chunker = chunker_new(pipeline->chunking, TEXT_NONE);
    flow->is_extracting = true;
    flow->credit_bytes = CREDIT_BYTES;
    pipeline->spool_bytes += CREDIT_BYTES;
    flow->extraction = (struct extract_request){
        .body_fd = input->body_fd,
        .body_bytes = input->body_bytes,
        .tenant = input->tenant,
        .limits = pipeline->extraction,
        .on_pages = on_pages,
        .on_done = on_extracted,
    };
    extract_submit(pipeline->extract, &flow->extraction);
    return flow;
}

const struct flow_result *flow_result(const struct flow *flow)
{
    return &flow->result;
}

void flow_free(struct flow *flow)
{
    if (!flow)
        return;
    assert(flow->has_ended);
    later_cancel(flow->pipeline->loop, &flow->ending);
    return_spool_bytes(flow, flow->spool.text_bytes + flow->taken.text_bytes);
    slabs_leave(flow->pipeline->slabs, &flow->slabs);
    spool_release(&flow->spool);
    spool_release(&flow->taken);
    chunker_free(flow->chunker);
    buffer_release(&flow->text);
    buffer_release(&flow->title);
    xfree(flow);
}
