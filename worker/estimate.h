/*
 * estimate.h - what a set of documents will cost: money, requests, time. Pure.
 *
 * Time is that of one worker on a machine like this: reading was measured here; how long a request
 * takes is assumed, and said to be. All three lanes run side by side, so the slowest counts.
 * Thread: any.
 */
#ifndef WORKER_ESTIMATE_H
#define WORKER_ESTIMATE_H

#include "worker/base/buffer.h"

/* Assumptions, in one place; they are printed with every estimate. */
#define ESTIMATE_EMBED_MS UINT64_C(1000) /* an embedding call of up to 256 texts */
#define ESTIMATE_UPSERT_MS UINT64_C(300) /* an upsert of up to 64 vectors */
#define ESTIMATE_CALL_INPUTS 256
#define ESTIMATE_CALL_TOKENS 270000
#define ESTIMATE_UPSERT_VECTORS 64

struct estimate_price {
    bool is_known;
    double per_million;   /* tokens */
    const char *currency; /* "USD"; NULL: that of whoever set the price */
    const char *source;   /* where it was read, and when; or the option's name */
};
/* configured: MILLRACE_TOKEN_PRICE, or none. Published prices hold at the model's own maker only. */
struct estimate_price estimate_price_of(struct text configured, struct text model,
                                        struct text base_url);

struct estimate_counts {
    uint64_t documents, unreadable, pages, chunks, tokens, bytes;
    uint64_t upserts;    /* a document's chunks are stored by the slab */
    uint64_t reading_ms; /* what reading them all has taken here */
};
void estimate_add_chunks(struct estimate_counts *counts, uint64_t chunks); /* of one document */

struct estimate_lanes {
    uint32_t embed_requests, store_requests;
    bool is_embedded_here; /* the local embedder: no calls */
};
struct estimate_time {
    uint64_t reading_ms, embedding_ms, storing_ms, all_ms;
    uint64_t embed_calls;
};
struct estimate_time estimate_time_of(const struct estimate_counts *counts,
                                      const struct estimate_lanes *lanes);
/* "about 3 min", "less than a second" */
void estimate_append_ms(struct buffer *out, uint64_t ms);
/* 0.00052, 12.35: two digits that count, at least cents */
void estimate_append_money(struct buffer *out, double amount);

#endif
