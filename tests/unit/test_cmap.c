#include "extract/cmap.h"
#include "tests/unit/shortening.h"

#define PROLOGUE                                                                        \
    "%!PS-Adobe-3.0 Resource-CMap\n/CIDInit /ProcSet findresource begin\n12 dict "      \
    "begin\nbegincmap\n"                                                                \
    "/CIDSystemInfo << /Registry (T\\)eX) /Supplement 0 >> def\n/CMapName /Named def\n" \
    "1 begincodespacerange\n<00> <FF>\nendcodespacerange\n"
#define EPILOGUE "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"

static void assert_becomes(struct text map, const char *expected)
{
    check_becomes(cmap_shorten, map, expected);
}

static void assert_not_understood(struct text map)
{
    check_not_understood(cmap_shorten, map);
}

static void test_cmap__keeps_nothing_but_codes_and_characters(void **state)
{
    (void)state;
    assert_becomes(TEXT(PROLOGUE "2 beginbfrange\n<08> <0C> <2295>\n<41> <5A> <0041>\nendbfrange\n"
                                 "1 beginbfchar\n<0841> <00660069>\nendbfchar\n" EPILOGUE),
                   "0 beginbfrange<8><C><2295><41><5A><41>endbfrange "
                   "0 beginbfchar<841><00660069>endbfchar ");
}

static void test_cmap__keeps_the_order_in_which_codes_are_told(void **state)
{
    (void)state;
    assert_becomes(
        TEXT("1 beginbfchar <01><0061> endbfchar 1 beginbfrange <00> <02> <0000> endbfrange "
             "1 beginbfchar <01>%comment\n<0062> endbfchar"),
        "0 beginbfchar<1><61>endbfchar 0 beginbfrange<0><2><0>endbfrange "
        "0 beginbfchar<1><62>endbfchar ");
}

/* poppler looks over the first token, and over the one behind a block. */
static void test_cmap__overlooks_what_poppler_overlooks(void **state)
{
    (void)state;
    assert_becomes(TEXT("1 beginbfchar <01> <0061> endbfchar beginbfchar <02> <0062> endbfchar"),
                   "0 beginbfchar<1><61>endbfchar ");
    assert_not_understood(TEXT("beginbfchar <01> <0061> endbfchar"));
}

static void test_cmap__leaves_alone_what_it_does_not_know(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "nothing at all",
        "/Other usecmap 1 beginbfchar <01> <0061> endbfchar",
        "1 begincidrange <00> <FF> 0 endcidrange 1 beginbfchar <01> <0061> endbfchar",
        "1 begincidchar <01> 1 endcidchar 1 beginbfchar <01> <0061> endbfchar",
        "1 beginbfrange <01> <02> [<0061> <0062>] endbfrange",
        "1 beginbfchar <01> /a endbfchar",
        "1 beginbfchar <01> (a) endbfchar",
        "1 beginbfchar <01> endbfchar",
        "1 beginbfchar <01> <00 61> endbfchar",
        "1 beginbfchar <01> <006g> endbfchar",
        "1 beginbfchar <> <0061> endbfchar",
        "1 beginbfchar <010000> <0061> endbfchar",
        "1 beginbfchar <01> <0061>",
        "1 beginbfchar <01> <0061",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_not_understood(text_from(others[i]));
    assert_not_understood(TEXT("1 beginbfchar <01> <0061> endbfchar\0"));
}

static void test_cmap__stays_within_its_room(void **state)
{
    (void)state;
    struct buffer small = buffer_new(20);
    assert_false(cmap_shorten(TEXT("1 beginbfchar <01> <0061> endbfchar"), &small));
    buffer_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cmap__keeps_nothing_but_codes_and_characters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cmap__keeps_the_order_in_which_codes_are_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cmap__overlooks_what_poppler_overlooks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cmap__leaves_alone_what_it_does_not_know, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cmap__stays_within_its_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
