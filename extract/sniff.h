/*
 * sniff.h - what kind of file is this? By its bytes, never by its name or what somebody says.
 *
 * Thread: the sandboxed child.
 */
#ifndef EXTRACT_SNIFF_H
#define EXTRACT_SNIFF_H

#include "extract/reader.h"

/* Chooses the format by magic and opens the document. ERR_NOT_PDF, or what the format says. */
struct reader *sniff_open(struct text body, struct error *err) MUST_CHECK;

#endif
