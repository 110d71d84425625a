/*
 * report.h - read-only rows for people: jobs, documents, dead letters, tenants.
 *
 * Thread: the loop thread.
 */
#ifndef STORE_REPORT_H
#define STORE_REPORT_H

#include "store/pg.h"

/* Columns, in this order; times are ISO 8601 in UTC, null where it has not happened yet. */
enum report_kind {
    /* job_id, user_id, email, job_type, status, control, total_documents, processed_count,
     * failed_count, cancelled_count, pages_done, chunks_done, tokens_done, bytes_done, bytes_total,
     * error_message, created_at, started_at, completed_at, seconds (running time so
     * far), seconds_left (an estimate, null: unknown), control_by, control_at */
    REPORT_JOBS, /* newest first; filters optional: user_id, state, age */
    REPORT_JOB,  /* one, by id: same columns */
    /* control, control_by, control_at, open_count, running_count, parked_count, retry_seconds,
     * retry_message, workers (that run), worker_seen_at, kafka_lag, oldest_seconds, trouble_code,
     * trouble_message: of a job */
    REPORT_JOB_STANDING,
    /* Of a document: worker/rows.h, enum document_column. */
    REPORT_DOCUMENT,
    /* document_id, title, object_key, outcome (null: open), error_code, error_message, page_count,
     * chunk_count, file_size, finished_at, due */
    REPORT_JOB_ITEMS, /* of a job: failures first */
    /* bucket, object_key, is_final (1, 0), content (what its documents held when it was made; null:
     * not noted), error_code (null: none): of a job, up to 100,000 */
    REPORT_JOB_CONTENT,
    /* open_count, working_count (a worker has them), parked_count (they wait for their next
     * attempt), retry_seconds (until the first of these), message (of that): of a job */
    REPORT_JOB_OPEN,
    /* user_id, email, is_active, total_documents, pages, chunks, total_vectors,
     * total_storage_bytes, failed_documents */
    REPORT_TENANTS,
    /* error_code, document_count, example (of a message), last_at: of documents failed now */
    REPORT_FAILURES,
    /* topic, partition, offset, event_no, code, message, key, user_id, buried_at */
    REPORT_DEAD_LETTERS, /* unresolved, newest first; filter user_id optional */
    /* document_id, gen (decimal), title, object_key: of those of `documents` that are live */
    REPORT_LIVE,
    /* open_items, parked_items, litter_rows, dead_letters */
    REPORT_LANES,
};
struct report {
    enum report_kind kind;
    bool has_id;
    struct uuid id;               /* job, or user for lists */
    const struct uuid *documents; /* REPORT_LIVE */
    size_t document_count;
    uint32_t row_max;            /* 1 .. 100,000 */
    struct text state;           /* REPORT_JOBS: a status, "open" or "paused"; or none */
    uint64_t older_ms, newer_ms; /* REPORT_JOBS: made so long ago at least, at most; 0: any */
    /* result: valid for the call. */
    void (*on_done)(struct report *report, const struct pg_result *result, const struct error *err);
};
void report_run(struct pg *pg, struct loop *loop, struct report *report);

#endif
