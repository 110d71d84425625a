/*
 * conductor.h - the door, the pulse and the end of work.
 *
 * A waiting event becomes a task while seats and bytes are left; a task whose object is larger than
 * all bytes, or that has lost several attempts, runs alone. Leases of all tasks are renewed by one
 * pulse.
 * Owns:   intake, tasks and janitor.
 * Thread: the loop thread.
 */
#ifndef WORKER_CONDUCTOR_H
#define WORKER_CONDUCTOR_H

#include "worker/intake.h"
#include "worker/pipeline.h"

struct conductor;
struct conductor_figures {
    size_t waiting, tasks, seated;
    uint64_t reserved_bytes;
};

/* on_fatal: of the queue; the process must end. */
struct conductor *conductor_new(struct pipeline *pipeline,
                                void (*on_fatal)(void *arg, const struct error *err), void *arg);
/* For queue_open(): before it, since messages need somebody to take them. */
struct queue_events conductor_queue_events(struct conductor *conductor);
void conductor_start(struct conductor *conductor); /* pipeline->queue is open: lets messages in */
/* Closes the door and gives what waits back; tasks may run on for drain_ms, are cancelled then.
 * is_complete false: some have not even answered their cancelling; the process should end all the
 * same (killing it is always safe). */
void conductor_drain(struct conductor *conductor, void (*on_drained)(void *arg, bool is_complete),
                     void *arg);
void conductor_hurry(struct conductor *conductor);        /* the second signal: cancels at once */
void conductor_look_for_due(struct conductor *conductor); /* open items past their time */
struct conductor_figures conductor_figures(const struct conductor *conductor);
void conductor_free(struct conductor *conductor); /* drained completely; NULL is allowed */

#endif
