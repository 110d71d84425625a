/*
 * pdf.h - PDF pages as text, through poppler.
 *
 * To be called with hostile bytes in a sandboxed process only: poppler may crash, hang or abort.
 * Owns:   the document. The body is borrowed until pdf_close().
 * Thread: one process reads one document (poppler's statics are unguarded).
 */
#ifndef EXTRACT_PDF_H
#define EXTRACT_PDF_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

struct pdf;

/* ERR_NOT_PDF, ERR_DAMAGED, ERR_PASSWORD. */
struct pdf *pdf_open(struct text body, struct error *err) MUST_CHECK;
void pdf_close(struct pdf *pdf); /* NULL is allowed */

uint32_t pdf_page_count(const struct pdf *pdf); /* at least 1 */
bool pdf_is_encrypted(const struct pdf *pdf);
/* Appends the document's own title, clean and on one line; nothing when it has none. */
void pdf_title(const struct pdf *pdf, struct buffer *out);
/* Appends the clean text of a page (1 .. page_count). ERR_TEXT_MAX: out is full. */
bool pdf_page(struct pdf *pdf, uint32_t number, struct buffer *out, uint32_t *ret_flags,
              struct error *err) MUST_CHECK;

#endif
