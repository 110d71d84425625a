/*
 * instructions.h - what draws a page, without what draws no text.
 *
 * poppler reads lines, areas, clips and shadings for nothing where only the text is wanted, and it
 * reads slowly: a call for each byte. What is left gives the same characters at the same places, in
 * the same fonts and colours: everything that leads to text, to other objects and to their places
 * is kept in its order. Colours are set only where something uses them, and strings in hexadecimal
 * digits become plain ones.
 * Hostile bytes are welcome: work is linear, without recursion.
 * Owns:   nothing. Thread: any. Pure.
 */
#ifndef EXTRACT_INSTRUCTIONS_H
#define EXTRACT_INSTRUCTIONS_H

#include "worker/base/buffer.h"

/* Appends at most as many bytes as there were. False: not all of them are understood (there may be
 * a picture within them, or they are no instructions); what was appended is of no use then. */
bool instructions_shorten(struct text instructions, struct buffer *out) MUST_CHECK;

#endif
