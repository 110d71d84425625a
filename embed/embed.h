/*
 * embed.h - chunks or a query in, vectors out; many callers share a call.
 * Flow:   requests wait in order, taking turns; a bin is packed over requests (inputs, tokens,
 *         bytes) and sent at once while a permit is idle, else when an answer comes. Queries go
 *         first. 429 and billing are flow control inside the lane; a refused bin is halved until
 *         only the guilty chunk's request fails; what may pass is repeated here and nowhere else,
 *         and halved as well when it fails while other calls succeed, a probe's if there are none.
 *         A vector that is not finite, of the wrong width or zero is never handed out.
 * Owns:   its connections. Borrows every request until on_done.
 * Thread: the loop thread.
 */
#ifndef EMBED_EMBED_H
#define EMBED_EMBED_H

#include "worker/base/error.h"
#include "worker/base/loop.h"
#include "worker/model/chunk.h"
#include "worker/model/tenant.h"

struct budget;
struct embed;

#define EMBED_DIMENSIONS_MAX 65536

enum embed_purpose { EMBED_DOCUMENT, EMBED_QUERY };
enum embed_engine { EMBED_OPENAI, EMBED_LOCAL };
enum embed_server_kind {
#define X(id, header, prefix, inputs, requests, bytes) EMBED_SERVER_##id,
#include "embed/servers.def"
#undef X
};

struct embed_options {
    enum embed_engine engine;
    enum embed_server_kind server;
    struct text base_url; /* https://host/v1, perhaps with a query such as ?api-version=... */
    struct text api_key;  /* secret; wiped at close */
    struct text model;
    uint32_t dimension_count; /* 1 .. EMBED_DIMENSIONS_MAX */
    bool sends_dimensions;    /* the `dimensions` field; false for models that refuse it */
    uint32_t requests_max;    /* at once; start 4, grows up to this */
    uint32_t inputs_max;      /* per call: 256 */
    /* Of one text, by its chunk's token_count: a longer one is refused without a call. 0: not known,
     * or token_count is no count of the model's own tokens. */
    uint32_t input_tokens_max;
    uint64_t tokens_max;     /* per call: 270,000, by max(count, bytes/4) */
    uint64_t body_bytes_max; /* per call: 5 MB of answer is the usual reason */
    uint64_t timeout_ms;     /* of one call */
    /* Ours of the endpoint's rates, where it has no say or several workers share them; 0: what it
     * tells in x-ratelimit-*. */
    uint64_t requests_per_minute_max, tokens_per_minute_max;
    uint64_t backoff_ms;   /* of the first repetition: by chance up to that; doubles, up to 30 s */
    uint64_t probe_ms;     /* of a parked lane: how often it is asked whether it goes again */
    struct budget *budget; /* of repeated calls; borrowed; NULL: no bounds */
};

struct embed_request {
    /* in: borrowed until on_done */
    const struct tenant *tenant;
    enum embed_purpose purpose;
    struct chunk **chunks; /* those with vector == NULL get one; text embedded: prefix, content,
                              UTF-8, together not empty */
    size_t chunk_count;    /* at least 1 */
    float *vectors; /* caller's memory: chunk_count x dimension_count; chunk->vector is set to its
                       row */
    /* loop_now_ms() clock, 0: none. What the lane waits for ends then, with the last error; the
     * local engine takes no notice. */
    uint64_t deadline_ms;
    /* Exactly once, never from inside embed_submit(). */
    void (*on_done)(struct embed_request *request, const struct error *err);
    size_t guilty;            /* out: the chunk that was refused alone, SIZE_MAX if none */
    uint64_t tokens_billed;   /* out: its share of the calls' usage */
    struct list_node waiting; /* private from here */
    size_t next_chunk, open_chunks;
    void *private_state;
};

/* The options' texts are copied. NULL: ERR_CONFIG, or what http_open() says. */
struct embed *embed_open(struct loop *loop, const struct embed_options *options,
                         struct error *err) MUST_CHECK;
void embed_submit(struct embed *embed, struct embed_request *request);
/* on_done(ERR_CANCELLED) follows, unless the request has just ended by itself. Only between
 * embed_submit() and on_done. Vectors already set stay valid. */
void embed_cancel(struct embed *embed, struct embed_request *request);
/* NULL is allowed. Requests under way get ERR_SHUTDOWN before on_closed. */
void embed_close(struct embed *embed, void (*on_closed)(void *arg), void *arg);
/* Whether nothing but a probe is sent, until an operator has settled an account or corrected a key,
 * and what for. */
bool embed_is_parked(const struct embed *embed, struct error *ret_why);
uint32_t embed_dimension_count(const struct embed *embed);

/* The local embedder's function, for tests and benchmarks: signed feature hashing of words and
 * character n-grams, unit length, deterministic on every machine. */
void embed_local_vector(struct text text, float *ret_vector, uint32_t dimension_count);

#endif
