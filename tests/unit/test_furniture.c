#include "extract/furniture.h"
#include "tests/unit/drawn_page.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define PAGES_MAX 16

static struct layout_page pages[PAGES_MAX];
static size_t page_count;

static int set_up(void **state)
{
    (void)state;
    page_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < page_count; i++)
        layout_release(&pages[i]);
    return 0;
}

/* NULL: the page has none. */
static void add_page(const char *head, const char *body, const char *foot)
{
    struct drawn_page *drawn = drawn_page_new();
    if (head)
        drawn_page_line(drawn, 50, 30, 10, head);
    drawn_page_line(drawn, 50, 300, 10, body);
    if (foot)
        drawn_page_line(drawn, 300, 770, 10, foot);
    assert_true(page_count < PAGES_MAX);
    pages[page_count++] = drawn_page_read(drawn, false);
    drawn_page_free(drawn);
}

/* The lines that stay, in one text: "head|body|foot". */
static void assert_left(size_t page, const char *expected)
{
    struct buffer left = buffer_new(1 << 16);
    for (size_t i = 0; i < pages[page].line_count; i++) {
        if (pages[page].lines[i].is_furniture)
            continue;
        if (left.bytes)
            buffer_append_char(&left, '|');
        buffer_append_text(&left, layout_line_text(&pages[page], &pages[page].lines[i]));
    }
    assert_text(buffer_text(&left), expected);
    buffer_release(&left);
}

static void test_furniture__is_what_stands_on_page_after_page(void **state)
{
    (void)state;
    add_page("Mills of 1790", "one", "page 1 of 5");
    add_page("Mills of 1790", "two", "page 2 of 5");
    add_page("Mills of 1791", "three", "page 3 of 5");
    add_page("MILLS OF 1790", "four", "page 4 of 5");
    add_page("A last word", "five", "page 5 of 5");
    furniture_find(pages, page_count);
    assert_left(0, "Mills of 1790|one|page 1 of 5"); /* may be the title */
    assert_left(1, "two");
    assert_left(2, "three");
    assert_left(3, "four");
    assert_left(4, "A last word|five");
}

static void test_furniture__has_no_page_numbers_left(void **state)
{
    (void)state;
    add_page(NULL, "one", "i");
    add_page(NULL, "two", "- 2 -");
    add_page(NULL, "three", "3");
    add_page(NULL, "four", "IV");
    furniture_find(pages, page_count);
    assert_left(0, "one");
    assert_left(1, "two");
    assert_left(2, "three");
    assert_left(3, "four");
}

static void test_furniture__may_stand_on_every_other_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES_MAX; i++)
        add_page(i % 2 && i < 9 ? "On the left" : NULL, "body", NULL);
    furniture_find(pages, page_count);
    assert_left(1, "On the left|body");
    assert_left(3, "body");
    assert_left(7, "body");
}

static void test_furniture__is_not_what_is_rare_or_in_the_middle(void **state)
{
    (void)state;
    for (size_t i = 0; i < 12; i++)
        add_page(i % 4 == 0 ? "Three times" : NULL, "the same on all pages", NULL);
    furniture_find(pages, page_count);
    for (size_t i = 0; i < page_count; i++)
        assert_left(i, i % 4 == 0 ? "Three times|the same on all pages" : "the same on all pages");
}

static void test_furniture__is_never_found_on_three_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        add_page("Mills", "body", "7");
    furniture_find(pages, page_count);
    for (size_t i = 0; i < 3; i++)
        assert_left(i, "Mills|body|7");
}

static void test_furniture__is_no_row_of_figures(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++)
        add_page("12.5 7 1,024", "body", NULL);
    furniture_find(pages, page_count);
    assert_left(5, "12.5 7 1,024|body");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_furniture__is_what_stands_on_page_after_page),
        TEST(test_furniture__has_no_page_numbers_left),
        TEST(test_furniture__may_stand_on_every_other_page),
        TEST(test_furniture__is_not_what_is_rare_or_in_the_middle),
        TEST(test_furniture__is_never_found_on_three_pages),
        TEST(test_furniture__is_no_row_of_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
