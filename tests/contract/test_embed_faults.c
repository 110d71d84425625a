/* Every fault of an embedding endpoint ends in its stated outcome: what may pass is asked for again
 * and the vectors come, and none that cannot be right is handed out. */
#include "tests/contract/embed_bench.h"
#include "worker/base/budget.h"

#define CALL_TIMEOUT_MS 400 /* for the faults that are only seen by waiting */

struct fault {
    const char *name;
    enum deed deed;
};

/* Flow control, failures of the server and of the way to it, answers that are none. */
static const struct fault FAULTS[] = {
    {"429 with Retry-After", DEED_RATE_LIMIT},
    {"429 without", DEED_RATE_LIMIT_BARE},
    {"500", DEED_SERVER_ERROR},
    {"502 with HTML", DEED_BAD_GATEWAY},
    {"503", DEED_UNAVAILABLE},
    {"408", DEED_REQUEST_TIMEOUT},
    {"hung up", DEED_DROP},
    {"half-open after the request", DEED_HANG},
    {"stall in the body", DEED_STALL},
    {"reset in the body", DEED_RESET},
    {"cut body", DEED_TRUNCATE},
    {"no JSON", DEED_GARBAGE},
    {"very deep JSON", DEED_DEEP},
    {"an endless answer", DEED_HUGE},
    {"too few vectors", DEED_SHORT},
    {"an index twice", DEED_TWICE},
    {"an index of no input", DEED_OUTSIDE},
    {"wrong dimension", DEED_WIDE},
    {"NaN", DEED_NAN},
    {"null", DEED_NULL},
    {"infinity", DEED_INFINITE},
    {"all zero", DEED_ZERO},
    {"an empty vector", DEED_EMPTY},
};

static int open_impatient(void **state)
{
    (void)state;
    struct embed_options options = bench_options(EMBED_OPENAI);
    options.timeout_ms = CALL_TIMEOUT_MS;
    bench_open(&options);
    return 0;
}

static void test_faults__that_pass_cost_another_call_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++) {
        enum deed deeds[] = {FAULTS[i].deed, DEED_ANSWER};
        bench_script(deeds, COUNT_OF(deeds));

        bench_submit(0, 3, SIZE_MAX, 0);
        bench_wait_all();

        if (embed_server_calls(bench.server) != 2)
            fail_msg("%s: %u calls", FAULTS[i].name, embed_server_calls(bench.server));
        assert_vectors(&bench.calls[0]);
    }
}

static enum error_code expected_code(enum deed deed)
{
    switch (deed) {
    case DEED_RATE_LIMIT:
    case DEED_RATE_LIMIT_BARE:
        return ERR_THROTTLED;
    case DEED_DROP:
    case DEED_RESET:
    case DEED_TRUNCATE:
        return ERR_UNREACHABLE;
    case DEED_HANG:
    case DEED_STALL:
        return ERR_TIMEOUT;
    case DEED_GARBAGE:
    case DEED_DEEP:
        return ERR_PROTOCOL;
    case DEED_HUGE:
        return ERR_PROTOCOL;
    case DEED_SERVER_ERROR:
    case DEED_BAD_GATEWAY:
    case DEED_UNAVAILABLE:
    case DEED_REQUEST_TIMEOUT:
        return ERR_UNAVAILABLE;
    default:
        return ERR_EMBED_VECTOR;
    }
}

/* Invariant: no document fails for good for what is not its fault. */
static void test_faults__that_stay_end_with_their_name_and_may_be_tried_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++) {
        struct embed_options options = bench_options(EMBED_OPENAI);
        options.timeout_ms = CALL_TIMEOUT_MS;
        options.budget = bench_poor(0); /* nothing is repeated but what costs nothing */
        bench_open(&options);
        bench_script(&FAULTS[i].deed, 1);

        bool is_flow = expected_code(FAULTS[i].deed) == ERR_THROTTLED; /* for ever, that is */
        struct call *call = bench_submit(0, 1, SIZE_MAX, is_flow ? CALL_TIMEOUT_MS * 2 : 0);
        bench_wait_all();

        if (!call->has_failed || call->err.code != expected_code(FAULTS[i].deed))
            fail_msg("%s: %s %s", FAULTS[i].name,
                     call->has_failed ? error_name(call->err.code) : "no error", call->err.message);
        assert_null(call->chunks[0].vector);
        assert_int_not_equal(error_disposition(call->err.code), DISPOSITION_REJECT);
        bench_close(state);
        budget_free(options.budget);
    }
}

static void assert_unreachable(struct text url)
{
    struct embed_options options = bench_options(EMBED_OPENAI);
    options.base_url = url;
    bench_open(&options);
    SCRIPT(DEED_ANSWER);

    bench_submit(0, 1, SIZE_MAX, 0);
    bench_wait_all();

    assert_failed(&bench.calls[0], ERR_UNREACHABLE);
    assert_null(bench.calls[0].chunks[0].vector);
    bench_close(NULL);
}

static void test_faults__of_the_way_are_told_from_those_of_the_server(void **state)
{
    (void)state;
    char url[64];
    struct embed_server *other = embed_server_start();
    unsigned port = embed_server_port(other);
    (void)text_format(url, sizeof(url), "https://127.0.0.1:%u/v1", port);

    assert_unreachable(text_from(url)); /* it does not speak TLS */
    embed_server_stop(other);
    (void)text_format(url, sizeof(url), "http://127.0.0.1:%u/v1", port);
    assert_unreachable(text_from(url)); /* refused */
    assert_unreachable(TEXT("http://no-such-host.invalid/v1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_faults__that_pass_cost_another_call_and_nothing_else,
                                        open_impatient, bench_close),
        cmocka_unit_test(test_faults__that_stay_end_with_their_name_and_may_be_tried_again),
        cmocka_unit_test(test_faults__of_the_way_are_told_from_those_of_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
