/*
 * format.h - what a document is written in: the words of both sides of the sandbox.
 *
 * The bytes decide (sniff.h). A name is only a hint, and only between kinds of text: nothing in the
 * bytes of a plain text says that its stars and number signs are not Markdown.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EXTRACT_FORMAT_H
#define EXTRACT_FORMAT_H

#include "worker/base/text.h"

enum format {
    FORMAT_UNKNOWN,
    FORMAT_PDF,
    FORMAT_PLAIN,
    FORMAT_MARKDOWN,
    FORMAT_HTML,
    FORMAT_DOCX,
    FORMAT_ODT,
    FORMAT_COUNT
};

/* "application/pdf"; of FORMAT_UNKNOWN that of any bytes. */
struct text format_mime_type(enum format format);
/* By the ending of a file's name or an object's key. */
enum format format_of_name(struct text name);

#endif
