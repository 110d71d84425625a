/*
 * vectors_world.h - a vector store and some documents with vectors, for the suites of vectors.h.
 */
#ifndef TESTS_CONTRACT_VECTORS_WORLD_H
#define TESTS_CONTRACT_VECTORS_WORLD_H

#include "store/vectors.h"
#include "tests/unit/test.h"

#define DIMENSION 64
#define CHUNKS_MAX 300

/* A document of a tenant with a text and a vector per chunk. */
struct sample {
    struct tenant tenant;
    struct document document;
    uint64_t gen;
    uint32_t dimension_count;
    size_t chunk_count;
    struct chunk chunks[CHUNKS_MAX];
    const struct chunk *pointers[CHUNKS_MAX];
    struct chunk *fetched[CHUNKS_MAX];
    int64_t known_no[CHUNKS_MAX];
    char texts[CHUNKS_MAX][32];
    float *vectors;
    float *rows; /* for a fetch */
};

/* user: one hex digit; key: part of the document's identity and of its vectors' seed. */
struct sample *sample_new(char user, const char *key, size_t chunk_count, uint32_t dimension_count);
void sample_free(struct sample *sample);
void sample_forget_vectors(struct sample *sample); /* as before a fetch */

/* A request with its answer. */
struct ask {
    struct vectors_request request;
    struct vectors_match matches[VECTORS_MATCH_MAX];
    bool is_done, has_failed;
    struct error err;
    unsigned sends_left; /* may_send says yes so often */
};
void ask_init(struct ask *ask, const struct sample *sample);
void ask_wait(struct loop *loop, struct ask *ask); /* fails after 20 s */
void ask_limit_sends(struct ask *ask, unsigned sends);
void assert_answered(const struct ask *ask); /* without an error */
void assert_failed(const struct ask *ask, enum error_code code);

#endif
