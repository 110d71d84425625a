/*
 * objects_bench.h - objects of a tenant over a directory or a real S3 server, and calls to them: what
 * the suites of object.h share.
 *
 * The server is the one that TEST_S3_ENDPOINT, _KEY, _SECRET and _BUCKET name (tests/services/serve.py
 * minio). bench_setup() and bench_teardown() are cmocka's; one bench at a time.
 */
#ifndef TESTS_CONTRACT_OBJECTS_BENCH_H
#define TESTS_CONTRACT_OBJECTS_BENCH_H

#include "queue/object.h"
#include "tests/unit/test.h"

#define MANY 1050 /* more than a page of a list */

struct call {
    struct object_request request;
    struct error err;
    bool is_done, has_failed;
    size_t entry_count, page_count, pages_max;
    bool has_seen[MANY];
    char last_key[256];
};

struct bench {
    bool is_s3; /* set before the set-up */
    char root[64];
    char endpoint[128], bucket[64];
    struct loop *loop;
    struct objects *objects;
    struct tenant tenant;
    bool is_closed;
};
extern struct bench bench;

struct objects_options bench_options(void);
const char *bench_env(const char *name);              /* the credentials among them */
void bench_open(const struct objects_options *given); /* fails the test when it cannot */
void bench_close(void);
void bench_on_closed(void *arg); /* a bool, which becomes true */
int bench_setup(void **state);   /* opens with bench_options(), for a tenant of its own */
int bench_teardown(void **state);

/* The key of a name below the tenant's prefix; a few may be in use at a time. */
struct text key_of(const char *name);
void call_send(struct call *call, enum object_verb verb, struct text key);
void call_on_done(struct object_request *request, const struct error *err);
void call_wait(struct call *call);
void call_run(struct call *call, enum object_verb verb, struct text key); /* both */
int file_with(const char *content, size_t bytes);                         /* the caller's */
void put_object(struct text key, const char *content, char ret_etag[ETAG_BYTES_MAX]); /* or NULL */
void assert_ok(const struct call *call);
void assert_failed(const struct call *call, enum error_code code);
void assert_body(const struct call *call, const char *expected);

/* The tests that hold for both, under a name; returns how many failed. */
int objects_suite(const char *name);

#endif
