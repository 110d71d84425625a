#include "tests/unit/transcript_bench.h"

struct buffer out;
struct transcript transcript;
struct error err;

int set_up_transcript(void **state)
{
    struct extract_limits limits = {
        .pages_max = 100, .page_text_bytes_max = 100, .text_bytes_max = 150, .range_pages = 50};
    (void)state;
    transcript_init(&transcript, limits, 120);
    out = buffer_new(1 << 20);
    return 0;
}

int tear_down_transcript(void **state)
{
    (void)state;
    transcript_release(&transcript);
    buffer_release(&out);
    return 0;
}

void say(struct wire_frame frame)
{
    assert_true(wire_encode(&out, &frame));
}

void say_document(uint32_t page_count)
{
    say((struct wire_frame){.type = WIRE_DOCUMENT,
                            .document = {page_count, false, TEXT("text/mill"), TEXT("Mills")}});
}

void say_page(uint32_t number, uint32_t flags, struct text text)
{
    say((struct wire_frame){.type = WIRE_PAGE, .page = {number, flags, TEXT_NONE, text}});
}

/* Gives what was said to the transcript; answers the number of pages, -1 on a lie. */
int hear(struct page *pages, size_t pages_max)
{
    size_t room_bytes, count;
    char *room = transcript_room(&transcript, &room_bytes);
    assert_true(out.bytes <= room_bytes);
    memcpy(room, out.data ? out.data : "", out.bytes);
    transcript_received(&transcript, out.bytes);
    buffer_clear(&out);
    return transcript_pages(&transcript, pages, pages_max, &count, &err) ? (int)count : -1;
}

void assert_lie(enum error_code code)
{
    struct page pages[64];
    assert_int_equal(hear(pages, 64), -1);
    assert_string_equal(error_name(err.code), error_name(code));
}
