/*
 * ledger_fixture.h - a fresh database with our schema, two users and two ledgers (two workers), and
 *                    the ledger's requests as calls that wait for their answer.
 */
#ifndef TESTS_CONTRACT_LEDGER_FIXTURE_H
#define TESTS_CONTRACT_LEDGER_FIXTURE_H

#include "store/jobs.h"
#include "store/ledger.h"
#include "tests/contract/pg_cluster.h"

#define WORKERS 2
#define ALICE "a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11"
#define BOB "b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3"
#define ALICE_SCHEMA "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11"
#define NOBODY "00000000-1111-2222-3333-444444444444"
#define DIMENSIONS 3
#define WORKER_ROLE "millrace_worker"
#define APPLICATION_ROLE "back_end"

struct fixture {
    struct loop *loop;
    struct pg *pg[WORKERS];
    struct ledger *ledger[WORKERS];
    uint64_t fence; /* of the last new_fence() */
};

/* One event of one object, and what its claim said. */
struct event {
    struct tenant tenant;
    struct document document;
    char key[128];
    struct ledger_claim claim;
    bool is_done, has_failed;
    struct error err;
};

extern struct pg_cluster *cluster;

int fixture_set_up(void **state);
int fixture_set_up_shared(void **state); /* one table of chunks; vectors in Postgres */
int fixture_tear_down(void **state);
const char *sql(const char *statement);
struct ledger_options fixture_options(void);

/* A bare upload of users/<user>/<name>; version makes the job. */
struct event upload(const char *user, const char *name, const char *version);
struct event removal(const char *user, const char *name);
struct event job_event(const char *user, const char *name, struct uuid job);

struct register_call {
    struct jobs_register request;
    bool is_done, has_failed;
    struct error err;
};
/* One job over all these events' objects. */
struct register_call register_job(struct fixture *fixture, struct uuid job, struct event *events,
                                  size_t count);

void claim_start(struct fixture *fixture, int worker, struct event *event);
void claim_wait(struct fixture *fixture, struct event *event);
enum claim_verdict claim_of(struct fixture *fixture, int worker, struct event *event);
enum intend_answer intend(struct fixture *fixture, const struct event *event, uint32_t reserved);
void stage(struct fixture *fixture, const struct event *event, uint32_t no_first, uint32_t no_end);
struct ledger_finish finish_with(const struct event *event, enum document_effect effect,
                                 enum document_outcome outcome);
enum finish_answer finish_run(struct fixture *fixture, struct ledger_finish *finish);
enum finish_answer finish(struct fixture *fixture, const struct event *event,
                          enum document_effect effect, enum document_outcome outcome);
/* Claims, stages n chunks, finishes as live with this eTag. */
void process(struct fixture *fixture, struct event *event, const char *etag, uint32_t n);
struct ledger_release release(struct fixture *fixture, const struct event *event, bool is_parked);
size_t dead(struct fixture *fixture, struct uuid document, struct litter *litter, size_t max);
void swept(struct fixture *fixture, const struct litter *litter);
struct ledger_due due(struct fixture *fixture, struct due_item *items, size_t max);
void expire_leases(void);
/* Every counter derived anew; the answer is empty when all are right. */
const char *reconcile(void);

#endif
