#include "tests/contract/vectors_fixture.h"

#include "store/schema.h"
#include "tests/contract/fake_server.h"
#include "tests/contract/pg_cluster.h"
#include "worker/base/buffer.h"
#include "worker/base/memory.h"

static struct fake_server *fake;
static struct pg_cluster *cluster;
enum fixture_kind fixture_kind;
bool fixture_is_indexed, fixture_is_of_before;

static bool is_halfvec(void)
{
    return fixture_kind == OVER_HALFVEC || fixture_kind == OVER_SHARED_HALFVEC;
}

static bool is_shared(void)
{
    return fixture_kind == OVER_SHARED_TABLE || fixture_kind == OVER_SHARED_HALFVEC;
}

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

static struct migration migration_new(void)
{
    return (struct migration){
        .request = {.options = {.vectors_in_postgres = true,
                                .dimension_count = DIMENSION,
                                .has_user_schemas = !is_shared(),
                                .schema_prefix = TEXT("user_"),
                                .index_rows_min = fixture_is_indexed ? 1 : UINT32_MAX},
                    .on_done = on_migrated}};
}

static void migrate(struct fixture *fixture)
{
    struct migration migration = migration_new();
    schema_migrate(fixture->pg, fixture->loop, &migration.request);
    while (!migration.is_done)
        loop_run_once(fixture->loop, 100);
}

static void open_ledger(struct fixture *fixture)
{
    struct error err;
    struct ledger_options options = {.vectors_in_postgres = true,
                                     .has_user_schemas = !is_shared(),
                                     .dimension_count = DIMENSION,
                                     .pipeline = TEXT("a pipeline")};
    fixture->ledger = ledger_open(fixture->loop, fixture->pg, &options, &err);
    assert_non_null(fixture->ledger);
    struct migration check = migration_new();
    schema_check(fixture->pg, fixture->loop, &check.request);
    while (!check.is_done)
        loop_run_once(fixture->loop, 100);
    assert_int_equal(check.request.stages_halves, is_halfvec());
    ledger_stage_halves(fixture->ledger, check.request.stages_halves && !fixture_is_of_before);
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->is_closed = true;
}

int fixture_setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    fixture->loop = loop_new(&err);
    assert_non_null(fixture->loop);
    struct vectors_options options = {
        .dimension_count = DIMENSION, .requests_max = 3, .timeout_ms = 5000};
    if (fixture_kind == OVER_PINECONE) {
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
        if (fixture_is_indexed)
            run_script(fixture, "do $$ begin execute format('alter role current_user set "
                                "enable_seqscan = off'); end $$");
        migrate(fixture);
        open_ledger(fixture);
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

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    vectors_close(fixture->vectors, on_closed, fixture);
    wait_until_closed(fixture);
    ledger_close(fixture->ledger);
    if (fixture->pg) {
        pg_close(fixture->pg, on_closed, fixture);
        wait_until_closed(fixture);
    }
    loop_free(fixture->loop);
    xfree(fixture);
    return 0;
}

static void on_staged(struct ledger_stage *stage, const struct error *err)
{
    if (err)
        fail_msg("%s: %s", error_name(err->code), err->message);
    *(bool *)stage->private_state = true;
}

static void stage_rows(struct fixture *fixture, struct sample *sample)
{
    bool is_done = false;
    struct ledger_stage stage = {.tenant = &sample->tenant,
                                 .document = &sample->document,
                                 .fence = sample->gen,
                                 .chunks = sample->fetched,
                                 .chunk_count = sample->chunk_count,
                                 .on_done = on_staged,
                                 .private_state = &is_done};
    ledger_stage(fixture->ledger, &stage);
    while (!is_done)
        loop_run_once(fixture->loop, 100);
}

/* What FINISH does with them. */
static void store_rows(struct fixture *fixture, struct sample *sample)
{
    char user[UUID_TEXT_BYTES], document[UUID_TEXT_BYTES];
    struct buffer AUTO_BUFFER sql = buffer_new(1 << 20);
    unsigned long long gen = (unsigned long long)sample->gen;
    uuid_format(sample->tenant.id, user);
    uuid_format(sample->document.id, document);
    stage_rows(fixture, sample);
    buffer_format(&sql,
                  "insert into users (id) values ('%s') on conflict do nothing; insert into "
                  "documents (id, user_id, bucket, object_key, gen) values ('%s', '%s', 'b', '%s', "
                  "%llu); ",
                  user, document, user, document, gen);
    buffer_format(&sql, "select millrace_move_chunks('%s', %s, '{%s}', '{%llu}', '{%zu}')", user,
                  is_shared() ? "true" : "false", document, gen, sample->chunk_count);
    run_script(fixture, buffer_string(&sql));
    if (fixture_is_indexed)
        migrate(fixture);
}

/* halfvec holds 11 bits of each value. */
static void round_to_half(struct sample *sample)
{
    for (size_t i = 0; i < sample->chunk_count * sample->dimension_count; i++)
        sample->vectors[i] = (float)(int)(sample->vectors[i] * 512) / 512;
}

void fixture_store(struct fixture *fixture, struct sample *sample)
{
    if (is_halfvec())
        round_to_half(sample);
    if (fixture_kind != OVER_PINECONE)
        store_rows(fixture, sample);
    struct ask ask;
    ask_init(&ask, sample);
    vectors_upsert(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_answered(&ask);
    assert_false(ask.request.is_ambiguous);
}

void fixture_start_servers(void)
{
    fake = fake_server_start(DIMENSION);
    cluster = pg_cluster_start();
}

void fixture_stop_servers(void)
{
    pg_cluster_stop(cluster);
    fake_server_stop(fake);
}
