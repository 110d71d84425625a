/* store/vectors.h over the world's store, which has no conditional writes: a request may be applied
 * late, twice, in part or never. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define USUAL_MS 40
#define LATE_MS 100000 /* after it was sent; the protocol waits for two minutes */
#define TRIES_MAX 4

enum trip_kind { TRIP_UPSERT, TRIP_DELETE, TRIP_FETCH };

struct trip { /* a request of the pipeline, with its tries */
    struct worker *worker;
    enum trip_kind kind;
    struct vectors_request *request; /* NULL: cancelled and answered */
    struct timer send, serve, reply;
    unsigned tries;
    bool is_sent, is_cancelled, has_failed;
    struct error err;
    struct stored *payload; /* of the try under way */
};

struct late { /* what is on its way to the store, whoever still waits for it */
    struct world *world;
    struct timer timer;
    enum trip_kind kind;
    struct stored payload;
    uint32_t no_first, no_end;
};

/* ---- the store ----------------------------------------------------------------------------- */

static struct stored *stored_of(struct world *world, unsigned place, uint64_t gen)
{
    struct stored *stored = stored_find(world->store, world->stored_count, place, gen);
    if (stored)
        return stored;
    assert(world->stored_count < STORED_MAX);
    stored = &world->store[world->stored_count++];
    *stored = (struct stored){.place = place, .gen = gen};
    return stored;
}

static void apply(struct world *world, const struct late *late)
{
    place_touch(world, late->payload.place);
    if (late->kind == TRIP_UPSERT) {
        struct stored *stored = stored_of(world, late->payload.place, late->payload.gen);
        for (uint32_t no = 0; no < late->payload.chunks.count; no++)
            if (late->payload.chunks.rows[no].is_there)
                *rows_at(&stored->chunks, no) = late->payload.chunks.rows[no];
        return;
    }
    struct stored *stored =
        stored_find(world->store, world->stored_count, late->payload.place, late->payload.gen);
    if (!stored)
        return;
    uint32_t left = 0;
    for (uint32_t no = 0; no < stored->chunks.count; no++) {
        struct chunk_row *row = &stored->chunks.rows[no];
        row->is_there = row->is_there && (no < late->no_first || no >= late->no_end);
        left += row->is_there;
    }
    if (left)
        return;
    rows_release(&stored->chunks);
    *stored = world->store[--world->stored_count];
}

static struct late *late_new(const struct trip *trip)
{
    const struct vectors_request *request = trip->request;
    struct world *world = trip->worker->world;
    struct late *late = xcalloc(1, sizeof(*late));
    late->world = world;
    late->kind = trip->kind;
    late->payload.place = place_number(world, place_find(world, request->document->id));
    late->payload.gen = request->gen;
    late->no_first = request->no_first;
    late->no_end = request->no_end;
    for (size_t i = 0; trip->kind == TRIP_UPSERT && i < request->chunk_count; i++) {
        const struct chunk *chunk = request->chunks[i];
        struct chunk_row *row = rows_at(&late->payload.chunks, chunk->no);
        row->is_there = true;
        row->user = request->tenant->id;
        memcpy(row->hash, chunk->hash, SHA256_BYTES);
        memcpy(row->vector, chunk->vector, sizeof(row->vector));
    }
    world->in_transit++;
    return late;
}

static void late_free(struct late *late)
{
    late->world->in_transit--;
    rows_release(&late->payload.chunks);
    xfree(late);
}

static void on_late(struct timer *timer)
{
    struct late *late = container_of(timer, struct late, timer);
    apply(late->world, late);
    late_free(late);
}

static void fetch(struct world *world, struct vectors_request *request)
{
    unsigned place = place_number(world, place_find(world, request->document->id));
    struct stored *stored = stored_find(world->store, world->stored_count, place, request->gen);
    const struct document_row *row = &world->places[place].row;
    const struct chunk_rows *chunks = stored ? &stored->chunks : NULL;
    if (world->has_rows && row->has_gen && row->gen == request->gen)
        chunks = &row->chunks;
    for (size_t i = 0; i < request->chunk_count; i++) {
        int64_t no = request->known_no[i];
        if (no < 0 || !chunks || no >= chunks->count || !chunks->rows[no].is_there)
            continue;
        float *vector = request->vectors + i * SIM_DIMENSIONS;
        memcpy(vector, chunks->rows[no].vector, sizeof(chunks->rows[no].vector));
        request->fetched[i]->vector = vector;
        request->fetched_count++;
    }
}

/* ---- tries --------------------------------------------------------------------------------- */

static void end_trip(struct trip *trip)
{
    struct vectors_request *request = trip->request;
    timer_stop(trip->worker->world->loop, &trip->serve);
    timer_stop(trip->worker->loop, &trip->send);
    trip->worker->open_calls--;
    request->private_state = NULL;
    request->on_done(request, trip->has_failed ? &trip->err : NULL);
    xfree(trip);
}

static void on_reply(struct timer *timer)
{
    end_trip(container_of(timer, struct trip, reply));
}

static void answer(struct trip *trip, enum error_code code)
{
    trip->has_failed = code != ERR_BUG;
    if (trip->has_failed)
        error_set(&trip->err, code, "the store: %s", error_name(code));
    trip->is_sent = false;
    worker_timer(trip->worker, &trip->reply, 1 + world_delay(trip->worker->world, USUAL_MS),
                 on_reply);
}

static void on_send(struct timer *timer);

/* The reply is lost: what was sent may have been applied, may come late, or never. */
static void go_astray(struct trip *trip)
{
    struct world *world = trip->worker->world;
    uint64_t dice = world_below(world, 3);
    struct late *late = late_new(trip);
    if (dice == 0)
        apply(world, late);
    if (dice == 1)
        timer_start(world->loop, &late->timer,
                    world_chance(world, 50) ? LATE_MS - world_below(world, 10000)
                                            : world_below(world, LATE_MS),
                    on_late);
    else
        late_free(late);
    trip->is_sent = false;
    trip->request->is_ambiguous = true;
    uint64_t timeout_ms = 1000 + world_below(world, 29000);
    if (++trip->tries >= TRIES_MAX)
        answer(trip, ERR_TIMEOUT);
    else
        worker_timer(trip->worker, &trip->send, timeout_ms, on_send);
}

static void on_serve(struct timer *timer)
{
    struct trip *trip = container_of(timer, struct trip, serve);
    struct world *world = trip->worker->world;
    if (world_fault(world, FAULT_VECTORS, 8) && trip->kind != TRIP_FETCH) {
        go_astray(trip);
        return;
    }
    if (world_fault(world, FAULT_VECTORS, 20)) {
        answer(trip, world_chance(world, 50) ? ERR_UNAVAILABLE : ERR_STORE_REFUSED);
        return;
    }
    if (trip->kind == TRIP_FETCH) {
        fetch(world, trip->request);
    } else {
        struct late *late = late_new(trip);
        apply(world, late);
        late_free(late);
    }
    answer(trip, ERR_BUG);
}

/* What the worker believes of its lease must be true in the database. */
static void check_lease(const struct trip *trip)
{
    struct world *world = trip->worker->world;
    const struct place *place = place_find(world, trip->request->document->id);
    const struct document_row *row = &place->row;
    if (trip->kind == TRIP_UPSERT && (row->fence != trip->request->gen || !row->has_lease ||
                                      row->leased_until_ms <= world->now_ms))
        world_fail(world, "%s: vectors leave without a lease", place->key);
}

static void on_send(struct timer *timer)
{
    struct trip *trip = container_of(timer, struct trip, send);
    struct vectors_request *request = trip->request;
    struct world *world = trip->worker->world;
    bool is_blind = world->sabotage == SABOTAGE_SKIP_LEASE;
    if (trip->worker->is_dead) {
        answer(trip, ERR_UNREACHABLE);
    } else if (request->may_send && !is_blind && !request->may_send(request)) {
        answer(trip, ERR_LOST);
    } else {
        check_lease(trip);
        trip->is_sent = true;
        timer_start(world->loop, &trip->serve, world_delay(world, USUAL_MS), on_serve);
    }
}

static void start(struct vectors *vectors, enum trip_kind kind, struct vectors_request *request)
{
    struct worker *worker = vectors->worker;
    struct trip *trip = xcalloc(1, sizeof(*trip));
    trip->worker = worker;
    trip->kind = kind;
    trip->request = request;
    request->private_state = trip;
    request->fetched_count = 0;
    request->is_ambiguous = false;
    worker->open_calls++;
    worker_timer(worker, &trip->send, 1 + world_delay(worker->world, USUAL_MS), on_send);
}

/* ---- store/vectors.h ----------------------------------------------------------------------- */

unsigned vectors_capabilities(const struct vectors *vectors)
{
    return vectors->worker->world->has_rows ? VECTORS_ARE_ROWS : 0;
}

static void check_vectors(struct world *world, const struct vectors_request *request)
{
    for (size_t i = 0; i < request->chunk_count; i++)
        if (!request->chunks[i]->vector)
            world_fail(world, "chunk %u is to be stored without a vector", request->chunks[i]->no);
}

void vectors_upsert(struct vectors *vectors, struct vectors_request *request)
{
    check_vectors(vectors->worker->world, request);
    start(vectors, TRIP_UPSERT, request);
}

void vectors_delete(struct vectors *vectors, struct vectors_request *request)
{
    start(vectors, TRIP_DELETE, request);
}

void vectors_fetch(struct vectors *vectors, struct vectors_request *request)
{
    start(vectors, TRIP_FETCH, request);
}

/* Called with a sent request, its effect cannot be taken back: applied, late or never. */
void vectors_cancel(struct vectors *vectors, struct vectors_request *request)
{
    struct trip *trip = request->private_state;
    struct world *world = vectors->worker->world;
    if (!trip || timer_is_waiting(&trip->reply))
        return;
    if (trip->is_sent && trip->kind == TRIP_UPSERT) {
        request->is_ambiguous = true;
        struct late *late = late_new(trip);
        timer_start(world->loop, &late->timer, world_below(world, LATE_MS / 10), on_late);
    }
    timer_stop(world->loop, &trip->serve);
    timer_stop(vectors->worker->loop, &trip->send);
    answer(trip, ERR_CANCELLED);
}
