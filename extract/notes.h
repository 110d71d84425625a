/*
 * notes.h - may a PDF hold form fields or remarks, besides what its pages show?
 *
 * To ask poppler it must load all annotations of a page, and keep them: on a manual full of links
 * that takes a third more time, and 100 MB. The file tells faster that there are only links.
 * Hostile bytes are welcome: time and memory are bounded.
 * Owns:   nothing. Thread: any. Pure.
 */
#ifndef EXTRACT_NOTES_H
#define EXTRACT_NOTES_H

#include "worker/base/text.h"

/* False only when it is certain that there are none. */
bool notes_are_possible(struct text body);

#endif
