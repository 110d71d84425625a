/*
 * query.h - one read-only statement of six parameters whose rows go to a callback: what report.c
 *           and inspect.c share.
 *
 * Owns:   itself, from query_new() to the callback.
 * Thread: the loop thread.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "store/pg.h"

#define QUERY_PARAMS 6
#define QUERY_NUMBERS_MAX 4

struct query {
    struct pg_param params[QUERY_PARAMS]; /* the caller's to fill; all have a type */
    struct pg_array array;                /* for one of them, empty at first */
    void *owner;                          /* private from here */
    void (*on_rows)(void *owner, const struct pg_result *rows, const struct error *err);
    struct loop *loop;
    char numbers[QUERY_NUMBERS_MAX][24];
    size_t number_count;
    struct pg_statement statement;
    struct pg_request request;
};

/* on_rows: once, never from inside query_run(); rows are valid for the call. */
struct query *query_new(struct loop *loop, uint32_t element_type, void *owner,
                        void (*on_rows)(void *owner, const struct pg_result *rows,
                                        const struct error *err));
struct pg_param query_number(struct query *query, uint64_t value);
struct pg_param query_text(struct text text);                        /* borrowed; empty: null */
void query_run(struct pg *pg, struct query *query, const char *sql); /* a literal */

#endif
