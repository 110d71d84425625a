#include "tests/contract/ledger_fixture.h"

#include <stdlib.h>

#include "store/schema.h"
#include "tests/contract/pg_closing.h"
#include "worker/base/memory.h"

#define WAIT_MS_MAX 30000
#define CHUNKS_MAX 64

struct pg_cluster *cluster;

/* ---- set-up ---------------------------------------------------------------------------------- */

struct migration_call {
    struct schema_request request;
    bool is_done;
};

static void on_migrated(struct schema_request *request, const struct error *err)
{
    struct migration_call *call = container_of(request, struct migration_call, request);
    if (err)
        fail_msg("migrate: %s", err->message);
    call->is_done = true;
}

/* TEST_CONTROL_SCHEMA: the same suites with our tables in another schema. */
static struct text control_schema(void)
{
    return text_from(getenv("TEST_CONTROL_SCHEMA"));
}

const char *sql(const char *statement)
{
    return pg_cluster_sql(cluster, "ledger", statement);
}

struct ledger_options fixture_options(void)
{
    return (struct ledger_options){.has_user_schemas = true,
                                   .dimension_count = DIMENSIONS,
                                   .pipeline = TEXT("p1"),
                                   .extracted_text_bytes_max = 1 << 20};
}

/* TEST_PGBOUNCER: the same suites with the workers behind a pooler. */
static struct pg_options pg_options_of(const char *role, bool is_pooled)
{
    return (struct pg_options){
        .url = text_from(is_pooled ? pg_cluster_pooled_url(cluster, "ledger", role)
                                   : pg_cluster_role_url(cluster, "ledger", role)),
        .control_schema = control_schema(),
        .connect_timeout_ms = 5000,
        .statement_timeout_ms = 20000,
        .lock_timeout_ms = 10000,
        .transactions_max = 16,
    };
}

/* By the owner; the ledgers work under roles that own nothing. */
static void migrate(struct loop *loop, const struct ledger_options *options)
{
    struct error err;
    struct pg_options pg_options = pg_options_of("postgres", false);
    struct pg *pg = pg_open(loop, &pg_options, &err);
    assert_non_null(pg);
    struct migration_call call = {
        .request = {.options = {.schema_prefix = TEXT("user_"),
                                .has_user_schemas = options->has_user_schemas,
                                .vectors_in_postgres = options->vectors_in_postgres,
                                .worker_role = TEXT(WORKER_ROLE),
                                .application_role = TEXT(APPLICATION_ROLE),
                                .dimension_count = DIMENSIONS,
                                .index_rows_min = 1000},
                    .on_done = on_migrated}};
    schema_migrate(pg, loop, &call.request);
    while (!call.is_done)
        loop_run_once(loop, 100);
    pg_close_and_wait(loop, pg);
}

static int set_up_with(void **state, const struct ledger_options *options)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    fixture->loop = loop_new(&err);
    pg_cluster_make_database(cluster, "ledger");
    pg_cluster_set_search_path(cluster, "ledger", control_schema().start);
    migrate(fixture->loop, options);
    sql("insert into users (id) values ('" ALICE "'), ('" BOB "')");
    struct pg_options pg_options = pg_options_of(WORKER_ROLE, getenv("TEST_PGBOUNCER"));
    for (int i = 0; i < WORKERS; i++) {
        fixture->pg[i] = pg_open(fixture->loop, &pg_options, &err);
        fixture->ledger[i] = ledger_open(fixture->loop, fixture->pg[i], options, &err);
        assert_non_null(fixture->ledger[i]);
    }
    *state = fixture;
    return 0;
}

int fixture_set_up(void **state)
{
    struct ledger_options options = fixture_options();
    return set_up_with(state, &options);
}

int fixture_set_up_shared(void **state)
{
    struct ledger_options options = fixture_options();
    options.has_user_schemas = false;
    options.vectors_in_postgres = true;
    return set_up_with(state, &options);
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < WORKERS; i++) {
        ledger_close(fixture->ledger[i]);
        pg_close_and_wait(fixture->loop, fixture->pg[i]);
    }
    loop_free(fixture->loop);
    xfree(fixture);
    return 0;
}

/* Turns the loop until *is_done. */
static void wait_until(struct fixture *fixture, const bool *is_done)
{
    uint64_t start_ms = loop_now_ms(fixture->loop);
    while (!*is_done && loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX)
        loop_run_once(fixture->loop, 100);
    assert_true(*is_done);
}

/* ---- events ---------------------------------------------------------------------------------- */

static struct uuid id_of(const char *text)
{
    struct uuid id;
    assert_true(uuid_parse(text_from(text), &id));
    return id;
}

static struct event event_of(const char *user, const char *name)
{
    struct event event = {.tenant = tenant_from_user_id(id_of(user))};
    (void)text_format(event.key, sizeof(event.key), "users/%s/%s", user, name);
    event.document = document_of(TEXT("b"), text_from(event.key));
    event.document.key = TEXT_NONE; /* set anew before each use: event is a value that moves */
    return event;
}

struct event upload(const char *user, const char *name, const char *version)
{
    struct event event = event_of(user, name);
    event.claim.job = document_bare_job(&event.document, text_from(version));
    event.claim.is_bare = true;
    return event;
}

struct event removal(const char *user, const char *name)
{
    return event_of(user, name);
}

struct event job_event(const char *user, const char *name, struct uuid job)
{
    struct event event = event_of(user, name);
    event.claim.job = job;
    return event;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void on_registered(struct jobs_register *request, const struct error *err)
{
    struct register_call *call = container_of(request, struct register_call, request);
    take_answer(call, err);
}

struct register_call register_job(struct fixture *fixture, struct uuid job, struct event *events,
                                  size_t count)
{
    struct job_document *documents = xcalloc(count, sizeof(*documents));
    for (size_t i = 0; i < count; i++) {
        events[i].document.key = text_from(events[i].key);
        documents[i].document = events[i].document;
        documents[i].size_bytes = 10;
    }
    struct register_call call = {.request = {.tenant = &events[0].tenant,
                                             .job = job,
                                             .job_type = TEXT("batch"),
                                             .documents = documents,
                                             .document_count = count,
                                             .due_ms = 3600000,
                                             .on_done = on_registered}};
    jobs_register(fixture->pg[0], fixture->loop, &call.request);
    while (!call.is_done)
        loop_run_once(fixture->loop, 100);
    xfree(documents);
    return call;
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void on_claimed(struct ledger_claim *claim, const struct error *err)
{
    struct event *event = container_of(claim, struct event, claim);
    buffer_release(&claim->link); /* it is the caller's now, and no test here has one */
    take_answer(event, err);
}

void claim_start(struct fixture *fixture, int worker, struct event *event)
{
    event->document.key = text_from(event->key);
    event->claim.tenant = &event->tenant;
    event->claim.document = &event->document;
    event->claim.on_done = on_claimed;
    if (!event->claim.fence)
        event->claim.fence = random_u63();
    event->is_done = false;
    ledger_claim(fixture->ledger[worker], &event->claim);
}

void claim_wait(struct fixture *fixture, struct event *event)
{
    wait_until(fixture, &event->is_done);
    if (event->has_failed)
        fail_msg("claim: %s", event->err.message);
}

enum claim_verdict claim_of(struct fixture *fixture, int worker, struct event *event)
{
    claim_start(fixture, worker, event);
    claim_wait(fixture, event);
    return event->claim.verdict;
}

/* ---- the other requests ---------------------------------------------------------------------- */

#define CALL(type)                                                                     \
    struct type##_call {                                                               \
        struct type request;                                                           \
        bool is_done;                                                                  \
    };                                                                                 \
    static void on_##type(struct type *request, const struct error *err)               \
    {                                                                                  \
        struct type##_call *call = container_of(request, struct type##_call, request); \
        if (err)                                                                       \
            fail_msg(#type ": %s", err->message);                                      \
        call->is_done = true;                                                          \
    }
CALL(ledger_intend)
CALL(ledger_stage)
CALL(ledger_finish)
CALL(ledger_release)
CALL(ledger_dead)
CALL(ledger_swept)
CALL(ledger_due)
#undef CALL

enum intend_answer intend(struct fixture *fixture, const struct event *event, uint32_t reserved)
{
    struct ledger_intend_call call = {.request = {.document = &event->document,
                                                  .tenant = &event->tenant,
                                                  .fence = event->claim.fence,
                                                  .reserved = reserved,
                                                  .on_done = on_ledger_intend}};
    ledger_intend(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
    return call.request.answer;
}

void stage(struct fixture *fixture, const struct event *event, uint32_t no_first, uint32_t no_end)
{
    static struct chunk chunks[CHUNKS_MAX];
    static struct chunk *pointers[CHUNKS_MAX];
    static char contents[CHUNKS_MAX][64];
    static const float VECTOR[DIMENSIONS] = {0.5f, -1.0f, 0.25f};
    size_t count = no_end - no_first;
    assert_true(count <= CHUNKS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t no = no_first + (uint32_t)i;
        (void)text_format(contents[i], sizeof(contents[i]), "chunk %u of %llx", no,
                          (unsigned long long)event->claim.fence);
        chunks[i] = (struct chunk){.no = no,
                                   .page_first = 1,
                                   .page_last = 2,
                                   .token_count = 3,
                                   .char_end = 7,
                                   .content = text_from(contents[i]),
                                   .hash = {(uint8_t)no},
                                   .vector = (float *)VECTOR};
        pointers[i] = &chunks[i];
    }
    struct ledger_stage_call call = {.request = {.tenant = &event->tenant,
                                                 .document = &event->document,
                                                 .fence = event->claim.fence,
                                                 .chunks = pointers,
                                                 .chunk_count = count,
                                                 .on_done = on_ledger_stage}};
    ledger_stage(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
}

struct ledger_finish finish_with(const struct event *event, enum document_effect effect,
                                 enum document_outcome outcome)
{
    struct ledger_finish finish = {.tenant = &event->tenant,
                                   .document = &event->document,
                                   .fence = event->claim.fence,
                                   .job = event->claim.item_job,
                                   .effect = effect,
                                   .outcome = outcome,
                                   .etag = TEXT("e"),
                                   .size_bytes = 100};
    if (outcome != OUTCOME_SUCCESS) {
        finish.has_code = true;
        finish.code = outcome == OUTCOME_FAILED      ? ERR_DAMAGED
                      : outcome == OUTCOME_CANCELLED ? ERR_JOB_CANCELLED
                      : effect == EFFECT_GONE        ? ERR_GONE
                                                     : ERR_UNCHANGED;
        finish.message = text_from(error_sentence(finish.code));
    }
    return finish;
}

enum finish_answer finish_run(struct fixture *fixture, struct ledger_finish *finish)
{
    struct ledger_finish_call call = {.request = *finish};
    call.request.on_done = on_ledger_finish;
    ledger_finish(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
    return call.request.answer;
}

enum finish_answer finish(struct fixture *fixture, const struct event *event,
                          enum document_effect effect, enum document_outcome outcome)
{
    struct ledger_finish request = finish_with(event, effect, outcome);
    return finish_run(fixture, &request);
}

void process(struct fixture *fixture, struct event *event, const char *etag, uint32_t n)
{
    assert_int_equal(claim_of(fixture, 0, event), CLAIM_GO);
    assert_int_equal(intend(fixture, event, n), INTEND_GO);
    stage(fixture, event, 0, n);
    struct ledger_finish request = finish_with(event, EFFECT_LIVE, OUTCOME_SUCCESS);
    request.etag = text_from(etag);
    request.chunk_count = n;
    request.page_count = 2;
    request.token_count = 3 * n;
    assert_int_equal(finish_run(fixture, &request), FINISH_OK);
}

struct ledger_release release(struct fixture *fixture, const struct event *event, bool is_parked)
{
    struct ledger_release_call call = {.request = {.document = &event->document,
                                                   .fence = event->claim.fence,
                                                   .job = event->claim.item_job,
                                                   .is_parked = is_parked,
                                                   .due_ms = 60000,
                                                   .has_code = is_parked,
                                                   .code = ERR_QUOTA,
                                                   .message = TEXT("too much"),
                                                   .on_done = on_ledger_release}};
    ledger_release(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
    return call.request;
}

size_t dead(struct fixture *fixture, struct uuid document, struct litter *litter, size_t max)
{
    struct ledger_dead_call call = {
        .request = {
            .document = document, .litter = litter, .litter_max = max, .on_done = on_ledger_dead}};
    ledger_dead(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
    return call.request.litter_count;
}

void swept(struct fixture *fixture, const struct litter *litter)
{
    struct ledger_swept_call call = {.request = {.litter = *litter, .on_done = on_ledger_swept}};
    ledger_swept(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
}

struct ledger_due due(struct fixture *fixture, struct due_item *items, size_t max)
{
    struct ledger_due_call call = {
        .request = {.items = items, .item_max = max, .on_done = on_ledger_due}};
    ledger_due(fixture->ledger[0], &call.request);
    wait_until(fixture, &call.is_done);
    return call.request;
}

void expire_leases(void)
{
    sql("update documents set leased_until = now() - interval '1 second' where leased_until is not "
        "null");
}

const char *reconcile(void)
{
    return sql("select * from millrace_faults");
}
