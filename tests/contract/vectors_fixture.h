/*
 * vectors_fixture.h - the store that a suite of vectors.h runs against: our fake of Pinecone, or a real
 * PostgreSQL in each of its ways.
 *
 * fixture_setup() and fixture_teardown() are cmocka's; the state is a struct fixture.
 */
#ifndef TESTS_CONTRACT_VECTORS_FIXTURE_H
#define TESTS_CONTRACT_VECTORS_FIXTURE_H

#include "store/ledger.h"
#include "tests/contract/vectors_world.h"

enum fixture_kind {
    OVER_PINECONE,
    OVER_USER_SCHEMAS,
    OVER_SHARED_TABLE,
    OVER_HALFVEC, /* in a database that TEST_DATABASE_URL names */
    OVER_SHARED_HALFVEC
};

struct fixture {
    struct loop *loop;
    struct pg *pg;
    struct ledger *ledger; /* of PostgreSQL */
    struct vectors *vectors;
    bool is_closed;
};

/* Of the set-ups to come. */
extern enum fixture_kind fixture_kind;
extern bool fixture_is_indexed;   /* of halfvec: every table gets its index, and it is used */
extern bool fixture_is_of_before; /* likewise: rows are staged as real[], as workers of before do */

void fixture_start_servers(void); /* before the first, but for halfvec */
void fixture_stop_servers(void);
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The rows, where there are any, and the vectors; of halfvec they are rounded to it. */
void fixture_store(struct fixture *fixture, struct sample *sample);

#endif
