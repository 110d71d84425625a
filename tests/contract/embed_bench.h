/*
 * embed_bench.h - an embed over an embed_server, and calls to it: what the suites of embed.h share.
 *
 * bench_open_*() are cmocka set-ups, bench_close() their tear-down; one bench at a time.
 */
#ifndef TESTS_CONTRACT_EMBED_BENCH_H
#define TESTS_CONTRACT_EMBED_BENCH_H

#include "embed/embed.h"
#include "tests/contract/embed_server.h"
#include "tests/unit/test.h"

#define CHUNKS_MAX 64
#define CALLS_MAX 16

struct call {
    struct embed_request request;
    struct tenant tenant;
    struct chunk chunks[CHUNKS_MAX];
    struct chunk *pointers[CHUNKS_MAX];
    char texts[CHUNKS_MAX][32];
    float vectors[CHUNKS_MAX * SERVER_WIDTH];
    struct error err;
    bool is_done, has_failed;
};

struct bench {
    struct loop *loop;
    struct embed *embed;
    struct embed_server *server;
    struct call calls[CALLS_MAX];
    size_t undone;
    const char *guilty_word;     /* in the text of a guilty chunk: "POISON" */
    size_t long_chunk;           /* has a token more than the model takes; SIZE_MAX: none */
    const struct tenant *tenant; /* of calls from now on; NULL: each has its own */
};
extern struct bench bench;

/* What bench_open() opens; a test may change it and open by itself. */
struct embed_options bench_options(enum embed_engine engine);
/* base_url of options: TEXT_NONE for the server's. */
void bench_open(const struct embed_options *options);
void bench_open_at(const struct embed_options *options, const char *path); /* of the server */
int bench_open_endpoint(void **state); /* 8 calls at once, of 256 inputs */
int bench_open_narrow(void **state);   /* one at a time, of 16 */
int bench_open_local(void **state);
int bench_close(void **state);

/* In which the tenant of call `at` has nothing left; budget_free() it. */
struct budget *bench_poor(size_t at);
void bench_script(const enum deed *deeds, size_t count);
#define SCRIPT(...)                                     \
    do {                                                \
        static const enum deed deeds[] = {__VA_ARGS__}; \
        bench_script(deeds, COUNT_OF(deeds));           \
    } while (0)

/* guilty: a chunk with a text the server refuses; SIZE_MAX: none. timeout_ms 0: none. */
struct call *bench_submit(size_t at, size_t chunk_count, size_t guilty, uint64_t timeout_ms);
void bench_wait_all(void);
void assert_vectors(const struct call *call);
void assert_failed(const struct call *call, enum error_code code);

#endif
