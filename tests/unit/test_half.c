#include <math.h>

#include "store/half.h"
#include "tests/unit/test.h"

/* By the definition; exact in a double. */
static double value_of(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half >> 15 ? -magnitude : magnitude;
}

static void test_half__every_one_comes_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half <= UINT16_MAX; half++)
        if ((half & 0x7c00) != 0x7c00)
            assert_int_equal(half_bits((float)value_of((uint16_t)half)), half);
}

static void test_half__between_two_is_the_nearer_and_of_a_tie_the_even_one(void **state)
{
    (void)state;
    for (uint16_t half = 0; half < 0x7bff; half++) {
        float middle = (float)((value_of(half) + value_of(half + 1)) / 2);
        uint16_t even = (uint16_t)(half + half % 2);
        assert_int_equal(half_bits(middle), even);
        assert_int_equal(half_bits(-middle), 0x8000 | even);
        assert_int_equal(half_bits(nextafterf(middle, 0)), half);
        assert_int_equal(half_bits(nextafterf(middle, INFINITY)), half + 1);
    }
}

static void test_half__ends_in_infinity(void **state)
{
    (void)state;
    assert_int_equal(half_bits(65519.996f), 0x7bff);
    assert_int_equal(half_bits(65520.0f), 0x7c00);
    assert_int_equal(half_bits(-3e38f), 0xfc00);
    assert_int_equal(half_bits(INFINITY), 0x7c00);
    assert_int_equal(half_bits(NAN) & 0x7fff, 0x7e00);
    assert_int_equal(half_bits(1e-45f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half__every_one_comes_back),
        cmocka_unit_test(test_half__between_two_is_the_nearer_and_of_a_tie_the_even_one),
        cmocka_unit_test(test_half__ends_in_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
