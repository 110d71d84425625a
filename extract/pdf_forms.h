/*
 * pdf_forms.h - what was written into a PDF besides its pages: values of forms, remarks.
 *
 * poppler's text of a page has none of it. Passwords and hidden remarks are left out; so is what is
 * beyond the limits: 1,000 values or remarks a page, 64 KiB in all.
 * Owns:   nothing. Thread: that of the PDF.
 */
#ifndef EXTRACT_PDF_FORMS_H
#define EXTRACT_PDF_FORMS_H

#include "extract/pdf.h"

/* Appends each value ("label: value" where the field says its label) and each remark as a paragraph
 * of clean text, unless the page (what is in text already) says the same, or there is no room. */
void pdf_forms_append(const struct reader *pdf, uint32_t page_number, struct buffer *text);

#endif
