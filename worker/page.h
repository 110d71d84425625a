/*
 * page.h - the status page: what its tables hold, and how a row becomes HTML.
 *
 * The server renders the page whole; its script asks /status.json and renders the rows anew, by the
 * names and kinds that each column's heading carries. So the table below is the only place that
 * knows the columns.
 * Thread: any; pure.
 */
#ifndef WORKER_PAGE_H
#define WORKER_PAGE_H

#include "store/report.h"
#include "worker/base/buffer.h"

#define PAGE_COLUMNS_MAX 22

enum page_kind {
    PAGE_TEXT,
    PAGE_ID, /* its first 8 characters, the rest for who points at it */
    PAGE_CODE,
    PAGE_STATE,    /* of a job, with its control */
    PAGE_PROGRESS, /* of a job: documents done of all */
    PAGE_COUNT,
    PAGE_BYTES,
    PAGE_DURATION, /* seconds */
    PAGE_TIME,
    PAGE_REMEDY, /* of the error_code or code of its row */
};

struct page_column {
    const char *name, *title; /* name: of a value */
    enum page_kind kind;
};

struct page_part {
    const char *name, *title;
    const char *empty; /* said instead of rows */
    bool is_private;   /* names tenants: only for those who may see them */
    enum report_kind report;
    uint32_t row_max;
    const char
        *values[PAGE_COLUMNS_MAX]; /* of a row of the report, in its order; NULL: not shown */
    struct page_column columns[PAGE_COLUMNS_MAX]; /* shown; the last has no title */
};

/* A row's values: those of a report, or our own. */
struct page_row {
    const struct page_part *part;
    struct text values[PAGE_COLUMNS_MAX];
};

extern const struct page_part PAGE_PARTS[];
extern const size_t PAGE_PART_COUNT;
/* This worker's lanes: no report. */
extern const struct page_part PAGE_LANES;

struct text page_value(const struct page_row *row, const char *name); /* TEXT_NONE: has none */
/* The sentence for a code's owner; "" when no such code is known. */
const char *page_remedy(const struct page_row *row);

void page_open(struct buffer *out, bool is_ready);
void page_write_figure(struct buffer *out, const char *name, uint64_t value);
void page_close_now(struct buffer *out);
void page_open_part(struct buffer *out, const struct page_part *part);
void page_write_row(struct buffer *out, const struct page_row *row);
/* note: NULL, or what is to be said below the rows. */
void page_close_part(struct buffer *out, const struct page_part *part, size_t row_count,
                     const char *note);
void page_close(struct buffer *out);

#endif
