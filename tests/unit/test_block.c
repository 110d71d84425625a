#include "extract/block.h"
#include "tests/unit/drawn_page.h"
#include "tests/unit/test.h"
#include "worker/model/chunk.h"

static struct drawn_page *drawn;
static struct layout_page page;
static struct block block;
static struct buffer text, marks;
static struct clean_figures figures;

static int set_up(void **state)
{
    (void)state;
    drawn = drawn_page_new();
    block = (struct block){.pages = &page, .page_count = 1};
    text = buffer_new(1 << 16);
    marks = buffer_new(1 << 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drawn_page_free(drawn);
    layout_release(&page);
    block_release(&block);
    buffer_release(&text);
    buffer_release(&marks);
    return 0;
}

/* Lines of a column that begins at x 100, 12 points apart, each where the last one ended. */
static float next_y;

static void draw_lines(const char *const *lines)
{
    for (; *lines; lines++, next_y += 12)
        drawn_page_line(drawn, 100, next_y, 10, *lines);
}

#define DRAW(...) draw_lines((const char *const[]){__VA_ARGS__, NULL})

static struct text read_drawn(void)
{
    page = drawn_page_read(drawn, false);
    block_study(&block);
    assert_true(block_write(&block, 0, &text, &marks, &figures));
    return buffer_text(&text);
}

static void assert_mark(size_t i, enum mark_kind kind, uint8_t level, const char *content)
{
    const struct mark *mark = (const struct mark *)(const void *)marks.data + i;
    assert_true(i < marks.bytes / sizeof(*mark));
    assert_int_equal(mark->kind, kind);
    assert_int_equal(mark->level, level);
    assert_text(text_slice(buffer_text(&text), mark->byte_start, mark->byte_end), content);
}

static void test_block__joins_wrapped_lines_and_keeps_broken_ones(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("The miller grinds what the farmers bring him",
         "and keeps a tenth of all that for his work.", "He has done so since his father died.");
    next_y += 12;
    DRAW("Another paragraph stands below a small gap,", "and has two lines.");
    assert_text(
        read_drawn(),
        "The miller grinds what the farmers bring him and keeps a tenth of all that for his "
        "work. He has done so since his father died.\n\n"
        "Another paragraph stands below a small gap, and has two lines.");
}

static void test_block__sees_paragraphs_by_their_first_line(void **state)
{
    (void)state;
    drawn_page_line(drawn, 115, 200, 10, "The first paragraph begins further in and");
    drawn_page_line(drawn, 100, 212, 10, "goes on as far as the column lets it, word.");
    drawn_page_line(drawn, 115, 224, 10, "The second one does too, though the line");
    drawn_page_line(drawn, 100, 236, 10, "before it was full to the end of the column");
    drawn_page_line(drawn, 100, 248, 10, "and had no room for anything.");
    assert_text(read_drawn(),
                "The first paragraph begins further in and goes on as far as the column lets it, "
                "word.\n\nThe second one does too, though the line before it was full to the end "
                "of the column and had no room for anything.");
}

static void test_block__leaves_short_lines_alone(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("The Water Mill Company", "12 Weir Street", "Millbrook",
         "England and Wales, beyond the sea");
    assert_text(read_drawn(), "The Water Mill Company\n12 Weir Street\nMillbrook\n"
                              "England and Wales, beyond the sea");
}

static void test_block__judges_hyphens_by_the_words_of_the_block(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("A dual-encoder is trained, and every dual-",
         "encoder is a network. The grinding of corn-",
         "flour needs stones, and a miller of corn or", "of flour knows the infor-", "mation.");
    assert_text(read_drawn(),
                "A dual-encoder is trained, and every dual-encoder is a network. The grinding of "
                "corn-flour needs stones, and a miller of corn or of flour knows the information.");
}

static void test_block__keeps_the_hyphens_of_names_and_years(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("We know that since the work of Tullio Levi-", "Civita and until the great state-of-the-",
         "art of the mills between the years of 1790-",
         "1815 not much has changed in this valley.");
    assert_text(read_drawn(),
                "We know that since the work of Tullio Levi-Civita and until the great "
                "state-of-the-art of the "
                "mills between the years of 1790-1815 not much has changed in this valley.");
}

static void test_block__joins_scripts_without_spaces_without_them(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("水車は川の流れで回る車で粉をひくために", "使われてきた。");
    assert_text(read_drawn(), "水車は川の流れで回る車で粉をひくために使われてきた。");
}

static void test_block__marks_headings_by_size_and_weight(void **state)
{
    (void)state;
    drawn_page_line(drawn, 100, 200, 20, "On the grinding");
    drawn_page_line(drawn, 100, 224, 20, "of corn");
    next_y = 260;
    DRAW("The miller grinds what the farmers bring him", "and keeps a tenth of it for his work.");
    size_t from = drawn->count;
    drawn_page_line(drawn, 100, 300, 10, "2.1 Stones");
    drawn_page_embolden(drawn, from);
    next_y = 324;
    DRAW("They come from France and are of quartz, so", "that they last for a hundred years.");
    (void)read_drawn();
    assert_mark(0, MARK_HEADING, 1, "On the grinding of corn");
    assert_mark(1, MARK_HEADING, 5, "2.1 Stones");
    assert_int_equal(marks.bytes / sizeof(struct mark), 2);
}

static void test_block__takes_headings_from_the_outline(void **state)
{
    (void)state;
    const struct block_title titles[] = {{TEXT("2.1 Stones and wheels"), 0, 3}};
    block.titles = titles;
    block.title_count = 1;
    block.has_outline = true;
    next_y = 200;
    DRAW("The miller grinds what the farmers bring him", "and keeps a tenth of it for his work.");
    drawn_page_line(drawn, 100, 250, 10, "Stones and");
    drawn_page_line(drawn, 100, 262, 10, "Wheels");
    next_y = 300;
    DRAW("They come from France and are of quartz, so", "that they last for a hundred years.");
    (void)read_drawn();
    assert_mark(0, MARK_HEADING, 3, "Stones and Wheels");
    assert_int_equal(marks.bytes / sizeof(struct mark), 1);
}

static void test_block__marks_the_items_of_lists(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("What a mill needs, as we all know, is:", "• a wheel that the water turns, of oak or",
         "of iron, and", "• two stones");
    assert_text(read_drawn(), "What a mill needs, as we all know, is:\n"
                              "• a wheel that the water turns, of oak or of iron, and\n"
                              "• two stones");
    assert_mark(0, MARK_LIST_ITEM, 0, "• a wheel that the water turns, of oak or of iron, and");
    assert_mark(1, MARK_LIST_ITEM, 0, "• two stones");
}

static void test_block__reads_tables_row_by_row(void **state)
{
    static const char *const columns[][4] = {{"Country", "Austria", "Belgium", "Finland"},
                                             {"Area", "83,879", "30,689", "338,424"},
                                             {"Capital", "Vienna", "Brussels", "Helsinki"}};
    (void)state;
    drawn_page_line(drawn, 100, 180, 10, "Table 1: what there is in Europe");
    for (size_t column = 0; column < 3; column++)
        for (size_t row = 0; row < 4; row++)
            drawn_page_line(drawn, 100 + 90 * (float)column, 200 + 12 * (float)row, 10,
                            columns[column][row]);
    assert_text(read_drawn(), "Table 1: what there is in Europe\n\nCountry | Area | Capital\n"
                              "Austria | 83,879 | Vienna\nBelgium | 30,689 | Brussels\n"
                              "Finland | 338,424 | Helsinki");
    assert_mark(0, MARK_TABLE_ROW, 0, "Country | Area | Capital");
    assert_mark(3, MARK_TABLE_ROW, 0, "Finland | 338,424 | Helsinki");
}

static void test_block__writes_lines_where_places_are_not_known(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("one", "• two", "three");
    drawn->count = 0;
    assert_text(read_drawn(), "one\n• two\nthree");
    assert_int_equal(figures.char_count, 12);
}

static void test_block__says_when_there_is_no_room(void **state)
{
    (void)state;
    next_y = 200;
    DRAW("The miller grinds what the farmers bring him");
    page = drawn_page_read(drawn, false);
    block_study(&block);
    text.bytes_max = 20;
    assert_false(block_write(&block, 0, &text, &marks, &figures));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_block__joins_wrapped_lines_and_keeps_broken_ones),
        TEST(test_block__sees_paragraphs_by_their_first_line),
        TEST(test_block__leaves_short_lines_alone),
        TEST(test_block__judges_hyphens_by_the_words_of_the_block),
        TEST(test_block__keeps_the_hyphens_of_names_and_years),
        TEST(test_block__joins_scripts_without_spaces_without_them),
        TEST(test_block__marks_headings_by_size_and_weight),
        TEST(test_block__takes_headings_from_the_outline),
        TEST(test_block__marks_the_items_of_lists),
        TEST(test_block__reads_tables_row_by_row),
        TEST(test_block__writes_lines_where_places_are_not_known),
        TEST(test_block__says_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
