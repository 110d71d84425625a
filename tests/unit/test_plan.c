/* Where texts may be cut (cuts) and which of those cuts are taken (plan). */
#include "chunker/chunker.h"
#include "chunker/plan.h"
#include "tests/unit/test.h"
#include "worker/base/buffer.h"

static struct cuts cuts;
static struct plan plan;
static struct measure measure = {.counting = CHUNKER_BYTES};

static int release(void **state)
{
    (void)state;
    cuts_release(&cuts);
    plan_release(&plan);
    measure_release(&measure);
    return 0;
}

static void find(struct text text, const struct mark *marks, size_t mark_count)
{
    measure_take(&measure, text, 64);
    cuts_find(&cuts, &(struct cuts_stretch){.measure = &measure,
                                            .marks = marks,
                                            .mark_count = mark_count,
                                            .size_max = 256,
                                            .bytes_max = 256,
                                            .is_end = true});
}

static void assert_cut(size_t at, uint32_t end, enum cut_kind kind)
{
    assert_true(at < cuts.count);
    assert_int_equal(cuts.items[at].end, end);
    assert_int_equal(cuts.items[at].kind, kind);
}

static void test_cuts__tell_paragraphs_lines_sentences_and_pages_apart(void **state)
{
    (void)state;
    find(TEXT("First one. Second one.\n\nA new paragraph.\nA line\fA page"), NULL, 0);

    assert_int_equal(cuts.count, 6);
    assert_cut(1, 10, CUT_SENTENCE);
    assert_cut(2, 22, CUT_PARAGRAPH);
    assert_cut(3, 40, CUT_LINE);
    assert_cut(4, 47, CUT_PAGE);
    assert_cut(5, 54, CUT_END);
}

static void test_cuts__see_that_a_sentence_goes_on_over_a_page(void **state)
{
    (void)state;
    find(TEXT("The mill was\fbuilt here"), NULL, 0);

    assert_cut(1, 12, CUT_WRAPPED);
}

static void test_cuts__keep_a_heading_with_its_text(void **state)
{
    (void)state;
    static const struct mark MARKS[] = {
        {.kind = MARK_HEADING, .level = 1, .byte_start = 12, .byte_end = 19},
        {.kind = MARK_LIST_ITEM, .byte_start = 31, .byte_end = 36},
    };
    find(TEXT("Some words.\nHeading\nSome text.\n- one"), MARKS, COUNT_OF(MARKS));

    assert_cut(1, 11, CUT_HEADING);
    assert_cut(2, 19, CUT_BELOW_HEADING);
    assert_cut(3, 30, CUT_ITEM);
}

static void test_cuts__leave_no_gap_wider_than_a_chunk(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof(text));
    memset(text + 3000, ' ', 700);

    find((struct text){text, sizeof(text)}, NULL, 0);

    for (size_t i = 1; i < cuts.count; i++) {
        assert_true(cuts.items[i].end > cuts.items[i - 1].start);
        assert_true(cuts.items[i].end - cuts.items[i - 1].start <= 256);
    }
    assert_int_equal(cuts.items[cuts.count - 1].end, sizeof(text));
}

static void choose(void)
{
    plan_choose(&plan, &cuts, &(struct plan_limits){100, 40, 256, 256});
}

static void test_plan__prefers_paragraphs_to_sentences(void **state)
{
    (void)state;
    /* sentences end at 60, 120 and 180; the paragraph at 120 */
    char text[181];
    memset(text, 'a', sizeof(text));
    memcpy(text + 59, ". B", 3);
    memcpy(text + 119, ".\n\nB", 4);
    memcpy(text + 160, ". B", 3);
    find((struct text){text, sizeof(text)}, NULL, 0);

    choose();

    assert_int_equal(plan.chosen_count, 2);
    assert_int_equal(cuts.items[plan.chosen[0]].kind, CUT_PARAGRAPH);
    assert_int_equal(cuts.items[plan.chosen[1]].kind, CUT_END);
}

static void test_plan__begins_a_chunk_at_a_heading(void **state)
{
    (void)state;
    static const struct mark MARKS[] = {{MARK_HEADING, 1, 60, 66}};
    char text[120];
    memset(text, 'a', sizeof(text));
    text[59] = '\n';
    text[66] = '\n';
    find((struct text){text, sizeof(text)}, MARKS, COUNT_OF(MARKS));

    choose();

    assert_int_equal(plan.chosen_count, 2);
    assert_int_equal(cuts.items[plan.chosen[0]].kind, CUT_HEADING);
}

static void test_plan__keeps_a_small_text_whole(void **state)
{
    (void)state;
    find(TEXT("One. Two. Three.\n\nFour."), NULL, 0);

    choose();

    assert_int_equal(plan.chosen_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts__tell_paragraphs_lines_sentences_and_pages_apart),
        cmocka_unit_test(test_cuts__see_that_a_sentence_goes_on_over_a_page),
        cmocka_unit_test(test_cuts__keep_a_heading_with_its_text),
        cmocka_unit_test(test_cuts__leave_no_gap_wider_than_a_chunk),
        cmocka_unit_test(test_plan__prefers_paragraphs_to_sentences),
        cmocka_unit_test(test_plan__begins_a_chunk_at_a_heading),
        cmocka_unit_test(test_plan__keeps_a_small_text_whole),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
