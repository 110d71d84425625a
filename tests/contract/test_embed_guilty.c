/* Who shares a call with a text that the server cannot bear comes to no harm, and a server that
 * bears nothing at all is not taken for such a text. */
#include "tests/contract/embed_bench.h"

static void assert_only_guilty_fail(const enum deed *deeds, size_t deed_count, const char *word,
                                    enum error_code code)
{
    bench_script(deeds, deed_count);
    bench.guilty_word = word;

    bench_submit(0, 3, SIZE_MAX, 0);
    bench_submit(1, 3, 2, 0);
    bench_submit(2, 3, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
    assert_failed(&bench.calls[1], code);
    assert_vectors(&bench.calls[2]);
    assert_non_null(bench.calls[1].chunks[0].vector);
    assert_non_null(bench.calls[1].chunks[1].vector);
    assert_null(bench.calls[1].chunks[2].vector);
}

static void
test_guilty__parts_those_who_share_calls_with_a_text_that_breaks_the_server(void **state)
{
    (void)state;
    static const enum deed DEEDS[] = {DEED_ANSWER};
    assert_only_guilty_fail(DEEDS, COUNT_OF(DEEDS), "CRASH", ERR_UNAVAILABLE);
}

static void test_guilty__parts_those_who_share_calls_with_a_text_that_gets_no_vector(void **state)
{
    (void)state;
    static const enum deed DEEDS[] = {DEED_ANSWER};
    assert_only_guilty_fail(DEEDS, COUNT_OF(DEEDS), "FORGET", ERR_EMBED_VECTOR);
}

/* The first probe is lost as well: one is sent whenever the call has failed again. */
static void test_guilty__asks_more_than_once_whether_the_server_is_there(void **state)
{
    (void)state;
    static const enum deed DEEDS[] = {DEED_SERVER_ERROR, DEED_SERVER_ERROR, DEED_SERVER_ERROR,
                                      DEED_SERVER_ERROR, DEED_ANSWER};
    assert_only_guilty_fail(DEEDS, COUNT_OF(DEEDS), "CRASH", ERR_UNAVAILABLE);
}

/* Neither half of what they share is ever answered. */
static void test_guilty__may_be_many_and_all_others_come_out(void **state)
{
    (void)state;
    SCRIPT(DEED_ANSWER);
    bench.guilty_word = "CRASH";

    for (size_t i = 0; i < 12; i++)
        bench_submit(i, 3, i % 3 == 1 ? SIZE_MAX : i % 2 * 2, 0);
    bench_wait_all();

    for (size_t i = 0; i < 12; i++) {
        if (i % 3 == 1)
            assert_vectors(&bench.calls[i]);
        else
            assert_failed(&bench.calls[i], ERR_UNAVAILABLE);
    }
}

static void test_guilty__comes_out_where_one_call_at_a_time_is_allowed(void **state)
{
    (void)state;
    static const enum deed DEEDS[] = {DEED_ANSWER};
    assert_only_guilty_fail(DEEDS, COUNT_OF(DEEDS), "CRASH", ERR_UNAVAILABLE);
}

/* Invariant: an outage parts nobody, and nobody fails for good for it. */
static void test_guilty__is_nobody_while_the_server_answers_nothing(void **state)
{
    (void)state;
    SCRIPT(DEED_SERVER_ERROR);

    bench_submit(0, 3, SIZE_MAX, 0);
    bench_submit(1, 3, SIZE_MAX, 0);
    bench_wait_all();

    for (size_t i = 0; i < 2; i++) {
        assert_failed(&bench.calls[i], ERR_UNAVAILABLE);
        assert_int_equal(error_disposition(bench.calls[i].err.code), DISPOSITION_RETRY);
    }
    unsigned probes = embed_server_calls_of(bench.server, 1);
    assert_in_range(probes, 1, 4);
    assert_int_equal(embed_server_calls(bench.server),
                     embed_server_calls_of(bench.server, 6) + probes);
}

static void test_guilty__is_nobody_when_an_outage_is_over_in_time(void **state)
{
    (void)state;
    SCRIPT(DEED_SERVER_ERROR, DEED_SERVER_ERROR, DEED_SERVER_ERROR, DEED_SERVER_ERROR, DEED_ANSWER);

    bench_submit(0, 3, SIZE_MAX, 0);
    bench_submit(1, 3, SIZE_MAX, 0);
    bench_wait_all();

    assert_vectors(&bench.calls[0]);
    assert_vectors(&bench.calls[1]);
}

#define ENDPOINT(test) cmocka_unit_test_setup_teardown(test, bench_open_endpoint, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENDPOINT(test_guilty__parts_those_who_share_calls_with_a_text_that_breaks_the_server),
        ENDPOINT(test_guilty__parts_those_who_share_calls_with_a_text_that_gets_no_vector),
        ENDPOINT(test_guilty__asks_more_than_once_whether_the_server_is_there),
        ENDPOINT(test_guilty__may_be_many_and_all_others_come_out),
        cmocka_unit_test_setup_teardown(test_guilty__comes_out_where_one_call_at_a_time_is_allowed,
                                        bench_open_narrow, bench_close),
        ENDPOINT(test_guilty__is_nobody_while_the_server_answers_nothing),
        ENDPOINT(test_guilty__is_nobody_when_an_outage_is_over_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
