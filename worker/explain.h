/*
 * explain.h - what happened to a document and why it is (not) done, in one paragraph. Pure.
 *
 * Thread: any.
 */
#ifndef WORKER_EXPLAIN_H
#define WORKER_EXPLAIN_H

#include "worker/standing.h"

enum explain_look { /* at the bucket */
                    LOOK_NOT_ASKED,
                    LOOK_FAILED, /* look_message */
                    LOOK_GONE,
                    LOOK_SAME,  /* the very bytes that were read */
                    LOOK_OTHER, /* another version */
                    LOOK_THERE, /* it is there; what was read before is not known */
};

struct explanation { /* texts are borrowed; times RFC 3339, none: never */
    struct text document, bucket, key, user;
    bool is_user_active;
    struct text status, code, message; /* of the document's row */
    struct text created_at, processed_at, deleted_at;
    struct text source; /* upload, s3, url */
    bool has_vectors;   /* something of it can be found */
    uint64_t chunks, pages, bytes, starts;
    bool is_leased;
    uint64_t lease_s; /* how long the worker's hold still lasts unless it renews it */
    struct text job, job_status;
    struct text outcome; /* of its item in that job; none: open, or no job */
    bool has_item;
    uint64_t parked_s; /* until its next attempt; 0: not parked */
    struct text parked_message;
    struct standing standing; /* of the job: control, workers, trouble */
    enum explain_look look;
    struct text look_message;
    struct text object_etag, row_etag;
    uint64_t object_bytes;
};

void explain_append(struct buffer *out, const struct explanation *explanation);
/* One word for programs: done, failed, skipped, cancelled, gone, in_work, or why it waits. */
const char *explain_word(const struct explanation *explanation);

#endif
