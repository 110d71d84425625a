/*
 * transcript_bench.h - says frames to a transcript and hears what it makes of them.
 *
 * Thread: one.
 */
#ifndef TESTS_UNIT_TRANSCRIPT_BENCH_H
#define TESTS_UNIT_TRANSCRIPT_BENCH_H

#include "extract/transcript.h"
#include "tests/unit/test.h"

extern struct buffer out;            /* what was said, until it is heard */
extern struct transcript transcript; /* pages of up to 100 bytes, documents of up to 150 */
extern struct error err;

int set_up_transcript(void **state);
int tear_down_transcript(void **state);

void say(struct wire_frame frame);
void say_document(uint32_t page_count);
void say_page(uint32_t number, uint32_t flags, struct text text);
/* Gives what was said to the transcript; answers the number of pages, -1 on a lie. */
int hear(struct page *pages, size_t pages_max);
void assert_lie(enum error_code code);

#endif
