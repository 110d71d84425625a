/*
 * xref.h - where the objects of a PDF stand, by its cross-reference sections.
 *
 * Reads what ordinary writers write: tables, streams and both in one file, from the newest section
 * to the oldest, as a viewer does. A file that is odd, damaged or encrypted is refused; a viewer
 * may get along with it all the same.
 * Hostile bytes are welcome: time and memory are bounded, nothing recurses.
 * Owns:   the entries. The body is borrowed.
 * Thread: any. Pure.
 */
#ifndef EXTRACT_XREF_H
#define EXTRACT_XREF_H

#include "worker/base/text.h"

#define XREF_OBJECTS_MAX (1u << 20)

enum xref_kind {
    XREF_IS_UNKNOWN,   /* no section names it */
    XREF_IS_FREE,      /* removed */
    XREF_IS_PLAIN,     /* stands in the file */
    XREF_IS_CONTAINED, /* stands in an object stream */
};

struct xref_entry {
    uint64_t at; /* PLAIN: its first byte in the body */
    uint32_t generation;
    enum xref_kind kind;
};

struct xref {
    struct text body;
    struct xref_entry *entries; /* by object number */
    uint32_t entry_count;       /* at most XREF_OBJECTS_MAX */
    uint64_t newest_at;         /* where the newest section stands */
    bool is_stream;             /* and that it is a stream, not a table */
    struct text trailer;        /* inside of its dictionary */
    bool has_more;              /* some section names objects beyond entry_count */
    uint64_t bytes_left;        /* private: what may still be looked at, as objects may overlap */
};

/* False: not a file that we understand. */
bool xref_read(struct text body, struct xref *ret_xref) MUST_CHECK;
void xref_release(struct xref *xref);
/* Is there an object of each number, and does it stand where the sections say? Where that is so, a
 * viewer has nothing to repair. */
bool xref_is_regular(const struct xref *xref);

struct xref_stream {
    uint64_t number, generation;
    struct text dictionary; /* its inside */
    struct text data;       /* as it stands in the file */
};
/* The stream object at a place in the body. Its length is either in its dictionary or in an object
 * of its own, and must be right. */
bool xref_read_stream(struct xref *xref, uint64_t at, struct xref_stream *ret_stream) MUST_CHECK;

struct xref_object {
    struct xref_stream stream; /* its data are empty unless it is one */
    struct text value;         /* a dictionary, or an array of numbers, as it stands there */
};
/* As xref_read_stream(), or a value that is no stream. What is neither of them is not read; a
 * dictionary may be told of all the same, when what follows it makes no sense. */
bool xref_read_object(struct xref *xref, uint64_t at, struct xref_object *ret_object) MUST_CHECK;

#endif
