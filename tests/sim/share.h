/*
 * share.h - one worker with many tenants, on virtual time: who waits how long for whom?
 *
 * The worker's own intake, conductor and tasks over services that cost what the real ones cost, as
 * far as tenants can get into each other's way there: a reader that takes its time for each record,
 * a database that runs one batched statement after the other (and beside them those that go ahead),
 * a bucket that is slow by document.
 * The bucket says that nothing has changed: so all that a document takes is one look at it, which
 * stands for its reading, embedding and storing.
 * Everything random comes out of the seed.
 * Owns:   all of it.
 */
#ifndef TESTS_SIM_SHARE_H
#define TESTS_SIM_SHARE_H

#include "worker/base/rng.h"
#include "worker/conductor.h"
#include "worker/model/tenant.h"

#define SHARE_TENANTS_MAX 64
#define SHARE_READ_US 10  /* a record, from the broker to its place in a queue */
#define SHARE_CLAIM_US 25 /* a row of a statement */
#define SHARE_FINISH_US 60
#define SHARE_STATEMENT_US 2000

struct share_tenant {
    struct tenant tenant;
    uint64_t work_ms_min, work_ms_max; /* of a document in its seat */
    uint64_t size_bytes;               /* of one */
    bool is_replayed;                  /* all of its documents have been done before */
};

struct upload { /* a record of the topic */
    uint16_t tenant;
    bool is_settled;
    uint64_t made_ms, settled_ms;
};

struct share {
    struct rng rng;
    struct loop *loop;
    struct pipeline pipeline;
    struct conductor *conductor;
    struct queue *queue;
    struct ledger *ledger;
    struct objects *objects;
    struct share_tenant tenants[SHARE_TENANTS_MAX];
    struct upload *topic; /* one partition */
    size_t topic_max, topic_count, read_count;
    size_t settled_count[SHARE_TENANTS_MAX];
};

struct share *share_new(uint64_t seed, const struct pipeline_limits *limits, size_t uploads_max);
void share_upload(struct share *share, unsigned tenant);
void share_run(struct share *share, uint64_t ms);
void share_free(struct share *share); /* drains */

/* ---- share_services.c ------------------------------------------------------------------------ */

void share_services_open(struct share *share);
void share_services_start(struct share *share, struct queue_events events);
void share_services_close(struct share *share); /* the conductor has drained */

#endif
