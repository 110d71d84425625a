/* embed/embed.h: a vector is a function of the text's hash, so that a wrong pairing shows. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define USUAL_MS 60

struct embedding {
    struct worker *worker;
    struct embed_request *request;
    struct timer timer;
    bool has_failed;
    struct error err;
};

static void on_answer(struct timer *timer)
{
    struct embedding *embedding = container_of(timer, struct embedding, timer);
    struct embed_request *request = embedding->request;
    embedding->worker->open_calls--;
    request->private_state = NULL;
    request->on_done(request, embedding->has_failed ? &embedding->err : NULL);
    xfree(embedding);
}

static void embed_chunk(struct embed_request *request, size_t at)
{
    struct chunk *chunk = request->chunks[at];
    float *vector = request->vectors + at * SIM_DIMENSIONS;
    uint8_t hash[SHA256_BYTES];
    struct sha256 *sha256 = sha256_new();
    sha256_add(sha256, chunk->prefix.start, chunk->prefix.bytes);
    sha256_add(sha256, chunk->content.start, chunk->content.bytes);
    sha256_finish(sha256, hash);
    vector_of_hash(hash, vector);
    chunk->vector = vector;
    request->tokens_billed += chunk->token_count;
}

static void swap_first_two(struct embed_request *request)
{
    struct chunk **chunks = request->chunks;
    if (request->chunk_count < 2)
        return;
    float *vector = chunks[0]->vector;
    chunks[0]->vector = chunks[1]->vector;
    chunks[1]->vector = vector;
}

static void fail(struct embedding *embedding, enum error_code code)
{
    embedding->has_failed = true;
    error_set(&embedding->err, code, "embedding: %s", error_name(code));
}

/* The text of a refused version cannot be told from others here: its chunks' hashes can. */
static bool is_refused(struct world *world, const struct embed_request *request)
{
    for (unsigned i = 0; i < world->version_count; i++) {
        struct version *version = &world->versions[i];
        if (version->content != CONTENT_REFUSED)
            continue;
        version_expect(world, version);
        for (size_t at = 0; at < request->chunk_count; at++)
            if (version->chunk_count && !request->chunks[at]->vector &&
                memcmp(request->chunks[at]->hash, version->hashes[version->chunk_count - 1],
                       SHA256_BYTES) == 0)
                return true;
    }
    return false;
}

static void on_serve(struct timer *timer)
{
    struct embedding *embedding = container_of(timer, struct embedding, timer);
    struct embed_request *request = embedding->request;
    struct world *world = embedding->worker->world;
    static const enum error_code TROUBLES[] = {ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_EMBED_VECTOR,
                                               ERR_EMBED_CONFIG, ERR_BILLING};
    size_t some = request->chunk_count;
    if (embedding->worker->is_dead) {
        some = 0;
        fail(embedding, ERR_UNREACHABLE);
    } else if (world_fault(world, FAULT_EMBED, 15)) {
        some = (size_t)world_below(world, request->chunk_count);
        fail(embedding, TROUBLES[world_below(world, COUNT_OF(TROUBLES))]);
    } else if (is_refused(world, request)) {
        fail(embedding, ERR_EMBED_REFUSED);
    }
    for (size_t i = 0; i < some; i++)
        if (!request->chunks[i]->vector)
            embed_chunk(request, i);
    if (world->sabotage == SABOTAGE_SWAP_VECTORS)
        swap_first_two(request);
    worker_timer(embedding->worker, &embedding->timer, 1 + world_delay(world, USUAL_MS), on_answer);
}

void embed_submit(struct embed *embed, struct embed_request *request)
{
    struct worker *worker = embed->worker;
    struct embedding *embedding = xcalloc(1, sizeof(*embedding));
    uint64_t slow_ms = world_fault(worker->world, FAULT_EMBED, 20)
                           ? world_below(worker->world, 40000) /* 429 */
                           : 0;
    embedding->worker = worker;
    embedding->request = request;
    request->private_state = embedding;
    request->tokens_billed = 0;
    request->guilty = SIZE_MAX;
    worker->open_calls++;
    worker_timer(worker, &embedding->timer, 1 + slow_ms + world_delay(worker->world, USUAL_MS),
                 on_serve);
}

void embed_cancel(struct embed *embed, struct embed_request *request)
{
    struct embedding *embedding = request->private_state;
    fail(embedding, ERR_CANCELLED);
    worker_timer(embed->worker, &embedding->timer, 1, on_answer);
}
