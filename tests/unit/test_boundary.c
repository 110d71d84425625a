#include "chunker/boundary.h"
#include "tests/unit/test.h"

static void test_boundary__knows_white_space_of_all_kinds(void **state)
{
    (void)state;
    struct text text = TEXT(" \t\n\f\xc2\xa0\xe2\x80\x83\xe3\x80\x80x \xe2\x80\xa8");

    size_t start = boundary_skip_spaces(text, 0);

    assert_int_equal(text.start[start], 'x');
    assert_int_equal(boundary_trim_spaces(text, 0, text.bytes), start + 1);
    assert_int_equal(boundary_space_bytes(TEXT("\xe2\x80\x8b"), 0), 0); /* zero width is none */
}

static void test_boundary__cuts_after_ideographic_stops_and_their_brackets(void **state)
{
    (void)state;
    struct text text = TEXT("。」次");

    assert_int_equal(boundary_ideographic_stop_bytes(text, 0), 6);
    assert_int_equal(boundary_ideographic_stop_bytes(text, 6), 0);
}

static void test_boundary__keeps_marks_with_their_letters(void **state)
{
    (void)state;
    struct text text = TEXT("ae\xcc\x81o"); /* e and a combining acute */

    assert_false(boundary_starts_cluster(text, 2));
    assert_true(boundary_starts_cluster(text, 4));
    assert_int_equal(boundary_last_cluster(text, 0, 3), 1);
    assert_int_equal(boundary_last_cluster(text, 0, 4), 4);
}

static void test_boundary__splits_a_cluster_only_where_it_is_too_long(void **state)
{
    (void)state;
    struct text text = TEXT("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81");

    assert_int_equal(boundary_last_cluster(text, 0, 6), 5);
}

static void test_boundary__keeps_flags_and_families_whole(void **state)
{
    (void)state;
    struct text text = TEXT("🇩🇪🇫🇷👩‍👩‍👧x");

    assert_int_equal(boundary_last_cluster(text, 0, 15), 8);
    assert_int_equal(boundary_last_cluster(text, 8, 33), 16);
    assert_int_equal(boundary_last_cluster(text, 16, 34), 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundary__knows_white_space_of_all_kinds),
        cmocka_unit_test(test_boundary__cuts_after_ideographic_stops_and_their_brackets),
        cmocka_unit_test(test_boundary__keeps_marks_with_their_letters),
        cmocka_unit_test(test_boundary__splits_a_cluster_only_where_it_is_too_long),
        cmocka_unit_test(test_boundary__keeps_flags_and_families_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
