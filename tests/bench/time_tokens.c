/*
 * How fast tokens are counted, in megabytes of text a second of CPU time, a line of JSON each:
 * time_tokens FILE... for the files; without any for the runs that are hard on an encoder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunker/tokens.h"
#include "tests/bench/cpu.h"
#include "tests/whole_file.h"
#include "worker/base/memory.h"
#include "worker/base/rng.h"

enum { RUN_BYTES = 1 << 20 };
static const double SECONDS_MIN = 1; /* as long as tokens_peer.py lets the others try */

typedef size_t measured(struct text text, uint32_t *ids);

static size_t count(struct text text, uint32_t *ids)
{
    (void)ids;
    return tokens_count(text);
}

static size_t encode(struct text text, uint32_t *ids)
{
    return tokens_encode(text, ids, text.bytes);
}

/* The best of as many rounds as there is time for: what disturbs only slows down. */
static double best_seconds(measured *run, struct text text, uint32_t *ids)
{
    double best = 1e9, start = cpu_seconds();
    for (unsigned round = 0; round < 3 || cpu_seconds() - start < SECONDS_MIN; round++) {
        double before = cpu_seconds();
        (void)run(text, ids);
        double seconds = cpu_seconds() - before;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void measure_file(const char *path)
{
    AUTO_BUFFER struct buffer content = buffer_new((size_t)1 << 30);
    if (!whole_file_read(path, &content)) {
        perror(path);
        exit(1);
    }
    struct text text = buffer_text(&content);
    uint32_t *ids = xmalloc((text.bytes + 1) * sizeof(*ids));
    double megabytes = (double)text.bytes / 1e6;
    printf("{\"file\": \"%s\", \"bytes\": %zu, \"tokens\": %zu, ", path, text.bytes,
           tokens_count(text));
    printf("\"count_mb_s\": %.1f, ", megabytes / best_seconds(count, text, ids));
    printf("\"encode_mb_s\": %.1f}\n", megabytes / best_seconds(encode, text, ids));
    fflush(stdout);
    xfree(ids);
}

/* ---- runs ------------------------------------------------------------------------------------ */

struct run {
    const char *name;
    const char *alphabet; /* one character after the other, or in any order */
    bool is_random;
};

static const struct run RUNS[] = {
    {"one letter", "a", false},
    {"random letters", "abcdefghijklmnopqrstuvwxyz", true},
    {"dashes", "-", false},
    {"underscores", "_", false},
    {"spaces", " ", false},
    {"one Han character", "\xE4\xB8\x80", false},
    {"random Han", "\xE4\xB8\x80\xE6\x9C\x88\xE6\x97\xA5\xE5\xB1\xB1\xE6\xB0\xB4\xE4\xBA\xBA",
     true},
    {"one emoji", "\xF0\x9F\x98\x80", false},
    {"ACGT", "ACGT", true},
};

static size_t character_bytes(const char *at)
{
    return text_utf8_sequence(text_from(at));
}

static struct text make_run(const struct run *run, size_t bytes)
{
    char *data = xmalloc(bytes + 4);
    struct rng rng = rng_seeded(1);
    size_t used = 0, width = character_bytes(run->alphabet);
    uint64_t characters = strlen(run->alphabet) / width;
    for (; used < bytes; used += width) {
        uint64_t at = run->is_random ? rng_below(&rng, characters) : used / width % characters;
        memcpy(data + used, run->alphabet + at * width, width);
    }
    return (struct text){data, used};
}

static void measure_run(const struct run *run)
{
    double seconds[2] = {0};
    for (size_t i = 0; i < COUNT_OF(seconds); i++) {
        struct text text = make_run(run, i == 0 ? RUN_BYTES : 4 * RUN_BYTES);
        seconds[i] = best_seconds(count, text, NULL);
        xfree((char *)text.start);
    }
    printf("{\"run\": \"%s\", \"count_mb_s\": %.1f, \"time_of_4_by_1_mb\": %.2f}\n", run->name,
           RUN_BYTES / 1e6 * 4 / seconds[1], seconds[1] / seconds[0]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        measure_file(argv[i]);
    for (size_t i = 0; argc == 1 && i < COUNT_OF(RUNS); i++)
        measure_run(&RUNS[i]);
    return 0;
}
