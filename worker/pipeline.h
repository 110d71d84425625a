/*
 * pipeline.h - what the files of the pipeline share: the services, the limits, the bounded pools.
 *
 * Only task.c, flow.c and control.c call services through it; intake.c and conductor.c use the
 * limits and the queue.
 * Owns:   nothing but its counters; the services belong to app.c.
 * Thread: the loop thread.
 */
#ifndef WORKER_PIPELINE_H
#define WORKER_PIPELINE_H

#include "chunker/chunker.h"
#include "extract/extract.h"
#include "worker/base/loop.h"

#define TASKS_MAX_DEFAULT 64
/* Claims under way at once, when nearly all of them answer "done": two batches with the server, and
 * one that waits for it. */
#define CLAIMS_MAX 9216
#define SLAB_CHUNKS_MAX 64

struct budget;
struct queue;
struct topic;
struct objects;
struct embed;
struct vectors;
struct ledger;
struct slabs;

struct pipeline_limits {
    uint32_t tasks_max;         /* documents in work at once */
    uint64_t bytes_max;         /* of their bodies; one larger than that runs alone */
    uint32_t waiting_max;       /* parsed events */
    uint64_t waiting_bytes_max; /* of the messages they came in */
    uint32_t slabs_max;         /* >= tasks_max: each task owns at least one */
    uint64_t spool_bytes_max;   /* page texts between extraction and chunker, all tasks together */
    uint64_t extracted_text_bytes_max; /* of a document's text kept for documents.extracted_text */
    uint64_t drain_ms;                 /* how long tasks may still run after the door was closed */
    uint64_t tenant_wait_ms; /* an event of an unknown tenant waits so long for the sign-up */
    uint64_t embed_wait_ms;  /* how long a slab waits in the embedding lane */
};

struct pipeline {
    struct loop *loop;
    struct queue *queue;
    struct topic *mirror;     /* for copies of dead letters; NULL: none */
    struct text mirror_topic; /* NUL-terminated */
    struct objects *objects;
    struct extract *extract;
    struct embed *embed;
    struct vectors *vectors;
    struct ledger *ledger;
    struct budget *budget; /* of documents tried again; NULL: no bounds */
    struct pipeline_limits limits;
    struct chunker_options chunking;
    struct extract_limits extraction;
    const struct text *buckets; /* S3_BUCKET: the allow-list */
    size_t bucket_count;
    uint32_t dimension_count;
    double token_price; /* of a million tokens of the embedding endpoint; 0: not told */
    struct slabs *slabs;
    uint64_t spool_bytes; /* in use */
    struct error trouble; /* why a task left last, to come again; for people */
    uint64_t trouble_ms;  /* loop time; 0: never */
};

#endif
