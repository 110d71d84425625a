/*
 * beat.h - a worker's sign of life in the database: so that people see who works, what waits, and
 *          what the trouble is.
 *
 * What a beat brings back: an open item is past its time (somebody resumed or retried a job); the
 * janitor need not be waited for.
 * Owns:   its requests.
 * Thread: the loop thread.
 */
#ifndef WORKER_BEAT_H
#define WORKER_BEAT_H

#include "worker/conductor.h"
#include "worker/pipeline.h"

struct pg;
struct beat;

struct beat *beat_start(struct pg *pg, struct pipeline *pipeline, struct conductor *conductor);
void beat_stop(struct beat *beat); /* the row goes, unless the database is away */
void beat_free(struct beat *beat); /* NULL is allowed; requests under way end by themselves */

#endif
