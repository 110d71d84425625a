/*
 * pdf_outline.h - the table of contents that a PDF carries beside its pages.
 *
 * To be called with hostile bytes in a sandboxed process only, like pdf.h. What is beyond the
 * limits is left out: an outline helps to find headings, nothing is lost with it.
 * Owns:   its items and their titles.
 * Thread: that of the PDF.
 */
#ifndef EXTRACT_PDF_OUTLINE_H
#define EXTRACT_PDF_OUTLINE_H

#include "extract/pdf.h"

#define PDF_OUTLINE_ITEMS_MAX 10000
#define PDF_OUTLINE_DEPTH_MAX 64
#define PDF_OUTLINE_TITLE_BYTES_MAX 512

struct pdf_outline_item {
    struct text title; /* clean, on one line, not empty */
    uint32_t page;     /* 1 .. page_count; 0: it leads to no page of this document */
    uint32_t depth;    /* 1 .. PDF_OUTLINE_DEPTH_MAX; deeper than the item before by any number */
};

struct pdf_outline {
    struct pdf_outline_item *items; /* in reading order: an item, what is below it, the next */
    size_t item_count;              /* 0: the document has none */
    struct buffer memory;           /* private from here */
    struct buffer titles;
};

struct pdf_outline pdf_outline_read(const struct reader *pdf);
void pdf_outline_release(struct pdf_outline *outline);

#endif
