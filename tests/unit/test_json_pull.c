#include <math.h>

#include "tests/unit/test.h"
#include "worker/base/json_pull.h"
#include "worker/base/rng.h"

static void test_json_pull__walks_members_and_skips_values_of_every_kind(void **state)
{
    (void)state;
    struct json_pull pull = json_pull_new(TEXT(" {\"a\" : [1, {\"x\":\"]\"}], \"b\":\"q\\\"}\",\n"
                                               "\"c\":{\"d\":true}, \"e\":null ,\"f\":-1.5e3}"));
    bool is_first = true, is_first_inside = true;
    struct text name, raw;
    assert_true(json_pull_member(&pull, &is_first, &name));
    assert_text(name, "a");
    assert_text(json_pull_value(&pull), "[1, {\"x\":\"]\"}]");
    assert_true(json_pull_member(&pull, &is_first, &name));
    assert_true(json_pull_string(&pull, &raw));
    assert_text(raw, "q\\\"}");
    assert_true(json_pull_member(&pull, &is_first, &name));
    assert_true(json_pull_member(&pull, &is_first_inside, &name));
    assert_text(name, "d");
    assert_text(json_pull_value(&pull), "true");
    assert_false(json_pull_member(&pull, &is_first_inside, &name));
    assert_true(json_pull_member(&pull, &is_first, &name));
    assert_true(json_pull_skip(&pull));
    assert_true(json_pull_member(&pull, &is_first, &name));
    assert_text(name, "f");
    assert_text(json_pull_value(&pull), "-1.5e3");
    assert_false(json_pull_member(&pull, &is_first, &name));
    assert_false(pull.is_broken);
}

static void test_json_pull__walks_items(void **state)
{
    (void)state;
    struct json_pull pull = json_pull_new(TEXT(" [ 1 ,2, \"x\" ] "));
    bool is_first = true;
    double number = 0;
    struct text raw;
    assert_true(json_pull_item(&pull, &is_first));
    assert_true(json_pull_number(&pull, &number) && number == 1);
    assert_true(json_pull_item(&pull, &is_first));
    assert_true(json_pull_number(&pull, &number) && number == 2);
    assert_true(json_pull_item(&pull, &is_first));
    assert_true(json_pull_string(&pull, &raw));
    assert_false(json_pull_item(&pull, &is_first));
    assert_false(pull.is_broken);
    assert_int_equal(json_pull_peek(&pull), 0);
}

static void test_json_pull__what_is_empty_has_nothing_in_it(void **state)
{
    (void)state;
    struct json_pull object = json_pull_new(TEXT("{ }")), array = json_pull_new(TEXT("[]"));
    bool is_first = true, is_first_item = true;
    struct text name;
    assert_false(json_pull_member(&object, &is_first, &name));
    assert_false(json_pull_item(&array, &is_first_item));
    assert_false(object.is_broken || array.is_broken);
}

static void test_json_pull__what_is_cut_or_no_json_is_broken_for_good(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "",           "7",           "[1]",           "{",           "{\"a\"",
        "{\"a\":",    "{\"a\":1",    "{\"a\":1,",     "{\"a\":1 2}", "{\"a\":[1,2",
        "{\"a\":\"x", "{\"a\":\"\\", "{\"a\":\"\\\"", "{a:1}",       "{\"a\":}",
        "{\"a\" 1}",
    };
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        struct json_pull pull = json_pull_new(text_from(WRONG[i]));
        bool is_first = true;
        struct text name;
        while (json_pull_member(&pull, &is_first, &name))
            (void)json_pull_skip(&pull);
        if (!pull.is_broken)
            fail_msg("%s", WRONG[i]);
        assert_false(json_pull_member(&pull, &is_first, &name));
        assert_null(json_pull_value(&pull).start);
    }
}

static void test_json_pull__skips_what_is_deep_and_not_what_never_ends(void **state)
{
    (void)state;
    static char deep[200001];
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    deep[200000] = 'x';
    struct json_pull pull = json_pull_new((struct text){deep, sizeof(deep)});
    assert_true(json_pull_skip(&pull));
    assert_int_equal(json_pull_peek(&pull), 'x');
    pull = json_pull_new((struct text){deep, 100000});
    assert_false(json_pull_skip(&pull));
    assert_true(pull.is_broken);
}

static void test_json_pull__resolves_escapes_and_never_cuts_a_character(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"a\\\"b\\\\c\\/", "a\"b\\c/"},
        {"two\\nlines\\t", "two lines "},
        {"\\u00e4\\u20AC", "\xc3\xa4\xe2\x82\xac"},
        {"\\ud83d\\u0000\\uzzzz", "???"},
        {"\\u12", "?"},
        {"trailing\\", "trailing\\"},
    };
    char out[64];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_pull_unescape(text_from(cases[i][0]), out, sizeof(out));
        assert_string_equal(out, cases[i][1]);
    }
    json_pull_unescape(TEXT("12\xc3\xa4"), out, 4);
    assert_string_equal(out, "12");
    json_pull_unescape(TEXT("123"), out, 1);
    assert_string_equal(out, "");
}

static void test_json_pull__reads_numbers_as_the_libc_does(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(7);
    for (int i = 0; i < 20000; i++) {
        char number[64];
        double expected = (rng_unit(&rng) - 0.5) * pow(10, (double)rng_below(&rng, 40) - 25);
        (void)text_format(number, sizeof(number), "%.*g", (int)(1 + rng_below(&rng, 18)), expected);
        struct json_pull pull = json_pull_new(text_from(number));
        double value;
        assert_true(json_pull_number(&pull, &value));
        assert_true(value == strtod(number, NULL));
    }
}

static void test_json_pull__refuses_what_is_no_number(void **state)
{
    (void)state;
    static const char *const WRONG[] = {"", "-", ".5", "+1", "NaN", "null", "\"1\"", "e5"};
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        struct json_pull pull = json_pull_new(text_from(WRONG[i]));
        double value;
        assert_false(json_pull_number(&pull, &value));
        assert_true(pull.is_broken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_pull__walks_members_and_skips_values_of_every_kind),
        cmocka_unit_test(test_json_pull__walks_items),
        cmocka_unit_test(test_json_pull__what_is_empty_has_nothing_in_it),
        cmocka_unit_test(test_json_pull__what_is_cut_or_no_json_is_broken_for_good),
        cmocka_unit_test(test_json_pull__skips_what_is_deep_and_not_what_never_ends),
        cmocka_unit_test(test_json_pull__resolves_escapes_and_never_cuts_a_character),
        cmocka_unit_test(test_json_pull__reads_numbers_as_the_libc_does),
        cmocka_unit_test(test_json_pull__refuses_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
