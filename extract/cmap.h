/*
 * cmap.h - a map from a font's codes to Unicode, as short as poppler can read it.
 *
 * poppler reads the map of each font anew with each page, character by character; most of a map is
 * what PostScript would need to know about it.
 * Thread: any. Pure.
 */
#ifndef EXTRACT_CMAP_H
#define EXTRACT_CMAP_H

#include "worker/base/buffer.h"

/* Appends what means the same to poppler. False: it holds something that we do not know, or there
 * is no room; out may have grown. */
bool cmap_shorten(struct text map, struct buffer *out) MUST_CHECK;

#endif
