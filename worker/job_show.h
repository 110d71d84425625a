/*
 * job_show.h - a job for people: what became of it, and its bar while it runs.
 *
 * Results go to stdout (with is_json one object a line), the bar to stderr.
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
/* Draws the bar until the job is final or a signal comes (*ret_is_final false). A database that is
 * away for a while is waited for. ERR_NOT_FOUND. */
struct job_end {
    bool is_final, has_failures;
};
bool job_watch(const struct job_view *view, struct job_end *ret_end, struct error *err) MUST_CHECK;

/* The list: newest first, of one user if it is not NULL. */
bool job_list(struct app *app, const struct uuid *user, bool is_json, struct error *err) MUST_CHECK;
/* Again each second until a signal comes; on a terminal in place. */
bool job_list_watch(struct app *app, const struct uuid *user, bool is_json,
                    struct error *err) MUST_CHECK;

#endif
