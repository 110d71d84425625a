#include "extract/merge.h"
#include "tests/unit/test.h"

static struct merge merge;
static struct page pages[8];

static int set_up(void **state)
{
    (void)state;
    merge_init(&merge);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    merge_release(&merge);
    return 0;
}

static void put(uint32_t number, struct text text)
{
    struct page page = {.number = number, .text = text};
    merge_put(&merge, &page);
}

static void test_merge__gives_pages_in_order_whoever_brings_them(void **state)
{
    (void)state;
    static const uint32_t order[] = {3, 4, 1, 6, 5, 2};
    size_t given = 0;
    int64_t credit = 1000;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        put(order[i], TEXT("a page"));
        size_t count = merge_take(&merge, &credit, pages, COUNT_OF(pages));
        for (size_t at = 0; at < count; at++)
            assert_int_equal(pages[at].number, ++given);
    }
    assert_int_equal(given, 6);
    assert_int_equal(credit, 1000 - 6 * 6);
    assert_int_equal(merge.kept_bytes, 0);
    assert_int_equal(merge.page_next, 7);
}

static void test_merge__waits_for_the_page_whose_turn_it_is(void **state)
{
    (void)state;
    int64_t credit = 1000;
    put(2, TEXT("two"));
    assert_int_equal(merge_take(&merge, &credit, pages, COUNT_OF(pages)), 0);
    assert_int_equal(merge.kept_bytes, 3);
    put(1, TEXT("one"));
    assert_int_equal(merge_take(&merge, &credit, pages, COUNT_OF(pages)), 2);
    assert_text(pages[0].text, "one");
    assert_text(pages[1].text, "two");
}

static void test_merge__stops_when_the_credit_is_used_up(void **state)
{
    (void)state;
    int64_t credit = 4;
    put(1, TEXT("one"));
    put(2, TEXT("two"));
    put(3, TEXT("three"));
    assert_int_equal(merge_take(&merge, &credit, pages, COUNT_OF(pages)), 2); /* it may exceed it */
    assert_int_equal(credit, -2);
    assert_int_equal(merge_take(&merge, &credit, pages, COUNT_OF(pages)), 0);
    credit += 3;
    assert_int_equal(merge_take(&merge, &credit, pages, COUNT_OF(pages)), 1);
    assert_text(pages[0].text, "three");
}

static void test_merge__copies_what_a_page_has(void **state)
{
    (void)state;
    int64_t credit = 1;
    char text[] = "heading";
    struct mark marks[] = {{MARK_HEADING, 2, 0, 7}, {MARK_PARAGRAPH, 0, 7, 7}};
    char label[] = "xii";
    struct page page = {1, PAGE_IS_RIGHT_TO_LEFT, {text, 7}, {label, 3}, marks, 2};
    merge_put(&merge, &page);
    memset(text, 'x', sizeof(text));
    memset(label, 'x', sizeof(label));
    memset(marks, 0, sizeof(marks));
    assert_int_equal(merge_take(&merge, &credit, pages, 1), 1);
    assert_text(pages[0].text, "heading");
    assert_text(pages[0].label, "xii");
    assert_int_equal(pages[0].flags, PAGE_IS_RIGHT_TO_LEFT);
    assert_int_equal(pages[0].mark_count, 2);
    assert_int_equal(pages[0].marks[0].level, 2);
    assert_int_equal(pages[0].marks[1].byte_end, 7);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_merge__gives_pages_in_order_whoever_brings_them),
        EACH(test_merge__waits_for_the_page_whose_turn_it_is),
        EACH(test_merge__stops_when_the_credit_is_used_up),
        EACH(test_merge__copies_what_a_page_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
