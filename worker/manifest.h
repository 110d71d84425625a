/*
 * manifest.h - a list of documents as CSV or JSON lines: rows out, and what is wrong with which
 *              line. Pure.
 *
 * Columns: title, file_path, file_source_type, file_url, in any order and case; of file_path and
 * file_url one at least. CSV: RFC 4180 with a comma, a semicolon or a tab (what the header uses),
 * quoted fields with line breaks, a byte order mark, LF, CRLF or CR. JSON lines: an object a line
 * with these members, strings or null. Empty lines are passed over.
 * Owns:   nothing; a row's texts are valid for the call.
 * Thread: any.
 */
#ifndef WORKER_MANIFEST_H
#define WORKER_MANIFEST_H

#include "worker/base/text.h"

#define MANIFEST_FIELD_BYTES_MAX ((size_t)16 * 1024) /* a longer one is a fault */

enum manifest_format { MANIFEST_CSV, MANIFEST_JSON_LINES };
enum manifest_column {
    MANIFEST_TITLE,
    MANIFEST_FILE_PATH,
    MANIFEST_SOURCE_TYPE,
    MANIFEST_FILE_URL,
    MANIFEST_COLUMN_COUNT
};

struct manifest_row {
    uint64_t line;                             /* where it begins; the first is 1 */
    struct text fields[MANIFEST_COLUMN_COUNT]; /* trimmed; empty: not given */
};
struct manifest_events {
    void *arg;
    void (*on_row)(void *arg, const struct manifest_row *row);
    void (*on_fault)(void *arg, uint64_t line, struct text what); /* that line gives no row */
};

/* By the ending of its name: .csv, .jsonl, .ndjson. */
bool manifest_format_of(struct text name, enum manifest_format *ret_format);
const char *manifest_column_name(enum manifest_column column);
/* All rows and faults in order. A fault of the header is the only one: no row has a meaning then. */
void manifest_read(struct text content, enum manifest_format format, struct manifest_events events);

#endif
