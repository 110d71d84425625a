/*
 * pg_again.h - one transaction, asked again with the same parameters until the server answers it.
 *
 * For what people do to jobs and dead letters: a server that is away for a moment is waited for.
 * Owns:   its arrays; freed after on_answer. Borrows the statements' texts.
 * Thread: the loop thread.
 */
#ifndef STORE_PG_AGAIN_H
#define STORE_PG_AGAIN_H

#include "store/pg.h"

#define PG_AGAIN_PARAMS_MAX 13
#define PG_AGAIN_STATEMENTS_MAX 2

struct pg_again {
    struct pg *pg;
    struct loop *loop;
    void *owner;          /* the request */
    uint64_t deadline_ms; /* of asking again */
    /* Once; result: valid for the call. */
    void (*on_answer)(struct pg_again *again, const struct pg_result *result,
                      const struct error *err);
    struct pg_array arrays[7];
    struct pg_param params[PG_AGAIN_PARAMS_MAX];
    char numbers[6][24]; /* that params may point to */
    struct pg_statement statements[PG_AGAIN_STATEMENTS_MAX];
    struct pg_request request; /* private from here */
    struct timer retry;
    uint64_t start_ms;
};

struct pg_again *pg_again_new(struct pg *pg, struct loop *loop, void *owner);
/* A statement with the first so many parameters; the last one's rows are the answer. */
void pg_again_add(struct pg_again *again, const char *sql, int param_count);
void pg_again_start(struct pg_again *again);

struct pg_param pg_param_uuid(const struct uuid *id);
struct pg_param pg_param_text(struct text text); /* start NULL: SQL null */
/* Written into numbers[slot]. */
struct pg_param pg_param_number(struct pg_again *again, size_t slot, uint64_t number);

#endif
