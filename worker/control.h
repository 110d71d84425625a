/*
 * control.h - the janitor: sweeps litter out of the vector store, runs open items past their time.
 *
 * A sweep follows each finish that left a dead generation; every JANITOR_MS the rest is looked for
 * (crashed attempts, ambiguous requests, parked items, items no event came for). All of it may run
 * in any number of workers at once.
 * Owns:   its sweeps.
 * Thread: the loop thread.
 */
#ifndef WORKER_CONTROL_H
#define WORKER_CONTROL_H

#include "worker/intake.h"
#include "worker/pipeline.h"

#define JANITOR_MS 15000

struct control;
struct control *control_new(struct pipeline *pipeline, struct intake *intake);
void control_start(struct control *control);
void control_look_for_due(struct control *control);                /* now */
void control_sweep(struct control *control, struct uuid document); /* soon */
void control_stop(struct control *control);                        /* starts nothing more */
/* Once stopped: gives up the deletions under way; the next janitor repeats them. */
void control_cancel(struct control *control);
bool control_is_idle(const struct control *control);
void control_free(struct control *control); /* stopped and idle */

#endif
