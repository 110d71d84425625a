#include "extract/syntax.h"
#include "extract/unpack.h"
#include "tests/unit/test.h"

#define OBJECTS 16
#define CONTAINER 9

static struct xref_entry entries[OBJECTS];
static struct xref xref = {.body = {"%PDF-1.5", 8}, .entries = entries, .entry_count = OBJECTS};
static struct update update;
static struct gathering *gathering;
static struct buffer out;

static int set_up(void **state)
{
    (void)state;
    out = buffer_new(1 << 20);
    for (uint32_t i = 0; i < OBJECTS; i++) /* 1 is the first object in the stream */
        entries[i] = (struct xref_entry){CONTAINER, i - 1, XREF_IS_CONTAINED};
    update = update_begin(&xref, &out);
    gathering = gather_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gather_free(gathering);
    update_release(&update);
    buffer_release(&out);
    return 0;
}

static void unpack(const char *dictionary, const char *content)
{
    struct xref_stream stream = {.number = CONTAINER, .dictionary = text_from(dictionary)};
    unpack_stream(&update, gathering, &stream, text_from(content));
}

static void test_unpack__puts_pages_and_places_by_themselves(void **state)
{
    (void)state;
    unpack("/Type/ObjStm/N 3/First 13", "1 0 2 15 3 31 <</Type/Page>>  [4 0 R /Fit]   (a string)");
    assert_text(buffer_text(&out), "\n1 0 obj\n<</Type/Page>>\nendobj\n"
                                   "\n2 0 obj\n[4 0 R /Fit]\nendobj\n");
    assert_int_equal(update.row_count, 2);
}

static void test_unpack__leaves_links_and_gathers_fonts(void **state)
{
    (void)state;
    unpack("/N 3/First 14", "1 0 2 16 3 34 <</Type/Annot >><</Type/Font/a 1>>[500 250 333]");
    assert_int_equal(update.row_count, 0);
    gather_write(gathering, &update);
    size_t at;
    assert_int_equal(update.row_count, 3); /* two, and the stream in which they are now */
    assert_true(text_find(buffer_text(&out), TEXT("<</Type/Font/a 1>>\n[500 250 333]"), &at));
    assert_false(text_find(buffer_text(&out), TEXT("Annot"), &at));
}

/* An object that was changed later, or that stands somewhere else by the file's own word. */
static void test_unpack__takes_only_what_the_file_says_is_here(void **state)
{
    (void)state;
    entries[1].at = CONTAINER + 1;
    entries[2].kind = XREF_IS_PLAIN;
    entries[3].generation = 7;
    unpack("/N 4/First 19", "1 0 2 4 3 8 40 12  <<>><<>><<>><<>>");
    assert_int_equal(update.row_count, 0);
}

static void test_unpack__stops_where_the_stream_makes_no_sense(void **state)
{
    (void)state;
    static const char *const dictionaries[] = {"/First 4", "/N 1", "/N 1/First 400",
                                               "/N x/First 4"};
    for (size_t i = 0; i < COUNT_OF(dictionaries); i++)
        unpack(dictionaries[i], "1 0 <<>>");
    unpack("/N 2/First 8", "1 4 2 0 <<>><<>>"); /* one before the other */
    unpack("/N 2/First 8", "1 0 2 99<<>><<>>"); /* behind the end */
    unpack("/N 1/First 4", "1 0 <<>> <<>>");    /* two values */
    unpack("/N 1/First 4", "1 0 <</a (>>");     /* no end */
    unpack("/N 1000000000/First 4", "1 0 ");
    assert_int_equal(update.row_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unpack__puts_pages_and_places_by_themselves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unpack__leaves_links_and_gathers_fonts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unpack__takes_only_what_the_file_says_is_here, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unpack__stops_where_the_stream_makes_no_sense, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
