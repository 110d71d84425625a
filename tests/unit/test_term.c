#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/memory.h"
#include "worker/term.h"

static void assert_foreign(const char *text, size_t columns_max, const char *expected)
{
    AUTO_BUFFER struct buffer out = buffer_new(64 * 1024);
    term_append_foreign(&out, text_from(text), columns_max);
    assert_string_equal(buffer_string(&out), expected);
}

static void test_term__foreign_text_never_shows_controls(void **state)
{
    (void)state;
    assert_foreign("plain", 20, "plain");
    assert_foreign("\033[31mred\033[0m", 20, " [31mred [0m");
    assert_foreign("two\nlines\ttab\r", 20, "two lines tab ");
    assert_foreign("del\x7f", 20, "del ");
    assert_foreign("c1\xc2\x9b"
                   "31m",
                   20, "c1 31m"); /* U+009B is CSI on its own */
    assert_foreign("nbsp\xc2\xa0.", 20, "nbsp\xc2\xa0.");
    assert_foreign("fdp.\xe2\x80\xae"
                   "exe",
                   20, "fdp. exe"); /* U+202E turns what follows round */
    assert_foreign("\xe2\x81\xa6isolate\xe2\x81\xa9", 20, " isolate ");
    assert_foreign("line\xe2\x80\xa8separator\xe2\x80\xa9", 20, "line separator ");
    assert_foreign("\xe2\x80\x93 dash \xe2\x82\xac", 20, "\xe2\x80\x93 dash \xe2\x82\xac");
    assert_foreign("\xf0\x9f\x93\x84", 20, "\xf0\x9f\x93\x84");
}

static void test_term__foreign_text_that_is_no_text_is_a_question_mark(void **state)
{
    (void)state;
    assert_foreign("\xff\xfe\033", 20, "?");
    assert_foreign("cut \xe2\x80", 20, "?");
}

static void test_term__foreign_text_is_cut_with_an_ellipsis(void **state)
{
    (void)state;
    assert_foreign("12345", 5, "12345");
    assert_foreign("123456", 5, "1234…");
    assert_foreign("äöüäöü", 5, "äöüä…");
    assert_foreign("", 5, "");
    assert_foreign("x", 1, "x");
    assert_foreign("xy", 1, "…");
}

static void test_term__draws_a_bar_of_the_given_width(void **state)
{
    (void)state;
    static const struct {
        uint64_t done, total;
        const char *bar;
    } cases[] = {
        {0, 10, "[..........]"},  {5, 10, "[#####.....]"},  {9, 10, "[#########.]"},
        {10, 10, "[##########]"}, {20, 10, "[##########]"}, {0, 0, "[..........]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer out = buffer_new(100);
        term_append_bar(&out, cases[i].done, cases[i].total, 10);
        assert_string_equal(buffer_string(&out), cases[i].bar);
    }
}

static void test_term__groups_digits_by_thousands(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        const char *shown;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {123456, "123,456"},
                 {1234567, "1,234,567"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer out = buffer_new(100);
        term_append_count(&out, cases[i].count);
        assert_string_equal(buffer_string(&out), cases[i].shown);
    }
}

/* What term would write to a terminal, or to a file. */
struct paper {
    struct term term;
    char *content;
    size_t bytes;
};

static struct paper *paper_new(bool is_terminal)
{
    struct paper *paper = xcalloc(1, sizeof(*paper));
    FILE *out = open_memstream(&paper->content, &paper->bytes);
    assert_non_null(out);
    paper->term = (struct term){.out = out, .is_terminal = is_terminal, .has_colour = is_terminal};
    return paper;
}

static void assert_paper(struct paper *paper, const char *expected)
{
    fclose(paper->term.out);
    assert_string_equal(paper->content, expected);
    free(paper->content);
    xfree(paper);
}

static void test_term__redraws_over_the_lines_it_drew(void **state)
{
    (void)state;
    struct paper *paper = paper_new(true);
    term_redraw(&paper->term, TEXT("a\nb\n"));
    term_redraw(&paper->term, TEXT("c\n"));
    term_keep(&paper->term);
    term_redraw(&paper->term, TEXT("d\n"));
    assert_paper(paper, "a\nb\n\033[2A\033[Jc\nd\n");
}

static void test_term__writes_no_escapes_where_there_is_no_terminal(void **state)
{
    (void)state;
    struct paper *paper = paper_new(false);
    AUTO_BUFFER struct buffer styled = buffer_new(100);
    term_append(&styled, &paper->term, TERM_BAD, TEXT("bad\n"));
    term_redraw(&paper->term, buffer_text(&styled));
    term_redraw(&paper->term, TEXT("more\n"));
    assert_paper(paper, "bad\nmore\n");
}

static void test_term__a_file_is_no_terminal(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct term term = term_on(file, false);
    assert_false(term.is_terminal || term.has_colour);
    assert_int_equal(term_columns(&term), 80);
    fclose(file);
}

static void test_term__a_table_is_as_wide_as_its_widest_cells(void **state)
{
    (void)state;
    struct paper *paper = paper_new(false);
    struct term_table table = {.column_count = 3, .right_aligned = 1u << 1};
    static const char *const cells[] = {"name", "n",    "why", "ärger\n.pdf", "12", "",
                                        "b",    "3456", "x"};
    for (size_t i = 0; i < COUNT_OF(cells); i++)
        term_table_add(&table, text_from(cells[i]));
    term_table_print(&table, &paper->term);
    term_table_release(&table);
    assert_paper(paper, "name           n  why\n"
                        "ärger .pdf    12  \n"
                        "b           3456  x\n");
}

static void test_term__a_head_is_bold_and_a_cell_brings_no_colour_of_its_own(void **state)
{
    (void)state;
    struct paper *paper = paper_new(true);
    struct term_table table = {.column_count = 1};
    term_table_add(&table, TEXT("head"));
    term_table_add(&table, TEXT("\033[31mcell"));
    term_table_print(&table, &paper->term);
    term_table_release(&table);
    assert_paper(paper, "\033[1mhead\033[0m\n [31mcell\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_term__foreign_text_never_shows_controls),
        cmocka_unit_test(test_term__foreign_text_that_is_no_text_is_a_question_mark),
        cmocka_unit_test(test_term__foreign_text_is_cut_with_an_ellipsis),
        cmocka_unit_test(test_term__draws_a_bar_of_the_given_width),
        cmocka_unit_test(test_term__groups_digits_by_thousands),
        cmocka_unit_test(test_term__redraws_over_the_lines_it_drew),
        cmocka_unit_test(test_term__writes_no_escapes_where_there_is_no_terminal),
        cmocka_unit_test(test_term__a_file_is_no_terminal),
        cmocka_unit_test(test_term__a_table_is_as_wide_as_its_widest_cells),
        cmocka_unit_test(test_term__a_head_is_bold_and_a_cell_brings_no_colour_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
