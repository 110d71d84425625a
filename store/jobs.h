/*
 * jobs.h - registering a job with its documents and open items, in one transaction, before anything
 *          is uploaded.
 *
 * Thread: the loop thread.
 */
#ifndef STORE_JOBS_H
#define STORE_JOBS_H

#include "store/pg.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

struct job_document {
    struct document document;
    struct text title;       /* none: as it was, and the name of its key for a new document */
    struct text source_type; /* "upload", "s3", "url" */
    uint64_t size_bytes;
    struct text link; /* with "url": where it is fetched from; a secret */
};
struct jobs_register {
    const struct tenant *tenant;
    struct uuid job;      /* the same id again is the same job: nothing is added */
    struct text job_type; /* "batch", "scan", ... */
    struct text config;   /* JSON object */
    const struct job_document *documents;
    size_t document_count; /* 1 .. 100,000 */
    uint64_t due_ms;       /* the janitor runs the items after that, should no event come */
    /* ERR_NO_TENANT, ERR_DENIED (the job is another user's). A server that is away is waited for,
     * up to a minute. */
    void (*on_done)(struct jobs_register *request, const struct error *err);
    bool was_new; /* out */
    void *private_state;
};
void jobs_register(struct pg *pg, struct loop *loop, struct jobs_register *request);

#endif
