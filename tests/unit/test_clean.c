#include "extract/clean.h"
#include "tests/unit/test.h"

static struct clean_figures figures;

static void assert_clean(const char *raw, const char *expected)
{
    struct buffer out = buffer_new(1 << 20);
    assert_true(clean_text(text_from(raw), &out, &figures));
    assert_text(buffer_text(&out), expected);
    buffer_release(&out);
}

static void test_clean__leaves_plain_text_alone(void **state)
{
    (void)state;
    assert_clean("One line, and\nanother (of 2).\n\nA paragraph.",
                 "One line, and\nanother (of 2).\n\nA paragraph.");
    assert_clean("Größe: 5 µm², x² ≠ x2, ½, ™", "Größe: 5 µm², x² ≠ x2, ½, ™");
    assert_clean("", "");
}

static void test_clean__collapses_white_space(void **state)
{
    (void)state;
    assert_clean("  a  \u00a0 b\u3000c \n\n\n\n  d\te \t f  \n\n", "a b c\n\nd\te f");
    assert_clean("a\r\nb\rc\fd\u2028e", "a\nb\nc\nd\ne");
    assert_clean(" \n \n ", "");
}

static void test_clean__drops_what_nobody_can_see(void **state)
{
    (void)state;
    assert_clean("a\x01"
                 "b\x7f"
                 "c\xc2\x85"
                 "d\xc2\x9f"
                 "e",
                 "abc\nde");
    assert_clean("\u202b\u05e9\u05dc\u05d5\u05dd\u202c \u200fa\u200bb\ufeff",
                 "\u05e9\u05dc\u05d5\u05dd ab");
    assert_clean("x\U000e0041\U000e007f\u2066y\ufffey", "xyy");
    struct buffer out = buffer_new(64);
    assert_true(clean_text((struct text){"a\0b", 3}, &out, &figures));
    assert_text(buffer_text(&out), "ab");
    buffer_release(&out);
}

static void test_clean__keeps_joiners_where_they_spell_something(void **state)
{
    (void)state;
    assert_clean("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
                 "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645");
    assert_clean("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb");
    assert_clean("a\u200db\u200c", "ab");
}

static void test_clean__joins_words_at_soft_hyphens(void **state)
{
    (void)state;
    assert_clean("exam\u00ad\nple, un\u00adbroken, end\u00ad\r\ning\u00ad",
                 "example, unbroken, ending");
}

static void test_clean__replaces_presentation_forms_by_letters(void **state)
{
    (void)state;
    assert_clean("o\ufb03ce \ufb02ow \u01c6 \uff21\uff11\uff01 \uff76",
                 "office flow d\u017e A1! \u30ab");
    assert_clean("\ufefb\ufe8e", "\u0644\u0627\u0627"); /* lam-alef, final alef */
}

static void test_clean__composes_accents(void **state)
{
    (void)state;
    assert_clean("Mu\u0308hle \u1112\u1161\u11ab", "M\u00fchle \ud55c");
}

static void test_clean__shortens_rules_and_dot_leaders(void **state)
{
    (void)state;
    assert_clean("Contents ........ 7", "Contents ... 7");
    assert_clean("Index . . . . . . . 9", "Index . . . 9");
    assert_clean("----------\n==========", "---\n===");
    assert_clean("10000000 zzzzzz ...", "10000000 zzzzzz ...");
}

static void test_clean__replaces_ill_formed_bytes(void **state)
{
    (void)state;
    assert_clean("a\xff"
                 "b\xc3",
                 "a\ufffdb\ufffd");
    assert_clean("\xed\xa0\x80", "\ufffd\ufffd\ufffd"); /* a surrogate */
    assert_int_equal(figures.unusable_count, 3);
}

static void test_clean__counts_what_is_unusable_and_which_way_it_runs(void **state)
{
    (void)state;
    assert_clean("ab 1\ue001\u0378\u05d0\u0627", "ab 1\ue001\u0378\u05d0\u0627");
    assert_int_equal(figures.char_count, 7);
    assert_int_equal(figures.unusable_count, 2);
    assert_int_equal(figures.right_to_left_count, 2);
    assert_int_equal(figures.left_to_right_count, 2);
    assert_true(clean_has_right_to_left(TEXT("abc \u05d0")));
    assert_true(clean_has_right_to_left(TEXT("\ufe8e")));
    assert_false(clean_has_right_to_left(TEXT("abc \u00e9 \u4e2d \U0001f469")));
}

static void test_clean__cuts_endless_runs_of_marks(void **state)
{
    (void)state;
    struct buffer raw = buffer_new(4 << 20), out = buffer_new(4 << 20);
    for (int i = 0; i < 400000; i++) /* in the worst order: takes for ever when it is quadratic */
        buffer_append_text(&raw, i % 2 ? TEXT("\u0316") : TEXT("\u0301"));
    assert_true(clean_text(buffer_text(&raw), &out, &figures));
    assert_int_equal(out.bytes, 60);
    buffer_release(&raw);
    buffer_release(&out);
}

static void test_clean__says_when_the_buffer_is_full(void **state)
{
    (void)state;
    struct buffer out = buffer_new(4);
    assert_false(clean_text(TEXT("more than four"), &out, &figures));
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean__leaves_plain_text_alone),
        cmocka_unit_test(test_clean__collapses_white_space),
        cmocka_unit_test(test_clean__drops_what_nobody_can_see),
        cmocka_unit_test(test_clean__keeps_joiners_where_they_spell_something),
        cmocka_unit_test(test_clean__joins_words_at_soft_hyphens),
        cmocka_unit_test(test_clean__replaces_presentation_forms_by_letters),
        cmocka_unit_test(test_clean__composes_accents),
        cmocka_unit_test(test_clean__shortens_rules_and_dot_leaders),
        cmocka_unit_test(test_clean__replaces_ill_formed_bytes),
        cmocka_unit_test(test_clean__counts_what_is_unusable_and_which_way_it_runs),
        cmocka_unit_test(test_clean__cuts_endless_runs_of_marks),
        cmocka_unit_test(test_clean__says_when_the_buffer_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
