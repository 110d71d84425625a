/*
 * http_bench.h - a client, a raw server and a few calls, for the tests of the HTTP client.
 */
#ifndef TESTS_UNIT_HTTP_BENCH_H
#define TESTS_UNIT_HTTP_BENCH_H

#include "tests/unit/raw_server.h"
#include "tests/unit/test.h"
#include "worker/base/http.h"

#define CALLS_MAX 8

struct call {
    struct http_request request;
    char url[256];
    struct error err;
    bool is_done, has_failed;
    unsigned order; /* 1: the first that was answered */
    size_t pieces_max, piece_count;
    void (*then)(struct call *call);
};

struct http_bench {
    struct loop *loop;
    struct raw_server *server;
    struct http *http;
    struct call calls[CALLS_MAX];
    unsigned answered;
    bool is_closed;
};
extern struct http_bench bench;

int bench_setup(void **state); /* a loop and a server; the client is opened by the test */
int bench_teardown(void **state);
void bench_on_closed(void *arg);
void open_client(uint32_t connections_max, uint64_t stall_timeout_ms);
struct call *call_to(size_t which, uint16_t port, const char *path);
struct call *call_of(size_t which, const char *path); /* to the bench's server */
void send_call(struct call *call);
void wait_for(struct call *call);
struct call *run(struct call *call);
const char *reply_of(struct call *call); /* fails the test when the call has failed */

#define assert_contains(string, part)                    \
    do {                                                 \
        if (!strstr(string, part))                       \
            fail_msg("no \"%s\" in:\n%s", part, string); \
    } while (0)
#define assert_lacks(string, part)                    \
    do {                                              \
        if (strcasestr(string, part))                 \
            fail_msg("\"%s\" in:\n%s", part, string); \
    } while (0)

#endif
