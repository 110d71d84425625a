/*
 * job_show.h - a job for people: what became of it; and the list of jobs.
 *
 * Results go to stdout, with is_json one object a line.
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_JOB_SHOW_H
#define WORKER_JOB_SHOW_H

#include "worker/cmd_ask.h"
#include "worker/term.h"

struct job_view {
    struct app *app;
    struct uuid job;
    bool is_json;
};

/* The job, then its documents: failed ones with what to do; JSON: all of them. ERR_NOT_FOUND. */
bool job_show(const struct job_view *view, struct error *err) MUST_CHECK;
/* The list: newest first, of one user if it is not NULL. */
bool job_list(struct app *app, const struct uuid *user, bool is_json, struct error *err) MUST_CHECK;
/* Again each second until a signal comes; on a terminal in place. */
bool job_list_watch(struct app *app, const struct uuid *user, bool is_json,
                    struct error *err) MUST_CHECK;

#endif
