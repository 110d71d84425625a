#include "tests/unit/prose_show.h"

static struct prose *prose;

static int set_up(void **state)
{
    (void)state;
    prose = prose_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    prose_free(prose);
    return 0;
}

static void add(enum prose_kind kind, unsigned level, const char *text)
{
    prose_begin(prose, kind, level);
    prose_add(prose, text_from(text));
    prose_end(prose);
}

static void add_repeated(const char *word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        prose_add(prose, text_from(word));
}

static void test_prose__separates_blocks_and_marks_them(void **state)
{
    (void)state;
    add(PROSE_HEADING, 2, " The  Mill ");
    prose_add(prose, TEXT("It grinds "));
    prose_add(prose, TEXT("slowly.\nAnd fine."));
    prose_end(prose);
    add(PROSE_LIST_ITEM, 0, "- rye");
    add(PROSE_LIST_ITEM, 0, "- wheat");
    add(PROSE_PARAGRAPH, 0, " \n ");
    add(PROSE_PLAIN, 0, "End.");
    assert_prose(prose, "<h2>The Mill\n\n<p>It grinds slowly.\nAnd fine.\n\n<li>- rye\n<li>- "
                        "wheat\n\nEnd.");
}

static void test_prose__keeps_a_row_on_one_line(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        prose_begin_row(prose);
        prose_begin_cell(prose);
        add(PROSE_PARAGRAPH, 0, "a");
        add(PROSE_HEADING, 1, "b");
        prose_begin_cell(prose);
        prose_begin_row(prose); /* a table in a cell */
        prose_begin_cell(prose);
        add(PROSE_PARAGRAPH, 0, "c");
        prose_end_row(prose);
        prose_page_break(prose);
        prose_end_row(prose);
    }
    add(PROSE_PARAGRAPH, 0, "after");
    assert_prose(prose, "<tr>a b | | c\n<tr>a b | | c\n\n<p>after");
}

static void test_prose__numbers_the_items_of_ordered_lists(void **state)
{
    (void)state;
    prose_begin_list(prose, 9);
    prose_begin_item(prose);
    prose_add(prose, TEXT("nine"));
    prose_begin_list(prose, 0);
    prose_begin_item(prose);
    prose_add(prose, TEXT("inner"));
    prose_end_list(prose);
    prose_begin_item(prose);
    prose_add(prose, TEXT("ten"));
    prose_end_list(prose);
    prose_end_list(prose); /* one too many */
    assert_prose(prose, "<li>9. nine\n<li>- inner\n<li>10. ten");
}

static void test_prose__cuts_pages_where_the_document_does(void **state)
{
    (void)state;
    add(PROSE_PARAGRAPH, 0, "one");
    prose_page_break(prose);
    prose_page_break(prose);
    prose_add(prose, TEXT("three, and a sentence that"));
    prose_page_break(prose);
    prose_add(prose, TEXT("goes on"));
    prose_page_break(prose); /* nothing behind it: no page */
    assert_prose(prose, "<p>one\f\f<p>three, and a sentence that\fgoes on");
}

static void test_prose__cuts_a_text_without_pages_at_the_ends_of_blocks(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++) {
        prose_begin(prose, PROSE_PARAGRAPH, 0);
        add_repeated("word ", 400); /* 1,999 bytes each: four to a page */
    }
    prose_finish(prose, SIZE_MAX);
    assert_int_equal(prose_page_count(prose), 3);
    for (uint32_t number = 1; number <= 3; number++) {
        struct page page = prose_page(prose, number);
        assert_int_equal(page.mark_count, number == 3 ? 1 : 4);
        assert_true(page.text.bytes <= PROSE_PIECE_BYTES);
        assert_true(text_ends_with(page.text, TEXT("word")));
    }
}

static void test_prose__cuts_long_blocks_at_spaces_and_characters(void **state)
{
    (void)state;
    prose_begin(prose, PROSE_PARAGRAPH, 0);
    add_repeated("word ", 60000);
    prose_begin(prose, PROSE_PARAGRAPH, 0);
    add_repeated("\xe7\x9f\xb3", 60000); /* no space anywhere */
    prose_finish(prose, SIZE_MAX);
    size_t words = 0, stones = 0, marks = 0;
    for (uint32_t number = 1; number <= prose_page_count(prose); number++) {
        struct page page = prose_page(prose, number);
        assert_true(page.text.bytes <= PROSE_PIECE_BYTES && text_is_utf8(page.text));
        assert_false(text_ends_with(page.text, TEXT("wo")));
        marks += page.mark_count;
        for (size_t i = 0; i < page.text.bytes; i++) {
            words += page.text.start[i] == 'w';
            stones += (uint8_t)page.text.start[i] == 0xe7;
        }
    }
    assert_int_equal(words, 60000);
    assert_int_equal(stones, 60000);
    assert_int_equal(marks, 2);
}

static void test_prose__says_when_text_was_dropped(void **state)
{
    (void)state;
    struct prose *small = prose_new(1000);
    for (int i = 0; i < 100; i++) {
        prose_begin(small, PROSE_PARAGRAPH, 0);
        prose_add(small, TEXT("twenty letters or so"));
    }
    prose_end(small);
    assert_true(prose_is_full(small));
    prose_finish(small, SIZE_MAX);
    assert_true(prose_page(small, 1).text.bytes <= 1000);
    prose_free(small);
}

static void test_prose__tells_what_is_wrong_with_a_page(void **state)
{
    (void)state;
    prose_add(prose, TEXT("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d a"));
    prose_page_break(prose);
    for (int i = 0; i < 20; i++)
        prose_add(prose, TEXT("\xee\x80\x80")); /* private use */
    prose_finish(prose, SIZE_MAX);
    assert_int_equal(prose_page(prose, 1).flags, PAGE_IS_RIGHT_TO_LEFT);
    assert_int_equal(prose_page(prose, 2).flags, PAGE_IS_GARBLED);
    assert_int_equal(prose_page(prose, 2).text.bytes, 0);
}

static void test_prose__has_one_page_when_it_is_empty(void **state)
{
    (void)state;
    prose_set_title(prose, TEXT("  \n"));
    prose_set_title(prose, TEXT("A\n title "));
    prose_set_title(prose, TEXT("Another"));
    assert_prose(prose, "");
    assert_text(prose_title(prose), "A title");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(test_prose__separates_blocks_and_marks_them),
        EACH(test_prose__keeps_a_row_on_one_line),
        EACH(test_prose__numbers_the_items_of_ordered_lists),
        EACH(test_prose__cuts_pages_where_the_document_does),
        EACH(test_prose__cuts_a_text_without_pages_at_the_ends_of_blocks),
        EACH(test_prose__cuts_long_blocks_at_spaces_and_characters),
        EACH(test_prose__says_when_text_was_dropped),
        EACH(test_prose__tells_what_is_wrong_with_a_page),
        EACH(test_prose__has_one_page_when_it_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
