/*
 * clean.h - raw text of a page in, the text that everybody after us may trust out.
 *
 * Out comes valid UTF-8 in NFC without NUL, controls (but newline and tab), bidi marks, soft
 * hyphens, invisible tags and presentation forms; all white space but newlines is one space or tab,
 * no line begins or ends with it, no more than one empty line stands between others, and rule lines
 * and dot leaders are three characters long. Superscripts and fractions stay what they are: NFKC
 * would turn ten to the fifth into 105.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EXTRACT_CLEAN_H
#define EXTRACT_CLEAN_H

#include "worker/base/buffer.h"
#include "worker/model/chunk.h"

struct clean_figures {
    size_t char_count;          /* code points of the raw text that are no white space */
    size_t unusable_count;      /* of these: private use, replacement, controls, unassigned */
    size_t right_to_left_count; /* of these: letters of scripts written from the right */
    size_t left_to_right_count; /* of these: other letters */
};

/* Appends the clean text of raw (any bytes) to out. False: out is full, its content is of no use.
 * Work and memory are linear in raw.bytes. */
bool clean_text(struct text raw, struct buffer *out, struct clean_figures *ret_figures) MUST_CHECK;

/* The same on one line, for titles and names: what is longer than bytes_max is cut off. */
bool clean_line(struct text raw, size_t bytes_max, struct buffer *out) MUST_CHECK;

/* What the figures of a page make it: PAGE_IS_RIGHT_TO_LEFT, PAGE_IS_DUBIOUS, PAGE_IS_GARBLED. */
uint32_t clean_page_flags(const struct clean_figures *figures);

/* Is there a letter of a script written from the right? Cheap; for valid UTF-8. */
bool clean_has_right_to_left(struct text text);
/* More such letters than others? Likewise. */
bool clean_is_right_to_left(struct text text);
/* Does the text begin with a lower-case letter? */
bool clean_starts_lower(struct text text);
/* When a line is wrapped between them, nothing stood there: the script has no spaces (Chinese,
 * Japanese, Thai, Lao, Khmer, Burmese). */
bool clean_needs_no_space(struct text left, struct text right);

#endif
