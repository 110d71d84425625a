/* The Pinecone driver and a store that misbehaves: retries, 429, ambiguity, leases, closing. */
#include "tests/contract/fake_server.h"
#include "tests/contract/vectors_world.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"

enum { REQUESTS_MAX = 3, WIDE = 3072 };

static struct fake_server *fake;

struct fixture {
    struct loop *loop;
    struct vectors *vectors;
    struct sample *sample;
    bool is_closed;
};

static struct vectors *open_vectors(struct loop *loop, const char *key, uint32_t dimension_count)
{
    struct error err;
    struct vectors_options options = {
        .engine = VECTORS_PINECONE,
        .dimension_count = dimension_count,
        .host = text_from(fake_server_url(fake)),
        .api_key = text_from(key),
        .api_version = TEXT("2025-10"),
        .requests_max = REQUESTS_MAX,
        .timeout_ms = 5000,
    };
    struct vectors *vectors = vectors_open(loop, &options, &err);
    assert_non_null(vectors);
    return vectors;
}

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    fake_server_reset(fake);
    fixture->loop = loop_new(&err);
    assert_non_null(fixture->loop);
    fixture->vectors = open_vectors(fixture->loop, "key", WIDE);
    fixture->sample = sample_new('1', "a.pdf", 10, WIDE);
    *state = fixture;
    return 0;
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->is_closed = true;
}

static void close_vectors(struct fixture *fixture)
{
    fixture->is_closed = false;
    vectors_close(fixture->vectors, on_closed, fixture);
    fixture->vectors = NULL;
    for (int turns = 0; !fixture->is_closed && turns < 200; turns++)
        loop_run_once(fixture->loop, 100);
    assert_true(fixture->is_closed);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->vectors)
        close_vectors(fixture);
    sample_free(fixture->sample);
    loop_free(fixture->loop);
    xfree(fixture);
    return 0;
}

/* A number of the fake's state, 0 when it has none. */
static uint64_t seen(const char *group, const char *name)
{
    struct error err;
    AUTO_JSON struct json *state = json_parse(fake_server_state(fake), &err);
    assert_non_null(state);
    uint64_t value = 0;
    return json_u64(json_member(json_member(state, group), name), &value) ? value : 0;
}

static void upsert(struct fixture *fixture, struct ask *ask)
{
    vectors_upsert(fixture->vectors, &ask->request);
    ask_wait(fixture->loop, ask);
}

static void test_pinecone__many_vectors_travel_in_full_requests_side_by_side(void **state)
{
    struct fixture *fixture = *state;
    sample_free(fixture->sample);
    fixture->sample = sample_new('1', "big.pdf", 300, WIDE);
    fake_server_set_faults(fake, "{\"store\":{\"delay\":0.02}}");
    struct ask ask;
    ask_init(&ask, fixture->sample);
    upsert(fixture, &ask);
    assert_answered(&ask);
    assert_int_equal(seen("stats", "store_upserted"), 300);
    assert_in_range(seen("stats", "store_vectors_upsert"), 6, 8);
    assert_in_range(seen("peaks", "upsert_bytes"), 1800000, 1900000);
    assert_in_range(seen("peaks", "store_in_flight"), 2, REQUESTS_MAX);
}

static void test_pinecone__requests_take_turns(void **state)
{
    struct fixture *fixture = *state;
    struct sample *big = sample_new('1', "big.pdf", 300, WIDE);
    struct ask big_ask, small_ask;
    ask_init(&big_ask, big);
    ask_init(&small_ask, fixture->sample);
    vectors_upsert(fixture->vectors, &big_ask.request);
    vectors_upsert(fixture->vectors, &small_ask.request);
    ask_wait(fixture->loop, &small_ask);
    assert_answered(&small_ask);
    assert_false(big_ask.is_done);
    ask_wait(fixture->loop, &big_ask);
    assert_answered(&big_ask);
    sample_free(big);
}

static void test_pinecone__a_server_error_is_tried_again_and_stays_ambiguous(void **state)
{
    struct fixture *fixture = *state;
    static const char *const FAULTS[] = {"500", "503", "drop", "swallow", "truncate", "garbage"};
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++) {
        char faults[128];
        fake_server_reset(fake);
        (void)text_format(faults, sizeof(faults), "{\"store\":{\"script\":[\"%s\"]}}", FAULTS[i]);
        fake_server_set_faults(fake, faults);
        struct ask ask;
        ask_init(&ask, fixture->sample);
        upsert(fixture, &ask);
        assert_answered(&ask);
        if (!ask.request.is_ambiguous)
            fail_msg("after %s an upsert is not ambiguous", FAULTS[i]);
        assert_true(seen("stats", "store_upserted") >= 10);
    }
}

static void test_pinecone__a_store_that_stays_down_is_unavailable(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"503\":1}}");
    struct ask ask;
    ask_init(&ask, fixture->sample);
    upsert(fixture, &ask);
    assert_failed(&ask, ERR_UNAVAILABLE);
    assert_string_equal(ask.err.message, "pinecone upsert: status 503: Service unavailable");
    assert_true(ask.request.is_ambiguous);
    assert_int_equal(seen("stats", "store_status_503"), 4);
}

static void test_pinecone__a_429_is_waited_for_and_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"script\":[\"429_bare\",\"429_text\",\"429_bare\","
                                 "\"429_bare\",\"429_bare\"]}}");
    struct ask ask;
    ask_init(&ask, fixture->sample);
    ask_limit_sends(&ask, 6);
    upsert(fixture, &ask);
    assert_answered(&ask);
    assert_false(ask.request.is_ambiguous);
    assert_int_equal(seen("stats", "store_upserted"), 10);
}

static void test_pinecone__retry_after_is_obeyed(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"script\":[\"429\"]}}"); /* Retry-After: 1 */
    uint64_t start_ms = loop_now_ms(fixture->loop);
    struct ask ask;
    ask_init(&ask, fixture->sample);
    upsert(fixture, &ask);
    assert_answered(&ask);
    assert_true(loop_now_ms(fixture->loop) - start_ms >= 1000);
}

static void test_pinecone__without_a_lease_nothing_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct ask ask;
    ask_init(&ask, fixture->sample);
    ask_limit_sends(&ask, 0);
    upsert(fixture, &ask);
    assert_failed(&ask, ERR_LOST);
    assert_false(ask.request.is_ambiguous);
    assert_int_equal(seen("stats", "store_vectors_upsert"), 0);
}

static void test_pinecone__a_lease_that_ends_ends_the_retries(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"drop\":1}}");
    struct ask ask;
    ask_init(&ask, fixture->sample);
    ask_limit_sends(&ask, 2);
    upsert(fixture, &ask);
    assert_failed(&ask, ERR_LOST);
    assert_true(ask.request.is_ambiguous);
    assert_int_equal(seen("stats", "store_fault_drop"), 2);
}

static void test_pinecone__a_wrong_key_is_denied_at_once(void **state)
{
    struct fixture *fixture = *state;
    close_vectors(fixture);
    fixture->vectors = open_vectors(fixture->loop, "wrong", WIDE);
    struct ask ask;
    ask_init(&ask, fixture->sample);
    upsert(fixture, &ask);
    assert_failed(&ask, ERR_DENIED);
    assert_string_equal(ask.err.message, "pinecone upsert: status 401: Invalid API Key");
    assert_false(ask.request.is_ambiguous);
}

static void test_pinecone__a_refusal_carries_the_stores_message(void **state)
{
    struct fixture *fixture = *state;
    close_vectors(fixture);
    fixture->vectors = open_vectors(fixture->loop, "key", 8);
    struct ask ask;
    ask_init(&ask, fixture->sample);
    upsert(fixture, &ask);
    assert_failed(&ask, ERR_STORE_REFUSED);
    assert_non_null(strstr(ask.err.message, "does not match the dimension of the index 3072"));
    assert_false(ask.request.is_ambiguous);
}

static void test_pinecone__a_read_that_fails_is_not_ambiguous(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"drop\":1}}");
    struct ask ask;
    ask_init(&ask, fixture->sample);
    vectors_query(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_failed(&ask, ERR_UNREACHABLE);
    assert_false(ask.request.is_ambiguous);
}

static void test_pinecone__a_delete_in_an_unknown_namespace_is_done(void **state)
{
    struct fixture *fixture = *state;
    struct ask ask;
    ask_init(&ask, fixture->sample);
    ask.request.no_end = 2500;
    vectors_delete(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_answered(&ask);
    assert_int_equal(seen("stats", "store_vectors_delete"), 3);
    assert_int_equal(seen("stats", "store_status_404"), 3);
}

static void test_pinecone__a_cancelled_upsert_that_was_sent_is_ambiguous(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"delay\":5}}");
    struct ask ask;
    ask_init(&ask, fixture->sample);
    vectors_upsert(fixture->vectors, &ask.request);
    uint64_t start_ms = loop_now_ms(fixture->loop);
    while (seen("peaks", "store_in_flight") == 0 && loop_now_ms(fixture->loop) - start_ms < 5000)
        loop_run_once(fixture->loop, 10);
    vectors_cancel(fixture->vectors, &ask.request);
    ask_wait(fixture->loop, &ask);
    assert_failed(&ask, ERR_CANCELLED);
    assert_true(ask.request.is_ambiguous);
}

static void test_pinecone__closing_answers_what_is_open(void **state)
{
    struct fixture *fixture = *state;
    fake_server_set_faults(fake, "{\"store\":{\"delay\":5}}");
    struct ask asks[5];
    for (size_t i = 0; i < COUNT_OF(asks); i++) { /* more than may be under way */
        ask_init(&asks[i], fixture->sample);
        vectors_upsert(fixture->vectors, &asks[i].request);
    }
    close_vectors(fixture);
    for (size_t i = 0; i < COUNT_OF(asks); i++)
        assert_failed(&asks[i], ERR_SHUTDOWN);
}

static void test_pinecone__options_that_cannot_work_are_refused(void **state)
{
    (void)state;
    struct error err;
    struct loop *loop = loop_new(&err);
    const struct vectors_options good = {.dimension_count = 3,
                                         .host = TEXT("index-1.svc.example"),
                                         .api_key = TEXT("key"),
                                         .api_version = TEXT("2025-10"),
                                         .requests_max = 1,
                                         .timeout_ms = 1000};
    for (int i = 0; i < 4; i++) {
        struct vectors_options options = good;
        if (i == 0)
            options.host = TEXT_NONE;
        if (i == 1)
            options.api_key = TEXT("key\r\nX-Evil: 1");
        if (i == 2)
            options.api_version = TEXT("latest");
        if (i == 3)
            options.dimension_count = 0;
        assert_null(vectors_open(loop, &options, &err));
        assert_string_equal(error_name(err.code), "config");
    }
    loop_free(loop);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    fake = fake_server_start(WIDE);
    const struct CMUnitTest tests[] = {
        EACH(test_pinecone__many_vectors_travel_in_full_requests_side_by_side),
        EACH(test_pinecone__requests_take_turns),
        EACH(test_pinecone__a_server_error_is_tried_again_and_stays_ambiguous),
        EACH(test_pinecone__a_store_that_stays_down_is_unavailable),
        EACH(test_pinecone__a_429_is_waited_for_and_costs_nothing),
        EACH(test_pinecone__retry_after_is_obeyed),
        EACH(test_pinecone__without_a_lease_nothing_is_sent),
        EACH(test_pinecone__a_lease_that_ends_ends_the_retries),
        EACH(test_pinecone__a_wrong_key_is_denied_at_once),
        EACH(test_pinecone__a_refusal_carries_the_stores_message),
        EACH(test_pinecone__a_read_that_fails_is_not_ambiguous),
        EACH(test_pinecone__a_delete_in_an_unknown_namespace_is_done),
        EACH(test_pinecone__a_cancelled_upsert_that_was_sent_is_ambiguous),
        EACH(test_pinecone__closing_answers_what_is_open),
        cmocka_unit_test(test_pinecone__options_that_cannot_work_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_server_stop(fake);
    return failed;
}
