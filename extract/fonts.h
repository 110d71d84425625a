/*
 * fonts.h - makes a PDF faster to read: its fonts ready for use, behind its end.
 *
 * poppler sets up every font of a page anew for each page, and inflates its program and its map to
 * Unicode each time: up to three quarters of the time in books. What we write is an ordinary
 * incremental update with the same objects uncompressed; programs only as far as somebody who wants
 * text looks at them. Pages' instructions come along, as far as there is room, without those that
 * draw no text: zlib inflates them several times as fast as poppler, and what is not there need not
 * be read. The text of a page is the same with it.
 * Hostile bytes are welcome: time and memory are bounded.
 * Owns:   nothing. Thread: any. Pure.
 */
#ifndef EXTRACT_FONTS_H
#define EXTRACT_FONTS_H

#include "worker/base/buffer.h"

#define FONTS_PAGES_MIN 8
#define FONTS_UPDATE_BYTES_MAX ((size_t)32 << 20)
#define FONTS_INSTRUCTIONS_BYTES_MAX ((size_t)14 << 20) /* more are felt in the memory of a child */

/* Appends what is to stand right behind the body's last byte to an empty update. False: the file is
 * none that we can change, or it would not pay; the update is of no use then. */
bool fonts_prepare(struct text body, uint32_t page_count, struct buffer *update) MUST_CHECK;

#endif
