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
                  JOB_SECONDS_LEFT,
                  JOB_CONTROL_BY,
                  JOB_CONTROL_AT
};
enum document_column { /* REPORT_DOCUMENT */
                       DOCUMENT_ID,
                       DOCUMENT_USER,
                       DOCUMENT_IS_ACTIVE, /* 0, 1 */
                       DOCUMENT_BUCKET,
                       DOCUMENT_KEY,
                       DOCUMENT_TITLE,
                       DOCUMENT_SOURCE,
                       DOCUMENT_STATUS,
                       DOCUMENT_CODE,
                       DOCUMENT_MESSAGE,
                       DOCUMENT_ETAG,
                       DOCUMENT_BYTES,
                       DOCUMENT_PAGES,
                       DOCUMENT_CHUNKS,
                       DOCUMENT_HAS_LIVE, /* 0, 1 */
                       DOCUMENT_STARTS,
                       DOCUMENT_LEASE_S, /* 0: no worker is at it */
                       DOCUMENT_CREATED,
                       DOCUMENT_PROCESSED,
                       DOCUMENT_DELETED,
                       DOCUMENT_JOB, /* the latest, and its item there */
                       DOCUMENT_JOB_STATUS,
                       DOCUMENT_CONTROL,
                       DOCUMENT_CONTROL_BY,
                       DOCUMENT_CONTROL_AT,
                       DOCUMENT_OUTCOME,
                       DOCUMENT_HAS_ITEM, /* 0, 1 */
                       DOCUMENT_PARKED_S,
                       DOCUMENT_PARKED,
                       DOCUMENT_JOB_OPEN,
                       DOCUMENT_JOB_RUNNING,
                       DOCUMENT_WORKERS, /* that run */
                       DOCUMENT_WORKER_SEEN,
                       DOCUMENT_LAG,
                       DOCUMENT_OLDEST,
                       DOCUMENT_TROUBLE_CODE,
                       DOCUMENT_TROUBLE,
                       DOCUMENT_COLUMN_COUNT
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

/* Its status; of one that is open "paused" or "cancelling" where somebody wants that. */
struct text job_state(const struct pg_result *rows, size_t row);
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
