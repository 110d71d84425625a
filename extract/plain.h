/*
 * plain.h - plain text in any encoding: paragraphs between empty lines, pages between form feeds.
 *
 * To be called with hostile bytes in a sandboxed process only. charset_warm_up() comes first.
 * Owns:   nothing. Thread: single-threaded processes only.
 */
#ifndef EXTRACT_PLAIN_H
#define EXTRACT_PLAIN_H

#include "extract/prose.h"

/* Adds all of body; what does not fit is told by prose_is_full(). */
void plain_read(struct text body, struct prose *prose);

#endif
