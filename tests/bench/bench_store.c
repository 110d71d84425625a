/* From a reply of the embedding endpoint to the body of an upsert: ours, and the same with jansson
 * (a tree each way, 9 digits), in the same run. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "embed/codec.h"
#include "store/pinecone_codec.h"
#include "worker/base/crypto.h"
#include "worker/base/memory.h"
#include "worker/base/rng.h"

enum { WIDTH = 3072, VECTORS = 32, ROUNDS = 60, JANSSON_ROUNDS = 6, TEXT_BYTES = 1200 };

static float values[VECTORS][WIDTH], rows[VECTORS][WIDTH];
static char texts[VECTORS][TEXT_BYTES + 1];
static struct buffer base64_reply, floats_reply, body;

/* Processor time: what others do at the same time shall not count. */
static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void stop(const char *what)
{
    fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

static void write_replies(void)
{
    static char encoded[WIDTH * 6];
    base64_reply = buffer_new(SIZE_MAX / 2);
    floats_reply = buffer_new(SIZE_MAX / 2);
    for (int i = 0; i < VECTORS; i++) {
        struct text bytes = {(const char *)values[i], sizeof(values[i])};
        base64_encode(bytes, encoded);
        buffer_format(&base64_reply, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":\"",
                      i ? "," : "{\"data\":[", i);
        buffer_append(&base64_reply, encoded, (sizeof(values[i]) + 2) / 3 * 4);
        buffer_append_text(&base64_reply, TEXT("\"}"));
        buffer_format(&floats_reply, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":",
                      i ? "," : "{\"data\":[", i);
        for (int at = 0; at < WIDTH; at++)
            buffer_format(&floats_reply, "%c%.9g", at ? ',' : '[', (double)values[i][at]);
        buffer_append_text(&floats_reply, TEXT("]}"));
    }
    buffer_append_text(&base64_reply, TEXT("],\"usage\":{\"total_tokens\":9}}"));
    buffer_append_text(&floats_reply, TEXT("],\"usage\":{\"total_tokens\":9}}"));
}

static void run_ours(struct text reply, struct vectors_request *request)
{
    enum codec_row states[VECTORS];
    struct codec_rows out = {rows[0], states, VECTORS, WIDTH};
    struct codec_reply told;
    struct error err;
    if (!codec_read(reply, &out, &told, &err))
        stop(err.message);
    buffer_clear(&body);
    if (pinecone_write_upsert(&body, request, WIDTH, 0) != VECTORS)
        stop("a body did not take them all");
}

static void run_jansson(struct text reply)
{
    json_t *root = json_loadb(reply.start, reply.bytes, 0, NULL), *vectors = json_array();
    const json_t *data = json_object_get(root, "data");
    char id[VECTOR_ID_BYTES_MAX];
    for (size_t i = 0; i < json_array_size(data); i++) {
        json_t *vector = json_object(), *metadata = json_object();
        (void)text_format(id, sizeof(id), "a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11#7b#%zu", i);
        json_object_set_new(vector, "id", json_string(id));
        json_object_set(vector, "values", json_object_get(json_array_get(data, i), "embedding"));
        json_object_set_new(metadata, "text", json_string(texts[i]));
        json_object_set_new(vector, "metadata", metadata);
        json_array_append_new(vectors, vector);
    }
    json_t *request = json_object();
    json_object_set_new(request, "vectors", vectors);
    char *text = json_dumps(request, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!text)
        stop("jansson wrote nothing");
    free(text);
    json_decref(request);
    json_decref(root);
}

static double measure_ours(const char *name, struct text reply, struct vectors_request *request)
{
    double start = now_ms();
    for (int round = 0; round < ROUNDS; round++)
        run_ours(reply, request);
    double ms = (now_ms() - start) / ROUNDS / VECTORS;
    printf("%-34s %7.4f ms per vector of %d\n", name, ms, WIDTH);
    return ms;
}

static double measure_jansson(void)
{
    double start = now_ms();
    for (int round = 0; round < JANSSON_ROUNDS; round++)
        run_jansson(buffer_text(&floats_reply));
    double ms = (now_ms() - start) / JANSSON_ROUNDS / VECTORS;
    printf("%-34s %7.4f ms per vector of %d\n", "jansson, numbers", ms, WIDTH);
    return ms;
}

int main(void)
{
    static struct chunk chunks[VECTORS];
    static const struct chunk *pointers[VECTORS];
    struct rng rng = rng_seeded(1);
    for (uint32_t i = 0; i < VECTORS; i++) {
        for (int at = 0; at < WIDTH; at++) { /* Box-Muller: what an embedding looks like */
            double radius = sqrt(-2 * log(1 - rng_unit(&rng)));
            values[i][at] = (float)(radius * cos(6.283185307179586 * rng_unit(&rng)) / sqrt(WIDTH));
        }
        memset(texts[i], 'a' + (int)(i % 26), TEXT_BYTES);
        chunks[i] = (struct chunk){.no = i, .content = text_from(texts[i]), .vector = rows[i]};
        pointers[i] = &chunks[i];
    }
    struct document document = document_of(TEXT("docs"), TEXT("users/x/a.pdf"));
    struct tenant tenant = tenant_from_user_id(document.id);
    struct vectors_request request = {.tenant = &tenant,
                                      .document = &document,
                                      .gen = 123,
                                      .chunks = pointers,
                                      .chunk_count = VECTORS};
    body = buffer_new(SIZE_MAX / 2);
    write_replies();
    double theirs = measure_jansson();
    double ours = measure_ours("base64 reply to upsert body", buffer_text(&base64_reply), &request);
    if (memcmp(rows, values, sizeof(rows)) != 0)
        stop("the vectors that came are not those that were sent");
    measure_ours("numbers in the reply to upsert body", buffer_text(&floats_reply), &request);
    printf("%.1f times as fast as jansson; goal 0.0600 ms: %s\n", theirs / ours,
           ours <= 0.06 ? "held" : "MISSED");
    buffer_release(&body);
    buffer_release(&base64_reply);
    buffer_release(&floats_reply);
    return ours > 0.06;
}
