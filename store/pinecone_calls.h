/*
 * pinecone_calls.h - a request as calls: turns, retries, pauses. Private to pinecone*.c.
 *
 * A request becomes an operation, an operation one or more calls. Operations with something to send
 * take turns, one call each, while the limiter has room. A call that got no
 * clear answer waits a little and takes a turn again; a 429 pauses the whole index.
 * Owns:   operations from operation_new() to their answer.
 * Thread: the loop thread.
 */
#ifndef STORE_PINECONE_CALLS_H
#define STORE_PINECONE_CALLS_H

#include "store/driver.h"
#include "worker/base/http.h"
#include "worker/base/limiter.h"

#define PINECONE_TIMEOUT_MS_MAX 30000 /* protocol, point 4: no effect may come later than that */

/* Kinds of operations: enum vectors_operation, and the one that is no request's. */
#define PINECONE_STATS VECTORS_OPERATION_COUNT
#define PINECONE_KINDS (VECTORS_OPERATION_COUNT + 1)

struct pinecone {
    struct loop *loop;
    struct http *http;
    char *base_url; /* https://host, without a slash at its end */
    char *api_key;
    char *api_version;
    uint32_t dimension_count;
    struct limiter limiter;
    uint64_t timeout_ms;
    struct budget *budget;
    struct list operations; /* all that are not answered */
    struct list ready;      /* those with a call to send, in turn */
    struct later sending;   /* of the next call */
    struct timer resume;    /* waits while a 429 pauses us */
    unsigned throttled_in_row;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *arg;
};

struct operation {
    struct pinecone *pinecone;
    unsigned kind;
    struct vectors_request *request;
    struct vectors_probe *probe; /* PINECONE_STATS */
    size_t next;                 /* first chunk, or number, that no call has taken */
    uint64_t started_ms;
    struct list calls; /* all that exist */
    struct list again; /* of those: to be sent once more */
    bool has_failed;
    struct error err;
    struct later answer;
    struct list_node all, ready;
};

struct operation *operation_new(struct pinecone *pinecone, unsigned kind);
void operation_begin(struct operation *operation);
/* Its answer follows when the calls under way have ended. */
void operation_cancel(struct operation *operation, enum error_code code);
void pinecone_all_answered(struct pinecone *pinecone); /* called while closing; in pinecone.c */

#endif
