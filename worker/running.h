/*
 * running.h - a running worker: conductor and consumer on the services of an app.
 *
 * `work` and `dev` run the same; only their configuration differs.
 * Thread: the loop thread.
 */
#ifndef WORKER_RUNNING_H
#define WORKER_RUNNING_H

#include "queue/queue.h"
#include "worker/app.h"
#include "worker/conductor.h"

struct running;
struct running_events {
    void *arg;
    void (*on_fatal)(void *arg,
                     const struct error *err);       /* it should be stopped, the process ends */
    void (*on_stopped)(void *arg, bool is_complete); /* after running_stop() */
};

struct running *running_start(struct app *app, const struct queue_options *options,
                              struct running_events events, struct error *err) MUST_CHECK;
void running_stop(struct running *running);           /* drains, leaves the group; again: hurries */
bool running_is_ready(const struct running *running); /* has joined the group once, not draining */
struct queue_figures running_queue_figures(const struct running *running);
struct conductor_figures running_figures(const struct running *running);
void running_free(struct running *running); /* stopped; NULL is allowed */

#endif
