/*
 * markup.h - Markdown and HTML: their text, with headings, list items and rows of tables marked.
 *
 * Of an HTML page what a reader would see: no scripts, styles, navigation and templates; the
 * alternative texts of images stay. Nothing is ever loaded; the only entities are HTML's own. Of
 * Markdown also what is written in HTML within it. To be called with hostile bytes in a sandboxed
 * process only; charset_warm_up() and markup_warm_up() come first.
 * Owns:   nothing. Thread: single-threaded processes only.
 */
#ifndef EXTRACT_MARKUP_H
#define EXTRACT_MARKUP_H

#include "extract/prose.h"
#include "worker/base/error.h"

/* Builds the tables of libxml2. */
void markup_warm_up(void);

/* Each adds all of body; what does not fit is told by prose_is_full(). ERR_DAMAGED: nested deeper
 * than any page is. ERR_TEXT_MAX: as a whole larger than can be taken. ERR_EXTRACT_MEMORY. */
bool markup_read_html(struct text body, struct prose *prose, struct error *err) MUST_CHECK;
bool markup_read_markdown(struct text body, struct prose *prose, struct error *err) MUST_CHECK;

/* For Markdown, in which both occur: HTML in UTF-8, added to what is there, and what "&auml;" means
 * (itself, when nothing). */
bool markup_add_html(struct text html, struct prose *prose, struct error *err) MUST_CHECK;
bool markup_append_entity(struct text entity, struct buffer *out);

#endif
