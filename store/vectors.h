/*
 * vectors.h - one namespace per tenant, ids <document>#<gen>#<no>. Drivers differ by capability,
 *             never by header.
 *
 * Owns:   its connections. Borrows every request until on_done (exactly once, never from inside the
 *         call). Requests carry the tenant: the namespace is derived here, nowhere else.
 * Thread: the loop thread.
 */
#ifndef STORE_VECTORS_H
#define STORE_VECTORS_H

#include "store/pg.h"
#include "worker/model/chunk.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

#define VECTORS_MATCH_MAX 100
#define VECTORS_TEXT_BYTES_MAX \
    36000 /* of the metadata's text: with the rest below Pinecone's 40 KB */

enum vectors_engine { VECTORS_PINECONE, VECTORS_POSTGRES };
enum vectors_capability {
    VECTORS_ARE_ROWS = 1 << 0, /* vectors travel with the chunk rows (ledger_stage): upsert and
                                  delete are nobody's business, litter is not needed */
};

struct budget;
struct vectors_options {
    enum vectors_engine engine;
    uint32_t dimension_count;
    struct text host; /* Pinecone: https://index-host; none: looked up by index_name */
    struct text index_name;
    struct text controller;  /* Pinecone's control plane, for that: https://api.pinecone.io */
    struct text api_key;     /* secret */
    struct text api_version; /* X-Pinecone-Api-Version */
    uint32_t requests_max;   /* at once */
    uint64_t timeout_ms;     /* of one request: at most 30 s (protocol, point 4) */
    struct budget *budget;   /* of repeated requests; borrowed; NULL: no bounds */
    struct pg *pg;           /* VECTORS_POSTGRES: borrowed */
    bool has_user_schemas;
};

struct vectors;
struct vectors_match {
    struct uuid document;
    uint64_t gen;
    uint32_t no, page_first, page_last;
    double score; /* cosine similarity, -1 .. 1 */
    char *text;   /* NUL-terminated; xfree() it (vectors_matches_release) */
};

struct vectors_request {
    /* in */
    const struct tenant *tenant;     /* not for namespaces */
    const struct document *document; /* not for query, list and namespaces */
    uint64_t gen;
    const struct chunk *const *chunks; /* upsert: with their vectors */
    struct chunk *const *fetched; /* fetch: chunk->vector is set to its row of vectors when found */
    size_t chunk_count;
    const int64_t *known_no;   /* fetch: per chunk the number in generation gen; -1: leave it */
    float *vectors;            /* fetch: chunk_count x dimension_count, the rows to be filled */
    uint32_t no_first, no_end; /* delete: half-open */
    const float *query;
    uint32_t match_max;            /* query: 1 .. VECTORS_MATCH_MAX */
    struct vectors_match *matches; /* query: caller's array of match_max */
    /* list: a page of ids, or of names of namespaces. cursor: empty for the first page, then that of
     * the next one; empty again after the last. */
    struct text prefix; /* of the ids; may be none */
    struct buffer *cursor;
    void (*on_name)(struct vectors_request *request, struct text name); /* valid for the call */
    bool (*may_send)(struct vectors_request *
                         request); /* asked before each call: the lease still holds; NULL: always */
    void (*on_done)(struct vectors_request *request, const struct error *err);
    /* out */
    size_t match_count;
    uint64_t fetched_count;   /* fetch: rows filled; the others were not found */
    bool is_ambiguous;        /* some call may take effect later: mark the attempt dirty */
    struct list_node waiting; /* private from here */
    void *private_state;
};

struct vectors *vectors_open(struct loop *loop, const struct vectors_options *options,
                             struct error *err) MUST_CHECK;
unsigned vectors_capabilities(const struct vectors *vectors);
void vectors_upsert(struct vectors *vectors, struct vectors_request *request);
void vectors_delete(struct vectors *vectors, struct vectors_request *request);
void vectors_fetch(struct vectors *vectors, struct vectors_request *request);
void vectors_query(struct vectors *vectors, struct vectors_request *request);
/* For verify, never in the hot path: a list may lag behind what was written just before. Where
 * vectors are rows there is nothing to list. */
void vectors_list(struct vectors *vectors, struct vectors_request *request);
void vectors_namespaces(struct vectors *vectors, struct vectors_request *request);
void vectors_cancel(struct vectors *vectors,
                    struct vectors_request *request); /* on_done(ERR_CANCELLED) follows */
void vectors_matches_release(struct vectors_request *request);
void vectors_close(struct vectors *vectors, void (*on_closed)(void *arg), void *arg);
/* For `check`: dimension and metric of the index fit ours. */
struct vectors_probe {
    void (*on_done)(struct vectors_probe *probe, const struct error *err);
    void *private_state;
};
void vectors_check(struct vectors *vectors, struct vectors_probe *probe);

#endif
