#include "store/vectors.h"

#include <assert.h>

#include "store/driver.h"
#include "store/pinecone_codec.h"
#include "worker/base/memory.h"

struct vectors {
    const struct vectors_driver *driver;
    void *state;
    struct loop *loop;
    uint32_t dimension_count;
};

/* A request that needs no store, or must not reach it: answered in a later turn all the same. */
struct refusal {
    struct later later;
    struct vectors_request *request;
    bool is_error;
    struct error err;
    struct loop *loop;
};

static void answer_refusal(struct later *later)
{
    struct refusal *refusal = container_of(later, struct refusal, later);
    struct vectors_request *request = refusal->request;
    request->private_state = NULL;
    request->on_done(request, refusal->is_error ? &refusal->err : NULL);
    loop_bury(refusal->loop, refusal);
}

static void answer_later(struct vectors *vectors, struct vectors_request *request,
                         const struct error *err)
{
    struct refusal *refusal = xcalloc(1, sizeof(*refusal));
    refusal->request = request;
    refusal->loop = vectors->loop;
    refusal->is_error = err != NULL;
    if (err)
        refusal->err = *err;
    request->private_state = NULL; /* nothing that a driver could cancel */
    loop_later(vectors->loop, &refusal->later, answer_refusal);
}

static bool check_upsert(const struct vectors *vectors, const struct vectors_request *request,
                         struct error *err)
{
    for (size_t i = 0; i < request->chunk_count; i++) {
        const struct chunk *chunk = request->chunks[i];
        if (!chunk->vector)
            return error_set(err, ERR_BUG, "chunk %u has no vector to store", chunk->no);
        if (!vector_is_usable(chunk->vector, vectors->dimension_count))
            return error_set(err, ERR_EMBED_VECTOR, "chunk %u: zero, or not finite", chunk->no);
    }
    return true;
}

static bool check_query(const struct vectors *vectors, const struct vectors_request *request,
                        struct error *err)
{
    if (request->match_max < 1 || request->match_max > VECTORS_MATCH_MAX)
        return error_set(err, ERR_BUG, "%u matches asked for, 1 to %d are possible",
                         request->match_max, VECTORS_MATCH_MAX);
    if (!vector_is_usable(request->query, vectors->dimension_count))
        return error_set(err, ERR_EMBED_VECTOR, "the query's vector is zero, or not finite");
    return true;
}

static void start(struct vectors *vectors, enum vectors_operation operation,
                  struct vectors_request *request)
{
    assert((request->tenant || operation == VECTORS_NAMESPACES) && request->on_done);
    request->match_count = 0;
    request->fetched_count = 0;
    request->is_ambiguous = false;
    request->waiting = (struct list_node){0};
    vectors->driver->start(vectors->state, operation, request);
}

/* Then ledger_stage has written the vectors already, and their rows go with the chunks' rows. */
static bool are_rows(const struct vectors *vectors)
{
    return vectors->driver->capabilities & VECTORS_ARE_ROWS;
}

void vectors_upsert(struct vectors *vectors, struct vectors_request *request)
{
    struct error err;
    bool is_usable = check_upsert(vectors, request, &err);
    bool is_nothing = request->chunk_count == 0 || are_rows(vectors);
    if (!is_usable || is_nothing)
        answer_later(vectors, request, is_usable ? NULL : &err);
    else
        start(vectors, VECTORS_UPSERT, request);
}

void vectors_delete(struct vectors *vectors, struct vectors_request *request)
{
    if (request->no_first >= request->no_end || are_rows(vectors))
        answer_later(vectors, request, NULL);
    else
        start(vectors, VECTORS_DELETE, request);
}

void vectors_fetch(struct vectors *vectors, struct vectors_request *request)
{
    request->fetched_count = 0;
    bool is_any_known = false;
    for (size_t i = 0; i < request->chunk_count; i++)
        is_any_known |= request->known_no[i] >= 0;
    if (is_any_known)
        start(vectors, VECTORS_FETCH, request);
    else
        answer_later(vectors, request, NULL);
}

void vectors_query(struct vectors *vectors, struct vectors_request *request)
{
    struct error err;
    if (check_query(vectors, request, &err))
        start(vectors, VECTORS_QUERY, request);
    else
        answer_later(vectors, request, &err);
}

static void start_list(struct vectors *vectors, enum vectors_operation operation,
                       struct vectors_request *request)
{
    if (!are_rows(vectors)) {
        start(vectors, operation, request);
        return;
    }
    buffer_clear(request->cursor);
    answer_later(vectors, request, NULL);
}

void vectors_list(struct vectors *vectors, struct vectors_request *request)
{
    start_list(vectors, VECTORS_LIST, request);
}

void vectors_namespaces(struct vectors *vectors, struct vectors_request *request)
{
    start_list(vectors, VECTORS_NAMESPACES, request);
}

void vectors_cancel(struct vectors *vectors, struct vectors_request *request)
{
    if (request->private_state) /* else its answer is on its way */
        vectors->driver->cancel(vectors->state, request);
}

void vectors_check(struct vectors *vectors, struct vectors_probe *probe)
{
    vectors->driver->check(vectors->state, probe);
}

void vectors_matches_release(struct vectors_request *request)
{
    for (size_t i = 0; i < request->match_count; i++)
        xfree(request->matches[i].text);
    request->match_count = 0;
}

unsigned vectors_capabilities(const struct vectors *vectors)
{
    return vectors->driver->capabilities;
}

static const struct vectors_driver *driver_of(enum vectors_engine engine)
{
    switch (engine) {
    case VECTORS_PINECONE:
        return &PINECONE_DRIVER;
    case VECTORS_POSTGRES:
        return &PGVECTOR_DRIVER;
    }
    return NULL;
}

struct vectors *vectors_open(struct loop *loop, const struct vectors_options *options,
                             struct error *err)
{
    const struct vectors_driver *driver = driver_of(options->engine);
    if (!driver || options->dimension_count == 0) {
        error_set(err, ERR_CONFIG, "vector store: no such engine, or no dimension");
        return NULL;
    }
    void *state = driver->open(loop, options, err);
    if (!state)
        return NULL;
    struct vectors *vectors = xmalloc(sizeof(*vectors));
    *vectors = (struct vectors){driver, state, loop, options->dimension_count};
    return vectors;
}

void vectors_close(struct vectors *vectors, void (*on_closed)(void *arg), void *arg)
{
    if (!vectors) {
        on_closed(arg);
        return;
    }
    const struct vectors_driver *driver = vectors->driver;
    void *state = vectors->state;
    xfree(vectors);
    driver->close(state, on_closed, arg);
}
