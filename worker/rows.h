/*
 * rows.h - rows of store/report.h as people and programs read them.
 *
 * Owns:   nothing; texts are borrowed from the rows.
 * Thread: the loop thread.
 */
#ifndef WORKER_ROWS_H
#define WORKER_ROWS_H

#include "store/report.h"
#include "worker/term.h"

enum job_column { /* REPORT_JOBS, REPORT_JOB */
                  JOB_ID,
                  JOB_USER,
                  JOB_EMAIL,
                  JOB_TYPE,
                  JOB_STATUS,
                  JOB_CONTROL,
                  JOB_TOTAL,
                  JOB_PROCESSED,
                  JOB_FAILED,
                  JOB_CANCELLED,
                  JOB_PAGES,
                  JOB_CHUNKS,
                  JOB_TOKENS,
                  JOB_BYTES_DONE,
                  JOB_BYTES_TOTAL,
                  JOB_MESSAGE,
                  JOB_CREATED,
                  JOB_STARTED,
                  JOB_COMPLETED,
                  JOB_SECONDS,
                  JOB_SECONDS_LEFT
};
enum item_column { /* REPORT_JOB_ITEMS */
                   ITEM_DOCUMENT,
                   ITEM_TITLE,
                   ITEM_KEY,
                   ITEM_OUTCOME,
                   ITEM_CODE,
                   ITEM_MESSAGE,
                   ITEM_PAGES,
                   ITEM_CHUNKS,
                   ITEM_BYTES,
                   ITEM_FINISHED,
                   ITEM_DUE
};

uint64_t row_number(const struct pg_result *rows, size_t row, size_t column); /* 0: null */
/* `demo`, or the first eight digits. */
struct text row_tenant_name(struct text user);
/* The name inside its tenant's prefix: what people call the file. */
struct text file_of_key(struct text key);

bool job_is_final(const struct pg_result *rows, size_t row);
/* [####....] 12/40 documents  310 pages  95 chunks  1 failed  about 30 s left */
void job_append_progress(struct buffer *out, const struct term *term, const struct pg_result *rows,
                         size_t row);

enum row_kind { ROW_TEXT, ROW_NUMBER };
struct row_field {
    const char *name;
    enum row_kind kind;
};
struct row_format {
    const char *kind; /* says what it is: "job" */
    const struct row_field *fields;
    size_t field_count;
};
/* One JSON object with the row's first columns under these names, on one line. SQL null becomes
 * null. */
void row_append_json(struct buffer *out, const struct row_format *format,
                     const struct pg_result *rows, size_t row);

#endif
