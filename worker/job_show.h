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
/* The list: newest first. */
struct job_filter {
    const struct uuid *user;     /* NULL: of everybody */
    struct text state;           /* a status, "open" or "paused"; or none */
    uint64_t older_ms, newer_ms; /* made so long ago at least, at most; 0: any */
    uint32_t row_max;            /* 0: what suits people, or programs */
};
bool job_list(struct app *app, const struct job_filter *filter, bool is_json,
              struct error *err) MUST_CHECK;
/* Again each second until a signal comes; on a terminal in place. A database that is away is waited
 * for. */
bool job_list_watch(struct app *app, const struct job_filter *filter, bool is_json,
                    struct error *err) MUST_CHECK;

#endif
