#include "extract/instructions.h"
#include "tests/unit/shortening.h"

static void assert_becomes(struct text instructions, const char *expected)
{
    check_becomes(instructions_shorten, instructions, expected);
}

static void assert_not_understood(struct text instructions)
{
    check_not_understood(instructions_shorten, instructions);
    assert_int_equal(out.bytes, 0);
}

static void test_instructions__lose_what_draws_no_text(void **state)
{
    (void)state;
    assert_becomes(TEXT("0.5 w [3 1] 0 d 1 J 0 0 m 9 9 l 1 2 3 4 5 6 c h S\n"
                        "0 0 9 9 re W* n /Shade sh BT /F1 10 Tf 3 4 Td (text) Tj ET f*"),
                   "BT/F1 10 Tf 3 4 Td(text) Tj ET");
}

static void test_instructions__keep_what_leads_to_text_and_pictures(void **state)
{
    (void)state;
    static const char kept[] =
        "q 2 0 0 2 5 5 cm/Image Do Q/Span <</ActualText (\\(q\\))/N<41>>> BDC "
        "BT 3 Tr 1 0 0 1 0 0 Tm 0 Tc T*(a)' 1 2(b)\" EMC ET/State gs";
    assert_becomes(text_from(kept), kept);
}

static void test_instructions__lose_states_in_which_nothing_is_left(void **state)
{
    (void)state;
    assert_becomes(TEXT("q 1 0 0 1 3 3 cm q 0 0 m 9 9 l S Q Q 1 0 0 1 5 5 cm BT ET"),
                   "1 0 0 1 5 5 cm BT ET");
    assert_becomes(TEXT("q q 0 0 9 9 re f Q BT (a) Tj ET Q"), "q BT(a) Tj ET Q");
    /* The font's size is looked at when a state ends. */
    assert_becomes(TEXT("BT (a) Tj q 0 0 9 9 re f Q (b) Tj ET"), "BT(a) Tj q Q(b) Tj ET");
    assert_becomes(TEXT("Q BT ET q"), "Q BT ET q"); /* other parts of the page have the others */
}

static void test_instructions__set_colours_where_letters_use_them(void **state)
{
    (void)state;
    assert_becomes(TEXT("1 0 0 rg 0 0 9 9 re f 0 g 0 G BT (a) Tj 0 g 0 G (b) Tj 1 g (c) Tj ET"),
                   "BT 0 g(a) Tj(b) Tj 1 g(c) Tj ET 0 G");
    assert_becomes(TEXT("0 g BT (a) Tj ET q 1 g BT (b) Tj ET Q BT (c) Tj ET"),
                   "BT 0 g(a) Tj ET q BT 1 g(b) Tj ET Q BT(c) Tj ET");
    assert_becomes(TEXT("1 g q 0 g Q BT (c) Tj ET"), "BT 1 g(c) Tj ET");
    assert_becomes(TEXT("0 g (a)Tj Q (b)Tj 0 g (c)Tj"), "0 g(a)Tj Q(b)Tj 0 g(c)Tj");
}

static void test_instructions__set_colours_where_others_may_use_them(void **state)
{
    (void)state;
    assert_becomes(TEXT("1 0 0 RG 0 0 0 1 k 0 0 m S /Form Do"), "0 0 0 1 k 1 0 0 RG/Form Do");
    assert_becomes(TEXT("BT 1 Tr 1 G (outlined) Tj ET"), "BT 1 Tr 1 G(outlined) Tj ET");
    assert_becomes(TEXT("0 g /Space cs 0.5 scn (a) Tj 0 g (b) Tj"),
                   "0 g/Space cs 0.5 scn(a) Tj 0 g(b) Tj");
}

static void test_instructions__have_plain_strings_for_digits(void **state)
{
    (void)state;
    assert_becomes(TEXT("[<4D69> -3 <6c6C28295C> (\\)x)] TJ <> Tj"),
                   "[(Mi) -3 (ll\\(\\)\\\\) (\\)x)] TJ() Tj");
}

static void test_instructions__keep_groups_as_they_stand(void **state)
{
    (void)state;
    assert_becomes(TEXT("0 0 m % a line\n3\n4 %x\nTd (unbalanced \\) % (here)) Tj\r"),
                   "3\n4 %x\nTd(unbalanced \\) % (here)) Tj");
}

static void test_instructions__are_left_alone_when_they_are_not_understood(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "BI /W 1 /H 1 ID x EI (a) Tj",
        "1 l (a) Tj",
        "1 2 3 Td 4",
        "(open Tj",
        "/Pattern cs /P1 scn 0 0 m f",
        "1 0 R Td",
        "1..2 3 Td",
        "1-2 3 Td",
        "12abc 3 Td",
        "<4> Tj",
        "<4x> Tj",
        "[/Name] TJ",
        "[(a) Tj] TJ",
        "[(a) TJ",
        "<</A 1 BDC",
        "} Tj",
        "(a) Tj % comment",
        "1 2 m \x01\x02",
        "true Tj",
        ") Tj",
        "BX (a) Tj EX",
        "% (\n<41 %>\n> Tj",
        "[<41> %(\n<42>]TJ",
        "+ 1 Td",
    };
    for (size_t i = 0; i < COUNT_OF(odd); i++)
        assert_not_understood(text_from(odd[i]));
}

static void test_instructions__may_be_in_many_states_and_have_many_operands(void **state)
{
    (void)state;
    struct buffer many = buffer_new(4096);
    for (size_t i = 0; i < 40; i++)
        buffer_append_text(&many, TEXT("q "));
    assert_not_understood(buffer_text(&many));

    buffer_clear(&many);
    for (size_t i = 0; i < 40; i++)
        buffer_append_text(&many, TEXT("1 "));
    buffer_append_text(&many, TEXT("Td"));
    assert_not_understood(buffer_text(&many));
    buffer_release(&many);
}

static void test_instructions__may_be_none(void **state)
{
    (void)state;
    assert_becomes(TEXT_NONE, "");
    assert_becomes(TEXT(" \n"), "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_instructions__lose_what_draws_no_text),
        TEST(test_instructions__keep_what_leads_to_text_and_pictures),
        TEST(test_instructions__lose_states_in_which_nothing_is_left),
        TEST(test_instructions__set_colours_where_letters_use_them),
        TEST(test_instructions__set_colours_where_others_may_use_them),
        TEST(test_instructions__have_plain_strings_for_digits),
        TEST(test_instructions__keep_groups_as_they_stand),
        TEST(test_instructions__are_left_alone_when_they_are_not_understood),
        TEST(test_instructions__may_be_in_many_states_and_have_many_operands),
        TEST(test_instructions__may_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
