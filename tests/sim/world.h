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

#include "embed/embed.h"
#include "extract/extract.h"
#include "queue/object.h"
#include "queue/offsets.h"
#include "queue/queue.h"
#include "queue/topic.h"
#include "store/ledger.h"
#include "store/vectors.h"
#include "worker/conductor.h"
#include "worker/pipeline.h"
#include "worker/slabs.h"

#define SIM_DIMENSIONS 4
#define SIM_PARTITIONS 2
#define SIM_BUCKET "sim"
#define PLACES_MAX 12
#define TENANTS_MAX 4
#define VERSIONS_MAX 1024
#define HISTORY_MAX 512
#define PAGES_MAX 80
#define JOBS_MAX 2048
#define RECORDS_MAX 8192
#define EVENTS_MAX 4
#define LITTER_ROWS_MAX 1024
#define STORED_MAX 2048

enum sabotage { /* each must be found: sim.c */
                SABOTAGE_NONE,
                SABOTAGE_SETTLE_EARLY,
                SABOTAGE_ABANDON_SETTLES,
                SABOTAGE_SKIP_LEASE,
                SABOTAGE_NO_RESERVE,
                SABOTAGE_DROP_OLDER,
                SABOTAGE_NO_CREDIT,
                SABOTAGE_FINISH_UNFENCED,
                SABOTAGE_SWEEP_AT_ONCE,
                SABOTAGE_SWAP_VECTORS,
                SABOTAGE_LOSE_ROWS,
                SABOTAGE_COUNT
};

enum fault { /* a seed has some of them */
             FAULT_KILL,
             FAULT_DRAIN,
             FAULT_FREEZE,
             FAULT_REBALANCE,
             FAULT_DATABASE_AWAY,
             FAULT_DATABASE_REPLIES,
             FAULT_OBJECTS,
             FAULT_STALE,
             FAULT_EXTRACT,
             FAULT_EMBED,
             FAULT_VECTORS,
             FAULT_DUPLICATES,
             FAULT_JOB_CONTROL,
             FAULT_TENANTS,
             FAULT_LOST_EVENTS,
             FAULT_COUNT
};

/* ---- content ------------------------------------------------------------------------------- */

enum content { CONTENT_GOOD, CONTENT_NOT_PDF, CONTENT_CRASHES, CONTENT_REFUSED, CONTENT_EMPTY };

struct version { /* bytes that were in the bucket once */
    char etag[40];
    enum content content;
    uint64_t page_seeds[PAGES_MAX];
    uint32_t page_count;
    uint32_t page_bytes;
    uint64_t size_bytes;
    uint8_t (*hashes)[SHA256_BYTES]; /* of the chunks it must give; NULL: not asked yet */
    uint32_t chunk_count;
};

/* ---- database ------------------------------------------------------------------------------ */

enum status { ROW_PENDING, ROW_PROCESSING, ROW_SUCCESS, ROW_SKIPPED, ROW_FAILED, ROW_CANCELLED };

struct chunk_row {
    bool is_there;
    uint8_t hash[SHA256_BYTES];
    float vector[SIM_DIMENSIONS];
    struct uuid user;
};
struct chunk_rows {
    struct chunk_row *rows;
    uint32_t count; /* highest number + 1 */
    uint32_t room;
};

struct document_row {
    bool exists, has_gen, has_lease, is_deleted, has_code;
    enum error_code code;
    enum status status;
    uint64_t gen, size_bytes, fence, leased_until_ms, processed_ms;
    uint64_t claimed_ms;          /* of the attempt that holds or held it last */
    uint64_t finished_claimed_ms; /* of the last attempt that finished */
    char etag[ETAG_BYTES_MAX];
    uint32_t chunk_count, starts, starts_most;
    struct uuid job;
    struct chunk_rows chunks;
};

struct place { /* one key of the bucket, and its row */
    char key[80];
    struct document document;
    unsigned tenant;
    struct {
        int version; /* -1: nothing there */
        uint64_t at_ms;
    } history[HISTORY_MAX];
    unsigned history_count;
    int seen; /* so many of them were shown at least once */
    struct document_row row;
};

struct sim_tenant {
    struct tenant tenant;
    uint64_t exists_from_ms; /* UINT64_MAX: never */
    bool is_active, is_over_quota, was_inactive;
    int64_t documents, bytes, vectors;
};

struct item {
    struct uuid job;
    unsigned place;
    bool is_closed;
    enum document_outcome outcome;
    uint64_t due_ms, parked_ms, parked_until_ms; /* 0: null */
};

struct job {
    struct uuid id;
    unsigned tenant;
    bool is_paused, is_cancelled, is_batch;
    uint32_t total, processed, failed, cancelled;
};

struct absorbed {
    struct uuid bare_job, job;
};

struct litter_row {
    unsigned place;
    uint64_t gen, quiet_ms;
    uint32_t n;
};

struct letter {
    int32_t partition;
    int64_t offset;
    uint32_t event_no;
};

struct stored { /* the vectors of a generation; also rows staged in the database */
    unsigned place;
    uint64_t gen;
    struct chunk_rows chunks;
};

/* ---- topic --------------------------------------------------------------------------------- */

enum sim_event_kind { SIM_PUT, SIM_REMOVED, SIM_IGNORED, SIM_BAD };
struct sim_event {
    enum sim_event_kind kind;
    unsigned place;
    struct uuid job;
    bool is_bare;
};
struct record {
    char *value;
    size_t value_bytes;
    struct header header;
    char job_text[UUID_TEXT_BYTES];
    size_t header_count;
    struct sim_event events[EVENTS_MAX];
    unsigned event_count;
    uint64_t made_ms;
    bool was_settled;
};

/* ---- workers ------------------------------------------------------------------------------- */

struct worker;
struct queue {
    struct worker *worker;
    struct queue_events events;
    uint32_t credit;
    bool has_credit_once, is_member, has_assignment, is_open;
    uint64_t generation, epoch, polled_ms;
    bool owns[SIM_PARTITIONS];
    struct offsets offsets[SIM_PARTITIONS];
    int64_t position[SIM_PARTITIONS];
    struct list unsettled, again;
    struct timer poll;
};
struct topic {
    struct worker *worker;
};
struct objects {
    struct worker *worker;
};
struct extract {
    struct worker *worker;
    struct list waiting; /* struct reading */
    unsigned slots_busy;
};
struct embed {
    struct worker *worker;
};
struct vectors {
    struct worker *worker;
};
struct ledger {
    struct worker *worker;
};

struct worker {
    struct world *world;
    unsigned number;
    struct loop *loop;
    struct pipeline pipeline;
    struct conductor *conductor;
    struct queue queue;
    struct topic topic;
    struct objects objects;
    struct extract extract;
    struct embed embed;
    struct vectors vectors;
    struct ledger ledger;
    bool is_dead, is_draining, has_drained, is_drain_complete;
    uint64_t frozen_until_ms;
    size_t open_calls, open_asides; /* asides: of these, those that no drain waits for */
    struct list_node node;
};

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
    uint64_t active_until_ms, database_away_until_ms;
    uint64_t epochs, sequence;
    struct list workers; /* alive */
    struct list graveyard;
    unsigned worker_numbers, workers_wanted;
    char failure[512]; /* the first thing that is wrong */
};

/* ---- world.c ------------------------------------------------------------------------------- */

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
void worker_timer(struct worker *worker, struct timer *timer, uint64_t delay_ms,
                  void (*on_due)(struct timer *timer));
bool worker_runs(const struct worker *worker);

/* ---- content.c ----------------------------------------------------------------------------- */

unsigned version_new(struct world *world, int like);
/* The text of a page; xfree() it. */
char *version_page(const struct version *version, uint32_t number, size_t *ret_bytes);
void version_expect(struct world *world, struct version *version);
struct version *version_find(struct world *world, const char *etag);
void vector_of_hash(const uint8_t hash[SHA256_BYTES], float ret_vector[SIM_DIMENSIONS]);
struct version *place_version(struct world *world, const struct place *place); /* NULL: none */

/* ---- tables.c: what the statements of the ledger mean -------------------------------------- */

void table_claim(struct world *world, struct ledger_claim *claim);
void table_intend(struct world *world, struct ledger_intend *intend);
void table_stage(struct world *world, const struct ledger_stage *stage);
void table_known(struct world *world, struct ledger_known *known);
void table_finish(struct world *world, struct ledger_finish *finish);
void table_release(struct world *world, struct ledger_release *release);
void table_bury(struct world *world, struct ledger_burial *burial);
void table_dead(struct world *world, struct ledger_dead *dead);
void table_swept(struct world *world, const struct litter *litter);
void table_due(struct world *world, struct ledger_due *due);

/* ---- rows.c -------------------------------------------------------------------------------- */

struct place *place_find(struct world *world, struct uuid document);
struct job *job_find(struct world *world, struct uuid id);
struct job *job_add(struct world *world, struct uuid id, unsigned tenant);
struct item *item_find(struct world *world, struct uuid job, unsigned place);
struct item *item_add(struct world *world, struct uuid job, unsigned place, uint64_t due_ms);
struct absorbed *absorbed_find(struct world *world, struct uuid bare_job);
struct litter_row *litter_find(struct world *world, unsigned place, uint64_t gen);
void litter_add(struct world *world, const struct litter_row *row);
void litter_drop(struct world *world, struct litter_row *row);
struct stored *stored_find(struct stored *all, unsigned count, unsigned place, uint64_t gen);
struct chunk_row *rows_at(struct chunk_rows *rows, uint32_t no);
void rows_release(struct chunk_rows *rows);
unsigned place_number(const struct world *world, const struct place *place);

/* ---- fakes --------------------------------------------------------------------------------- */

void fake_queue_open(struct worker *worker, struct queue_events events);
void fake_queue_thaw(struct worker *worker);
void fake_queue_release(struct worker *worker);
void fake_extract_init(struct worker *worker);
void group_start(struct world *world);
void group_rebalance(struct world *world);
void topic_append(struct world *world, struct record *record);

/* ---- users.c, workers.c, audit.c ----------------------------------------------------------- */

void users_start(struct world *world);
void users_heal(struct world *world);
void users_replay(struct world *world);
void workers_start(struct world *world);
void workers_heal(struct world *world);
/* All of them drain; then those that were killed are taken apart without the world. */
void workers_end(struct world *world);
void worker_after_turn(struct worker *worker); /* it may be gone afterwards */
void audit_settled(struct world *world, const struct record *record, int32_t partition,
                   int64_t offset);
void audit_instant(struct world *world);
void audit_rest(struct world *world);
bool audit_is_quiet(struct world *world);
char *audit_dump(struct world *world); /* what a reader sees; xfree() it */

#endif
