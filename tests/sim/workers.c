/* Workers come, are killed, stopped, frozen, and lose their partitions. */
#include "tests/sim/world.h"
#include "worker/base/memory.h"
#include "worker/slabs.h"

#define GHOST_TURNS_MAX 1000000

/* ---- life ---------------------------------------------------------------------------------- */

static void on_fatal(void *arg, const struct error *err)
{
    struct worker *worker = arg;
    world_fail(worker->world, "worker %u: fatal: %s", worker->number, err->message);
}

static const struct text BUCKET = {SIM_BUCKET, sizeof(SIM_BUCKET) - 1};

static void link_services(struct worker *worker)
{
    struct world *world = worker->world;
    worker->topic.worker = worker->objects.worker = worker->embed.worker = worker;
    worker->vectors.worker = worker->ledger.worker = worker;
    fake_extract_init(worker);
    worker->pipeline = (struct pipeline){
        .loop = worker->loop,
        .queue = &worker->queue,
        .mirror = world_chance(world, 30) ? &worker->topic : NULL,
        .mirror_topic = TEXT("letters"),
        .objects = &worker->objects,
        .extract = &worker->extract,
        .embed = &worker->embed,
        .vectors = &worker->vectors,
        .ledger = &worker->ledger,
        .limits = world->limits,
        .chunking = world->chunking,
        .buckets = &BUCKET,
        .bucket_count = 1,
        .dimension_count = SIM_DIMENSIONS,
        .slabs = slabs_new(world->limits.slabs_max, SIM_DIMENSIONS),
    };
}

static void worker_start(struct world *world)
{
    struct worker *worker = xcalloc(1, sizeof(*worker));
    worker->world = world;
    worker->number = world->worker_numbers++;
    worker->loop = loop_new_virtual(rng_next(&world->rng));
    loop_virtual_turn(worker->loop, world->now_ms);
    link_services(worker);
    worker->conductor = conductor_new(&worker->pipeline, on_fatal, worker);
    fake_queue_open(worker, conductor_queue_events(worker->conductor));
    conductor_start(worker->conductor);
    list_push_back(&world->workers, &worker->node);
}

static void worker_free(struct worker *worker)
{
    struct world *world = worker->world;
    struct conductor_figures figures = conductor_figures(worker->conductor);
    if (figures.tasks || figures.seated || figures.reserved_bytes || figures.waiting ||
        worker->pipeline.spool_bytes)
        world_fail(world,
                   "worker %u ends with %zu tasks, %zu seats, %llu bytes, %zu events, %llu"
                   " spooled",
                   worker->number, figures.tasks, figures.seated,
                   (unsigned long long)figures.reserved_bytes, figures.waiting,
                   (unsigned long long)worker->pipeline.spool_bytes);
    fake_queue_release(worker);
    if (world->failure[0])
        return; /* what is left would trip asserts */
    conductor_free(worker->conductor);
    slabs_free(worker->pipeline.slabs);
    loop_free(worker->loop);
    xfree(worker);
}

static void worker_kill(struct worker *worker)
{
    struct world *world = worker->world;
    worker->is_dead = true;
    list_remove(&world->workers, &worker->node);
    list_push_back(&world->graveyard, &worker->node);
    if (worker->queue.is_member)
        group_rebalance(world);
}

static void on_drained(void *arg, bool is_complete)
{
    struct worker *worker = arg;
    worker->has_drained = true;
    worker->is_drain_complete = is_complete;
    if (is_complete && worker->open_calls > worker->open_asides)
        world_fail(worker->world, "worker %u has drained with %zu requests under way",
                   worker->number, worker->open_calls - worker->open_asides);
}

static void worker_drain(struct worker *worker)
{
    worker->is_draining = true;
    loop_virtual_turn(worker->loop, worker->world->now_ms);
    conductor_drain(worker->conductor, on_drained, worker);
    if (world_chance(worker->world, 30))
        conductor_hurry(worker->conductor);
}

void worker_after_turn(struct worker *worker)
{
    struct world *world = worker->world;
    if (!worker->has_drained || (worker->is_drain_complete && worker->open_calls))
        return;
    if (!worker->is_drain_complete) { /* the process ends all the same */
        worker_kill(worker);
        return;
    }
    list_remove(&world->workers, &worker->node);
    worker_free(worker);
}

/* What was killed is taken apart where nobody answers any more; it must come to an end, too. */
static void ghost_end(struct worker *worker)
{
    struct world *world = worker->world;
    timer_stop(worker->loop, &worker->queue.poll);
    loop_virtual_turn(worker->loop, world->now_ms);
    if (!worker->is_draining)
        conductor_drain(worker->conductor, on_drained, worker);
    for (unsigned turns = 0; turns < GHOST_TURNS_MAX; turns++) {
        uint64_t ms = loop_virtual_next_ms(worker->loop);
        bool is_over = worker->has_drained && !worker->open_calls &&
                       !conductor_figures(worker->conductor).tasks;
        if (is_over || ms == UINT64_MAX)
            break;
        world->now_ms = ms > world->now_ms ? ms : world->now_ms;
        loop_virtual_turn(worker->loop, world->now_ms);
    }
    list_remove(&world->graveyard, &worker->node);
    worker_free(worker);
}

/* ---- faults -------------------------------------------------------------------------------- */

static struct worker *any_worker(struct world *world)
{
    uint64_t at = world_below(world, world->workers.count);
    LIST_FOR_EACH(&world->workers, node)
        if (at-- == 0)
            return container_of(node, struct worker, node);
    return NULL;
}

static void freeze(struct worker *worker)
{
    struct world *world = worker->world;
    worker->frozen_until_ms =
        world->now_ms + 5000 + world_below(world, world_chance(world, 50) ? 30000 : 115000);
    fake_queue_thaw(worker);
}

/* It may come back without the staged rows: their tables are not logged. */
static void lose_database(struct world *world)
{
    world->database_away_until_ms = world->now_ms + world_below(world, 90000);
    while (world_chance(world, 40) && world->staged_count)
        rows_release(&world->staged[--world->staged_count].chunks);
}

static void strike(struct world *world, struct worker *worker)
{
    enum fault fault = (enum fault)world_below(world, FAULT_DATABASE_AWAY + 1);
    if (!world->faults[fault] || !worker_runs(worker) || worker->is_draining)
        return;
    if (fault == FAULT_KILL)
        worker_kill(worker);
    else if (fault == FAULT_DRAIN)
        worker_drain(worker);
    else if (fault == FAULT_FREEZE)
        freeze(worker);
    else if (fault == FAULT_REBALANCE)
        group_rebalance(world);
    else
        lose_database(world);
}

static void on_fault_tick(struct timer *timer)
{
    struct world *world = container_of(timer, struct world, fault_tick);
    if (world->is_calm)
        return;
    timer_start(world->loop, timer, 1 + world_below(world, world->fault_between_ms), on_fault_tick);
    if (world->workers.count < world->workers_wanted)
        worker_start(world);
    else
        strike(world, any_worker(world));
}

void workers_start(struct world *world)
{
    world->workers_wanted = 1 + (unsigned)world_below(world, 3);
    group_start(world);
    for (unsigned i = 0; i < world->workers_wanted; i++)
        worker_start(world);
    timer_start(world->loop, &world->fault_tick, 1 + world_below(world, world->fault_between_ms),
                on_fault_tick);
}

void workers_heal(struct world *world)
{
    world->is_calm = true;
    world->database_away_until_ms = 0;
    LIST_FOR_EACH(&world->workers, node)
        container_of(node, struct worker, node)->frozen_until_ms = 0;
    worker_start(world); /* whoever is left may be about to end */
}

static bool are_all_gone(struct world *world)
{
    return world->workers.count == 0;
}

void workers_end(struct world *world)
{
    LIST_FOR_EACH(&world->workers, node)
        if (!container_of(node, struct worker, node)->is_draining)
            worker_drain(container_of(node, struct worker, node));
    world_run(world, world->now_ms + 120000, are_all_gone);
    if (world->workers.count)
        world_fail(world, "%zu workers do not end", world->workers.count);
    while (world->graveyard.count && !world->failure[0])
        ghost_end(container_of(list_first(&world->graveyard), struct worker, node));
}
