/*
 * transcript.h - what a child has said so far, believed only as far as it can be checked.
 *
 * Bytes go in as they come, pages come out in the order in which the child was told to read them.
 * Any lie (a wrong frame, a page out of turn, text that is not clean UTF-8, more than limits or
 * credit allow) ends the transcript for good, and the document with it: what makes a reader lie
 * would make the next one lie. It outlives its child: transcript_resume() lets another child go on
 * at the next page.
 * Owns:   its input buffer. Thread: any, one at a time. Pure.
 */
#ifndef EXTRACT_TRANSCRIPT_H
#define EXTRACT_TRANSCRIPT_H

#include "extract/extract.h"
#include "extract/wire.h"

struct transcript {
    struct extract_limits limits;
    bool has_document;    /* page_count is known, from this child or another one */
    bool has_greeted;     /* this child has sent its DOCUMENT */
    bool has_ended;       /* this child has said all it will say: END or FAILURE */
    bool has_failed;      /* it was FAILURE: see failure */
    struct error failure; /* why there is no text, ERR_NOT_PDF and the like */
    uint32_t page_count;  /* 0 until has_document */
    bool is_encrypted;
    char mime_type[WIRE_MIME_BYTES_MAX]; /* NUL-terminated */
    char title[WIRE_TEXT_BYTES_MAX];
    size_t title_bytes;
    /* What it has been told to read and has not sent yet, in this order; page_first moves on. Empty
     * until has_document, when it begins at page 1. */
    struct wire_range ranges[WIRE_RANGES_MAX];
    size_t range_count;
    bool is_told_all; /* no range is added any more */
    uint64_t text_bytes;
    int64_t credit;      /* bytes of text that may still be sent; the page that uses it up may
                            exceed it */
    struct buffer input; /* private from here */
    struct buffer marks; /* of the pages given out last */
    size_t input_at;
    uint32_t skips[WIRE_SKIPS_MAX];
};

void transcript_init(struct transcript *transcript, struct extract_limits limits, int64_t credit);
/* The document is known from another child, and this one begins at page_first. */
void transcript_know(struct transcript *transcript, uint32_t page_count, uint32_t page_first);
void transcript_release(struct transcript *transcript);
/* A new child goes on with the same ranges, and leaves out these pages (0: none). */
void transcript_resume(struct transcript *transcript, const uint32_t skips[WIRE_SKIPS_MAX]);
/* The child is told to read more, or (both 0) that there is no more. At most WIRE_RANGES_MAX ranges
 * at a time; the document is known. */
void transcript_expect(struct transcript *transcript, struct wire_range range);

/* Where the next bytes go: at least 64 KiB. Ends the life of all pages given out before. */
char *transcript_room(struct transcript *transcript, size_t *ret_bytes);
void transcript_received(struct transcript *transcript, size_t bytes);
/* The next pages; those given out before lose their marks. *ret_count 0: more bytes are needed.
 * False on a lie (ERR_EXTRACT_CRASH), and past the limit of all text (ERR_TEXT_MAX). */
bool transcript_pages(struct transcript *transcript, struct page *pages, size_t pages_max,
                      size_t *ret_count, struct error *err) MUST_CHECK;

#endif
