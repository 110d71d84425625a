#include "tests/unit/transcript_bench.h"

/* ---- frames ---------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    out = buffer_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&out);
    return 0;
}

static struct wire_frame decode_whole(void)
{
    struct wire_frame frame;
    size_t bytes;
    assert_int_equal(wire_decode(buffer_text(&out), 1000, &frame, &bytes), WIRE_IS_WHOLE);
    assert_int_equal(bytes, out.bytes);
    return frame;
}

static void test_wire__carries_a_job(void **state)
{
    (void)state;
    struct wire_frame frame = {.type = WIRE_JOB};
    frame.job = (struct wire_job){.job = UINT64_MAX,
                                  .body_bytes = 5000000000,
                                  .memory_bytes = 3,
                                  .page_text_bytes_max = 4,
                                  .text_bytes_max = 5,
                                  .credit = -6,
                                  .cpu_seconds = 7,
                                  .pages_max = 8,
                                  .range_pages = 200,
                                  .named = FORMAT_HTML,
                                  .page_first = 9,
                                  .page_skips = {10, 11, 12}};
    assert_true(wire_encode(&out, &frame));
    struct wire_frame copy = decode_whole();
    assert_int_equal(copy.type, WIRE_JOB);
    assert_memory_equal(&copy.job, &frame.job, sizeof(frame.job));
}

static void test_wire__carries_every_other_frame(void **state)
{
    (void)state;
    struct wire_frame frames[] = {
        {.type = WIRE_READY, .ready = {7, TEXT("1.2.3")}},
        {.type = WIRE_BROKEN, .failure = {TEXT("sandbox"), TEXT("no seccomp")}},
        {.type = WIRE_STARTED, .started = {1, 2}},
        {.type = WIRE_ENDED, .ended = {1, true, 139, 5, 6}},
        {.type = WIRE_DOCUMENT, .document = {12, true, TEXT("text/x"), TEXT("A title")}},
        {.type = WIRE_PAGE, .page = {3, 2, TEXT_NONE, TEXT("The text\n"), TEXT("iii")}},
        {.type = WIRE_END},
        {.type = WIRE_FAILURE, .failure = {TEXT("damaged"), TEXT("")}},
        {.type = WIRE_CREDIT, .credit_bytes = 1u << 31},
        {.type = WIRE_RANGE, .range = {33, 64}},
    };
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        buffer_clear(&out);
        assert_true(wire_encode(&out, &frames[i]));
        struct wire_frame copy = decode_whole();
        struct buffer again = buffer_new(1 << 20);
        assert_int_equal(copy.type, frames[i].type);
        assert_true(wire_encode(&again, &copy));
        assert_int_equal(again.bytes, out.bytes);
        assert_memory_equal(again.data, out.data, out.bytes);
        buffer_release(&again);
    }
}

static void test_wire__waits_for_the_rest(void **state)
{
    (void)state;
    struct wire_frame frame = {.type = WIRE_DOCUMENT, .document = {1, false, TEXT("m"), TEXT("t")}};
    assert_true(wire_encode(&out, &frame));
    for (size_t bytes = 0; bytes < out.bytes; bytes++) {
        size_t frame_bytes;
        struct text part = text_slice(buffer_text(&out), 0, bytes);
        assert_int_equal(wire_decode(part, 1000, &frame, &frame_bytes), WIRE_NEEDS_MORE);
    }
}

static void assert_bad_after(size_t at, uint8_t byte)
{
    struct wire_frame frame = {.type = WIRE_DOCUMENT, .document = {1, false, TEXT("m"), TEXT("t")}};
    size_t bytes;
    buffer_clear(&out);
    assert_true(wire_encode(&out, &frame));
    out.data[at] = (char)byte;
    assert_int_equal(wire_decode(buffer_text(&out), 1000, &frame, &bytes), WIRE_IS_BAD);
}

static void test_wire__refuses_what_is_malformed(void **state)
{
    (void)state;
    assert_bad_after(0, 'Y');   /* magic */
    assert_bad_after(4, 0);     /* type */
    assert_bad_after(4, 12);    /* type */
    assert_bad_after(5, 1);     /* type */
    assert_bad_after(8, 1);     /* a payload shorter than its fields */
    assert_bad_after(10, 1);    /* a payload of 64 KiB */
    assert_bad_after(16, 2);    /* neither true nor false */
    assert_bad_after(25, 2);    /* a title longer than the payload */
    assert_bad_after(25, 0);    /* a payload longer than its fields */
    assert_bad_after(28, 0xff); /* a title of 4 GiB */
}

static void test_wire__refuses_a_page_above_the_limit_before_it_is_there(void **state)
{
    (void)state;
    static const char text[300000] = "x";
    struct wire_frame frame = {.type = WIRE_PAGE, .page = {.number = 1, .text = {text, 300000}}};
    size_t bytes;
    assert_true(wire_encode(&out, &frame));
    struct text head = text_slice(buffer_text(&out), 0, WIRE_HEADER_BYTES);
    assert_int_equal(wire_decode(head, 1000, &frame, &bytes), WIRE_IS_BAD);
    assert_int_equal(wire_decode(head, 300000, &frame, &bytes), WIRE_NEEDS_MORE);
}

static void test_wire__does_not_encode_what_it_would_refuse(void **state)
{
    (void)state;
    char longer[WIRE_TEXT_BYTES_MAX + 1] = {0};
    struct wire_frame frame = {.type = WIRE_DOCUMENT,
                               .document = {1, false, {longer, sizeof(longer)}}};
    assert_false(wire_encode(&out, &frame));
    assert_int_equal(out.bytes, 0);
    frame = (struct wire_frame){.type = WIRE_PAGE,
                                .page = {.number = 1, .label = {longer, WIRE_LABEL_BYTES_MAX + 1}}};
    assert_false(wire_encode(&out, &frame));
    assert_int_equal(out.bytes, 0);
}

/* ---- the transcript -------------------------------------------------------------------------- */

static void test_transcript__gives_pages_as_they_come(void **state)
{
    (void)state;
    struct page pages[2];
    say_document(3);
    say_page(1, 0, TEXT("one"));
    say_page(2, PAGE_HAS_NO_TEXT, TEXT(""));
    say_page(3, 0, TEXT("three"));
    say((struct wire_frame){.type = WIRE_END});
    assert_int_equal(hear(pages, 2), 2);
    assert_text(pages[0].text, "one");
    assert_int_equal(pages[1].flags, PAGE_HAS_NO_TEXT);
    assert_false(transcript.has_ended);
    assert_int_equal(hear(pages, 2), 1);
    assert_text(pages[0].text, "three");
    assert_int_equal(hear(pages, 2), 0);
    assert_true(transcript.has_ended);
    assert_int_equal(transcript.text_bytes, 8);
    assert_int_equal(transcript.credit, 112);
}

static void test_transcript__puts_frames_together_from_single_bytes(void **state)
{
    (void)state;
    struct page page;
    size_t room_bytes, count, page_count = 0;
    say_document(2);
    say_page(1, 0, TEXT("one"));
    say_page(2, 0, TEXT("two"));
    for (size_t i = 0; i < out.bytes; i++) {
        *transcript_room(&transcript, &room_bytes) = out.data[i];
        transcript_received(&transcript, 1);
        assert_true(transcript_pages(&transcript, &page, 1, &count, &err));
        page_count += count;
    }
    assert_int_equal(page_count, 2);
}

static void test_transcript__believes_the_failures_a_child_may_have(void **state)
{
    (void)state;
    struct page pages[8];
    say((struct wire_frame){.type = WIRE_FAILURE, .failure = {TEXT("needs_password"), TEXT("x")}});
    assert_int_equal(hear(pages, 8), 0);
    assert_true(transcript.has_failed);
    assert_int_equal(transcript.failure.code, ERR_PASSWORD);
}

static void test_transcript__resumes_behind_a_page(void **state)
{
    (void)state;
    struct page pages[8];
    say_document(4);
    say_page(1, 0, TEXT("one"));
    assert_int_equal(hear(pages, 8), 1);
    transcript_resume(&transcript, (const uint32_t[WIRE_SKIPS_MAX]){2});
    say_document(4);
    say_page(2, PAGE_IS_SKIPPED, TEXT(""));
    say_page(3, 0, TEXT("three"));
    assert_int_equal(hear(pages, 8), 2);
    assert_int_equal(pages[0].flags, PAGE_IS_SKIPPED);
    say_page(4, PAGE_IS_SKIPPED, TEXT(""));
    assert_lie(ERR_EXTRACT_CRASH);
}

static void test_transcript__wants_the_same_document_again(void **state)
{
    (void)state;
    struct page pages[8];
    say_document(4);
    assert_int_equal(hear(pages, 8), 0);
    transcript_resume(&transcript, (const uint32_t[WIRE_SKIPS_MAX]){1});
    say_document(5);
    assert_lie(ERR_EXTRACT_CRASH);
}

/* Pages first .. last without text, so that they need no credit. */
static void say_empty_pages(uint32_t first, uint32_t last)
{
    for (uint32_t number = first; number <= last; number++)
        say_page(number, PAGE_HAS_NO_TEXT, TEXT_NONE);
}

static void test_transcript__lets_a_long_document_be_read_as_told(void **state)
{
    (void)state;
    struct page pages[64];
    say_document(90);
    say_empty_pages(1, 32);
    assert_int_equal(hear(pages, 64), 32);
    assert_int_equal(transcript.range_count, 0);
    transcript_expect(&transcript, (struct wire_range){65, 90});
    say_empty_pages(65, 66);
    assert_int_equal(hear(pages, 64), 2);
    assert_int_equal(pages[0].number, 65);
    transcript_resume(&transcript, (const uint32_t[WIRE_SKIPS_MAX]){0}); /* goes on there */
    say_document(90);
    say_empty_pages(67, 90);
    assert_int_equal(hear(pages, 64), 24);
    transcript_expect(&transcript, (struct wire_range){0});
    say((struct wire_frame){.type = WIRE_END});
    assert_int_equal(hear(pages, 64), 0);
    assert_true(transcript.has_ended);
}

static void test_transcript__lets_a_second_child_begin_where_it_is_told(void **state)
{
    (void)state;
    struct page pages[64];
    transcript_know(&transcript, 90, 33);
    say_document(90);
    say_empty_pages(33, 64);
    assert_int_equal(hear(pages, 64), 32);
    say_empty_pages(65, 65);
    assert_lie(ERR_EXTRACT_CRASH);
}

static void lie_end_before_it_is_told(void)
{
    say_document(90);
    say_empty_pages(1, 32);
    say((struct wire_frame){.type = WIRE_END});
}

static void lie_page_of_another_range(void)
{
    say_document(90);
    say_empty_pages(1, 33);
}

static void lie_page_first(void)
{
    say_page(1, 0, TEXT("x"));
}

static void lie_page_out_of_turn(void)
{
    say_document(3);
    say_page(2, 0, TEXT("x"));
}

static void lie_page_beyond_the_last(void)
{
    say_document(1);
    say_page(1, 0, TEXT("x"));
    say_page(2, 0, TEXT("x"));
}

static void lie_end_too_early(void)
{
    say_document(1);
    say((struct wire_frame){.type = WIRE_END});
}

static void lie_after_the_end(void)
{
    say_document(1);
    say_page(1, 0, TEXT("x"));
    say((struct wire_frame){.type = WIRE_END});
    say((struct wire_frame){.type = WIRE_END});
}

static void lie_two_documents(void)
{
    say_document(1);
    say_document(1);
}

static void lie_no_pages(void)
{
    say_document(0);
}

static void lie_too_many_pages(void)
{
    say_document(101);
}

static void lie_nul(void)
{
    say_document(1);
    say_page(1, 0, (struct text){"a\0b", 3});
}

static void lie_broken_utf8(void)
{
    say_document(1);
    say_page(1, 0, TEXT("a\xc3"));
}

static void lie_unknown_flag(void)
{
    say_document(1);
    say_page(1, 1u << 30, TEXT("a"));
}

static void lie_text_without_text(void)
{
    say_document(1);
    say_page(1, PAGE_HAS_NO_TEXT, TEXT("a"));
}

static void lie_foreign_frame(void)
{
    say((struct wire_frame){.type = WIRE_CREDIT, .credit_bytes = 1});
}

static void lie_failure_not_its_own(void)
{
    say((struct wire_frame){.type = WIRE_FAILURE, .failure = {TEXT("cancelled"), TEXT("")}});
}

static void lie_blame_the_machine(void)
{
    say_document(1);
    say((struct wire_frame){.type = WIRE_FAILURE, .failure = {TEXT("helper_lost"), TEXT("")}});
}

static void lie_dirty_title(void)
{
    say((struct wire_frame){.type = WIRE_DOCUMENT,
                            .document = {1, false, TEXT("m"), TEXT("a\x1b[2J")}});
}

static void lie_dirty_label(void)
{
    say_document(1);
    say((struct wire_frame){.type = WIRE_PAGE, .page = {1, 0, {0}, TEXT("a"), TEXT("i\x1b")}});
}

static void lie_without_credit(void)
{
    static const char sixty[] = "123456789012345678901234567890123456789012345678901234567890";
    say_document(3);
    say_page(1, 0, text_from(sixty));
    say_page(2, 0, text_from(sixty)); /* 120: all of it */
    say_page(3, 0, TEXT("x"));
}

static void lie_malformed(void)
{
    buffer_append_text(&out, TEXT("HTTP/1.1 200 OK\r\n"));
}

static void test_transcript__sees_through_lies(void **state)
{
    static void (*const lies[])(void) = {
        lie_page_first,
        lie_page_out_of_turn,
        lie_page_beyond_the_last,
        lie_end_before_it_is_told,
        lie_page_of_another_range,
        lie_end_too_early,
        lie_after_the_end,
        lie_two_documents,
        lie_no_pages,
        lie_too_many_pages,
        lie_nul,
        lie_broken_utf8,
        lie_unknown_flag,
        lie_text_without_text,
        lie_foreign_frame,
        lie_dirty_title,
        lie_dirty_label,
        lie_failure_not_its_own,
        lie_without_credit,
        lie_malformed,
        lie_blame_the_machine,
    };
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        tear_down_transcript(state);
        set_up_transcript(state);
        lies[i]();
        assert_lie(ERR_EXTRACT_CRASH);
    }
}

static void test_transcript__counts_the_text_of_all_pages(void **state)
{
    (void)state;
    char text[100];
    memset(text, 'x', sizeof(text));
    say_document(3);
    say_page(1, 0, (struct text){text, 100});
    say_page(2, 0, (struct text){text, 51});
    assert_lie(ERR_TEXT_MAX);
}

#define FRAME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define TRANSCRIPT(test) \
    cmocka_unit_test_setup_teardown(test, set_up_transcript, tear_down_transcript)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRAME(test_wire__carries_a_job),
        FRAME(test_wire__carries_every_other_frame),
        FRAME(test_wire__waits_for_the_rest),
        FRAME(test_wire__refuses_what_is_malformed),
        FRAME(test_wire__refuses_a_page_above_the_limit_before_it_is_there),
        FRAME(test_wire__does_not_encode_what_it_would_refuse),
        TRANSCRIPT(test_transcript__gives_pages_as_they_come),
        TRANSCRIPT(test_transcript__puts_frames_together_from_single_bytes),
        TRANSCRIPT(test_transcript__believes_the_failures_a_child_may_have),
        TRANSCRIPT(test_transcript__resumes_behind_a_page),
        TRANSCRIPT(test_transcript__wants_the_same_document_again),
        TRANSCRIPT(test_transcript__lets_a_long_document_be_read_as_told),
        TRANSCRIPT(test_transcript__lets_a_second_child_begin_where_it_is_told),
        TRANSCRIPT(test_transcript__sees_through_lies),
        TRANSCRIPT(test_transcript__counts_the_text_of_all_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
