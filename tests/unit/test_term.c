#include "tests/unit/test.h"
#include "worker/term.h"

static void test_term__counts_the_rows_that_lines_take(void **state)
{
    (void)state;
    assert_int_equal(term_rows_of(TEXT(""), 10), 0);
    assert_int_equal(term_rows_of(TEXT("one\ntwo\n"), 10), 2);
    assert_int_equal(term_rows_of(TEXT("\n\n"), 10), 2);
    assert_int_equal(term_rows_of(TEXT("0123456789\n"), 10), 1);
    assert_int_equal(term_rows_of(TEXT("0123456789a\nb\n"), 10), 3);
    assert_int_equal(term_rows_of(TEXT("\033[31m012345678\xc3\xa4\033[0m\n"), 10), 1);
}

static void test_term__shows_nothing_of_foreign_text_that_a_terminal_would_obey(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    term_append_foreign(&out,
                        TEXT("a\033[2Jb\nc\xe2\x80\xae"
                             "d\xc2\x9b"),
                        100);
    assert_text(buffer_text(&out), "a [2Jb c d ");
    buffer_clear(&out);
    term_append_foreign(&out, TEXT("0123456789"), 5);
    assert_text(buffer_text(&out), "0123…");
}

static void test_term__writes_large_counts_in_groups(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    term_append_count(&out, 1234567);
    buffer_append_char(&out, ' ');
    term_append_count(&out, 999);
    assert_text(buffer_text(&out), "1,234,567 999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_term__counts_the_rows_that_lines_take),
        cmocka_unit_test(test_term__shows_nothing_of_foreign_text_that_a_terminal_would_obey),
        cmocka_unit_test(test_term__writes_large_counts_in_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
