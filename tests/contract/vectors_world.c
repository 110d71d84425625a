#include "tests/contract/vectors_world.h"

#include "worker/base/memory.h"
#include "worker/base/rng.h"

#define WAIT_MS_MAX 20000

static uint64_t seed_of(const struct sample *sample)
{
    uint64_t seed;
    memcpy(&seed, sample->document.id.bytes, sizeof(seed));
    return seed;
}

static void fill_vectors(struct sample *sample)
{
    struct rng rng = rng_seeded(seed_of(sample));
    size_t count = sample->chunk_count * sample->dimension_count;
    sample->vectors = xmalloc(count * sizeof(*sample->vectors));
    sample->rows = xcalloc(count, sizeof(*sample->rows));
    for (size_t i = 0; i < count; i++)
        sample->vectors[i] = (float)(rng_unit(&rng) - 0.5);
}

struct sample *sample_new(char user, const char *key, size_t chunk_count, uint32_t dimension_count)
{
    assert_in_range(chunk_count, 1, CHUNKS_MAX);
    struct sample *sample = xcalloc(1, sizeof(*sample));
    struct uuid user_id;
    char id[] = "00000000-0000-4000-8000-000000000000";
    id[35] = user;
    assert_true(uuid_parse(text_from(id), &user_id));
    sample->tenant = tenant_from_user_id(user_id);
    sample->document = document_of(text_from(sample->tenant.prefix), text_from(key));
    sample->gen = 0x7fffffffffffff00 + (uint64_t)user;
    sample->chunk_count = chunk_count;
    sample->dimension_count = dimension_count;
    fill_vectors(sample);
    for (uint32_t i = 0; i < chunk_count; i++) {
        struct chunk *chunk = &sample->chunks[i];
        (void)text_format(sample->texts[i], sizeof(sample->texts[i]), "%s, chunk %u", key, i);
        *chunk = (struct chunk){.no = i,
                                .page_first = i + 1,
                                .page_last = i + 2,
                                .content = text_from(sample->texts[i]),
                                .vector = sample->vectors + (size_t)i * dimension_count};
        sha256_of(chunk->content, chunk->hash);
        sample->pointers[i] = sample->fetched[i] = chunk;
        sample->known_no[i] = i;
    }
    return sample;
}

void sample_free(struct sample *sample)
{
    xfree(sample->vectors);
    xfree(sample->rows);
    xfree(sample);
}

void sample_forget_vectors(struct sample *sample)
{
    for (size_t i = 0; i < sample->chunk_count; i++)
        sample->chunks[i].vector = NULL;
}

static void on_done(struct vectors_request *request, const struct error *err)
{
    struct ask *ask = container_of(request, struct ask, request);
    assert_false(ask->is_done);
    ask->is_done = true;
    ask->has_failed = err != NULL;
    if (err)
        ask->err = *err;
}

void ask_init(struct ask *ask, const struct sample *sample)
{
    *ask = (struct ask){.sends_left = UINT32_MAX};
    ask->request = (struct vectors_request){
        .tenant = &sample->tenant,
        .document = &sample->document,
        .gen = sample->gen,
        .chunks = sample->pointers,
        .fetched = sample->fetched,
        .chunk_count = sample->chunk_count,
        .known_no = sample->known_no,
        .vectors = sample->rows,
        .no_end = (uint32_t)sample->chunk_count,
        .query = sample->vectors,
        .match_max = 3,
        .matches = ask->matches,
        .on_done = on_done,
    };
}

static bool may_send(struct vectors_request *request)
{
    struct ask *ask = container_of(request, struct ask, request);
    if (ask->sends_left == 0)
        return false;
    ask->sends_left--;
    return true;
}

void ask_limit_sends(struct ask *ask, unsigned sends)
{
    ask->sends_left = sends;
    ask->request.may_send = may_send;
}

void ask_wait(struct loop *loop, struct ask *ask)
{
    uint64_t start_ms = loop_now_ms(loop);
    assert_false(ask->is_done); /* never from inside the call */
    while (!ask->is_done && loop_now_ms(loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(loop, 100);
    assert_true(ask->is_done);
}

void assert_answered(const struct ask *ask)
{
    if (ask->has_failed)
        fail_msg("%s: %s", error_name(ask->err.code), ask->err.message);
}

void assert_failed(const struct ask *ask, enum error_code code)
{
    assert_true(ask->has_failed);
    assert_string_equal(error_name(ask->err.code), error_name(code));
}
