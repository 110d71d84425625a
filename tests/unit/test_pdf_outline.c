#include "extract/pdf_outline.h"
#include "tests/contract/pdf_writer.h"
#include "tests/unit/test.h"

static struct pdf_writer writer;
static struct reader *pdf;
static struct pdf_outline outline;

static int set_up(void **state)
{
    (void)state;
    pdf_writer_begin(&writer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pdf_outline_release(&outline);
    if (pdf)
        pdf->close(pdf);
    pdf = NULL;
    pdf_writer_release(&writer);
    return 0;
}

/* Three pages, and the objects of an outline: the first is object 10, the others follow. */
static void read_outline(const char *const *objects, size_t object_count)
{
    struct error err;
    for (int i = 0; i < 3; i++)
        pdf_writer_text_page(&writer, 2); /* objects 4 to 9, pages are 5, 7 and 9 */
    for (size_t i = 0; i < object_count; i++)
        (void)pdf_writer_object(&writer, text_from(objects[i]));
    writer.catalog_entries = "/Outlines 10 0 R";
    pdf = pdf_open(pdf_writer_end(&writer), &err);
    assert_non_null(pdf);
    outline = pdf_outline_read(pdf);
}

static void assert_item(size_t at, uint32_t depth, uint32_t page, const char *title)
{
    assert_true(at < outline.item_count);
    assert_text(outline.items[at].title, title);
    assert_int_equal(outline.items[at].depth, depth);
    assert_int_equal(outline.items[at].page, page);
}

static void test_pdf_outline__is_empty_where_there_is_none(void **state)
{
    (void)state;

    read_outline((const char *[]){"<</Type/Outlines>>"}, 1);

    assert_int_equal(outline.item_count, 0);
}

static void test_pdf_outline__lists_items_in_reading_order(void **state)
{
    (void)state;

    read_outline(
        (const char *[]){
            "<</Type/Outlines/First 11 0 R/Last 13 0 R>>",
            "<</Title(One)/Next 13 0 R/First 12 0 R/Last 12 0 R/Dest[5 0 R/Fit]>>",
            "<</Title(One\\nand  a half)/A<</S/GoTo/D[7 0 R/XYZ 0 0 0]>>>>",
            "<</Title<FEFF004D00FC0068006C0065>/Prev 11 0 R/A<</S/GoTo/D(there)>>/Next 14 0 R>>",
            "<</Title(Elsewhere)/A<</S/URI/URI(https://mill.example/)>>>>",
        },
        5);

    assert_int_equal(outline.item_count, 4);
    assert_item(0, 1, 1, "One");
    assert_item(1, 2, 2, "One and a half");
    assert_item(2, 1, 0, "M\u00fchle");
    assert_item(3, 1, 0, "Elsewhere");
}

static void test_pdf_outline__finds_pages_by_name(void **state)
{
    (void)state;
    writer.catalog_entries = NULL;
    for (int i = 0; i < 3; i++)
        pdf_writer_text_page(&writer, 2);
    struct error err;
    (void)pdf_writer_object(&writer, TEXT("<</First 11 0 R>>"));
    (void)pdf_writer_object(&writer, TEXT("<</Title(Named)/A<</S/GoTo/D(there)>>>>"));
    (void)pdf_writer_object(&writer, TEXT("<</Names[(there)[9 0 R/Fit]]>>"));
    writer.catalog_entries = "/Outlines 10 0 R/Names<</Dests 12 0 R>>";
    pdf = pdf_open(pdf_writer_end(&writer), &err);
    assert_non_null(pdf);

    outline = pdf_outline_read(pdf);

    assert_int_equal(outline.item_count, 1);
    assert_item(0, 1, 3, "Named");
}

static void test_pdf_outline__ends_in_spite_of_loops(void **state)
{
    (void)state;

    read_outline(
        (const char *[]){
            "<</First 11 0 R>>",
            "<</Title(Ring)/First 12 0 R/Next 11 0 R>>",
            "<</Title(Child)/First 12 0 R/Next 13 0 R>>", /* below itself */
            "<</Title(Other)/First 11 0 R/Next 12 0 R>>",
        },
        4);

    assert_true(outline.item_count >= 2 && outline.item_count <= PDF_OUTLINE_ITEMS_MAX);
    assert_item(0, 1, 0, "Ring");
    assert_item(1, 2, 0, "Child");
}

/* Each of 20 levels leads to the next one on two ways: a million items out of twenty. */
static void test_pdf_outline__is_bounded_where_ways_multiply(void **state)
{
    (void)state;
    static char texts[42][64];
    const char *objects[41] = {"<</First 11 0 R>>"};
    for (int i = 0; i < 40; i++) {
        int below = 13 + i / 2 * 2;
        char next[32] = "";
        if (i % 2 == 0)
            (void)text_format(next, sizeof(next), "/Next %d 0 R", 12 + i);
        (void)text_format(texts[i], sizeof(texts[i]), "<</Title(%d)/First %d 0 R%s>>", i, below,
                          next);
        objects[i + 1] = texts[i];
    }

    read_outline(objects, 41);

    assert_int_equal(outline.item_count, PDF_OUTLINE_ITEMS_MAX);
}

static void test_pdf_outline__leaves_out_what_is_too_deep(void **state)
{
    (void)state;
    static char texts[100][64];
    const char *objects[101] = {"<</First 11 0 R>>"};
    for (int i = 0; i < 100; i++) {
        (void)text_format(texts[i], sizeof(texts[i]), "<</Title(%d)/First %d 0 R>>", i, 12 + i);
        objects[i + 1] = texts[i];
    }

    read_outline(objects, 101);

    assert_int_equal(outline.item_count, PDF_OUTLINE_DEPTH_MAX);
    assert_item(PDF_OUTLINE_DEPTH_MAX - 1, PDF_OUTLINE_DEPTH_MAX, 0, "63");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pdf_outline__is_empty_where_there_is_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pdf_outline__lists_items_in_reading_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pdf_outline__finds_pages_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pdf_outline__ends_in_spite_of_loops, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pdf_outline__is_bounded_where_ways_multiply, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pdf_outline__leaves_out_what_is_too_deep, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
