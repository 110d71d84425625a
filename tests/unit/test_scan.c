#include "store/scan.h"
#include "tests/unit/test.h"

static void test_scan__walks_members_and_skips_values_of_every_kind(void **state)
{
    (void)state;
    struct scan scan = scan_new(TEXT(" {\"a\" : [1, {\"x\":\"]\"}], \"b\":\"q\\\"}\",\n"
                                     "\"c\":{\"d\":true}, \"e\":null ,\"f\":-1.5e3}"));
    bool is_first = true;
    struct text name;
    assert_true(scan_open(&scan));
    assert_true(scan_member(&scan, &is_first, &name));
    assert_text(name, "a");
    assert_text(scan_value(&scan), "[1, {\"x\":\"]\"}]");
    assert_true(scan_member(&scan, &is_first, &name));
    assert_text(scan_string(&scan), "q\\\"}");
    assert_true(scan_member(&scan, &is_first, &name));
    bool is_first_inside = true;
    assert_true(scan_open(&scan));
    assert_true(scan_member(&scan, &is_first_inside, &name));
    assert_text(name, "d");
    assert_text(scan_value(&scan), "true");
    assert_false(scan_member(&scan, &is_first_inside, &name));
    assert_true(scan_member(&scan, &is_first, &name));
    assert_null(scan_string(&scan).start);
    assert_true(scan_member(&scan, &is_first, &name));
    assert_text(name, "f");
    assert_text(scan_value(&scan), "-1.5e3");
    assert_false(scan_member(&scan, &is_first, &name));
    assert_false(scan.is_bad);
}

static void test_scan__an_empty_object_has_no_members(void **state)
{
    (void)state;
    struct scan scan = scan_new(TEXT("{ }"));
    bool is_first = true;
    struct text name;
    assert_true(scan_open(&scan));
    assert_false(scan_member(&scan, &is_first, &name));
    assert_false(scan.is_bad);
}

static void test_scan__what_is_cut_or_no_json_is_bad_and_stays_bad(void **state)
{
    (void)state;
    static const char *const WRONG[] = {"{",           "{\"a\"",      "{\"a\":",     "{\"a\":1",
                                        "{\"a\":1,",   "{\"a\":1 2}", "{\"a\":[1,2", "{\"a\":\"x",
                                        "{\"a\":\"\\", "{a:1}",       "{\"a\":}",    "{\"a\" 1}"};
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        struct scan scan = scan_new(text_from(WRONG[i]));
        bool is_first = true;
        struct text name;
        assert_true(scan_open(&scan));
        while (scan_member(&scan, &is_first, &name))
            (void)scan_value(&scan);
        assert_true(scan.is_bad);
        assert_false(scan_member(&scan, &is_first, &name));
    }
}

static void test_scan__reads_exactly_as_many_floats_as_are_wanted(void **state)
{
    (void)state;
    float values[3];
    assert_true(scan_floats(TEXT("[1, -2.5,\n3e2 ]"), values, 3));
    assert_true(values[0] == 1.0f && values[1] == -2.5f && values[2] == 300.0f);
    assert_false(scan_floats(TEXT("[1,2]"), values, 3));
    assert_false(scan_floats(TEXT("[1,2,3,4]"), values, 3));
    assert_false(scan_floats(TEXT("[1,2,null]"), values, 3));
    assert_false(scan_floats(TEXT("[1,2,NaN]"), values, 3));
    assert_false(scan_floats(TEXT("[1,2,3] x"), values, 3));
    assert_false(scan_floats(TEXT("{\"a\":1}"), values, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan__walks_members_and_skips_values_of_every_kind),
        cmocka_unit_test(test_scan__an_empty_object_has_no_members),
        cmocka_unit_test(test_scan__what_is_cut_or_no_json_is_bad_and_stays_bad),
        cmocka_unit_test(test_scan__reads_exactly_as_many_floats_as_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
