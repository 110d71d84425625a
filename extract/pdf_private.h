/*
 * pdf_private.h - what the other files about PDFs may see of an open one.
 *
 * A handle of poppler's is void here, since no header of ours includes one of a vendor.
 */
#ifndef EXTRACT_PDF_PRIVATE_H
#define EXTRACT_PDF_PRIVATE_H

#include "extract/pdf.h"

void *pdf_document(const struct reader *pdf); /* its PopplerDocument, borrowed */

#endif
