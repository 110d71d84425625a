/* What lies in the bucket: texts that a seed makes again whenever they are asked for. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

static const char *const WORDS[] = {
    "river", "stone", "mill",  "wheel", "grain", "flour", "sack",  "miller", "water", "race",
    "gate",  "pond",  "dusty", "grind", "turns", "slow",  "heavy", "under",  "above", "the",
};

static uint64_t mixed(uint64_t seed)
{
    struct rng rng = rng_seeded(seed);
    return rng_next(&rng);
}

static void choose_size(struct world *world, struct version *version)
{
    uint64_t dice = world_below(world, 400);
    version->page_count = 1 + (uint32_t)world_below(world, dice < 300 ? 4 : dice < 390 ? 12 : 70);
    version->page_bytes = world_chance(world, 3) ? 0 : 100 + (uint32_t)world_below(world, 900);
    if (dice == 399)
        version->page_count = 2 + (uint32_t)world_below(world, 3);
    if (dice == 399 && world->chunking.tokens_target > 100)
        version->page_bytes = 250000 + (uint32_t)world_below(world, 400000);
    version->size_bytes = 1000 + world_below(world, 1000000);
}

static void choose_content(struct world *world, struct version *version)
{
    uint64_t dice = world_below(world, 20);
    version->content = dice == 0   ? CONTENT_NOT_PDF
                       : dice == 1 ? CONTENT_CRASHES
                       : dice == 2 ? CONTENT_REFUSED
                       : dice == 3 ? CONTENT_EMPTY
                                   : CONTENT_GOOD;
}

/* like: another version, of which some pages stay; -1: none. */
unsigned version_new(struct world *world, int like)
{
    assert(world->version_count < VERSIONS_MAX);
    struct version *version = &world->versions[world->version_count];
    *version = (struct version){0};
    choose_content(world, version);
    choose_size(world, version);
    for (uint32_t i = 0; i < version->page_count; i++)
        version->page_seeds[i] = rng_next(&world->rng);
    if (like >= 0) {
        const struct version *other = &world->versions[like];
        version->page_bytes = other->page_bytes;
        for (uint32_t i = 0; i < version->page_count && i < other->page_count; i++)
            if (world_chance(world, 70))
                version->page_seeds[i] = other->page_seeds[i];
    }
    (void)text_format(version->etag, sizeof(version->etag), "%016llx%u",
                      (unsigned long long)mixed(world->version_count), world->version_count);
    return world->version_count++;
}

char *version_page(const struct version *version, uint32_t number, struct page *ret_page)
{
    static const struct mark MARKS[] = {
        {.kind = MARK_HEADING, .level = 1, .byte_start = 0, .byte_end = 12},
        {.kind = MARK_PARAGRAPH, .byte_start = 12, .byte_end = 180}};
    struct rng rng = rng_seeded(version->page_seeds[number - 1]);
    size_t room = version->page_bytes + 32, at = 0, sentence = 0;
    char *text = xmalloc(room);
    while (at < version->page_bytes) {
        const char *word = WORDS[rng_below(&rng, COUNT_OF(WORDS))];
        size_t bytes = strlen(word);
        memcpy(text + at, word, bytes);
        at += bytes;
        bool is_end = ++sentence > 5 && rng_below(&rng, 6) == 0;
        if (is_end)
            text[at++] = '.';
        sentence = is_end ? 0 : sentence;
        text[at++] = ' ';
    }
    bool has_marks = at > MARKS[1].byte_end;
    *ret_page = (struct page){.number = number,
                              .text = {text, at},
                              .marks = MARKS,
                              .mark_count = has_marks ? COUNT_OF(MARKS) : 0};
    return text;
}

static void draw_all(struct version *version, struct chunker *chunker)
{
    struct arena arena = arena_new(SIZE_MAX / 2);
    struct chunk chunk = {0};
    struct error err = {0};
    while (chunker_next(chunker, &arena, &chunk, &err)) {
        chunk_seal(&chunk);
        version->hashes =
            xrealloc(version->hashes, version->chunk_count + 1, sizeof(*version->hashes));
        memcpy(version->hashes[version->chunk_count++], chunk.hash, SHA256_BYTES);
        arena_release(&arena);
    }
    arena_release(&arena);
}

/* The chunks of the whole text, told page by page: streaming must not change them. */
void version_expect(struct world *world, struct version *version)
{
    if (version->hashes)
        return;
    struct chunker *chunker = chunker_new(world->chunking, TEXT("A title"));
    struct error err;
    for (uint32_t number = 1; number <= version->page_count; number++) {
        struct page page;
        char *text = version_page(version, number, &page);
        for (size_t at = 0; at < page.text.bytes;) {
            if (!chunker_add_part(chunker, &page, &at, &err) && err.code != ERR_TEXT_MAX)
                world_fail(world, "the chunker refuses a page: %s", err.message);
            draw_all(version, chunker);
        }
        xfree(text);
    }
    if (!chunker_add(chunker, NULL, &err))
        world_fail(world, "the chunker refuses the end: %s", err.message);
    draw_all(version, chunker);
    chunker_free(chunker);
}

struct version *version_find(struct world *world, const char *etag)
{
    for (unsigned i = 0; i < world->version_count; i++)
        if (strcmp(world->versions[i].etag, etag) == 0)
            return &world->versions[i];
    return NULL;
}

struct version *place_version(struct world *world, const struct place *place)
{
    if (!place->history_count)
        return NULL;
    int number = place->history[place->history_count - 1].version;
    return number < 0 ? NULL : &world->versions[number];
}

void vector_of_hash(const uint8_t hash[SHA256_BYTES], float ret_vector[SIM_DIMENSIONS])
{
    for (unsigned i = 0; i < SIM_DIMENSIONS; i++) {
        uint32_t word;
        memcpy(&word, hash + i * sizeof(word), sizeof(word));
        ret_vector[i] = (float)(word >> 8) / 16777216.0f + 0.001f;
    }
}
