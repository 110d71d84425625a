#include "tests/unit/test.h"
#include "worker/spool.h"

static void add(struct spool *spool, uint32_t number, struct text text)
{
    struct page page = {.number = number, .text = text};
    spool_add(spool, &page);
}

static void test_spool__gives_pages_back_in_their_order(void **state)
{
    (void)state;
    struct spool spool;
    spool_init(&spool);
    assert_null(spool_first(&spool));
    add(&spool, 1, TEXT("one"));
    add(&spool, 2, TEXT_NONE);
    add(&spool, 3, TEXT("three"));
    assert_int_equal(spool.text_bytes, 8);

    assert_text(spool_first(&spool)->text, "one");
    spool_drop_first(&spool);
    assert_int_equal(spool.text_bytes, 5);
    assert_int_equal(spool_first(&spool)->number, 2);
    assert_int_equal(spool_first(&spool)->text.bytes, 0);
    spool_drop_first(&spool);
    assert_text(spool_first(&spool)->text, "three");
    spool_drop_first(&spool);
    assert_null(spool_first(&spool));
    assert_int_equal(spool.text_bytes, 0);
}

static void test_spool__copies_texts_and_marks(void **state)
{
    (void)state;
    char text[] = "Heading and more";
    struct mark marks[] = {{MARK_HEADING, 2, 0, 7}, {MARK_PARAGRAPH, 0, 8, 16}};
    struct page page = {.number = 7,
                        .flags = PAGE_IS_RIGHT_TO_LEFT,
                        .text = {text, 16},
                        .marks = marks,
                        .mark_count = 2};
    struct spool spool;
    spool_init(&spool);
    spool_add(&spool, &page);
    memset(text, 'x', sizeof(text));
    memset(marks, 0, sizeof(marks));

    const struct page *copy = spool_first(&spool);
    assert_text(copy->text, "Heading and more");
    assert_int_equal(copy->flags, PAGE_IS_RIGHT_TO_LEFT);
    assert_int_equal(copy->mark_count, 2);
    assert_int_equal(copy->marks[0].level, 2);
    assert_int_equal(copy->marks[1].byte_start, 8);
    spool_release(&spool);
    assert_int_equal(spool.text_bytes, 0);
}

static void test_spool__moves_all_of_it_behind_what_is_there(void **state)
{
    (void)state;
    struct spool from, to;
    spool_init(&from);
    spool_init(&to);
    add(&to, 1, TEXT("a"));
    add(&from, 2, TEXT("bb"));
    add(&from, 3, TEXT("ccc"));
    spool_move(&from, &to);
    assert_null(spool_first(&from));
    assert_int_equal(from.text_bytes, 0);
    assert_int_equal(to.text_bytes, 6);
    for (uint32_t number = 1; number <= 3; number++) {
        assert_int_equal(spool_first(&to)->number, number);
        spool_drop_first(&to);
    }
    spool_move(&from, &to); /* nothing */
    assert_null(spool_first(&to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spool__gives_pages_back_in_their_order),
        cmocka_unit_test(test_spool__copies_texts_and_marks),
        cmocka_unit_test(test_spool__moves_all_of_it_behind_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
