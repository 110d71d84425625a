/*
 * raw_server.h - a loopback HTTP server of a few lines, for tests of the client.
 *
 * It answers by path, keeps connections, and returns the request's own bytes, so that a test sees
 * what went over the wire. One thread for each connection.
 */
#ifndef TESTS_UNIT_RAW_SERVER_H
#define TESTS_UNIT_RAW_SERVER_H

#include <stddef.h>
#include <stdint.h>

/*   .../echo...      200, the body is the request's head
 *   .../count        200, the body is the number of the body's bytes
 *   .../status/NNN   that status, `Retry-After: 7`, body "status"
 *   .../big          200, 1 MiB of x
 *   .../endless      200, chunked without end
 *   .../interim      103 first, then 200
 *   .../redirect     302 to /echo
 *   .../hang         reads the request, says nothing
 *   .../half         half of the announced body, then nothing
 *   .../trickle      ten bytes a second of an announced megabyte
 *   .../close        reads the request, closes
 *   .../headers      200 with headers beyond every measure
 *   .../garbage      is no HTTP
 */
struct raw_server;
struct raw_server *raw_server_start(void);
uint16_t raw_server_port(const struct raw_server *server);
unsigned raw_server_connections(struct raw_server *server); /* accepted so far */
void raw_server_stop(struct raw_server *server);            /* waits for its threads */

#endif
