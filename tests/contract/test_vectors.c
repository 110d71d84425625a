/* vectors.h: one suite against every driver. Pinecone is our strict fake, PostgreSQL a real one,
 * with a schema per tenant and with one shared table. */
#include <math.h>

#include "store/schema.h"
#include "tests/contract/fake_server.h"
#include "tests/contract/pg_cluster.h"
#include "tests/contract/vectors_world.h"
#include "worker/base/buffer.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"

enum kind {
    OVER_PINECONE,
    OVER_USER_SCHEMAS,
    OVER_SHARED_TABLE,
    OVER_HALFVEC,
    OVER_SHARED_HALFVEC
};

static struct fake_server *fake;
static struct pg_cluster *cluster;
static enum kind kind;
static bool is_indexed; /* of halfvec: every table gets its index, and it is used */

static bool is_halfvec(void)
{
    return kind == OVER_HALFVEC || kind == OVER_SHARED_HALFVEC;
}

static bool is_shared(void)
{
    return kind == OVER_SHARED_TABLE || kind == OVER_SHARED_HALFVEC;
}

struct fixture {
    struct loop *loop;
    struct pg *pg;
    struct vectors *vectors;
    bool is_closed;
};

static struct pg *open_pg(struct loop *loop)
{
    struct error err;
    struct pg_options options = {
        .url = text_from(is_halfvec() ? getenv("TEST_DATABASE_URL")
                                      : pg_cluster_database_url(cluster, "vectors")),
        .application_name = TEXT("millrace-test"),
        .connect_timeout_ms = 5000,
        .statement_timeout_ms = 10000,
        .lock_timeout_ms = 1000,
        .transactions_max = 8,
    };
    struct pg *pg = pg_open(loop, &options, &err);
    assert_non_null(pg);
    return pg;
}

struct script {
    struct pg_copy copy;
    bool is_done;
};

static void on_script_done(struct pg_copy *copy, const struct error *err)
{
    if (err)
        fail_msg("%s: %s", error_name(err->code), err->message);
    container_of(copy, struct script, copy)->is_done = true;
}

static void run_script(struct fixture *fixture, const char *sql)
{
    struct script script = {.copy = {.sql = sql, .on_done = on_script_done}};
    pg_run_script(fixture->pg, &script.copy);
    while (!script.is_done)
        loop_run_once(fixture->loop, 100);
}

static void empty_database(struct fixture *fixture)
{
    run_script(fixture, "do $$ declare place text; begin for place in select nspname from "
                        "pg_namespace where nspname like 'user%' or nspname = 'public' loop "
                        "execute format('drop schema %I cascade', place); end loop; end $$; "
                        "create schema public");
}

struct migration {
    struct schema_request request;
    bool is_done;
};

static void on_migrated(struct schema_request *request, const struct error *err)
{
    if (err)
        fail_msg("%s: %s", error_name(err->code), err->message);
    container_of(request, struct migration, request)->is_done = true;
}

static void migrate(struct fixture *fixture)
{
    struct migration migration = {.request.on_done = on_migrated};
    migration.request.options = (struct schema_options){
        .vectors_in_postgres = true,
        .dimension_count = DIMENSION,
        .has_user_schemas = !is_shared(),
        .schema_prefix = TEXT("user_"),
        .index_rows_min = is_indexed ? 1 : UINT32_MAX,
    };
    schema_migrate(fixture->pg, fixture->loop, &migration.request);
    while (!migration.is_done)
        loop_run_once(fixture->loop, 100);
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->is_closed = true;
}

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    fixture->loop = loop_new(&err);
    assert_non_null(fixture->loop);
    struct vectors_options options = {
        .dimension_count = DIMENSION, .requests_max = 3, .timeout_ms = 5000};
    if (kind == OVER_PINECONE) {
        fake_server_reset(fake);
        options.engine = VECTORS_PINECONE;
        options.host = text_from(fake_server_url(fake));
        options.api_key = TEXT("key");
        options.api_version = TEXT("2025-10");
    } else {
        if (!is_halfvec())
            pg_cluster_make_database(cluster, "vectors");
        fixture->pg = open_pg(fixture->loop);
        empty_database(fixture);
        /* Or so few rows would be read without it. */
        if (is_indexed)
            run_script(fixture, "do $$ begin execute format('alter role current_user set "
                                "enable_seqscan = off'); end $$");
        migrate(fixture);
        options.engine = VECTORS_POSTGRES;
        options.pg = fixture->pg;
        options.has_user_schemas = !is_shared();
    }
    fixture->vectors = vectors_open(fixture->loop, &options, &err);
    assert_non_null(fixture->vectors);
    *state = fixture;
    return 0;
}

static void wait_until_closed(struct fixture *fixture)
{
    for (int turns = 0; !fixture->is_closed && turns < 200; turns++)
        loop_run_once(fixture->loop, 100);
    assert_true(fixture->is_closed);
    fixture->is_closed = false;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    vectors_close(fixture->vectors, on_closed, fixture);
    wait_until_closed(fixture);
    if (fixture->pg) {
        pg_close(fixture->pg, on_closed, fixture);
        wait_until_closed(fixture);
    }
    loop_free(fixture->loop);
    xfree(fixture);
    return 0;
}

static void append_row(struct buffer *sql, const struct sample *sample, const struct chunk *chunk)
{
    char user[UUID_TEXT_BYTES], document[UUID_TEXT_BYTES], hash[SHA256_BYTES * 2 + 1];
    bool has_schema = !is_shared();
    hex_format(chunk->hash, SHA256_BYTES, hash);
    buffer_format(sql,
                  "insert into %s.chunks (%sdocument_id, chunk_no, page_first, page_last, "
                  "char_start, char_end, heading, token_count, content_hash, content, embedding) "
                  "values (",
                  has_schema ? sample->tenant.schema : "public", has_schema ? "" : "user_id, ");
    if (!has_schema)
        buffer_format(sql, "'%s', ", uuid_format(sample->tenant.id, user));
    buffer_format(sql, "'%s', %u, %u, %u, 0, 0, '', 1, '\\x%s', '%.*s', '",
                  uuid_format(sample->document.id, document), chunk->no, chunk->page_first,
                  chunk->page_last, hash, TEXT_ARGS(chunk->content));
    for (size_t at = 0; at < sample->dimension_count; at++)
        buffer_format(sql, "%c%.9g", at ? ',' : '{', (double)chunk->vector[at]);
    buffer_append_text(sql, TEXT("}'::real[]);"));
}

/* What ledger_stage and FINISH do with the rows of a document. */
static void store_rows(struct fixture *fixture, const struct sample *sample)
{
    char user[UUID_TEXT_BYTES], document[UUID_TEXT_BYTES];
    struct buffer AUTO_BUFFER sql = buffer_new(1 << 20);
    uuid_format(sample->tenant.id, user);
    uuid_format(sample->document.id, document);
    buffer_format(&sql,
                  "insert into users (id) values ('%s') on conflict do nothing; insert into "
                  "documents (id, user_id, bucket, object_key, gen) values ('%s', '%s', 'b', '%s', "
                  "%llu);",
                  user, document, user, document, (unsigned long long)sample->gen);
    if (!is_shared())
        buffer_format(&sql, "select millrace_tenant_schema('%s');", user);
    for (size_t i = 0; i < sample->chunk_count; i++)
        append_row(&sql, sample, &sample->chunks[i]);
    run_script(fixture, buffer_string(&sql));
    if (is_indexed)
        migrate(fixture);
}

/* halfvec holds 11 bits of each value. */
static void round_to_half(struct sample *sample)
{
    for (size_t i = 0; i < sample->chunk_count * sample->dimension_count; i++)
        sample->vectors[i] = (float)(int)(sample->vectors[i] * 512) / 512;
}

static void store(struct fixture *fixture, struct sample *sample)
{
    if (is_halfvec())
        round_to_half(sample);
    if (kind != OVER_PINECONE)
        store_rows(fixture, sample);
    struct ask ask;
    ask_init(&ask, sample);
    vectors_upsert(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_answered(&ask);
    assert_false(ask.request.is_ambiguous);
}

static void query(struct fixture *fixture, struct ask *ask)
{
    vectors_query(fixture->vectors, &ask->request);
    ask_wait(fixture->loop, ask);
}

static void test_vectors__a_query_finds_the_nearest_chunk_first(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_new('1', "a.pdf", 20, DIMENSION);
    store(fixture, sample);

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
    if (kind != OVER_PINECONE) /* the fake multiplies without dividing by the lengths */
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
        store(fixture, samples[i]);
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
    store(fixture, mine);
    store(fixture, theirs);
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
    store(fixture, sample);
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
    store(fixture, sample);
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
    store(fixture, sample);
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

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int run_suite(enum kind which, bool has_index, const char *name)
{
    kind = which;
    is_indexed = has_index;
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
    if (getenv("TEST_PGVECTOR"))
        return run_suite(OVER_HALFVEC, false, "pgvector, halfvec") +
               run_suite(OVER_HALFVEC, true, "pgvector, halfvec, with an index") +
               run_suite(OVER_SHARED_HALFVEC, true, "pgvector, halfvec, one table with an index");
    fake = fake_server_start(DIMENSION);
    cluster = pg_cluster_start();
    int failed = run_suite(OVER_PINECONE, false, "pinecone");
    failed += run_suite(OVER_USER_SCHEMAS, false, "pgvector, a schema per tenant");
    failed += run_suite(OVER_SHARED_TABLE, false, "pgvector, one table");
    pg_cluster_stop(cluster);
    fake_server_stop(fake);
    return failed;
}
