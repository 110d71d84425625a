/*
 * pdf_writer.h - makes PDFs for tests: page after page of whatever content stream is asked for.
 *
 * Thread: any.
 */
#ifndef TESTS_CONTRACT_PDF_WRITER_H
#define TESTS_CONTRACT_PDF_WRITER_H

#include "worker/base/buffer.h"

#define PDF_PAGES_MAX 4096

struct pdf_writer {
    struct buffer out;
    size_t object_at[2 * PDF_PAGES_MAX + 64]; /* by object number; 0: not written */
    unsigned object_count;                    /* the highest number used */
    unsigned page_objects[PDF_PAGES_MAX];
    unsigned page_count;
    const char *page_entries; /* in: of the pages to come, for example "/Annots[9 0 R]"; likewise */
    const char *catalog_entries; /* in: besides the page tree; borrowed; NULL: none */
};

/* Objects 1 to 3 are catalog, page tree and a Helvetica named /F. */
void pdf_writer_begin(struct pdf_writer *writer);
/* A page; resources are entries besides the font, for example "/XObject<</A 9 0 R>>". */
void pdf_writer_page(struct pdf_writer *writer, struct text content, const char *resources);
/* A page of so many lines of plain English that names its number first. */
void pdf_writer_text_page(struct pdf_writer *writer, unsigned line_count);
/* Ten forms that each show the next one ten times: 10^10 operators in a few kilobytes. */
void pdf_writer_bomb_page(struct pdf_writer *writer);
/* Any stream object; dictionary are its entries besides the length. Answers its number. */
unsigned pdf_writer_stream(struct pdf_writer *writer, const char *dictionary, struct text content);
/* Any other object. Answers its number. */
unsigned pdf_writer_object(struct pdf_writer *writer, struct text content);
/* The number the next object will have. */
unsigned pdf_writer_next(const struct pdf_writer *writer);
/* Page tree, cross reference, trailer. The bytes live until pdf_writer_release(). */
struct text pdf_writer_end(struct pdf_writer *writer);
void pdf_writer_release(struct pdf_writer *writer);

#endif
