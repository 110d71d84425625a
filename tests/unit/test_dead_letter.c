#include "queue/dead_letter.h"
#include "tests/unit/test.h"

static struct text find(const struct header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(headers[i].name, text_from(name)))
            return headers[i].value;
    return TEXT("(none)");
}

static struct dead_letter letter(void)
{
    static struct header original[3];
    original[0] = (struct header){TEXT("millrace-job"), TEXT("j")};
    original[1] = (struct header){TEXT("null"), TEXT_NONE};
    original[2] = (struct header){TEXT("millrace-dlq-code"), TEXT("of a former life")};
    return (struct dead_letter){.message = {.topic = TEXT("uploads"),
                                            .headers = original,
                                            .header_count = COUNT_OF(original),
                                            .partition = 3,
                                            .offset = INT64_C(9007199254740993),
                                            .time_ms = 1700000000123u},
                                .event_no = 2,
                                .code = ERR_NO_TENANT,
                                .reason = TEXT("nobody is b\xc3\xbc")};
}

static void test_dead_letter__tells_where_it_came_from_and_why(void **state)
{
    (void)state;
    struct arena arena = arena_new(4096);
    struct dead_letter dead = letter();
    struct header *headers;
    size_t count;
    assert_true(dead_letter_headers(&dead, &arena, &headers, &count));

    assert_int_equal(count, 2 + 7);
    assert_text(find(headers, count, "millrace-job"), "j");
    assert_null(find(headers, count, "null").start);
    assert_text(find(headers, count, "millrace-dlq-code"), "unknown_tenant");
    assert_text(find(headers, count, "millrace-dlq-reason"), "nobody is b\xc3\xbc");
    assert_text(find(headers, count, "millrace-dlq-topic"), "uploads");
    assert_text(find(headers, count, "millrace-dlq-partition"), "3");
    assert_text(find(headers, count, "millrace-dlq-offset"), "9007199254740993");
    assert_text(find(headers, count, "millrace-dlq-event"), "2");
    assert_text(find(headers, count, "millrace-dlq-time"), "1700000000123");
    arena_release(&arena);
}

static void test_dead_letter__replays_with_the_original_headers(void **state)
{
    (void)state;
    struct arena arena = arena_new(4096);
    struct dead_letter dead = letter();
    struct header *headers, *back;
    size_t count, back_count;
    assert_true(dead_letter_headers(&dead, &arena, &headers, &count));
    struct dead_letter_replay replay = {headers, count, TEXT("0"), .may_be_whole = true};
    assert_true(dead_letter_replay_headers(&replay, &arena, &back, &back_count));
    assert_int_equal(back_count, 2);
    assert_text(back[0].name, "millrace-job");
    assert_text(back[1].name, "null");
    arena_release(&arena);
}

static void test_dead_letter__names_the_events_that_a_replay_means(void **state)
{
    (void)state;
    struct arena arena = arena_new(4096);
    struct header *headers, *again;
    size_t count, again_count;
    struct dead_letter_replay part = {.events = TEXT("0,3")};
    assert_true(dead_letter_replay_headers(&part, &arena, &headers, &count));
    assert_int_equal(count, 1);
    assert_text(find(headers, count, DEAD_LETTER_ONLY), "0,3");

    /* It was buried again: alone at its place now, but still a part of a message. */
    struct dead_letter_replay rest = {headers, count, TEXT("0"), .may_be_whole = true};
    assert_true(dead_letter_replay_headers(&rest, &arena, &again, &again_count));
    assert_int_equal(again_count, 1);
    assert_text(find(again, again_count, DEAD_LETTER_ONLY), "0");
    arena_release(&arena);
}

static void test_dead_letter__says_when_the_budget_does_not_suffice(void **state)
{
    (void)state;
    struct dead_letter dead = letter();
    struct header *headers = NULL;
    size_t count = 99;
    bool fitted = false;
    for (size_t budget = 0; budget < 4096 && !fitted; budget += 8) {
        struct arena arena = arena_new(budget);
        fitted = dead_letter_headers(&dead, &arena, &headers, &count);
        assert_true(fitted || (headers == NULL && count == 99));
        arena_release(&arena);
    }
    assert_true(fitted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_letter__tells_where_it_came_from_and_why),
        cmocka_unit_test(test_dead_letter__replays_with_the_original_headers),
        cmocka_unit_test(test_dead_letter__names_the_events_that_a_replay_means),
        cmocka_unit_test(test_dead_letter__says_when_the_budget_does_not_suffice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
