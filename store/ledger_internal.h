/*
 * ledger_internal.h - what the files of the ledger share. Nobody else includes it.
 *
 *     ledger.c         open and close; a lane per kind of request, what waits and what is under way
 *     ledger_batch.c   one batch: sent, asked again, bisected, answered
 *     ledger_claim.c   claim            ledger_intend.c  intend and release
 *     ledger_finish.c  finish           ledger_stage.c   rows and texts by COPY, known hashes
 *     ledger_sweep.c   litter, due items, dead letters
 *
 * Thread: the loop thread.
 */
#ifndef STORE_LEDGER_INTERNAL_H
#define STORE_LEDGER_INTERNAL_H

#include "store/ledger.h"
#include "store/sql.h"

#define BATCH_BYTES_MAX ((size_t)8 * 1024 * 1024) /* of texts in one statement or COPY */
#define BATCH_ARRAYS_MAX 24
#define BATCH_STATEMENTS_MAX 4
#define BATCH_PARAMS_MAX 40
#define BESIDE_ROWS_MIN 256     /* a plan costs as much as some 30 rows */
#define BATCH_DEADLINE_MS 60000 /* an outage longer than that is answered */

enum lane_name {
    LANE_CLAIM,
    LANE_CLAIM_AHEAD, /* of tenants that have little: not in one batch with those of others */
    LANE_KNOWN,
    LANE_INTEND,
    LANE_INTEND_AHEAD,
    LANE_STAGE,
    LANE_TEXT, /* extracted texts too big for FINISH's statement go ahead of it by COPY */
    LANE_FINISH,
    LANE_FINISH_AHEAD,
    LANE_RELEASE,
    LANE_BURY,
    LANE_DEAD,
    LANE_DEAD_ANY,
    LANE_SWEPT,
    LANE_DUE,
    LANE_COUNT
};

struct batch;

/* What a kind of request needs of the machinery. node: the request's list node. */
struct lane_kind {
    size_t rows_max;         /* requests of one batch */
    size_t batches_max;      /* under way at once */
    size_t rows_beside;      /* so many wait before one more goes beside those under way */
    bool is_copy;            /* build() fills batch->bytes and copy_sql, nothing else comes back */
    bool answers_row_by_row; /* take() is called per row, column 0 is the request's place from 1 */
    bool may_have_no_row;    /* no row is an answer, too; else the request is asked again */
    bool may_run_beside;     /* a batch stands in no order with batches of other kinds */
    bool may_miss_table;     /* it reads a tenant's table, which may not be there: no rows then */
    /* The document a request is about: one request of it per batch, sorted. NULL: no matter. */
    struct uuid (*document_of)(const struct list_node *node);
    size_t (*bytes_of)(const struct list_node *node); /* its weight; NULL: nothing much */
    void (*build)(struct batch *batch);
    /* Reads one row (row by row), or the whole result (row 0). False: this request must be asked
     * again. */
    bool (*take)(struct list_node *node, const struct pg_result *result, size_t row);
    void (*answer)(struct ledger *ledger, struct list_node *node, const struct error *err);
};

extern const struct lane_kind CLAIM_KIND, KNOWN_KIND, INTEND_KIND, STAGE_KIND, TEXT_KIND,
    FINISH_KIND, RELEASE_KIND, BURY_KIND, DEAD_KIND, DEAD_ANY_KIND, SWEPT_KIND, DUE_KIND;

struct lane {
    struct ledger *ledger;
    const struct lane_kind *kind;
    bool goes_ahead; /* its batches do not wait for those of other lanes */
    struct list waiting;
    size_t batch_count, request_count; /* under way */
    struct later pump;
};

struct ledger {
    struct loop *loop;
    struct pg *pg;
    struct ledger_options options;
    char *pipeline;
    struct lane lanes[LANE_COUNT];
    uint64_t sweep_staged_ms; /* when staged rows were last swept; 0: never */
    bool stages_halves;
};

/* One statement (or COPY) for many requests. */
struct batch {
    struct lane *lane;
    struct ledger *ledger;
    struct list_node **nodes;
    size_t node_count;
    bool *has_row; /* per node: the answer held it, and it was taken */
    uint64_t start_ms;
    uint32_t tries;
    struct timer retry;
    /* what build() makes */
    struct pg_array arrays[BATCH_ARRAYS_MAX];
    size_t array_count;
    struct pg_param params[BATCH_PARAMS_MAX];
    size_t param_count;
    struct pg_statement statements[BATCH_STATEMENTS_MAX];
    size_t statement_count;
    struct buffer bytes; /* the data of a COPY, or a dynamic statement */
    const char *copy_sql;
    char numbers[4][24]; /* scalar parameters as text */
    size_t number_count;
    struct pg_request request;
    struct pg_copy copy;
};

/* For ledger.h's functions: the request waits, and travels in the next batch of its kind. */
void ledger_lane_submit(struct ledger *ledger, enum lane_name name, struct list_node *node);
void ledger_lane_pump_soon(struct lane *lane);
void ledger_lane_pump(struct lane *lane);
/* Takes the nodes array. start_ms: since when they are tried. */
void ledger_batch_start(struct lane *lane, struct list_node **nodes, size_t node_count,
                        uint64_t start_ms);

/* For build(): */
struct pg_array *ledger_batch_array(struct batch *batch, uint32_t element_type);
void ledger_batch_statement(struct batch *batch, const char *sql, const struct pg_param *params,
                            size_t param_count);
struct pg_param ledger_batch_text(struct text text);
struct pg_param batch_i64(struct batch *batch, int64_t value);
struct pg_param ledger_batch_bool(bool value);
void array_add_uuid_or_null(struct pg_array *array, struct uuid id); /* nil: null */
struct text error_code_text(bool has_code, enum error_code code);    /* TEXT_NONE: none */

/* The binary format of COPY, for build() of a COPY: */
void stage_begin(struct buffer *out);
void stage_row(struct buffer *out, int16_t field_count);
void stage_uuid(struct buffer *out, struct uuid id);
void stage_i32(struct buffer *out, int32_t value);
void stage_i64(struct buffer *out, int64_t value);
void stage_text(struct buffer *out, struct text text);
void stage_end(struct buffer *out);

#endif
