/*
 * inspect.h - read-only rows for `millrace verify`: what the tables say of themselves, of a bucket's
 *             objects and of stored vectors.
 *
 * Owns:   nothing of the caller's; borrows a request until on_done (once, never from inside).
 * Thread: the loop thread.
 */
#ifndef STORE_INSPECT_H
#define STORE_INSPECT_H

#include "store/pg.h"

#define INSPECT_ROWS_MAX 1000 /* of an answer */

/* What each needs of a request, and the columns of its answer. */
enum inspect_kind {
    /* after (an id, or none): user_id, in order */
    INSPECT_TENANTS,
    /* tenant, are_vectors_rows: kind, subject, message (millrace_reconcile) */
    INSPECT_TENANT,
    /* nothing: kind, subject, message (millrace_strays) */
    INSPECT_STRAYS,
    /* tenant, bucket, names (keys): at (from 1), document_id, is_settled 0/1, is_deleted 0/1,
     * status, etag, file_size; keys without a document have no row */
    INSPECT_OBJECTS,
    /* tenant, bucket: how many settled documents are not deleted */
    INSPECT_OBJECT_COUNT,
    /* tenant, bucket, after (a key, or none): document_id, key of those, in order of keys */
    INSPECT_OBJECT_PAGE,
    /* names (document ids): document_id, user_id, gen (decimal, null: none), chunk_count, litter
     * ("gen:n gen:n ...", decimal) */
    INSPECT_GENERATIONS,
    /* tenant: how many vectors its live documents have */
    INSPECT_LIVE_COUNT,
    /* tenant, after (an id, or none): document_id, gen, chunk_count of its live documents, in order */
    INSPECT_LIVE_PAGE,
    /* names (user ids): user_id of those that there are */
    INSPECT_USERS,
};

struct inspect {
    enum inspect_kind kind;
    struct uuid tenant;
    struct text after, bucket;
    const struct text *names;
    size_t name_count; /* at most INSPECT_ROWS_MAX */
    bool are_vectors_rows;
    /* rows: valid for the call; at most INSPECT_ROWS_MAX, then there may be more. */
    void (*on_done)(struct inspect *inspect, const struct pg_result *rows, const struct error *err);
    void *arg; /* the caller's own */
};
void inspect_run(struct pg *pg, struct loop *loop, struct inspect *inspect);

#endif
