/*
 * fake_server.h - our strict fakes of the embeddings endpoint and of Pinecone
 *                 (tests/fakes/server.py) for one test program: on a free loopback port, gone when
 *                 the program ends.
 */
#ifndef TESTS_CONTRACT_FAKE_SERVER_H
#define TESTS_CONTRACT_FAKE_SERVER_H

#include "tests/unit/test.h"

struct fake_server;

/* Prints SKIPPED and exits 77 where there is no Python. */
struct fake_server *fake_server_start(unsigned dimension_count);
void fake_server_stop(struct fake_server *server);
const char *fake_server_url(const struct fake_server *server); /* http://127.0.0.1:port */
void fake_server_reset(struct fake_server *server);            /* forgets vectors, counts, faults */
void fake_server_set_faults(struct fake_server *server, const char *json);
/* The JSON of /_state?brief: violations, stats, peaks; until the next call. */
struct text fake_server_state(struct fake_server *server);

#endif
