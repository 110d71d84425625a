#include "extract/layout.h"
#include "tests/unit/drawn_page.h"
#include "tests/unit/test.h"

static struct drawn_page *drawn;

static int start_drawing(void **state)
{
    (void)state;
    drawn = drawn_page_new();
    return 0;
}

static int stop_drawing(void **state)
{
    (void)state;
    drawn_page_free(drawn);
    return 0;
}

static void draw(float x, float y, const char *letters)
{
    drawn_page_put(drawn, x, y, 10, letters);
}

static void draw_line(float x, float y, const char *letters)
{
    drawn_page_line(drawn, x, y, 10, letters);
}

static struct layout_page read_drawn(bool is_right_to_left)
{
    struct layout_page page = drawn_page_read(drawn, is_right_to_left);
    layout_order(&page);
    return page;
}

static void assert_line(const struct layout_page *page, size_t i, const char *expected)
{
    assert_true(i < page->line_count);
    assert_text(layout_line_text(page, &page->lines[i]), expected);
}

static const char *const LEFT[] = {
    "this is what stands in the left",   "column, line by line, as full as",
    "the width of the column allows it", "and the paragraph goes on until",
    "here where it ends with the line",
};
static const char *const RIGHT[] = {
    "the right column goes on where",     "the left one ended, and it has as",
    "many lines as that one has so that", "they stand side by side, from the",
    "first of them to the very last.",
};

static void test_layout__reads_columns_one_after_the_other(void **state)
{
    (void)state;
    draw_line(80, 50, "A title that stands over both of the columns here");
    for (size_t i = 0; i < 5; i++) {
        draw_line(320, 100 + 12 * (float)i, RIGHT[i]);
        draw_line(80, 100 + 12 * (float)i, LEFT[i]);
    }
    draw_line(80, 300, "And a last line that stands under both columns");
    struct layout_page page = read_drawn(false);
    assert_true(page.has_boxes);
    assert_int_equal(page.gutters_found, 1);
    assert_int_equal(page.line_count, 12);
    assert_line(&page, 0, "A title that stands over both of the columns here");
    for (size_t i = 0; i < 5; i++) {
        assert_line(&page, 1 + i, LEFT[i]);
        assert_line(&page, 6 + i, RIGHT[i]);
    }
    assert_line(&page, 11, "And a last line that stands under both columns");
    layout_release(&page);
}

static void test_layout__reads_columns_from_the_right_where_that_is_the_script(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        draw_line(80, 100 + 12 * (float)i, LEFT[i]);
        draw_line(320, 100 + 12 * (float)i, RIGHT[i]);
    }
    struct layout_page page = read_drawn(true);
    for (size_t i = 0; i < 5; i++) {
        assert_line(&page, i, RIGHT[i]);
        assert_line(&page, 5 + i, LEFT[i]);
    }
    layout_release(&page);
}

static void test_layout__leaves_one_column_and_tables_as_they_are(void **state)
{
    static const char *const numbers[] = {"12.5", "7", "1,024", "-3", "88", "9"};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        draw_line(330, 100 + 12 * (float)i, numbers[i]);
        draw_line(100, 100 + 12 * (float)i, "what was counted");
    }
    draw_line(100, 40, "This line comes last, though it is the first one.");
    struct layout_page page = read_drawn(false);
    assert_int_equal(page.gutters_found, 0);
    for (size_t i = 0; i < 6; i++)
        assert_line(&page, 2 * i, numbers[i]);
    assert_line(&page, 12, "This line comes last, though it is the first one.");
    layout_release(&page);
}

static void test_layout__tells_lines_apart_that_came_as_one(void **state)
{
    (void)state;
    draw(100, 100, "338,424");
    draw(300, 100, "Vienna");
    draw(300, 140, "Brussels");
    draw(349, 140, "too");
    struct layout_page page = read_drawn(false);
    assert_int_equal(page.line_count, 3);
    assert_line(&page, 0, "338,424");
    assert_line(&page, 1, "Vienna");
    assert_line(&page, 2, "Brusselstoo");
    layout_release(&page);
}

static void test_layout__parts_words_that_only_marks_part(void **state)
{
    (void)state;
    draw(148, 100, "\u202b\u05d0\u05d1\u202c"); /* the rightmost word comes first */
    draw(130, 100, "\u202b\u05d2\u05d3\u202c");
    draw(118, 100, "\u202b\u05d4\u05d5\u202c"); /* touches the one before */
    struct layout_page page = read_drawn(true);
    assert_true(page.has_boxes);
    assert_int_equal(page.line_count, 1);
    assert_line(&page, 0, "\u05d0\u05d1 \u05d2\u05d3\u05d4\u05d5");
    layout_release(&page);
}

static void test_layout__knows_what_a_line_looks_like(void **state)
{
    (void)state;
    draw_line(100, 100, "bold words");
    for (size_t i = 0; i < 5; i++) {
        drawn->glyphs[i].is_bold = true;
        drawn->glyphs[i].font_size = 14;
    }
    struct layout_page page = read_drawn(false);
    assert_int_equal(page.line_count, 1);
    const struct layout_line *line = &page.lines[0];
    assert_int_equal(line->char_count, 9);
    assert_true(line->is_bold == false && line->font_size == 10);
    assert_true(line->box.x1 == 100 && line->box.x2 == 160);
    assert_true(line->box.y1 == 100 && line->box.y2 == 110);
    assert_true(line->first_word_width == 24);
    layout_release(&page);
}

static void test_layout__goes_without_places_that_do_not_match(void **state)
{
    (void)state;
    draw_line(100, 100, "one");
    draw_line(100, 120, "two");
    drawn->count--;
    struct layout_page page = read_drawn(false);
    assert_false(page.has_boxes);
    assert_int_equal(page.line_count, 2);
    assert_line(&page, 0, "one");
    assert_line(&page, 1, "two");
    layout_release(&page);
}

static void test_layout__takes_any_number_for_a_place(void **state)
{
    static const float numbers[] = {0, -1, 1e30f, -1e30f, 14400, 0.0f / 1e-40f};
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        struct layout_box box = {numbers[i % 6], numbers[i % 5], numbers[i % 4], numbers[i % 3]};
        drawn_page_put(drawn, 0, 0, 0, i % 7 ? "a" : "\n");
        drawn->glyphs[drawn->count - 1].box = box;
    }
    struct layout_page page = read_drawn(false);
    size_t char_count = 0;
    for (size_t i = 0; i < page.line_count; i++)
        char_count += page.lines[i].char_count;
    assert_int_equal(char_count, 2000 - 286);
    layout_release(&page);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_drawing, stop_drawing)
    const struct CMUnitTest tests[] = {
        TEST(test_layout__reads_columns_one_after_the_other),
        TEST(test_layout__reads_columns_from_the_right_where_that_is_the_script),
        TEST(test_layout__leaves_one_column_and_tables_as_they_are),
        TEST(test_layout__tells_lines_apart_that_came_as_one),
        TEST(test_layout__parts_words_that_only_marks_part),
        TEST(test_layout__knows_what_a_line_looks_like),
        TEST(test_layout__goes_without_places_that_do_not_match),
        TEST(test_layout__takes_any_number_for_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
