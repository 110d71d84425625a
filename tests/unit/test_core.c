#include "tests/unit/test.h"
#include "worker/base/arena.h"
#include "worker/base/buffer.h"
#include "worker/base/error.h"
#include "worker/base/list.h"
#include "worker/base/rng.h"

static void test_text__parses_sizes_with_units(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_true(text_parse_bytes(TEXT("64KiB"), &bytes));
    assert_int_equal(bytes, 65536);
    assert_true(text_parse_bytes(TEXT("64 mb"), &bytes));
    assert_int_equal(bytes, 64000000);
    assert_true(text_parse_bytes(TEXT("7"), &bytes));
    assert_int_equal(bytes, 7);
    assert_false(text_parse_bytes(TEXT("7 parsecs"), &bytes));
    assert_false(text_parse_bytes(TEXT("KiB"), &bytes));
    assert_false(text_parse_bytes(TEXT("18446744073709551615GiB"), &bytes));
}

static void test_text__knows_the_digits_of_a_hexadecimal_number(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    for (size_t c = 0; c < 256; c++) {
        const char *at = c ? strchr(digits, (int)c) : NULL;
        int expected = at ? (int)(at - digits) : -1;
        assert_int_equal(text_hex_digit((char)c), expected > 15 ? expected - 6 : expected);
    }
}

static void test_text__parses_durations_only_with_a_unit(void **state)
{
    (void)state;
    uint64_t ms = 0;
    assert_true(text_parse_ms(TEXT("15 s"), &ms));
    assert_int_equal(ms, 15000);
    assert_true(text_parse_ms(TEXT("250ms"), &ms));
    assert_int_equal(ms, 250);
    assert_true(text_parse_ms(TEXT("2h"), &ms));
    assert_int_equal(ms, 7200000);
    assert_false(text_parse_ms(TEXT("15"), &ms));
    assert_false(text_parse_ms(TEXT("-1s"), &ms));
}

static void test_text__refuses_numbers_that_overflow(void **state)
{
    (void)state;
    uint64_t value = 42;
    assert_false(text_parse_u64(TEXT("18446744073709551616"), &value));
    assert_false(text_parse_u64(TEXT(""), &value));
    assert_false(text_parse_u64(TEXT("1 "), &value));
    assert_int_equal(value, 42);
    int64_t negative = 0;
    assert_true(text_parse_i64(TEXT("-17"), &negative));
    assert_int_equal(negative, -17);
}

static void test_text__writes_the_least_and_the_largest_number(void **state)
{
    (void)state;
    char digits[TEXT_U64_BYTES];
    assert_true(text_equal(text_of_u64(0, digits), TEXT("0")));
    assert_true(text_equal(text_of_u64(1000, digits), TEXT("1000")));
    assert_true(text_equal(text_of_u64(UINT64_MAX, digits), TEXT("18446744073709551615")));
}

static void test_text__knows_well_formed_utf8(void **state)
{
    (void)state;
    assert_true(text_is_utf8(TEXT("Mühle \xf0\x9f\x92\xa7")));
    assert_false(text_is_utf8(TEXT("\xc0\xaf")));         /* overlong */
    assert_false(text_is_utf8(TEXT("\xed\xa0\x80")));     /* surrogate */
    assert_false(text_is_utf8(TEXT("\xf4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(text_is_utf8(TEXT("\xe2\x82")));         /* cut */
    assert_int_equal(text_utf8_prefix(TEXT("ab\xc3\xbc"), 3).bytes, 2);
    assert_int_equal(text_utf8_count(TEXT("ab\xc3\xbc")), 3);
}

static void test_text__cuts_at_the_first_separator(void **state)
{
    (void)state;
    struct text rest;
    assert_text(text_cut(TEXT("a/b/c"), '/', &rest), "a");
    assert_text(rest, "b/c");
    assert_text(text_cut(TEXT("abc"), '/', &rest), "abc");
    assert_int_equal(rest.bytes, 0);
}

static void test_buffer__remembers_that_something_did_not_fit(void **state)
{
    (void)state;
    struct buffer buffer = buffer_new(10);
    assert_true(buffer_format(&buffer, "%s-%d", "abc", 42));
    assert_false(buffer_append_text(&buffer, TEXT("12345")));
    assert_true(buffer_append_char(&buffer, '!'));
    assert_true(buffer.is_full);
    assert_string_equal(buffer_string(&buffer), "abc-42!");
    buffer_release(&buffer);
}

static void test_arena__gives_nothing_past_its_budget(void **state)
{
    (void)state;
    struct arena arena = arena_new(100);
    char *a = arena_alloc(&arena, 60);
    assert_non_null(a);
    assert_int_equal((uintptr_t)a % 16, 0);
    assert_null(arena_alloc(&arena, 41));
    assert_non_null(arena_alloc(&arena, 40));
    assert_null(arena_alloc_array(&arena, SIZE_MAX / 2, 4));
    arena_release(&arena);
    struct text copy;
    assert_true(arena_copy(&arena, TEXT("again"), &copy));
    assert_string_equal(copy.start, "again");
    arena_release(&arena);
}

static void test_list__keeps_order_and_count(void **state)
{
    (void)state;
    struct list list;
    struct list_node a = {0}, b = {0}, c = {0};
    list_init(&list);
    list_push_back(&list, &b);
    list_push_back(&list, &c);
    list_push_front(&list, &a);
    list_remove(&list, &b);
    assert_int_equal(list.count, 2);
    assert_ptr_equal(list_pop_front(&list), &a);
    assert_ptr_equal(list_pop_front(&list), &c);
    assert_null(list_pop_front(&list));
    assert_false(list_is_member(&a));
}

static void test_error__wraps_outermost_first_in_one_line(void **state)
{
    (void)state;
    struct error err;
    assert_false(error_set(&err, ERR_TIMEOUT, "no answer\nin %d s", 5));
    assert_false(error_wrap(&err, "kafka %s", "uploads[3]"));
    assert_string_equal(err.message, "kafka uploads[3]: no answer in 5 s");
    assert_int_equal(error_disposition(err.code), DISPOSITION_RETRY);
    enum error_code code = ERR_BUG;
    assert_true(error_code_from_name(TEXT("needs_password"), &code));
    assert_int_equal(code, ERR_PASSWORD);
}

static void test_error__every_code_has_a_name_of_its_own_and_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ERROR_CODE_COUNT; i++) {
        enum error_code found = ERROR_CODE_COUNT;
        assert_true(error_code_from_name(text_from(error_name((enum error_code)i)), &found));
        assert_int_equal(found, i);
        assert_true(strlen(error_sentence((enum error_code)i)) > 10);
        assert_true(strlen(error_remedy((enum error_code)i)) > 10);
    }
}

static void test_error__cuts_a_long_message_on_a_character(void **state)
{
    (void)state;
    struct error err;
    char many[600] = "x";
    for (size_t i = 1; i + 2 < sizeof(many); i += 2)
        memcpy(many + i, "\xc3\xbc", 3);
    error_set(&err, ERR_IO, "%s", many);
    assert_true(text_is_utf8(text_from(err.message)));
    assert_in_range(strlen(err.message), 250, 255);
}

static void test_rng__is_repeatable_and_stays_below(void **state)
{
    (void)state;
    struct rng a = rng_seeded(7), b = rng_seeded(7);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = rng_below(&a, 10);
        assert_true(value < 10);
        assert_int_equal(value, rng_below(&b, 10));
        double unit = rng_unit(&a);
        assert_true(unit >= 0 && unit < 1);
        rng_next(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__parses_sizes_with_units),
        cmocka_unit_test(test_text__knows_the_digits_of_a_hexadecimal_number),
        cmocka_unit_test(test_text__parses_durations_only_with_a_unit),
        cmocka_unit_test(test_text__refuses_numbers_that_overflow),
        cmocka_unit_test(test_text__writes_the_least_and_the_largest_number),
        cmocka_unit_test(test_text__knows_well_formed_utf8),
        cmocka_unit_test(test_text__cuts_at_the_first_separator),
        cmocka_unit_test(test_buffer__remembers_that_something_did_not_fit),
        cmocka_unit_test(test_arena__gives_nothing_past_its_budget),
        cmocka_unit_test(test_list__keeps_order_and_count),
        cmocka_unit_test(test_error__wraps_outermost_first_in_one_line),
        cmocka_unit_test(test_error__every_code_has_a_name_of_its_own_and_words),
        cmocka_unit_test(test_error__cuts_a_long_message_on_a_character),
        cmocka_unit_test(test_rng__is_repeatable_and_stays_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
