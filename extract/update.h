/*
 * update.h - writes an incremental update of a PDF: newer versions of some objects, behind its end.
 *
 * The objects' texts are ours to choose: nothing is checked here. Past the buffer's limit the update
 * is of no use, and the buffer says so.
 * Owns:   the rows of its cross-reference section.
 * Thread: any. Pure.
 */
#ifndef EXTRACT_UPDATE_H
#define EXTRACT_UPDATE_H

#include "extract/xref.h"
#include "worker/base/buffer.h"

#define UPDATE_ROWS_MAX 200000 /* objects in it */

struct update {
    const struct xref *xref; /* of the file as it was */
    struct buffer *out;
    struct buffer rows; /* struct update_row each; private from here */
    size_t row_count;
    size_t value_bytes;   /* of all that update_put_value() has put */
    uint32_t next_number; /* of a new object */
    bool is_stream;       /* so is its cross-reference section to be */
};

struct update update_begin(const struct xref *xref, struct buffer *out);
void update_release(struct update *update);
bool update_has_room(const struct update *update, size_t object_count, size_t bytes);

/* The stream object with other data, which are not compressed. */
void update_put_stream(struct update *update, const struct xref_stream *stream,
                       struct text content);
/* An object of generation 0 by itself. */
void update_put_value(struct update *update, uint32_t number, struct text value);
/* Objects in a stream of their own, of generation 0. texts: behind each other, the last ends at the
 * last of ends. */
void update_put_objects(struct update *update, const uint32_t *numbers, const size_t *ends,
                        size_t count, struct text texts);
/* The section, and what leads to it. */
void update_end(struct update *update);

#endif
