#include "tests/unit/test.h"
#include "worker/excerpt.h"

#define MILL                                                                                     \
    "The wheel turns. Leaves that pass the rake end up in the buckets. Dressing the millstones " \
    "is the work of winter: the runner is lifted, and its furrows are cut anew. Then it rests."

static void assert_words(const char *question, const char *expected)
{
    AUTO_BUFFER struct buffer found = buffer_new(4096);
    struct excerpt_words words = excerpt_words_of(text_from(question));
    for (size_t i = 0; i < words.count; i++)
        buffer_format(&found, "%s%.*s", i ? "|" : "", TEXT_ARGS(words.words[i]));
    assert_text(buffer_text(&found), expected);
}

static void assert_excerpt(const char *text, const char *question, size_t columns,
                           const char *expected)
{
    struct excerpt_words words = excerpt_words_of(text_from(question));
    assert_text(excerpt_find(text_from(text), &words, columns), expected);
}

static bool is_wanted(const char *question, const char *word)
{
    struct excerpt_words words = excerpt_words_of(text_from(question));
    return excerpt_is_wanted(&words, text_from(word));
}

static void test_excerpt__looks_for_the_telling_words(void **state)
{
    (void)state;
    assert_words("How often must the mill be dressed, the mill?", "often|must|mill|dressed");
    assert_words("is VAT in the PDF", "VAT|PDF");
    assert_words("is it", "is|it");
    assert_words("水車 wheel", "水|車|wheel");
    assert_words("?! ...", "");
}

static void test_excerpt__knows_a_word_by_its_stem(void **state)
{
    (void)state;
    assert_true(is_wanted("millstones", "Millstone"));
    assert_true(is_wanted("dressed", "Dressing"));
    assert_true(is_wanted("königin", "KÖNIGIN"));
    assert_false(is_wanted("stone", "story"));
    assert_false(is_wanted("mill", "million"));
}

static void test_excerpt__begins_where_the_sentence_does(void **state)
{
    (void)state;
    assert_excerpt(MILL, "when are millstones dressed", 60,
                   "Dressing the millstones is the work of winter: the runner is");
    assert_excerpt(MILL, "rake", 50, "Leaves that pass the rake end up in the buckets.");
}

static void test_excerpt__takes_the_start_when_no_word_is_there(void **state)
{
    (void)state;
    assert_excerpt(MILL, "submarine", 20, "The wheel turns.");
    assert_excerpt("short", "submarine", 20, "short");
    assert_excerpt("", "submarine", 20, "");
}

static void test_excerpt__counts_columns_not_bytes(void **state)
{
    (void)state;
    assert_excerpt("水車小屋の石", "x", 8, "水車小屋");
    assert_excerpt("äöü äöü äöü", "x", 7, "äöü äöü");
    assert_excerpt("one-word-that-is-far-too-long", "x", 8, "one-word");
}

static void test_excerpt__flattens_to_one_line_but_keeps_the_pages(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer flat = buffer_new(4096);
    excerpt_flatten(&flat, TEXT("  a\n\t b \f\n c\x1b[1m\xe2\x80\xae"
                                "d\f\fe \n"));
    assert_text(buffer_text(&flat), "a b\fc[1md\f\fe");
}

static void test_excerpt__tells_the_page_of_the_words(void **state)
{
    (void)state;
    struct text flat = TEXT("one here\ftwo there\fthree everywhere");
    struct excerpt_words words = excerpt_words_of(TEXT("everywhere"));
    uint32_t pages = 9;
    assert_true(excerpt_page(flat, text_slice(flat, 4, flat.bytes), &words, &pages));
    assert_int_equal(pages, 2);
    assert_false(excerpt_page(flat, text_slice(flat, 0, 12), &words, &pages));
}

static void test_excerpt__survives_what_is_not_utf8(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer flat = buffer_new(4096);
    excerpt_flatten(&flat, TEXT("a \xff\xfe \xc3 b \xe2\x82"));
    struct excerpt_words words = excerpt_words_of(buffer_text(&flat));
    struct text part = excerpt_find(buffer_text(&flat), &words, 3);
    assert_true(part.bytes <= flat.bytes);
}

static void test_excerpt__says_what_stays_together(void **state)
{
    (void)state;
    assert_int_equal(excerpt_unit_columns(TEXT("(well-known), yes"), 0), 13);
    assert_int_equal(excerpt_unit_columns(TEXT("水車"), 0), 2);
    assert_int_equal(excerpt_unit_columns(TEXT("a b"), 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_excerpt__looks_for_the_telling_words),
        cmocka_unit_test(test_excerpt__knows_a_word_by_its_stem),
        cmocka_unit_test(test_excerpt__begins_where_the_sentence_does),
        cmocka_unit_test(test_excerpt__takes_the_start_when_no_word_is_there),
        cmocka_unit_test(test_excerpt__counts_columns_not_bytes),
        cmocka_unit_test(test_excerpt__flattens_to_one_line_but_keeps_the_pages),
        cmocka_unit_test(test_excerpt__tells_the_page_of_the_words),
        cmocka_unit_test(test_excerpt__survives_what_is_not_utf8),
        cmocka_unit_test(test_excerpt__says_what_stays_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
