/*
 * flow.h - one document streams: pages → chunks → known → embedded → reserved → stored, slab by
 * slab.
 *
 *     extract ──pages──▶ spool ──▶ chunker ──▶ slab ─┬─▶ known ─▶ embed ─▶ reserve ─▶ upsert +
 * stage ─▶ free ▲                 │     (work thread)       ├─▶ ...  (up to 8 slabs at different
 * points) └─────credit──────┘                         └─▶
 *
 * It ends when extraction is done, the chunker is dry and every slab is free; on the first failure
 * everything under way is cancelled and the end comes when the last of it has answered.
 * Owns:   its spool, slabs and chunker. Borrows the task's tenant, document, lease and body.
 * Thread: the loop thread; the chunker runs on a work thread.
 */
#ifndef WORKER_FLOW_H
#define WORKER_FLOW_H

#include "worker/lease.h"
#include "worker/pipeline.h"

struct flow;
struct flow_input {
    const struct tenant *tenant;
    const struct document *document;
    struct lease *lease; /* the task passes on_news on: flow_on_lease() */
    int body_fd;
    uint64_t body_bytes;
    bool has_live; /* vectors of live_gen were made by this very pipeline: they may be reused */
    uint64_t live_gen;
    void *arg;
    void (*on_done)(void *arg, const struct error *err); /* once, never from inside flow_start() */
};

struct flow_result { /* valid after on_done, until flow_free() */
    uint32_t page_count, pages_skipped, chunk_count, chunks_known;
    uint32_t skipped[EXTRACT_SKIPS_MAX];   /* the pages_skipped */
    uint32_t flag_counts[PAGE_FLAG_COUNT]; /* pages with each flag, by its bit */
    uint64_t token_count, tokens_billed, text_bytes, cpu_us;
    double token_price; /* of a million tokens */
    bool is_dirty;      /* a store request ended ambiguously */
    bool is_encrypted;
    struct text title, mime_type;
    struct text text; /* canonical, start NULL when it was too long to be kept */
};

struct flow *flow_start(struct pipeline *pipeline, const struct flow_input *input);
void flow_on_lease(struct flow *flow, enum lease_news news);
void flow_cancel(struct flow *flow, const struct error *why); /* on_done(why) follows */
const struct flow_result *flow_result(const struct flow *flow);
void flow_free(struct flow *flow); /* after on_done; NULL is allowed */

#endif
