/*
 * report.h - read-only rows for people: jobs, documents, dead letters, tenants.
 *
 * Thread: the loop thread.
 */
#ifndef STORE_REPORT_H
#define STORE_REPORT_H

#include "store/pg.h"

enum report_kind {
    REPORT_JOBS,         /* newest first; filter user_id optional */
    REPORT_JOB,          /* one, by id */
    REPORT_JOB_ITEMS,    /* of a job: documents with outcome and reason, failures first */
    REPORT_TENANTS,      /* documents, pages, chunks, vectors, failures of each tenant */
    REPORT_FAILURES,     /* by code, with counts */
    REPORT_DEAD_LETTERS, /* newest first */
    REPORT_LIVE,         /* for search: document ids -> live generation, title, key */
    REPORT_LANES         /* open items, parked items, litter: counts */
};
struct report {
    enum report_kind kind;
    bool has_id;
    struct uuid id;               /* job, or user for lists */
    const struct uuid *documents; /* REPORT_LIVE */
    size_t document_count;
    uint32_t row_max; /* 1 .. 10,000 */
    /* result: columns as listed in report.c beside each statement; valid for the call. */
    void (*on_done)(struct report *report, const struct pg_result *result, const struct error *err);
    void *private_state;
};
void report_run(struct pg *pg, struct loop *loop, struct report *report);

#endif
