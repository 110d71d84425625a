/*
 * world.h - everything outside of the workers, in memory and on one clock: bucket, topic, database,
 *           vector store; and the workers themselves, each with a loop of its own.
 *
 * A request of a worker reaches its service by a timer of the world's loop, the answer comes by a
 * timer of the worker's loop: what is under way when a worker is killed or frozen still takes
 * effect. Everything random comes out of the seed.
 * Owns:   all of it.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/faults.h"
#include "tests/sim/rows.h"
#include "tests/sim/tables.h"
#include "tests/sim/topic.h"
#include "tests/sim/worker.h"

#define SIM_BUCKET "sim"
#define PLACES_MAX 12
#define TENANTS_MAX 4
#define VERSIONS_MAX 1024
#define JOBS_MAX 2048
#define RECORDS_MAX 8192
#define LITTER_ROWS_MAX 1024
#define STORED_MAX 2048

struct world {
    uint64_t seed, now_ms;
    enum sabotage sabotage;
    bool faults[FAULT_COUNT];
    bool is_calm, has_rows; /* has_rows: vectors live in Postgres */
    bool is_traced;
    struct rng rng;
    struct loop *loop;
    struct chunker_options chunking;
    struct pipeline_limits limits;
    struct version versions[VERSIONS_MAX];
    unsigned version_count;
    struct place places[PLACES_MAX];
    unsigned place_count;
    uint32_t touched; /* bit i: place i was looked up, and may have changed, in this turn */
    struct sim_tenant tenants[TENANTS_MAX];
    unsigned tenant_count;
    struct job jobs[JOBS_MAX];
    unsigned job_count;
    struct item items[JOBS_MAX];
    unsigned item_count;
    struct absorbed absorbed[JOBS_MAX];
    unsigned absorbed_count;
    struct litter_row litter[LITTER_ROWS_MAX];
    unsigned litter_count;
    struct letter letters[RECORDS_MAX];
    unsigned letter_count;
    struct stored store[STORED_MAX];
    unsigned stored_count;
    struct stored staged[STORED_MAX];
    unsigned staged_count;
    struct record *topic[SIM_PARTITIONS][RECORDS_MAX];
    int64_t topic_end[SIM_PARTITIONS], committed[SIM_PARTITIONS];
    unsigned in_transit; /* events made and not yet in the topic, requests that may act late */
    uint64_t generation, assigned_generation, rebalance_ms;
    struct worker *owners[SIM_PARTITIONS];
    struct timer group_tick, user_tick, fault_tick;
    uint64_t fault_between_ms;
    uint64_t active_until_ms, database_away_until_ms;
    uint64_t epochs, sequence;
    struct list workers; /* alive */
    struct list graveyard;
    unsigned worker_numbers, workers_wanted;
    char failure[512]; /* the first thing that is wrong */
};

struct world *world_new(uint64_t seed, enum sabotage sabotage);
void world_free(struct world *world);
/* Takes turns until until_ms or until is_over(world), whichever comes first. */
void world_run(struct world *world, uint64_t until_ms, bool (*is_over)(struct world *world));
void world_fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* One line on stderr when TEST_LOG is set: "12345 what". */
void world_trace(const struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
uint64_t world_below(struct world *world, uint64_t limit);
/* True once in so many cases; never when faults are off, or not this seed's. */
bool world_fault(struct world *world, enum fault fault, unsigned one_in);
bool world_chance(struct world *world, unsigned percent);
uint64_t world_delay(struct world *world, uint64_t usual_ms);

/* ---- audit.c: what must hold ---------------------------------------------------------------- */

void audit_settled(struct world *world, const struct record *record, int32_t partition,
                   int64_t offset);
void audit_counters(struct world *world, const struct job *job);
/* What must hold at every instant: of the places that were touched; of all. */
void audit_step(struct world *world);
void audit_instant(struct world *world);
void audit_rest(struct world *world);
bool audit_is_quiet(struct world *world);
char *audit_dump(struct world *world); /* what a reader sees; xfree() it */

#endif
