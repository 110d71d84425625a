#include "embed/batch.h"
#include "tests/unit/test.h"

static const struct batch_limits LIMITS = {
    .inputs_max = 3,
    .tokens_max = 1000,
    .request_bytes_max = 100000,
    .reply_bytes_max = 100000,
    .dimension_count = 3072,
    .is_base64 = true,
};

static void test_batch__is_closed_by_the_number_of_inputs(void **state)
{
    (void)state;
    struct batch batch = {0};

    for (int i = 0; i < 3; i++)
        assert_true(batch_add(&batch, &LIMITS, 10, 40));

    assert_true(batch_is_full(&batch, &LIMITS));
    assert_false(batch_add(&batch, &LIMITS, 10, 40));
    assert_int_equal(batch.input_count, 3);
}

static void test_batch__is_closed_by_tokens(void **state)
{
    (void)state;
    struct batch batch = {0};

    assert_true(batch_add(&batch, &LIMITS, 600, 40));
    assert_false(batch_add(&batch, &LIMITS, 401, 40));
    assert_true(batch_add(&batch, &LIMITS, 400, 40));
}

static void test_batch__is_closed_by_the_bytes_of_the_answer(void **state)
{
    (void)state;
    struct batch_limits limits = LIMITS;
    struct batch batch = {0};
    limits.reply_bytes_max = 2 * 16448;

    assert_int_equal(batch_reply_bytes(1, 3072, true), 16448);
    assert_true(batch_add(&batch, &limits, 1, 1));
    assert_true(batch_add(&batch, &limits, 1, 1));
    assert_false(batch_add(&batch, &limits, 1, 1));
}

static void test_batch__always_takes_a_first_input(void **state)
{
    (void)state;
    struct batch batch = {0};

    assert_false(batch_is_full(&batch, &LIMITS));
    assert_true(batch_add(&batch, &LIMITS, 5000, 400000));
    assert_true(batch_is_full(&batch, &LIMITS));
}

static void test_batch__counts_at_least_a_quarter_of_the_bytes(void **state)
{
    (void)state;
    assert_int_equal(batch_tokens(3, 41), 11);
    assert_int_equal(batch_tokens(12, 41), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch__is_closed_by_the_number_of_inputs),
        cmocka_unit_test(test_batch__is_closed_by_tokens),
        cmocka_unit_test(test_batch__is_closed_by_the_bytes_of_the_answer),
        cmocka_unit_test(test_batch__always_takes_a_first_input),
        cmocka_unit_test(test_batch__counts_at_least_a_quarter_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
