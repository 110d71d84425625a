/*
 * lossy_wire.h - a wire to PostgreSQL that can lose the reply of a COMMIT: the server has committed,
 *                and the connection ends before the client hears of it.
 *
 * Runs in a thread of its own; all functions are for the test's thread.
 */
#ifndef TESTS_CONTRACT_LOSSY_WIRE_H
#define TESTS_CONTRACT_LOSSY_WIRE_H

#include "tests/unit/test.h"

struct lossy_wire;

struct lossy_wire *lossy_wire_start(int server_port); /* on 127.0.0.1 */
int lossy_wire_port(const struct lossy_wire *wire);
/* From now on no reply passes; when the server has ended a transaction, its connection ends, too,
 * and the wire is sound again. */
void lossy_wire_lose_next(struct lossy_wire *wire);
unsigned lossy_wire_lost_count(struct lossy_wire *wire);
void lossy_wire_stop(struct lossy_wire *wire); /* its clients are gone */

#endif
