#include "queue/trace.h"
#include "tests/unit/test.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"

static struct text trace_of(struct text value)
{
    struct header headers[] = {{TEXT("millrace-job"), TEXT("x")}, {TEXT("traceparent"), value}};
    return trace_id_of(headers, COUNT_OF(headers));
}

static void test_trace__is_found_in_a_traceparent(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT(ID), trace_of(TEXT("00-" ID "-00f067aa0ba902b7-01"))));
    assert_true(
        text_equal(TEXT(ID), trace_of(TEXT("01-" ID "-00f067aa0ba902b7-01-later-versions"))));
    assert_null(trace_id_of(NULL, 0).start);
}

static void test_trace__is_nothing_unless_all_of_it_is_right(void **state)
{
    static const char *const wrong[] = {
        "",
        "00",
        "00-" ID "-00f067aa0ba902b7",
        "00-" ID "-00f067aa0ba902b7-0",
        "00-" ID "-00f067aa0ba902b7-01-more",
        "ff-" ID "-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-" ID "-0000000000000000-01",
        "00_" ID "-00f067aa0ba902b7-01",
        "00-" ID "-00f067aa0ba902b7-zz",
        "00-\"}{4f3577b34da6a3ce929d0e0e4736ab-00f067aa0ba902b7-01",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (trace_of(text_from(wrong[i])).start)
            fail_msg("taken: %s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace__is_found_in_a_traceparent),
        cmocka_unit_test(test_trace__is_nothing_unless_all_of_it_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
