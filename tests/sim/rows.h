/*
 * rows.h - the rows of the simulated database, the vectors of the store, and how to find them.
 *
 * Owns: the chunk rows of what it is given.
 */
#ifndef TESTS_SIM_ROWS_H
#define TESTS_SIM_ROWS_H

#include "queue/object.h"
#include "tests/sim/content.h"
#include "worker/model/chunk.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

#define HISTORY_MAX 512

struct world;

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
    bool exists, has_gen, has_lease, is_deleted, has_code, is_claimed_inactive, is_removing,
        is_told_gone;
    enum error_code code;
    enum status status;
    uint64_t gen, size_bytes, fence, leased_until_ms, processed_ms, told_wall_ms;
    uint64_t look_due_ms, look_since_ms;      /* of a removal put off; 0: none */
    uint64_t claimed_ms, finished_claimed_ms; /* of the last attempt; of the last that finished */
    char etag[ETAG_BYTES_MAX], told_etag[ETAG_BYTES_MAX]; /* told: by the newest event claimed */
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
    bool is_denied; /* nobody may look at it, from some time on for ever */
    struct document_row row;
};

struct sim_tenant {
    struct tenant tenant;
    uint64_t exists_from_ms; /* UINT64_MAX: never */
    bool is_active, is_over_quota, was_inactive, is_mismatched;
    int64_t documents, bytes, vectors;
};

struct item {
    struct uuid job;
    unsigned place;
    bool is_closed;
    enum document_outcome outcome;
    uint64_t due_ms, parked_ms, parked_until_ms; /* 0: null */
    uint64_t made_wall_ms, closed_wall_ms;
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

struct place *place_find(struct world *world, struct uuid document);
void place_touch(struct world *world, unsigned place);
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

#endif
