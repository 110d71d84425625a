/* Closing a connection and waiting for it: a loop must not be freed before. */
#ifndef TESTS_CONTRACT_PG_CLOSING_H
#define TESTS_CONTRACT_PG_CLOSING_H

#include "store/pg.h"

static inline void pg_on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* NULL is allowed. */
static inline void pg_close_and_wait(struct loop *loop, struct pg *pg)
{
    bool is_closed = pg == NULL;
    pg_close(pg, pg_on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 100);
}

#endif
