/*
 * task_private.h - the inside of a task, for task.c (the story) and task_end.c (how a stage ends).
 */
#ifndef WORKER_TASK_PRIVATE_H
#define WORKER_TASK_PRIVATE_H

#include "queue/object.h"
#include "worker/flow.h"
#include "worker/journal.h"
#include "worker/outcome.h"
#include "worker/retry.h"
#include "worker/task.h"

struct step {
    enum stage stage;
    void (*start)(struct task *task);
};

extern const struct step TASK_FINISH[]; /* the last row of every table, alone */

struct task {
    struct traveller traveller;
    struct pipeline *pipeline;
    struct route *route;
    const struct task_events *events;
    struct object *object;
    struct arrival *arrival;
    const struct step *step; /* where it is in its table */
    struct tenant tenant;
    struct lease lease;
    struct ledger_claim claim;
    struct object_request get;
    struct flow *flow;
    struct conclusion conclusion; /* what FINISH shall write */
    struct ledger_finish finish;
    struct ledger_release release;
    struct task_verdict verdict;
    struct seat seat;
    uint64_t claimed_ms;
    bool is_cancelled, is_fetching;
    bool is_stopped; /* while it waited or was fetched: stop_code says why */
    enum error_code stop_code;
};

struct journal task_journal(const struct task *task);

/* A stage ends in one of these ways; the task may be gone after each of them. */
void task_enter(struct task *task, const struct step *step);
void task_go_on(struct task *task); /* the next row of its table */
/* What FINISH shall write. */
void task_conclude(struct task *task, enum document_effect effect, enum document_outcome outcome);
void task_conclude_because(struct task *task, enum document_effect effect,
                           enum document_outcome outcome, const struct error *err);
/* What the error means is a column of error.def: come again, or end for good. */
void task_fail(struct task *task, const struct error *err);
/* Gives the lease back, to come again, or to wait in the item's row. */
void task_leave(struct task *task, const struct error *err, struct retry retry, bool is_failure);
/* No work any more: what is in the bucket decides what stays in place. */
void task_dismiss(struct task *task, enum error_code code, enum document_outcome outcome);
/* Without a trace in the database. */
void task_end(struct task *task, enum task_end how);
void task_end_final(struct task *task, enum event_outcome outcome);
void task_end_again(struct task *task, uint64_t delay_ms, bool is_failure);
/* The database did not answer the claim: to come again. */
void task_end_unclaimed(struct task *task, const struct error *err);
/* A newest version that fails for good keeps no vectors; but the very bytes that are live stay. */
enum document_effect task_effect_of_failure(const struct task *task);

#endif
