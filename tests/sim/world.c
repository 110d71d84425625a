/* The clock, chance, and who takes the next turn. */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/memory.h"

#define LOOK_EVERY 64 /* turns between two looks whether all is at rest */

uint64_t world_below(struct world *world, uint64_t limit)
{
    return rng_below(&world->rng, limit);
}

bool world_chance(struct world *world, unsigned percent)
{
    return world_below(world, 100) < percent;
}

bool world_fault(struct world *world, enum fault fault, unsigned one_in)
{
    return !world->is_calm && world->faults[fault] && world_below(world, one_in) == 0;
}

/* Mostly about as long as usual, sometimes much longer. */
uint64_t world_delay(struct world *world, uint64_t usual_ms)
{
    uint64_t dice = world_below(world, 200);
    if (!world->is_calm && dice == 0)
        return world_below(world, 15000);
    if (!world->is_calm && dice < 10)
        return world_below(world, usual_ms * 20 + 1);
    return world_below(world, usual_ms + 1);
}

void world_fail(struct world *world, const char *format, ...)
{
    if (world->failure[0])
        return;
    va_list args;
    va_start(args, format);
    (void)text_format_v(world->failure, sizeof(world->failure), format, args);
    va_end(args);
}

void world_trace(const struct world *world, const char *format, ...)
{
    char line[512];
    if (!world->is_traced)
        return;
    va_list args;
    va_start(args, format);
    (void)text_format_v(line, sizeof(line), format, args);
    va_end(args);
    (void)fprintf(stderr, "%8llu %s\n", (unsigned long long)world->now_ms, line);
}

bool worker_runs(const struct worker *worker)
{
    return !worker->is_dead && worker->frozen_until_ms <= worker->world->now_ms;
}

/* delay_ms from the world's now: a frozen worker's clock stands behind it. */
void worker_timer(struct worker *worker, struct timer *timer, uint64_t delay_ms,
                  void (*on_due)(struct timer *timer))
{
    uint64_t behind_ms = worker->world->now_ms - loop_now_ms(worker->loop);
    timer_start(worker->loop, timer, behind_ms + delay_ms, on_due);
}

static uint64_t next_ms(const struct worker *worker)
{
    uint64_t next = loop_virtual_next_ms(worker->loop);
    return next < worker->frozen_until_ms ? worker->frozen_until_ms : next;
}

/* The loop that has something to do first; NULL: the world's own. */
static struct worker *choose(struct world *world, uint64_t *ret_ms)
{
    struct worker *chosen = NULL;
    unsigned equals = 1;
    *ret_ms = loop_virtual_next_ms(world->loop);
    LIST_FOR_EACH(&world->workers, node) {
        struct worker *worker = container_of(node, struct worker, node);
        uint64_t ms = next_ms(worker);
        ms = ms < world->now_ms && ms != UINT64_MAX ? world->now_ms : ms;
        equals = ms == *ret_ms ? equals + 1 : 1;
        if (ms < *ret_ms || (ms == *ret_ms && ms != UINT64_MAX && world_below(world, equals) == 0))
            chosen = worker;
        *ret_ms = ms < *ret_ms ? ms : *ret_ms;
    }
    return chosen;
}

void world_run(struct world *world, uint64_t until_ms, bool (*is_over)(struct world *world))
{
    unsigned turns = 0;
    while (!world->failure[0]) {
        uint64_t ms;
        struct worker *worker = choose(world, &ms);
        if (ms >= until_ms)
            return;
        world->now_ms = ms > world->now_ms ? ms : world->now_ms;
        loop_virtual_turn(worker ? worker->loop : world->loop, world->now_ms);
        if (worker)
            worker_after_turn(worker);
        audit_step(world);
        if (++turns % LOOK_EVERY == 0 && is_over && is_over(world))
            return;
    }
}

/* ---- birth and death ----------------------------------------------------------------------- */

static struct uuid uuid_next(struct world *world)
{
    struct uuid id;
    for (size_t i = 0; i < sizeof(id.bytes); i++)
        id.bytes[i] = (uint8_t)world_below(world, 256);
    return id;
}

static void make_tenants(struct world *world)
{
    world->tenant_count = 2 + (unsigned)world_below(world, TENANTS_MAX - 1);
    for (unsigned i = 0; i < world->tenant_count; i++) {
        struct sim_tenant *tenant = &world->tenants[i];
        tenant->tenant = tenant_from_user_id(uuid_next(world));
        tenant->is_active = true;
        if (i > 1 && world->faults[FAULT_TENANTS])
            tenant->exists_from_ms = world_chance(world, 50) ? UINT64_MAX : 60000;
        tenant->is_mismatched = i > 1 && world_chance(world, 20);
    }
}

static void make_places(struct world *world)
{
    world->place_count = 3 + (unsigned)world_below(world, PLACES_MAX - 2);
    for (unsigned i = 0; i < world->place_count; i++) {
        struct place *place = &world->places[i];
        place->tenant = (unsigned)world_below(world, world->tenant_count);
        (void)text_format(place->key, sizeof(place->key), "%s%u file.pdf",
                          world->tenants[place->tenant].tenant.prefix, i);
        place->is_denied = world_below(world, 100) == 0;
        place->document = document_of(TEXT(SIM_BUCKET), text_from(place->key));
    }
}

static void choose_limits(struct world *world)
{
    uint32_t tasks = 1 + (uint32_t)world_below(world, 6);
    world->limits = (struct pipeline_limits){
        .tasks_max = tasks,
        .bytes_max = 100000 + world_below(world, 4000000),
        .waiting_max = 2 + (uint32_t)world_below(world, 60),
        .waiting_bytes_max = 8192 + world_below(world, 1000000),
        .slabs_max = tasks + (uint32_t)world_below(world, 5),
        .spool_bytes_max = (1 + world_below(world, 6)) * 256 * 1024,
        .extracted_text_bytes_max = 4096,
        .drain_ms = 500 + world_below(world, 15000),
        .tenant_wait_ms = 90000,
        .embed_wait_ms = 120000,
    };
    world->chunking = chunker_options_default();
    if (world_chance(world, 50))
        return;
    world->chunking.tokens_min = 16;
    world->chunking.tokens_target = 24;
    world->chunking.tokens_max = 48;
}

struct world *world_new(uint64_t seed, enum sabotage sabotage)
{
    struct world *world = xcalloc(1, sizeof(*world));
    world->seed = seed;
    world->sabotage = sabotage;
    world->is_traced = getenv("TEST_LOG") != NULL;
    world->rng = rng_seeded(seed);
    world->loop = loop_new_virtual(seed);
    world->now_ms = loop_now_ms(world->loop);
    list_init(&world->workers);
    list_init(&world->graveyard);
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        world->faults[i] = world_chance(world, 50);
    world->has_rows = world_chance(world, 15);
    world->fault_between_ms = world_chance(world, 20) ? 2500 : 12000;
    choose_limits(world);
    make_tenants(world);
    make_places(world);
    return world;
}

static void record_free(struct record *record)
{
    xfree(record->value);
    xfree(record);
}

void world_free(struct world *world)
{
    for (unsigned i = 0; i < world->version_count; i++)
        xfree(world->versions[i].hashes);
    for (unsigned i = 0; i < world->place_count; i++)
        rows_release(&world->places[i].row.chunks);
    for (unsigned i = 0; i < world->stored_count; i++)
        rows_release(&world->store[i].chunks);
    for (unsigned i = 0; i < world->staged_count; i++)
        rows_release(&world->staged[i].chunks);
    for (unsigned p = 0; p < SIM_PARTITIONS; p++)
        for (int64_t i = 0; i < world->topic_end[p]; i++)
            record_free(world->topic[p][i]);
    timer_stop(world->loop, &world->group_tick);
    timer_stop(world->loop, &world->user_tick);
    timer_stop(world->loop, &world->fault_tick);
    loop_free(world->loop);
    xfree(world);
}
