/*
 * task.h - one event carried through the pipeline.
 *
 * Owns:   its lease, body and flow. Borrows its object and arrival until on_ended.
 * Thread: the loop thread.
 */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include "worker/intake.h"
#include "worker/route.h"
#include "worker/seats.h"

struct task;

enum task_end {
    TASK_FINAL,       /* its event has reached its end: outcome */
    TASK_DEAD_LETTER, /* it can never become a document: err */
    TASK_AGAIN,       /* it comes back: err, delay_ms */
};

struct task_verdict {
    enum task_end end;
    enum event_outcome outcome; /* TASK_FINAL */
    uint64_t delay_ms;          /* TASK_AGAIN */
    bool is_failure;            /* TASK_AGAIN: counts as an attempt */
    struct error err;
    bool leaves_litter; /* a dead generation may be swept now */
};

/* What a task asks of the conductor. None is called from inside task_start(). */
struct task_events {
    void *arg;
    void (*on_claimed)(void *arg, struct task *task, bool is_go); /* for the width of the door */
    /* It holds a lease and wants one of the seats (alone: all of them); task_sit() answers. */
    void (*on_seat_wanted)(void *arg, struct task *task, bool is_alone);
    void (*on_body)(void *arg, struct task *task,
                    uint64_t body_bytes); /* what it really reserves */
    void (*on_ended)(void *arg, struct task *task,
                     const struct task_verdict *verdict); /* task is gone after it */
};

struct task *task_start(struct pipeline *pipeline, struct route *route, struct object *object,
                        const struct task_events *events);
void task_sit(struct task *task);
void task_pulse(struct task *task);  /* renews its lease, if it holds one */
void task_cancel(struct task *task); /* shutdown: gives the lease back as soon as it can */
struct arrival *task_arrival(const struct task *task);
struct seat *task_seat(struct task *task); /* the conductor's */
struct task *task_of_traveller(struct traveller *traveller);

#endif
