/* vectors.h: one suite against every driver. Pinecone is our strict fake, PostgreSQL a real one,
 * with a schema per tenant and with one shared table. */
#include <math.h>

#include "tests/contract/vectors_fixture.h"

static void query(struct fixture *fixture, struct ask *ask)
{
    vectors_query(fixture->vectors, &ask->request);
    ask_wait(fixture->loop, ask);
}

static void test_vectors__a_query_finds_the_nearest_chunk_first(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 20, DIMENSION);
    fixture_store(fixture, sample);

    struct ask ask;
    ask_init(&ask, sample);
    ask.request.query = sample->chunks[7].vector;
    query(fixture, &ask);

    assert_answered(&ask);
    assert_int_equal(ask.request.match_count, 3);
    const struct vectors_match *best = &ask.matches[0];
    assert_true(uuid_equal(best->document, sample->document.id));
    assert_true(best->gen == sample->gen);
    assert_int_equal(best->no, 7);
    assert_int_equal(best->page_first, 8);
    assert_int_equal(best->page_last, 9);
    assert_string_equal(best->text, "a.pdf, chunk 7");
    if (fixture_kind != OVER_PINECONE) /* the fake multiplies without dividing by the lengths */
        assert_true(fabs(best->score - 1) < 1e-5);
    assert_true(ask.matches[1].score < best->score && ask.matches[2].score <= ask.matches[1].score);
    vectors_matches_release(&ask.request);
    sample_free(sample);
}

static void test_vectors__a_query_reaches_every_document_of_the_tenant(void **state)
{
    struct fixture *fixture = *state;
    struct sample *samples[6];
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        char key[16];
        (void)text_format(key, sizeof(key), "%zu.pdf", i);
        samples[i] = sample_new('1', key, 15, DIMENSION);
        fixture_store(fixture, samples[i]);
    }
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        struct ask ask;
        ask_init(&ask, samples[i]);
        ask.request.query = samples[i]->chunks[14].vector;
        ask.request.match_max = VECTORS_MATCH_MAX;
        query(fixture, &ask);
        assert_answered(&ask);
        assert_int_equal(ask.request.match_count, 90);
        assert_true(uuid_equal(ask.matches[0].document, samples[i]->document.id));
        assert_int_equal(ask.matches[0].no, 14);
        for (size_t at = 1; at < ask.request.match_count; at++)
            assert_true(ask.matches[at].score <= ask.matches[at - 1].score);
        vectors_matches_release(&ask.request);
    }
    for (size_t i = 0; i < COUNT_OF(samples); i++)
        sample_free(samples[i]);
}

static void test_vectors__a_query_never_sees_another_tenant(void **state)
{
    struct fixture *fixture = *state;
    struct sample *mine = sample_new('1', "same.pdf", 2, DIMENSION);
    struct sample *theirs = sample_new('2', "same.pdf", 5, DIMENSION);
    fixture_store(fixture, mine);
    fixture_store(fixture, theirs);
    struct ask ask;
    ask_init(&ask, mine);
    ask.request.query = theirs->chunks[3].vector;
    ask.request.match_max = 10;
    query(fixture, &ask);
    assert_answered(&ask);
    assert_int_equal(ask.request.match_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(uuid_equal(ask.matches[i].document, mine->document.id));
    vectors_matches_release(&ask.request);
    sample_free(mine);
    sample_free(theirs);
}

static void test_vectors__a_tenant_without_vectors_has_no_matches(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('3', "none.pdf", 1, DIMENSION);
    struct ask ask;
    ask_init(&ask, sample);
    query(fixture, &ask);
    assert_answered(&ask);
    assert_int_equal(ask.request.match_count, 0);
    sample_free(sample);
}

static void test_vectors__fetched_vectors_are_those_that_were_stored(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 150, DIMENSION);
    fixture_store(fixture, sample);
    sample_forget_vectors(sample);
    sample->known_no[0] = 149; /* another number now, and another text: not the same chunk */
    sample->known_no[1] = -1;
    struct ask ask;
    ask_init(&ask, sample);
    vectors_fetch(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_answered(&ask);
    assert_int_equal(ask.request.fetched_count, 148);
    assert_null(sample->chunks[0].vector);
    assert_null(sample->chunks[1].vector);
    for (size_t i = 2; i < sample->chunk_count; i++) {
        size_t at = i * DIMENSION;
        assert_ptr_equal(sample->chunks[i].vector, sample->rows + at);
        assert_memory_equal(sample->rows + at, sample->vectors + at, DIMENSION * sizeof(float));
    }
    sample_free(sample);
}

static void test_vectors__a_fetch_of_another_generation_finds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 3, DIMENSION);
    fixture_store(fixture, sample);
    sample_forget_vectors(sample);
    struct ask ask;
    ask_init(&ask, sample);
    ask.request.gen--;
    vectors_fetch(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_answered(&ask);
    assert_int_equal(ask.request.fetched_count, 0);
    sample_free(sample);
}

static void test_vectors__requests_without_work_are_answered_in_a_later_turn(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 2, DIMENSION);
    struct ask none, empty, unknown;
    ask_init(&none, sample);
    none.request.chunk_count = 0;
    vectors_upsert(fixture->vectors, &none.request);
    ask_init(&empty, sample);
    empty.request.no_first = empty.request.no_end;
    vectors_delete(fixture->vectors, &empty.request);
    sample->known_no[0] = sample->known_no[1] = -1;
    ask_init(&unknown, sample);
    vectors_fetch(fixture->vectors, &unknown.request);
    ask_wait(fixture->loop, &none);
    assert_answered(&none);
    assert_answered(&empty);
    assert_answered(&unknown);
    sample_free(sample);
}

static void test_vectors__unusable_vectors_never_leave(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 2, DIMENSION);
    struct ask ask;
    sample->vectors[DIMENSION + 3] = NAN;
    ask_init(&ask, sample);
    vectors_upsert(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_failed(&ask, ERR_EMBED_VECTOR);
    memset(sample->vectors, 0, DIMENSION * sizeof(float));
    ask_init(&ask, sample);
    query(fixture, &ask);
    assert_failed(&ask, ERR_EMBED_VECTOR);
    ask_init(&ask, sample);
    ask.request.match_max = 0;
    query(fixture, &ask);
    assert_failed(&ask, ERR_BUG);
    sample_free(sample);
}

static void test_vectors__a_cancelled_request_still_answers(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 2, DIMENSION);
    struct ask ask;
    ask_init(&ask, sample);
    vectors_query(fixture->vectors, &ask.request);
    vectors_cancel(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_failed(&ask, ERR_CANCELLED);
    sample_free(sample);
}

static void test_vectors__a_deleted_range_is_gone_and_may_be_deleted_again(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 10, DIMENSION);
    fixture_store(fixture, sample);
    for (int round = 0; round < 2; round++) {
        struct ask gone;
        ask_init(&gone, sample);
        gone.request.no_first = 4;
        vectors_delete(fixture->vectors, &gone.request);
        ask_wait(fixture->loop, &gone);
        assert_answered(&gone);
    }
    struct ask ask;
    ask_init(&ask, sample);
    ask.request.match_max = 20;
    query(fixture, &ask);
    assert_answered(&ask);
    bool are_rows = vectors_capabilities(fixture->vectors) & VECTORS_ARE_ROWS;
    assert_int_equal(ask.request.match_count, are_rows ? 10 : 4); /* rows go with the chunks */
    vectors_matches_release(&ask.request);
    sample_free(sample);
}

struct check {
    struct vectors_probe probe;
    bool is_done, has_failed;
};

static void on_checked(struct vectors_probe *probe, const struct error *err)
{
    struct check *check = container_of(probe, struct check, probe);
    check->is_done = true;
    check->has_failed = err != NULL;
}

static void test_vectors__a_store_that_fits_passes_the_check(void **state)
{
    struct fixture *fixture = *state;
    struct check check = {.probe.on_done = on_checked};
    vectors_check(fixture->vectors, &check.probe);
    for (int turns = 0; !check.is_done && turns < 200; turns++)
        loop_run_once(fixture->loop, 100);
    assert_true(check.is_done && !check.has_failed);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

static int run_suite(enum fixture_kind which, bool has_index, const char *name)
{
    fixture_kind = which;
    fixture_is_indexed = has_index;
    const struct CMUnitTest tests[] = {
        EACH(test_vectors__a_query_finds_the_nearest_chunk_first),
        EACH(test_vectors__a_query_reaches_every_document_of_the_tenant),
        EACH(test_vectors__a_query_never_sees_another_tenant),
        EACH(test_vectors__a_tenant_without_vectors_has_no_matches),
        EACH(test_vectors__fetched_vectors_are_those_that_were_stored),
        EACH(test_vectors__a_fetch_of_another_generation_finds_nothing),
        EACH(test_vectors__requests_without_work_are_answered_in_a_later_turn),
        EACH(test_vectors__unusable_vectors_never_leave),
        EACH(test_vectors__a_cancelled_request_still_answers),
        EACH(test_vectors__a_deleted_range_is_gone_and_may_be_deleted_again),
        EACH(test_vectors__a_store_that_fits_passes_the_check),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    if (getenv("TEST_PGVECTOR")) {
        int failed = run_suite(OVER_HALFVEC, false, "pgvector, halfvec") +
                     run_suite(OVER_HALFVEC, true, "pgvector, halfvec, with an index");
        fixture_is_of_before = true;
        return failed + run_suite(OVER_SHARED_HALFVEC, true,
                                  "pgvector, halfvec staged as real[], one table with an index");
    }
    fixture_start_servers();
    int failed = run_suite(OVER_PINECONE, false, "pinecone");
    failed += run_suite(OVER_USER_SCHEMAS, false, "pgvector, a schema per tenant");
    failed += run_suite(OVER_SHARED_TABLE, false, "pgvector, one table");
    fixture_stop_servers();
    return failed;
}
