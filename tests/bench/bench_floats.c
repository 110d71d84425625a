/* Nanoseconds per float32 of our writer and reader, beside the C library's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/floats.h"
#include "worker/base/rng.h"

enum { FLOATS = 3072, ROUNDS = 300 };

static char texts[FLOATS][32];
static float values[FLOATS];
static double sink;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static size_t write_ours(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < FLOATS; i++) {
        size_t text_bytes = float_format(values[i], texts[i]);
        texts[i][text_bytes] = '\0';
        bytes += text_bytes;
    }
    return bytes;
}

static size_t write_theirs(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < FLOATS; i++)
        bytes += (size_t)snprintf(texts[i], sizeof(texts[i]), "%.9g", (double)values[i]);
    return bytes;
}

static size_t read_ours(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < FLOATS; i++) {
        size_t used = 0;
        float value = 0;
        (void)!float_parse((struct text){texts[i], sizeof(texts[i])}, &used, &value);
        bytes += used;
        sink += (double)value;
    }
    return bytes;
}

static size_t read_theirs(void)
{
    for (size_t i = 0; i < FLOATS; i++)
        sink += (double)strtof(texts[i], NULL);
    return 0;
}

static double measure(const char *name, size_t (*run)(void))
{
    size_t bytes = 0;
    double start = now_ns();
    for (int round = 0; round < ROUNDS; round++)
        bytes = run();
    double ns = (now_ns() - start) / ((double)FLOATS * (double)ROUNDS);
    printf("%-22s %7.1f ns/float %6zu bytes/vector\n", name, ns, bytes);
    return ns;
}

int main(void)
{
    struct rng rng = rng_seeded(1);
    for (size_t i = 0; i < FLOATS; i++) { /* Box-Muller: what an embedding looks like */
        double radius = sqrt(-2 * log(1 - rng_unit(&rng)));
        values[i] = (float)(radius * cos(6.283185307179586 * rng_unit(&rng)) / sqrt(FLOATS));
    }
    double theirs = measure("snprintf %.9g", write_theirs);
    double read_them = measure("strtof", read_theirs);
    double ours = measure("float_format", write_ours);
    double read_us = measure("float_parse", read_ours);
    printf("writes %.1f x, reads %.1f x as fast as the C library\n", theirs / ours,
           read_them / read_us);
    return sink == 42;
}
