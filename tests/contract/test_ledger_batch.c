/* The ledger's batches against a real server: packing, bisection, two workers at once, outages. */
#include "tests/contract/ledger_fixture.h"
#include "worker/base/memory.h"

#define MANY 600
#define WAIT_MS_MAX 60000

static struct event *make_uploads(const char *user, size_t count, const char *version)
{
    struct event *events = xcalloc(count, sizeof(*events));
    char name[32];
    for (size_t i = 0; i < count; i++) {
        (void)text_format(name, sizeof(name), "%zu.pdf", i);
        events[i] = upload(user, name, version);
    }
    return events;
}

struct finish_call {
    struct ledger_finish request;
    bool is_done, has_failed;
    struct error err;
};

static void on_finished(struct ledger_finish *finish, const struct error *err)
{
    struct finish_call *call = container_of(finish, struct finish_call, request);
    assert_false(call->is_done); /* exactly once */
    call->is_done = true;
    call->has_failed = err != NULL;
    if (err)
        call->err = *err;
}

static void finish_start(struct fixture *fixture, int worker, const struct event *event,
                         struct finish_call *call)
{
    *call = (struct finish_call){.request = finish_with(event, EFFECT_LIVE, OUTCOME_SUCCESS)};
    call->request.on_done = on_finished;
    call->request.goes_ahead = event->claim.goes_ahead;
    ledger_finish(fixture->ledger[worker], &call->request);
}

static void wait_for_finishes(struct fixture *fixture, const struct finish_call *calls,
                              size_t count)
{
    uint64_t start_ms = loop_now_ms(fixture->loop);
    for (size_t i = 0; i < count; i++)
        while (!calls[i].is_done && loop_now_ms(fixture->loop) - start_ms < WAIT_MS_MAX)
            loop_run_once(fixture->loop, 100);
    for (size_t i = 0; i < count; i++)
        assert_true(calls[i].is_done);
}

/* ---- packing --------------------------------------------------------------------------------- */

static void test_batch__packs_what_waits_together(void **state)
{
    struct fixture *fixture = *state;
    struct event *events = make_uploads(ALICE, MANY, "v1");
    for (size_t i = 0; i < MANY; i++)
        claim_start(fixture, 0, &events[i]);
    assert_int_equal(ledger_waiting_count(fixture->ledger[0]), MANY);

    for (size_t i = 0; i < MANY; i++) {
        claim_wait(fixture, &events[i]);
        assert_int_equal(events[i].claim.verdict, CLAIM_GO);
    }

    assert_string_equal(sql("select count(distinct leased_until) from documents"), "1");
    assert_int_equal(ledger_waiting_count(fixture->ledger[0]), 0);
    assert_string_equal(reconcile(), "");
    xfree(events);
}

static void test_batch__what_goes_ahead_is_not_packed_with_the_rest(void **state)
{
    struct fixture *fixture = *state;
    struct event *events = make_uploads(ALICE, MANY, "v1"), quiet = upload(BOB, "a.pdf", "v1");
    for (size_t i = 0; i < MANY; i++)
        claim_start(fixture, 0, &events[i]);
    quiet.claim.goes_ahead = true;
    claim_start(fixture, 0, &quiet);
    claim_wait(fixture, &quiet);
    for (size_t i = 0; i < MANY; i++)
        claim_wait(fixture, &events[i]);

    assert_int_equal(quiet.claim.verdict, CLAIM_GO);
    assert_string_equal(sql("select count(distinct leased_until) from documents"), "2");
    struct ledger_finish request = finish_with(&quiet, EFFECT_LIVE, OUTCOME_SUCCESS);
    request.goes_ahead = true;
    assert_int_equal(finish_run(fixture, &request), FINISH_OK);
    assert_string_equal(reconcile(), "");
    xfree(events);
}

static void test_batch__takes_a_document_once_and_the_next_event_later(void **state)
{
    struct fixture *fixture = *state;
    struct event events[3];
    for (int i = 0; i < 3; i++) {
        events[i] = upload(ALICE, "a.pdf", i == 1 ? "v2" : "v1");
        claim_start(fixture, 0, &events[i]);
    }
    for (int i = 0; i < 3; i++)
        claim_wait(fixture, &events[i]);
    assert_int_equal(events[0].claim.verdict, CLAIM_GO);
    assert_int_equal(events[1].claim.verdict, CLAIM_BUSY);
    assert_int_equal(events[2].claim.verdict, CLAIM_BUSY);
}

static void test_batch__only_the_guilty_row_fails(void **state)
{
    struct fixture *fixture = *state;
    static struct finish_call calls[50];
    struct event *events = make_uploads(ALICE, COUNT_OF(calls), "v1");
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        claim_start(fixture, 0, &events[i]);
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        claim_wait(fixture, &events[i]);

    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        finish_start(fixture, 0, &events[i], &calls[i]);
        if (i == 17 || i == 33)
            calls[i].request.metadata = TEXT("{not JSON"); /* it waits still */
    }
    wait_for_finishes(fixture, calls, COUNT_OF(calls));

    for (size_t i = 0; i < COUNT_OF(calls); i++)
        assert_int_equal(calls[i].has_failed, i == 17 || i == 33);
    assert_int_equal(calls[17].err.code, ERR_DATABASE);
    assert_string_equal(sql("select count(*) from documents where status = 'success'"), "48");
    assert_string_equal(reconcile(), "");
    xfree(events);
}

static void test_batch__large_texts_go_ahead(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1"), other = upload(ALICE, "b.pdf", "v1");
    struct buffer AUTO_BUFFER body = buffer_new(4 << 20);
    while (body.bytes < (2 << 20))
        buffer_append_text(&body, TEXT("wörter und mehr\n"));
    claim_of(fixture, 0, &event);
    claim_of(fixture, 0, &other);
    struct ledger_finish request = finish_with(&event, EFFECT_LIVE, OUTCOME_SUCCESS);
    request.extracted_text = text_slice(buffer_text(&body), 0, (1 << 20) - 16);
    request.extracted_text = text_utf8_prefix(request.extracted_text, SIZE_MAX);
    while (!text_is_utf8(request.extracted_text))
        request.extracted_text.bytes--;
    request.metadata = TEXT("{\"pages\": 3}");
    assert_int_equal(finish_run(fixture, &request), FINISH_OK);
    char expected[32];
    (void)text_format(expected, sizeof(expected), "%zu", request.extracted_text.bytes);
    assert_string_equal(
        sql("select octet_length(extracted_text) from documents where title = 'a.pdf'"), expected);
    assert_string_equal(sql("select count(*) from staged_texts"), "0");

    request = finish_with(&other, EFFECT_LIVE, OUTCOME_SUCCESS);
    request.extracted_text = buffer_text(&body);
    assert_int_equal(finish_run(fixture, &request), FINISH_OK);
    assert_string_equal(sql("select (extracted_text is null) || (processing_metadata ->> "
                            "'extracted_text') from documents where title = 'b.pdf'"),
                        "truenot kept: too large");
}

/* ---- known hashes, dead letters, rows left behind -------------------------------------------- */

struct known_call {
    struct ledger_known request;
    bool is_done;
};

static void on_known(struct ledger_known *known, const struct error *err)
{
    if (err)
        fail_msg("known: %s", err->message);
    container_of(known, struct known_call, request)->is_done = true;
}

static void known(struct fixture *fixture, const struct event *event, uint64_t gen,
                  int64_t ret_no[3])
{
    struct chunk chunks[3] = {{.hash = {3}}, {.hash = {77}}, {.hash = {1}}};
    struct chunk *pointers[3] = {&chunks[0], &chunks[1], &chunks[2]};
    struct known_call call = {.request = {.tenant = &event->tenant,
                                          .document = &event->document,
                                          .live_gen = gen,
                                          .chunks = pointers,
                                          .chunk_count = 3,
                                          .known_no = ret_no,
                                          .on_done = on_known}};
    ledger_known(fixture->ledger[0], &call.request);
    while (!call.is_done)
        loop_run_once(fixture->loop, 100);
}

static void test_known__finds_chunks_of_the_live_generation_only(void **state)
{
    struct fixture *fixture = *state;
    struct event event = upload(ALICE, "a.pdf", "v1");
    int64_t no[3];
    known(fixture, &event, 1, no); /* not even a schema yet */
    assert_true(no[0] == -1 && no[1] == -1 && no[2] == -1);
    process(fixture, &event, "e1", 5);
    known(fixture, &event, event.claim.fence, no);
    assert_true(no[0] == 3 && no[1] == -1 && no[2] == 1);
    known(fixture, &event, event.claim.fence + 1, no);
    assert_true(no[0] == -1);
}

struct burial_call {
    struct ledger_burial request;
    bool is_done;
};

static void on_buried(struct ledger_burial *burial, const struct error *err)
{
    if (err)
        fail_msg("bury: %s", err->message);
    container_of(burial, struct burial_call, request)->is_done = true;
}

static void bury(struct fixture *fixture, struct burial_call *call)
{
    call->is_done = false;
    ledger_bury(fixture->ledger[0], &call->request);
    while (!call->is_done)
        loop_run_once(fixture->loop, 100);
}

static void test_bury__keeps_a_letter_once(void **state)
{
    struct fixture *fixture = *state;
    static const char VALUE[] = {'{', '\0', (char)0xff, '}'};
    struct burial_call calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct burial_call){.request = {.topic = TEXT("uploads"),
                                                    .partition = 3,
                                                    .offset = 1ll << 40,
                                                    .event_no = i == 2,
                                                    .value = {VALUE, sizeof(VALUE)},
                                                    .headers = TEXT("[[\"h\",\"AA==\"]]"),
                                                    .time_ms = 1700000000000,
                                                    .code = ERR_EVENT_JSON,
                                                    .message = TEXT("not JSON"),
                                                    .on_done = on_buried}};
        ledger_bury(fixture->ledger[0], &calls[i].request);
    }
    for (int i = 0; i < 3; i++)
        while (!calls[i].is_done)
            loop_run_once(fixture->loop, 100);
    assert_true(calls[2].request.is_new);
    assert_string_equal(sql("select count(*) || min(code) || min(encode(value, 'hex')) || "
                            "count(key) || min(headers::text) from dead_letters"),
                        "2not_json7b00ff7d0[[\"h\", \"AA==\"]]");
    bury(fixture, &calls[0]);
    assert_false(calls[0].request.is_new);
}

/* The letters of a message without its bytes stand beside the one that has them, and nowhere else:
 * not with a letter of the topic before, however alike their places are. */
static void test_bury__keeps_the_letters_of_a_message_together(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t ORDER[] = {1, 0, 2, 1, 2};
    struct burial_call call = {.request = {.topic = TEXT("uploads"),
                                           .event_no = 2,
                                           .value = TEXT("old"),
                                           .headers = TEXT("[]"),
                                           .time_ms = 1700000000000,
                                           .code = ERR_EVENT_KEY,
                                           .message = TEXT("no key"),
                                           .on_done = on_buried}};
    bury(fixture, &call);
    call.request.time_ms = 1700000009000;
    for (size_t i = 0; i < COUNT_OF(ORDER); i++) {
        call.request.event_no = ORDER[i];
        call.request.value = i == 0 ? TEXT("new") : TEXT_NONE;
        call.request.headers = i == 0 ? TEXT("[]") : TEXT_NONE;
        bury(fixture, &call);
        assert_int_equal(call.request.is_new, i < 3);
    }
    call.request.event_no = 0; /* seen again, and this time the first bad one of the message */
    call.request.value = TEXT("new");
    call.request.headers = TEXT("[]");
    bury(fixture, &call);
    assert_false(call.request.is_new);
    assert_string_equal(
        sql("select string_agg(topic || ' ' || event_no || ' ' || coalesce(encode(value, 'escape'),"
            " '-'), ', ' order by event_at, event_no) from dead_letters"),
        "uploads 2 old, uploads#1700000009000 0 -, uploads#1700000009000 1 new, "
        "uploads#1700000009000 2 -");
}

/* Its offsets begin at 0 again, where there are letters of the topic before it. */
static void test_bury__keeps_the_letters_of_a_topic_that_was_made_anew(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        enum error_code code;
        uint64_t time_ms;
        bool is_new;
    } ROWS[] = {
        {"old", ERR_EVENT_JSON, 1700000000000, true},
        {"new", ERR_EVENT_JSON, 1700000009000, true},
        {"old", ERR_EVENT_JSON, 1700000000000, false}, /* each seen again */
        {"new", ERR_EVENT_JSON, 1700000009000, false},
        {"new", ERR_EVENT_JSON, 1700000011000, true}, /* the same bytes, another message */
        {"out of range (broker 1)", ERR_EVENT_UNREADABLE, 0, true},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(ROWS); i++) {
        size_t at = i % COUNT_OF(ROWS);
        struct burial_call call = {.request = {.topic = TEXT("uploads"),
                                               .value = text_from(ROWS[at].value),
                                               .headers = TEXT("[]"),
                                               .time_ms = ROWS[at].time_ms,
                                               .code = ROWS[at].code,
                                               .message = TEXT("no event"),
                                               .on_done = on_buried}};
        bury(fixture, &call);
        assert_int_equal(call.request.is_new, i == at && ROWS[at].is_new);
    }
    assert_string_equal(
        sql("select string_agg(topic || ' ' || encode(value, 'escape'), ', ' order by event_at) "
            "from dead_letters"),
        "uploads old, uploads#1700000009000 new, uploads#1700000011000 new, "
        "uploads#0 out of range (broker 1)");
}

static void test_janitor__sweeps_rows_of_attempts_that_ended(void **state)
{
    struct fixture *fixture = *state;
    struct event dead_one = upload(ALICE, "a.pdf", "v1"), alive = upload(ALICE, "b.pdf", "v1");
    struct due_item items[2];
    claim_of(fixture, 0, &dead_one);
    claim_of(fixture, 0, &alive);
    stage(fixture, &dead_one, 0, 3);
    stage(fixture, &alive, 0, 2);
    release(fixture, &dead_one, false);

    due(fixture, items, 2);

    assert_string_equal(sql("select count(*) from staged_chunks"), "2");
}

/* ---- two workers, and a server that fails ---------------------------------------------------- */

static void test_race__two_ledgers_never_deadlock_or_double(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 200 };
    struct event *one = make_uploads(ALICE, COUNT, "v1"), *two = make_uploads(ALICE, COUNT, "v1");
    static struct finish_call calls[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        one[i].claim.goes_ahead = i % 3 == 0; /* beside the rest of its own tenant */
        claim_start(fixture, 0, &one[i]);
        claim_start(fixture, 1, &two[COUNT - 1 - i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        claim_wait(fixture, &one[i]);
        claim_wait(fixture, &two[i]);
        bool is_one = one[i].claim.verdict == CLAIM_GO;
        assert_int_equal(two[i].claim.verdict, is_one ? CLAIM_BUSY : CLAIM_GO);
        finish_start(fixture, is_one ? 0 : 1, is_one ? &one[i] : &two[i], &calls[i]);
    }
    wait_for_finishes(fixture, calls, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_false(calls[i].has_failed);
    assert_string_equal(sql("select count(*) from processing_jobs where status = 'completed'"),
                        "200");
    assert_string_equal(reconcile(), "");
    xfree(one);
    xfree(two);
}

static void test_outage__lost_connections_are_asked_again(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 300 };
    struct event *events = make_uploads(ALICE, COUNT, "v1");
    static struct finish_call calls[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        events[i].claim.goes_ahead = i % 3 == 0;
        claim_start(fixture, 0, &events[i]);
        if (i % 50 == 0) {
            loop_run_once(fixture->loop, 1);
            sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'ledger' "
                "and pid <> pg_backend_pid()");
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        claim_wait(fixture, &events[i]);
        assert_int_equal(events[i].claim.verdict, CLAIM_GO);
        assert_int_equal(events[i].claim.starts, 1); /* however often it was asked */
        finish_start(fixture, 0, &events[i], &calls[i]);
    }
    loop_run_once(fixture->loop, 1);
    pg_cluster_halt(cluster);
    loop_run_once(fixture->loop, 1);
    pg_cluster_resume(cluster);
    wait_for_finishes(fixture, calls, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_false(calls[i].has_failed);
    assert_string_equal(reconcile(), "");
    assert_string_equal(sql("select count(*) from documents where status = 'success'"), "300");
    xfree(events);
}

static void test_random__counters_always_equal_the_items(void **state)
{
    struct fixture *fixture = *state;
    struct rng rng = rng_seeded(7);
    static const char *const USERS[] = {ALICE, BOB};
    static const char *const NAMES[] = {"a.pdf", "b.pdf", "c.pdf"};
    char version[16], etag[16];
    for (int i = 0; i < 150; i++) {
        const char *user = USERS[rng_below(&rng, 2)], *name = NAMES[rng_below(&rng, 3)];
        (void)text_format(version, sizeof(version), "v%d", i);
        (void)text_format(etag, sizeof(etag), "e%d", (int)rng_below(&rng, 3));
        bool is_removal = rng_below(&rng, 4) == 0;
        struct event event = is_removal ? removal(user, name) : upload(user, name, version);
        if (claim_of(fixture, (int)rng_below(&rng, 2), &event) != CLAIM_GO)
            continue;
        switch (rng_below(&rng, 6)) {
        case 0:
            finish(fixture, &event, is_removal ? EFFECT_GONE : EFFECT_DROP,
                   is_removal ? OUTCOME_SKIPPED : OUTCOME_FAILED);
            break;
        case 1:
            finish(fixture, &event, event.claim.has_live ? EFFECT_KEEP : EFFECT_GONE,
                   OUTCOME_SKIPPED);
            break;
        case 2:
            release(fixture, &event, rng_below(&rng, 2));
            sql("update job_items set parked_until = null");
            break;
        case 3:
            expire_leases();
            break;
        default:
            process(fixture, &event, etag, (uint32_t)rng_below(&rng, 6));
        }
        assert_string_equal(reconcile(), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        T(test_batch__packs_what_waits_together),
        T(test_batch__what_goes_ahead_is_not_packed_with_the_rest),
        T(test_batch__takes_a_document_once_and_the_next_event_later),
        T(test_batch__only_the_guilty_row_fails),
        T(test_batch__large_texts_go_ahead),
        T(test_known__finds_chunks_of_the_live_generation_only),
        T(test_bury__keeps_a_letter_once),
        T(test_bury__keeps_the_letters_of_a_message_together),
        T(test_bury__keeps_the_letters_of_a_topic_that_was_made_anew),
        T(test_janitor__sweeps_rows_of_attempts_that_ended),
        T(test_race__two_ledgers_never_deadlock_or_double),
        T(test_outage__lost_connections_are_asked_again),
        T(test_random__counters_always_equal_the_items),
#undef T
    };
    cluster = pg_cluster_start();
    int failed = cmocka_run_group_tests_name("ledger_batch", tests, NULL, NULL);
    pg_cluster_stop(cluster);
    return failed;
}
