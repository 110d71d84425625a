/*
 * pg_calls.h - a connection to the cluster of the test program, and statements as calls that wait
 *              for their answer.
 */
#ifndef TESTS_CONTRACT_PG_CALLS_H
#define TESTS_CONTRACT_PG_CALLS_H

#include "store/pg.h"
#include "tests/contract/pg_cluster.h"

#define WAIT_MS_MAX 20000

struct fixture {
    struct loop *loop;
    struct pg *pg;
};

struct call {
    struct pg_request request;
    struct pg_statement statement;
    struct pg_param params[4];
    bool is_done, has_failed;
    struct error err;
    size_t row_count;
    char value[64]; /* first row, first column */
    struct pg *pg;
    struct call *next; /* run from inside on_done */
};

extern struct pg_cluster *cluster;

int pg_calls_set_up(void **state);
int pg_calls_tear_down(void **state);
struct pg *pg_calls_open(struct loop *loop, struct text url);
void call_init(struct call *call, const char *sql);
void wait_for_call(struct fixture *fixture, const struct call *call);
void run_call(struct fixture *fixture, struct call *call, const char *sql);

#endif
