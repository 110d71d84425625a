/*
 * content.h - what lies in the simulated bucket: texts that a seed makes again.
 *
 * Owns: nothing but the hashes a version must give, which the world releases.
 */
#ifndef TESTS_SIM_CONTENT_H
#define TESTS_SIM_CONTENT_H

#include "worker/model/chunk.h"

#define SIM_DIMENSIONS 4
#define PAGES_MAX 80

struct world;
struct place;

enum content { CONTENT_GOOD, CONTENT_NOT_PDF, CONTENT_CRASHES, CONTENT_REFUSED, CONTENT_EMPTY };

struct version { /* bytes that were in the bucket once */
    char etag[40];
    enum content content;
    uint64_t page_seeds[PAGES_MAX];
    uint32_t page_count;
    uint32_t page_bytes;
    uint64_t size_bytes;
    uint8_t (*hashes)[SHA256_BYTES]; /* of the chunks it must give; NULL: not asked yet */
    uint32_t chunk_count;
};

unsigned version_new(struct world *world, int like);
/* A page and its text, which is the caller's to xfree(). */
char *version_page(const struct version *version, uint32_t number, struct page *ret_page);
void version_expect(struct world *world, struct version *version);
struct version *version_find(struct world *world, const char *etag);
void vector_of_hash(const uint8_t hash[SHA256_BYTES], float ret_vector[SIM_DIMENSIONS]);
struct version *place_version(struct world *world, const struct place *place); /* NULL: none */

#endif
