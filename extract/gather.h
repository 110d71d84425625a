/*
 * gather.h - the small objects that describe fonts, together in streams of an update.
 *
 * An object that stands in the file by itself is parsed by poppler each time that it asks for it:
 * fonts, their widths and encodings with every page. The objects of a stream are parsed once, as
 * long as that is one of the last five. Values are copied as they stand.
 * Owns:   copies of what was gathered, until gather_free().
 * Thread: any. Pure.
 */
#ifndef EXTRACT_GATHER_H
#define EXTRACT_GATHER_H

#include "extract/update.h"

struct gathering;

struct gathering *gather_new(void);
void gather_free(struct gathering *gathering); /* NULL is allowed */

/* Looks at the value of an object, and keeps it if it describes a font. False: it does not, or there
 * is no room. */
bool gather_value(struct gathering *gathering, uint32_t number, struct text value);
/* As far as there is room. */
void gather_write(const struct gathering *gathering, struct update *update);

#endif
