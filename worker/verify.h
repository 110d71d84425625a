/*
 * verify.h - compares what the bucket, the tables and the vector store hold of a tenant. Read-only.
 *
 * Everything goes by pages, so that memory does not grow with a tenant. Work under way is no fault:
 * what looks wrong is looked at again by itself before it is told. An object whose event has not
 * come yet is a hole all the same, unless it is young.
 * Owns:   nothing; runs the loop until each answer is there.
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_VERIFY_H
#define WORKER_VERIFY_H

#include "store/inspect.h"
#include "store/vectors.h"
#include "worker/app.h"
#include "worker/model/tenant.h"

#define VERIFY_FAULTS_MAX 1000 /* told of one tenant and place; the others are counted */
#define VERIFY_YOUNG_MS 60000  /* usually */

struct fault {
    struct text kind;  /* counter, orphan, hole, stale, wrong_tenant */
    const char *place; /* database, bucket, vectors */
    bool has_tenant;
    struct uuid tenant;
    struct text subject; /* an id, a key, a name */
    struct text message;
};

struct verify {
    struct app *app;
    uint64_t young_ms; /* objects changed later than that are not judged */
    void (*on_fault)(struct verify *verify, const struct fault *fault); /* valid for the call */
    /* out */
    uint64_t fault_count;
    uint64_t tenant_count, object_count, vector_count;
    uint64_t open_count;  /* objects whose document is being worked on: not judged */
    uint32_t told_here;   /* private: of VERIFY_FAULTS_MAX */
    const char *place;    /* private: of the last fault */
    struct uuid told_for; /* private */
};

bool verify_tenant(struct verify *verify, const struct tenant *tenant,
                   struct error *err) MUST_CHECK;
/* What belongs to no tenant: rows, schemas, namespaces. */
bool verify_strays(struct verify *verify, struct error *err) MUST_CHECK;

/* For the parts, verify_*.c: */
bool verify_bucket(struct verify *verify, const struct tenant *tenant, struct text bucket,
                   struct error *err) MUST_CHECK;
bool verify_vectors(struct verify *verify, const struct tenant *tenant,
                    struct error *err) MUST_CHECK;
/* Runs a question; on_rows is called once, unless it fails. */
bool verify_ask(struct verify *verify, struct inspect *inspect,
                void (*on_rows)(void *arg, const struct pg_result *rows), void *arg,
                struct error *err) MUST_CHECK;
void verify_say(struct verify *verify, const struct fault *fault);
/* The same with a format for the message. */
void verify_tell(struct verify *verify, struct fault fault, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
