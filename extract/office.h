/*
 * office.h - docx and odt: the text of word processors, with headings, list items and rows of
 *            tables marked, foot- and endnotes at the end.
 *
 * Of the container only the members that hold text, styles and title are inflated (zip.h), and
 * read by expat with a document type refused, so that there are no entities at all. What is deleted
 * but still tracked is left out. To be called with hostile bytes in a sandboxed process only.
 * Owns:   nothing. Thread: any, one at a time.
 */
#ifndef EXTRACT_OFFICE_H
#define EXTRACT_OFFICE_H

#include "extract/prose.h"
#include "worker/base/error.h"

/* Each adds all of body; what does not fit is told by prose_is_full(). ERR_DAMAGED, ERR_BOMB,
 * ERR_PASSWORD. */
bool office_read_docx(struct text body, struct prose *prose, struct error *err) MUST_CHECK;
bool office_read_odt(struct text body, struct prose *prose, struct error *err) MUST_CHECK;

#endif
