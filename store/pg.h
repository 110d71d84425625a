/*
 * pg.h - PostgreSQL: a pipelined writer connection, two beside it, and one for COPY.
 *
 * The writer takes transactions: a list of statements that commit together (one implicit
 * transaction between two syncs), pipelined one behind another. What may run in any order goes over
 * the connection beside it while the writer is busy; what goes ahead has one of its own when both
 * are busy. A connection that is lost is made again with back-off; a transaction whose outcome is
 * unknown answers ERR_UNREACHABLE with was_maybe_committed, and its owner asks again (all our
 * statements may be repeated).
 * Works behind PgBouncer in transaction mode: no session state, no startup options, no named
 * prepared statement that cannot be prepared anew (26000, 0A000).
 * Owns:   its connections. Borrows every request until on_done.
 * Thread: the loop thread.
 */
#ifndef STORE_PG_H
#define STORE_PG_H

#include "worker/base/buffer.h"
#include "worker/base/crypto.h"
#include "worker/base/error.h"
#include "worker/base/loop.h"

struct pg;

struct pg_options {
    struct text url; /* postgresql:// or keyword=value; secret */
    struct text application_name;
    struct text control_schema; /* of our tables, [a-z_][a-z0-9_]{0,62}; none: public */
    uint64_t connect_timeout_ms;
    uint64_t statement_timeout_ms; /* SET LOCAL in each transaction */
    uint64_t lock_timeout_ms;
    uint32_t transactions_max; /* pipelined at once on the writer */
};

/* A parameter in binary or text form. Arrays of one dimension are built by pg_array_*. */
struct pg_param {
    const char *data; /* NULL: SQL null */
    int bytes;
    uint32_t type; /* oid, 0: let the server infer */
    bool is_binary;
};

struct pg_statement {
    const char *sql; /* borrowed for good (literal), or until on_done when is_dynamic */
    const struct pg_param *params;
    int param_count;
    bool is_dynamic; /* not prepared by name */
    bool keeps_rows; /* its rows go to the request's result; at most one per transaction */
};

struct pg_result; /* rows in text form */
size_t pg_row_count(const struct pg_result *result);
struct text pg_value(const struct pg_result *result, size_t row,
                     size_t column); /* start NULL: SQL null */
bool pg_value_u64(const struct pg_result *result, size_t row, size_t column,
                  uint64_t *ret_value) MUST_CHECK;
bool pg_value_uuid(const struct pg_result *result, size_t row, size_t column,
                   struct uuid *ret_id) MUST_CHECK;

struct pg_request {
    /* in: borrowed until on_done */
    const struct pg_statement *statements;
    size_t statement_count;
    /* Rows are found by keys alone: no plan may walk through a table, whatever old statistics say
     * of its size. */
    bool finds_by_key;
    bool keeps_plans;    /* of few rows: plans of a few seconds ago will do */
    bool may_run_beside; /* in no order with the others */
    bool goes_ahead;     /* nor does it wait for them, where that can be helped */
    /* Exactly once, never from inside pg_run(). result: of the statement that keeps rows, valid for
     * the call, NULL on error. */
    void (*on_done)(struct pg_request *request, const struct pg_result *result,
                    const struct error *err);
    bool was_maybe_committed; /* out, with an error: the reply of COMMIT was lost */
    char sqlstate[6];         /* out, with an error of the server */
    struct list_node waiting; /* private from here */
    void *private_state;
};

struct pg_copy {
    /* in: borrowed until on_done */
    const char *sql;        /* COPY ... FROM STDIN */
    const char *sql_before; /* run in the same transaction before it, or NULL */
    bool is_alone;          /* a script of one statement that must not be in a transaction */
    struct text data;       /* rows in COPY text or binary format */
    void (*on_done)(struct pg_copy *copy, const struct error *err);
    char sqlstate[6];         /* out, with an error of the server */
    struct list_node waiting; /* private from here */
    void *private_state;
};

/* Connects in the background; never fails for a server that is away. ERR_CONFIG: a URL that is
 * none. */
struct pg *pg_open(struct loop *loop, const struct pg_options *options,
                   struct error *err) MUST_CHECK;
void pg_run(struct pg *pg, struct pg_request *request);
void pg_run_copy(struct pg *pg, struct pg_copy *copy);
struct text pg_control_schema(const struct pg *pg);
bool pg_is_connected(const struct pg *pg);
size_t pg_waiting_count(const struct pg *pg);
void pg_close(struct pg *pg, void (*on_closed)(void *arg),
              void *arg); /* pending ones: ERR_SHUTDOWN */
/* One string of many statements (migrations) in sql, data empty: one transaction on the COPY
 * connection, without a statement timeout. is_alone: one statement, sent as it is, without the
 * search path: its names are qualified. */
void pg_run_script(struct pg *pg, struct pg_copy *script);

/* Builders of array parameters in binary form; out holds the bytes, which param borrows. */
struct pg_array {
    struct buffer bytes;
    uint32_t element_type;
    uint32_t count;
};
struct pg_array pg_array_new(uint32_t element_type); /* PG_UUID, PG_TEXT, ... */
void pg_array_add_uuid(struct pg_array *array, struct uuid id);
void pg_array_add_text(struct pg_array *array, struct text text); /* start NULL: SQL null */
void pg_array_add_i64(struct pg_array *array, int64_t value);
void pg_array_add_i32(struct pg_array *array, int32_t value);
void pg_array_add_bool(struct pg_array *array, bool value);
void pg_array_add_bytes(struct pg_array *array, struct text bytes); /* bytea */
void pg_array_add_null(struct pg_array *array);
struct pg_param pg_array_param(struct pg_array *array); /* borrowed from array */
void pg_array_release(struct pg_array *array);

enum {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_FLOAT4 = 700,
    PG_TIMESTAMPTZ = 1184,
    PG_UUID = 2950
};

#endif
