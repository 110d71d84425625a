/*
 * pdf_private.h - what the other files about PDFs may see of an open one.
 *
 * A handle of poppler's is void here, since no header of ours includes one of a vendor.
 */
#ifndef EXTRACT_PDF_PRIVATE_H
#define EXTRACT_PDF_PRIVATE_H

#include "extract/layout.h"
#include "extract/pdf.h"

void *pdf_document(const struct reader *reader); /* its PopplerDocument, borrowed */

/* Does the file hold any? Asking poppler for those of a page draws the page, which takes as long as
 * the file likes. */
bool pdf_may_have_pictures(const struct reader *reader);

/* pdf_page.c: all the text of a page (1 .. page_count) and where it stands; to be released with
 * layout_release(). False: there is more than text_bytes_max. */
bool pdf_page_read(const struct reader *pdf, uint32_t number, size_t text_bytes_max,
                   struct layout_page *ret_page) MUST_CHECK;

/* pdf_page.c: appends what the document calls a page, clean, at most WIRE_LABEL_BYTES_MAX; nothing
 * when that is its number. */
void pdf_page_label(const struct reader *pdf, uint32_t number, struct buffer *label);

#endif
