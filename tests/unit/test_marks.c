/* Marks on the wire, and what a transcript believes of them. */
#include "tests/unit/transcript_bench.h"

static void say_marked_page(uint32_t number, struct text text, const struct mark *marks,
                            size_t mark_count)
{
    struct buffer bytes = buffer_new(WIRE_MARKS_MAX * WIRE_MARK_BYTES);
    for (size_t i = 0; i < mark_count; i++)
        assert_true(wire_marks_put(&bytes, &marks[i]));
    say((struct wire_frame){.type = WIRE_PAGE, .page = {number, 0, buffer_text(&bytes), text}});
    buffer_release(&bytes);
}

static void test_marks__are_carried(void **state)
{
    (void)state;
    static const struct mark marks[] = {{MARK_HEADING, 6, 0, 4},
                                        {MARK_TABLE_ROW, 0, 5, UINT32_MAX}};
    struct buffer bytes = buffer_new(2 * WIRE_MARK_BYTES);
    assert_true(wire_marks_put(&bytes, &marks[0]) && wire_marks_put(&bytes, &marks[1]));
    assert_int_equal(bytes.bytes, 2 * WIRE_MARK_BYTES);
    struct text rest = buffer_text(&bytes);
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        struct mark copy;
        assert_true(wire_marks_take(&rest, &copy));
        assert_int_equal(copy.kind, marks[i].kind);
        assert_int_equal(copy.level, marks[i].level);
        assert_int_equal(copy.byte_start, marks[i].byte_start);
        assert_int_equal(copy.byte_end, marks[i].byte_end);
    }
    struct mark none;
    assert_false(wire_marks_take(&rest, &none));
    buffer_release(&bytes);
}

static void test_marks__come_with_their_pages(void **state)
{
    (void)state;
    static const struct mark marks[] = {{MARK_HEADING, 2, 0, 3}, {MARK_LIST_ITEM, 0, 4, 8}};
    struct page pages[8];
    say_document(3);
    say_marked_page(1, TEXT("one\nitem"), marks, 2);
    say_page(2, 0, TEXT("two"));
    say_marked_page(3, TEXT("three"), marks, 1);
    assert_int_equal(hear(pages, 8), 3);
    assert_int_equal(pages[0].mark_count, 2);
    assert_int_equal(pages[0].marks[0].level, 2);
    assert_int_equal(pages[0].marks[1].kind, MARK_LIST_ITEM);
    assert_int_equal(pages[0].marks[1].byte_end, 8);
    assert_int_equal(pages[1].mark_count, 0);
    assert_int_equal(pages[2].mark_count, 1);
    assert_int_equal(pages[2].marks[0].byte_end, 3);
}

static void test_marks__are_refused_where_they_cannot_be(void **state)
{
    static const struct mark lies[] = {
        {MARK_TABLE_ROW + 1, 0, 0, 1}, /* a kind unknown */
        {MARK_HEADING, 0, 0, 1},       /* a heading without a level, */
        {MARK_HEADING, 7, 0, 1},       /* of one too low, */
        {MARK_PARAGRAPH, 1, 0, 1},     /* a level without a heading */
        {MARK_PARAGRAPH, 0, 1, 1},     /* nothing, */
        {MARK_PARAGRAPH, 0, 2, 1},     /* less than nothing, */
        {MARK_PARAGRAPH, 0, 0, 6},     /* more than there is */
        {MARK_PARAGRAPH, 0, 2, 5},     /* half a character */
        {MARK_PARAGRAPH, 0, 0, 2},
    };
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        say_document(1);
        say_marked_page(1, TEXT("a\u00e9te"), &lies[i], 1);
        assert_lie(ERR_EXTRACT_CRASH);
        tear_down_transcript(state);
        set_up_transcript(state);
    }
    static const struct mark twice[] = {{MARK_PARAGRAPH, 0, 0, 3}, {MARK_PARAGRAPH, 0, 1, 4}};
    say_document(1);
    say_marked_page(1, TEXT("a\u00e9te"), twice, 2);
    assert_lie(ERR_EXTRACT_CRASH);
}

static void test_marks__are_refused_when_they_are_more_than_text(void **state)
{
    (void)state;
    struct mark marks[40];
    for (uint32_t i = 0; i < 40; i++)
        marks[i] = (struct mark){MARK_PARAGRAPH, 0, i, i + 1};
    say_document(1);
    say_marked_page(1, TEXT("0123456789012345678901234567890123456789"), marks, 40);
    assert_lie(ERR_EXTRACT_CRASH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_transcript, tear_down_transcript)
    const struct CMUnitTest tests[] = {
        TEST(test_marks__are_carried),
        TEST(test_marks__come_with_their_pages),
        TEST(test_marks__are_refused_where_they_cannot_be),
        TEST(test_marks__are_refused_when_they_are_more_than_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
