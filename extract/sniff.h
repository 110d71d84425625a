/*
 * sniff.h - what is this file? By its bytes; a name only chooses between kinds of text. Pure.
 *
 * Thread: the sandboxed child.
 */
#ifndef EXTRACT_SNIFF_H
#define EXTRACT_SNIFF_H

#include "extract/format.h"
#include "worker/base/error.h"

struct sniffed {
    enum format format;   /* FORMAT_UNKNOWN: it is not read */
    enum error_code code; /* why not: unsupported_type, image, ... */
    const char *what;     /* "a PNG image" */
};

/* named: what the name of the file promises (format_of_name()). */
struct sniffed sniff(struct text body, enum format named);

#endif
