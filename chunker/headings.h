/*
 * headings.h - where in the document we are: the path of headings, and the prefix made of it. Pure.
 *
 * Owns:   nothing; a value.
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_HEADINGS_H
#define CHUNKER_HEADINGS_H

#include "worker/base/buffer.h"

#define HEADING_BYTES_MAX 120
#define HEADING_LEVELS_MAX 6

struct headings {
    size_t count;
    struct heading {
        uint8_t level;
        size_t bytes;
        char text[HEADING_BYTES_MAX];
    } items[HEADING_LEVELS_MAX];
};

/* One line of clean text: white space and controls become single spaces, bad UTF-8 is left out, cut
 * to buffer_bytes. Returns the bytes written. */
size_t headings_clean(struct text text, char *buffer, size_t buffer_bytes);
/* A heading of this level (1 .. 6) begins: those at its level and below end. */
void headings_enter(struct headings *headings, uint8_t level, struct text text);
/* "Chapter > Section", the outermost left out when it does not fit bytes_max; may be empty. */
void headings_write_path(const struct headings *headings, size_t bytes_max, struct buffer *out);
/* "Title > Chapter > Section\n\n" in bytes_max, or nothing. */
void headings_write_prefix(const struct headings *headings, struct text title, size_t bytes_max,
                           struct buffer *out);

#endif
