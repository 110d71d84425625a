/*
 * pdf.h - PDF pages as text, through poppler: a format of reader.h.
 *
 * Thread: one process reads one document (poppler's statics are unguarded).
 */
#ifndef EXTRACT_PDF_H
#define EXTRACT_PDF_H

#include "extract/reader.h"

/* ERR_DAMAGED, ERR_PASSWORD. */
struct reader *pdf_open(struct text body, struct error *err) MUST_CHECK;

#endif
