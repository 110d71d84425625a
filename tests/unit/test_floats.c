#include <math.h>

#include "store/floats.h"
#include "tests/unit/test.h"
#include "worker/base/rng.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void assert_written(float value, const char *expected)
{
    char text[FLOAT_TEXT_BYTES_MAX + 1];
    text[float_format(value, text)] = '\0';
    assert_string_equal(text, expected);
}

static void assert_read(const char *text, float expected)
{
    size_t bytes = 0;
    float value = 0;
    assert_true(float_parse(text_from(text), &bytes, &value));
    assert_int_equal(bytes, strlen(text));
    assert_int_equal(bits_of(value), bits_of(expected));
}

static void assert_refused(const char *text)
{
    size_t bytes = 77;
    float value = 77;
    assert_false(float_parse(text_from(text), &bytes, &value));
    assert_int_equal(bytes, 77);
    assert_int_equal(bits_of(value), bits_of(77));
}

/* The fewest digits that strtof reads back, by trying: what ours must not exceed. */
static unsigned digits_needed(float value)
{
    char text[64];
    for (int digits = 1; digits < 9; digits++) {
        (void)text_format(text, sizeof(text), "%.*e", digits - 1, (double)value);
        if (bits_of(strtof(text, NULL)) == bits_of(value))
            return (unsigned)digits;
    }
    return 9;
}

static unsigned digits_in(const char *text)
{
    unsigned count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text == '0' && count > 0)
            zeros++;
        else if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        }
    }
    return count;
}

static void assert_round_trip(float value)
{
    char text[FLOAT_TEXT_BYTES_MAX + 1];
    size_t bytes = float_format(value, text);
    assert_in_range(bytes, 1, FLOAT_TEXT_BYTES_MAX);
    text[bytes] = '\0';
    if (bits_of(strtof(text, NULL)) != bits_of(value))
        fail_msg("%a is written %s", (double)value, text);
    assert_read(text, value);
}

static void test_floats__are_written_in_the_shorter_of_two_forms(void **state)
{
    (void)state;
    assert_written(1.0f, "1");
    assert_written(-1.5f, "-1.5");
    assert_written(0.1f, "0.1");
    assert_written(100.0f, "100");
    assert_written(1000.0f, "1e3");
    assert_written(0.018123455f, "0.018123455");
    assert_written(-0.0018123455f, "-0.0018123455");
    assert_written(-0.00018123456f, "-18123456e-11");
    assert_written(16777216.0f, "16777216");
    assert_written(123456.7f, "123456.7");
    assert_written(0.001f, "0.001"); /* a byte for the speed of all the others */
    assert_written(0.0001f, "1e-4");
    assert_written(3.4028235e38f, "34028235e31");
    assert_written(1.1754944e-38f, "11754944e-45");
    assert_written(1.4e-45f, "1e-45");
    assert_written(-1.4e-45f, "-1e-45");
}

static void test_floats__keep_the_sign_of_zero_as_a_fraction(void **state)
{
    (void)state;
    assert_written(0.0f, "0.0");
    assert_written(-0.0f, "-0.0");
    assert_read("-0.0", -0.0f);
    assert_read("-0", -0.0f);
    assert_read("0e5", 0.0f);
}

static void test_floats__of_every_exponent_come_back(void **state)
{
    (void)state;
    for (uint32_t biased = 0; biased < 255; biased++) {
        static const uint32_t FRACTIONS[] = {0, 1, 2, 3, 0x3fffff, 0x400000, 0x7ffffe, 0x7fffff};
        for (size_t i = 0; i < COUNT_OF(FRACTIONS); i++) {
            assert_round_trip(float_of(biased << 23 | FRACTIONS[i]));
            assert_round_trip(float_of(1u << 31 | biased << 23 | FRACTIONS[i]));
        }
    }
}

static void test_floats__at_random_come_back_by_the_shortest_text(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(3072);
    for (int i = 0; i < 2000000; i++) {
        float value = float_of((uint32_t)rng_next(&rng));
        if (isfinite(value))
            assert_round_trip(value);
    }
    for (int i = 0; i < 100000; i++) {
        float value = float_of((uint32_t)rng_next(&rng));
        char text[FLOAT_TEXT_BYTES_MAX + 1];
        if (!isfinite(value) || fabsf(value) < 1.17549435e-38f)
            continue;
        text[float_format(value, text)] = '\0';
        assert_int_equal(digits_in(text), digits_needed(value));
    }
}

/* From 0.001 up to 1 they take a way of their own. */
static void test_floats__of_vectors_are_the_nearest_of_the_shortest(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(384);
    uint32_t first = bits_of(0.001f), end = bits_of(1.0f);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t bits = first + (uint32_t)rng_below(&rng, end - first);
        if (i < 4096)
            bits &= ~(uint32_t)0 << (i % 24); /* those whose decimals end, and powers of two */
        float value = float_of(bits);
        char text[FLOAT_TEXT_BYTES_MAX + 1], nearest[64];
        text[float_format(value, text)] = '\0';
        (void)text_format(nearest, sizeof(nearest), "%.*e", (int)digits_needed(value) - 1,
                          (double)value);
        if (strtod(text, NULL) != strtod(nearest, NULL))
            fail_msg("%a is written %s, not %s", (double)value, text, nearest);
    }
    assert_written(float_of(first - 1), "9999999e-10");
    assert_written(float_of(first + 1), "0.0010000002");
    assert_written(float_of(end - 1), "0.99999994");
    assert_written(0.01f, "0.01");
    assert_written(0.00390625f, "0.00390625");
    assert_written(0.251953125f, "0.25195312");
}

static void test_floats__make_a_list_with_commas(void **state)
{
    (void)state;
    static const float VALUES[] = {-0.5f, 0.018123455f, 1e-7f, -0.01f};
    char text[FLOATS_TEXT_BYTES_MAX(COUNT_OF(VALUES))];

    size_t bytes = floats_format(VALUES, COUNT_OF(VALUES), text);

    assert_int_equal(floats_format(VALUES, 0, text + bytes), 0);
    text[bytes] = '\0';
    assert_string_equal(text, "-0.5,0.018123455,1e-7,-0.01");
}

static void test_floats__are_read_like_strtof_whatever_the_digits(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(17);
    for (int i = 0; i < 500000; i++) {
        char text[64];
        float value = float_of((uint32_t)rng_next(&rng));
        if (!isfinite(value))
            continue;
        int digits = (int)rng_below(&rng, 20);
        (void)text_format(text, sizeof(text), "%.*e", digits, (double)value * (1 + 1e-8 * i));
        float expected = strtof(text, NULL);
        if (isfinite(expected))
            assert_read(text, expected);
        else
            assert_refused(text);
    }
}

static void test_floats__between_two_neighbours_are_rounded_to_even(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(5);
    for (int i = 0; i < 100000; i++) { /* exact middles, and a hair beside them */
        float value = float_of((uint32_t)rng_below(&rng, 0x7f7fffff));
        double middle = ((double)value + (double)float_of(bits_of(value) + 1)) / 2;
        static const char *const FORMATS[] = {"%.17e", "%.120e", "%.9e"};
        for (size_t form = 0; form < COUNT_OF(FORMATS); form++) {
            char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)text_format(text, sizeof(text), FORMATS[form], middle);
#pragma GCC diagnostic pop
            assert_read(text, strtof(text, NULL));
        }
    }
    assert_read("16777217", 16777216.0f);
    assert_read("16777217.0000000000000000000000000000001", 16777218.0f);
    assert_read("16777219", 16777220.0f);
}

static void test_floats__end_where_the_number_ends(void **state)
{
    (void)state;
    size_t bytes;
    float value;
    assert_true(float_parse(TEXT("0.25,1]"), &bytes, &value));
    assert_int_equal(bytes, 4);
    assert_true(float_parse(TEXT("-7]"), &bytes, &value));
    assert_int_equal(bytes, 2);
    assert_true(value == -7.0f);
    assert_read("1E+2", 100.0f);
    assert_read("1e-99999999999999999999", 0.0f);
    assert_read("0.00000000000000000000000000000000000000000000000000001e53", 1.0f);
}

static void test_floats__refuse_what_is_no_json_number(void **state)
{
    (void)state;
    static const char *const WRONG[] = {"",      "-",    "+1",    ".5",     "1.",       "01",  "1e",
                                        "1e+",   "1.e5", "NaN",   "nan",    "Infinity", "--1", "e5",
                                        "\"1\"", "-.1",  "1e400", "3.5e38", " 1"};
    for (size_t i = 0; i < COUNT_OF(WRONG); i++)
        assert_refused(WRONG[i]);
    char longest[402];
    memset(longest, '1', 401);
    longest[401] = '\0';
    assert_refused(longest);
}

static void test_floats__reads_exactly_as_many_as_are_wanted(void **state)
{
    (void)state;
    float values[3];
    assert_true(floats_read(TEXT("[1, -2.5,\n3e2 ]"), values, 3));
    assert_true(values[0] == 1.0f && values[1] == -2.5f && values[2] == 300.0f);
    assert_true(floats_read(TEXT(" [] "), values, 0));
    assert_false(floats_read(TEXT("[1,2]"), values, 3));
    assert_false(floats_read(TEXT("[1,2,3,4]"), values, 3));
    assert_false(floats_read(TEXT("[1,2,3,]"), values, 3));
    assert_false(floats_read(TEXT("[1,2,null]"), values, 3));
    assert_false(floats_read(TEXT("[1,2,NaN]"), values, 3));
    assert_false(floats_read(TEXT("[1,2,3] x"), values, 3));
    assert_false(floats_read(TEXT("[1,2,3"), values, 3));
    assert_false(floats_read(TEXT("{\"a\":1}"), values, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats__are_written_in_the_shorter_of_two_forms),
        cmocka_unit_test(test_floats__keep_the_sign_of_zero_as_a_fraction),
        cmocka_unit_test(test_floats__of_every_exponent_come_back),
        cmocka_unit_test(test_floats__at_random_come_back_by_the_shortest_text),
        cmocka_unit_test(test_floats__of_vectors_are_the_nearest_of_the_shortest),
        cmocka_unit_test(test_floats__make_a_list_with_commas),
        cmocka_unit_test(test_floats__are_read_like_strtof_whatever_the_digits),
        cmocka_unit_test(test_floats__between_two_neighbours_are_rounded_to_even),
        cmocka_unit_test(test_floats__end_where_the_number_ends),
        cmocka_unit_test(test_floats__refuse_what_is_no_json_number),
        cmocka_unit_test(test_floats__reads_exactly_as_many_as_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
