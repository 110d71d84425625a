#include "worker/flow.h"

#include <assert.h>

#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/flow_batch.h"
#include "worker/spool.h"

/* What a fresh extraction has, and the step of more. */
#define CREDIT_BYTES ((int64_t)256 * 1024)
#define FEED_BYTES ((size_t)64 * 1024) /* page text given to the chunker before it is asked */
#define BATCHES_MAX 8

struct flow {
    struct pipeline *pipeline;
    struct flow_input input;
    struct extract_request extraction;
    bool is_extracting, has_all_pages;
    int64_t credit_bytes;    /* granted to extraction and not used; below 0: overdrawn by a page */
    struct spool spool;      /* pages that no chunking has taken yet */
    struct chunker *chunker; /* NULL until the title is known */
    struct work chunking;    /* at most one at a time; owns the fields below while it runs */
    struct spool taken;
    uint64_t taken_bytes;
    size_t page_at; /* of the first page taken: so much of it the chunker has */
    bool is_end_known, is_end_told;
    struct error chunking_error;
    struct flow_batch *filling; /* the batch that chunking fills; NULL: none runs */
    struct slab_user slabs;
    struct flow_batch batches[BATCHES_MAX];
    struct buffer text;
    struct buffer title;
    char mime_type[64];
    bool has_failed, has_ended;
    struct error failure;
    struct flow_result result;
    struct later ending;
};

static void flow_step(struct flow *flow);

/* ---- failure: the first one counts, and whatever is under way is asked to end ---------------- */

static void flow_fail(struct flow *flow, const struct error *err)
{
    if (flow->has_failed)
        return;
    flow->has_failed = true;
    flow->failure = *err;
    if (flow->is_extracting)
        extract_cancel(flow->pipeline->extract, &flow->extraction);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        flow_batch_cancel(&flow->batches[i], err);
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static struct flow *flow_of(struct flow_batch *batch)
{
    return container_of(batch->input, struct flow, input);
}

static void free_batch(struct flow_batch *batch)
{
    struct flow *flow = flow_of(batch);
    slabs_give(flow->pipeline->slabs, &flow->slabs, batch->slab);
    batch->slab = NULL;
}

static void on_batch_over(struct flow_batch *batch, const struct error *err)
{
    struct flow *flow = flow_of(batch);
    free_batch(batch);
    if (err)
        flow_fail(flow, err);
    flow_step(flow);
}

/* ---- chunking: pages in, a slab of chunks out, on a work thread ------------------------------ */

/* True: something was told that may let more chunks out. A long page goes in by parts. */
static bool feed_chunker(struct flow *flow)
{
    size_t fed_bytes = 0;
    const struct page *page;
    while (fed_bytes < FEED_BYTES && (page = spool_first(&flow->taken)) &&
           (fed_bytes == 0 || chunker_room_bytes(flow->chunker) >= FEED_BYTES)) {
        size_t from = flow->page_at;
        if (!chunker_add_part(flow->chunker, page, &flow->page_at, &flow->chunking_error))
            return false;
        fed_bytes += flow->page_at - from + 1;
        if (flow->page_at < page->text.bytes)
            return true;
        flow->page_at = 0;
        spool_drop_first(&flow->taken);
    }
    if (fed_bytes || !flow->is_end_known || flow->is_end_told)
        return fed_bytes > 0;
    flow->is_end_told = true;
    return chunker_add(flow->chunker, NULL, &flow->chunking_error);
}

static void run_chunking(struct work *work)
{
    struct flow *flow = container_of(work, struct flow, chunking);
    struct slab *slab = flow->filling->slab;
    while (slab->count < SLAB_CHUNKS_MAX && !flow->chunking_error.message[0]) {
        struct chunk *chunk = &slab->chunks[slab->count];
        *chunk = (struct chunk){0};
        if (chunker_next(flow->chunker, &slab->arena, chunk, &flow->chunking_error)) {
            chunk_seal(chunk);
            slab->count++;
        } else if (flow->chunking_error.message[0] || !feed_chunker(flow)) {
            break;
        }
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
    struct flow_batch *batch = flow->filling;
    flow->filling = NULL;
    return_spool_bytes(flow, flow->taken_bytes - flow->taken.text_bytes);
    flow->taken_bytes = flow->taken.text_bytes;
    if (flow->chunking_error.message[0])
        flow_fail(flow, &flow->chunking_error);
    if (batch->slab->count && !flow->has_failed)
        flow_batch_start(batch);
    else
        free_batch(batch);
    flow_step(flow);
}

static void on_room(struct slab_user *user)
{
    flow_step(container_of(user, struct flow, slabs));
}

static struct flow_batch *free_slot(struct flow *flow)
{
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (!flow->batches[i].slab)
            return &flow->batches[i];
    return NULL;
}

static void start_chunking(struct flow *flow)
{
    bool has_news = flow->spool.pages.count || flow->taken.pages.count ||
                    (flow->has_all_pages && !chunker_is_dry(flow->chunker));
    if (flow->filling || !has_news)
        return;
    struct flow_batch *batch = free_slot(flow);
    struct slab *slab = batch ? slabs_take(flow->pipeline->slabs, &flow->slabs) : NULL;
    if (!slab)
        return; /* one comes free, and then this is called again */
    batch->slab = slab;
    flow->filling = batch;
    spool_move(&flow->spool, &flow->taken);
    flow->taken_bytes = flow->taken.text_bytes;
    flow->is_end_known = flow->has_all_pages;
    flow->chunking = (struct work){.run = run_chunking, .on_done = on_chunked};
    loop_work(flow->pipeline->loop, &flow->chunking);
}

/* ---- extraction ------------------------------------------------------------------------------ */

/* Credit counts as spooled before its text comes; a debt does not. */
static void add_credit(struct flow *flow, int64_t bytes)
{
    int64_t before = flow->credit_bytes > 0 ? flow->credit_bytes : 0;
    flow->credit_bytes += bytes;
    int64_t after = flow->credit_bytes > 0 ? flow->credit_bytes : 0;
    flow->pipeline->spool_bytes += (uint64_t)(after - before);
}

/* A flow always has credit for one step; more comes out of what all flows share. */
static void grant_credit(struct flow *flow)
{
    struct pipeline *pipeline = flow->pipeline;
    while (flow->is_extracting && flow->credit_bytes < CREDIT_BYTES) {
        bool is_starved =
            flow->credit_bytes <= 0 && flow->spool.text_bytes + flow->taken_bytes == 0;
        if (!is_starved &&
            pipeline->spool_bytes + (uint64_t)CREDIT_BYTES > pipeline->limits.spool_bytes_max)
            return;
        add_credit(flow, CREDIT_BYTES);
        extract_credit(pipeline->extract, &flow->extraction, CREDIT_BYTES);
    }
}

static void keep_text(struct flow *flow, const struct page *page)
{
    if (page->number > 1)
        buffer_append_char(&flow->text, '\f');
    buffer_append_text(&flow->text, page->text);
}

/* The title is part of every chunk: the first who knows it, or that there is none, says so. */
static void need_chunker(struct flow *flow, struct text title)
{
    if (!flow->chunker)
        flow->chunker = chunker_new(flow->pipeline->chunking, title);
}

static void on_document(struct extract_request *request, const struct extract_document *document)
{
    need_chunker(container_of(request, struct flow, extraction), document->title);
}

static void count_flags(struct flow *flow, const struct page *page)
{
    for (size_t bit = 0; bit < PAGE_FLAG_COUNT; bit++)
        flow->result.flag_counts[bit] += page->flags >> bit & 1;
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct flow *flow = container_of(request, struct flow, extraction);
    if (flow->has_failed)
        return;
    need_chunker(flow, TEXT_NONE);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = pages[i].text.bytes;
        add_credit(flow, -(int64_t)bytes); /* the last page may overdraw */
        flow->pipeline->spool_bytes += bytes;
        flow->result.text_bytes += bytes;
        count_flags(flow, &pages[i]);
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
    for (size_t i = 0; i < EXTRACT_SKIPS_MAX; i++)
        flow->result.skipped[i] = summary->skipped[i];
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
    need_chunker(flow, TEXT_NONE);
    if (flow->credit_bytes > 0)
        return_spool_bytes(flow, (uint64_t)flow->credit_bytes);
    flow->credit_bytes = 0;
    if (summary)
        note_summary(flow, summary);
    if (err)
        flow_fail(flow, err);
    flow_step(flow);
}

/* ---- the whole ------------------------------------------------------------------------------- */

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
    } else if (news == LEASE_STOPPED || news == LEASE_INACTIVE) {
        error_of(&err, news == LEASE_STOPPED ? ERR_JOB_CANCELLED : ERR_INACTIVE);
        flow_cancel(flow, &err);
    }
    for (size_t i = 0; i < BATCHES_MAX; i++)
        flow_batch_on_lease(&flow->batches[i]);
}

void flow_cancel(struct flow *flow, const struct error *why)
{
    if (flow->has_ended)
        return;
    flow_fail(flow, why);
    flow_step(flow);
}

struct flow *flow_start(struct pipeline *pipeline, const struct flow_input *input)
{
    struct flow *flow = xcalloc(1, sizeof(*flow));
    flow->pipeline = pipeline;
    flow->input = *input;
    flow->result.token_price = pipeline->token_price;
    flow->text = buffer_new(pipeline->limits.extracted_text_bytes_max);
    flow->title = buffer_new(1024);
    spool_init(&flow->spool);
    spool_init(&flow->taken);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        flow->batches[i] = (struct flow_batch){
            .pipeline = pipeline,
            .input = &flow->input,
            .result = &flow->result,
            .on_over = on_batch_over,
        };
    flow->slabs.on_room = on_room;
    slabs_join(pipeline->slabs, &flow->slabs);
    flow->is_extracting = true;
    add_credit(flow, CREDIT_BYTES);
    flow->extraction = (struct extract_request){
        .body_fd = input->body_fd,
        .body_bytes = input->body_bytes,
        .tenant = input->tenant,
        .name = input->document->key,
        .limits = pipeline->extraction,
        .on_document = on_document,
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
