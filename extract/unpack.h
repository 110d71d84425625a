/*
 * unpack.h - objects out of the streams they stand in, each by itself in an update.
 *
 * To answer for one object of a stream poppler inflates and parses all of them, often a hundred,
 * and remembers five streams: pages, their resources, named places and outline stand so far apart
 * that each of them costs a stream. Fonts, which every page asks for, are gathered instead.
 * Thread: any. Pure.
 */
#ifndef EXTRACT_UNPACK_H
#define EXTRACT_UNPACK_H

#include "extract/gather.h"

/* stream, content: an object stream of the update's file and what it holds, inflated. Annotations
 * stay where they are, as does what has no room. */
void unpack_stream(struct update *update, struct gathering *gathering,
                   const struct xref_stream *stream, struct text content);

#endif
